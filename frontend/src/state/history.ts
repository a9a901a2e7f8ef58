/** Undo and redo over immutable values. */

export interface History<T> {
  readonly past: readonly Step<T>[];
  readonly present: T;
  readonly future: readonly Step<T>[];
}

/** An earlier or later value, and the name of the step that leads away from it (in `future`: to it). */
export interface Step<T> {
  readonly value: T;
  readonly name: string;
}

/** Steps that can be undone. */
const MAX_STEPS = 100;

export function begin<T>(present: T): History<T> {
  return { past: [], present, future: [] };
}

/** Sets a new present that can be undone; `name` says what the step did. */
export function step<T>(history: History<T>, present: T, name = ""): History<T> {
  if (present === history.present) return history;
  const past = [...history.past, { value: history.present, name }].slice(-MAX_STEPS);
  return { past, present, future: [] };
}

/** Sets a new present that undo skips. */
export function replace<T>(history: History<T>, present: T): History<T> {
  return { ...history, present };
}

export function undo<T>(history: History<T>): History<T> {
  const last = history.past.at(-1);
  if (last === undefined) return history;
  const future = [{ value: history.present, name: last.name }, ...history.future];
  return { past: history.past.slice(0, -1), present: last.value, future };
}

export function redo<T>(history: History<T>): History<T> {
  const [next, ...future] = history.future;
  if (next === undefined) return history;
  const past = [...history.past, { value: history.present, name: next.name }];
  return { past, present: next.value, future };
}
