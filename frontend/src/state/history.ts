/** Undo and redo over immutable values. */

export interface History<T> {
  readonly past: readonly Step<T>[];
  readonly present: T;
  readonly future: readonly Step<T>[];
}

/** A value that can be gone back to, and what the step away from it (in the future: to it) did. */
export interface Step<T> {
  readonly value: T;
  readonly name: string;
}

const KEPT_STEPS = 100;

export function begin<T>(present: T): History<T> {
  return { past: [], present, future: [] };
}

/** A new present that can be taken back; `name` says what made it. */
export function step<T>(history: History<T>, present: T, name = ""): History<T> {
  if (present === history.present) return history;
  const past = [...history.past, { value: history.present, name }].slice(-KEPT_STEPS);
  return { past, present, future: [] };
}

/** A new present that undo passes over. */
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
