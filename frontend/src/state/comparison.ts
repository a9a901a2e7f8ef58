/** Two passes: makes the changes that the user wants, finds the baseline, and learns which tokens correspond. */

import { createSignal } from "solid-js";
import type { Source } from "../source/source";
import type { Edit, Request, TraceMessage } from "../wire/messages";
import { canonical, muteChanges, subjectOf } from "./changes";
import { baselineName } from "./hash";
import { type Input, inputOfTrace, requestOf } from "./input";
import { fitted } from "./reduce";
import { RequestSlot, runRequest } from "./request";
import {
  type Alignment,
  type AppState,
  type BaselineKind,
  type Change,
  type Comparison,
  currentPass,
  editsMade,
  type Field,
  passShown,
} from "./state";
import type { createTimeline } from "./timeline";
import type { WorkTracker } from "./work";

/** How long the hand must rest before a change is made. */
export const REST_MS = 120;

/** What to compare the current pass with. */
export type BaselineChoice =
  | { readonly kind: "unchanged" | "kept" }
  | { readonly kind: "prompt"; readonly input: Input }
  | { readonly kind: "model"; readonly model: string }
  | { readonly kind: BaselineKind; readonly trace: TraceMessage };

/** What an address says about changes and their baseline. */
export interface Wanted {
  /** Null for those of the pass. */
  readonly changes: readonly Change[] | null;
  readonly baseline: string | null;
  readonly field: Field;
}

export interface ComparisonParts {
  readonly source: Source;
  readonly work: WorkTracker;
  readonly timeline: ReturnType<typeof createTimeline>;
  /** Loads what the views show of the passes that are now there. */
  readonly onPasses: () => void;
}

export function createComparison({ source, work, timeline, onPasses }: ComparisonParts) {
  const { state, dispatch } = timeline;
  const [pending, setPending] = createSignal(false);
  const alignments = new RequestSlot();
  /** The edits that each pass was asked for; a trace names tokens by index, a change may name them by word. */
  const askedOf = new Map<string, string>();
  /** The subject that was changed last. */
  let lastSubject: string | null = null;
  let rest: ReturnType<typeof setTimeout> | undefined;

  const writtenOf = (edits: readonly Edit[]): string => JSON.stringify(edits.map(canonical));
  const madeIn = (pass: TraceMessage): string => askedOf.get(pass.trace) ?? writtenOf(pass.edits ?? []);

  /** Whether the current pass has the edits that are wanted. */
  function upToDate(): boolean {
    const pass = currentPass(state());
    return pass === null || madeIn(pass) === writtenOf(editsMade(state().changes));
  }

  /** Sets the list of changes. They are made once the hand rests; `name` names the step of undo. */
  function change(changes: readonly Change[], name: string): void {
    const before = new Set(state().changes);
    const made = changes.find((one) => !before.has(one));
    if (made !== undefined) lastSubject = subjectOf(made.edit);
    dispatch({ type: "changes", changes, name });
  }

  /** Mutes the change that was made last, or makes it again. */
  function muteLast(): void {
    const { changes } = state();
    const last = changes.find(({ edit }) => subjectOf(edit) === lastSubject) ?? changes.at(-1);
    if (last === undefined) return;
    change(muteChanges(changes, [last.edit], !last.muted), last.muted ? "unmute a change" : "mute a change");
  }

  /** Makes the changes soon. */
  function follow(delay = REST_MS): void {
    clearTimeout(rest);
    if (upToDate()) {
      work.abort("change");
      setPending(false);
      return;
    }
    setPending(true);
    rest = setTimeout(() => void make(), delay);
  }

  async function make(): Promise<void> {
    const before = state();
    const pass = currentPass(before);
    if (pass === null) return;
    const edits = editsMade(before.changes);
    const same = () => currentPass(state())?.trace === pass.trace;
    const baseline = await baselineFor(before, pass);
    const current = baseline === null ? null : await passWith(pass, edits);
    if (!same() || writtenOf(editsMade(state().changes)) !== writtenOf(edits)) return;
    setPending(false);
    if (baseline === null || current === null) return giveUp(pass);
    askedOf.set(current.trace, writtenOf(edits));
    const own = before.comparison;
    const kept = own !== null && own.kind !== "unchanged";
    if (!kept && edits.length === 0) return end(baseline);
    const comparison: Comparison = kept
      ? // The tokens are the same as before, so they still correspond to the same ones.
        { ...own, current, alignment: own.alignment && { ...own.alignment, trace: current.trace } }
      : { kind: "unchanged", baseline, current, alignment: null };
    // The first change shows its pass at once; later ones stay with the field that is on show.
    show(comparison, own === null ? "after" : state().field);
  }

  /** The pass that changes are compared with, unless another baseline was chosen: the same input without any. */
  async function baselineFor({ comparison }: AppState, pass: TraceMessage): Promise<TraceMessage | null> {
    if (comparison !== null) return comparison.baseline;
    return (pass.edits ?? []).length === 0 ? pass : passWith(pass, []);
  }

  async function passWith(pass: TraceMessage, edits: readonly Edit[]): Promise<TraceMessage | null> {
    const request: Request = { type: "run", trace: pass.trace, edits };
    const made = await work.ask("change", request, "trace", "Running with the changes");
    return made === null ? null : withCommonParts(made, pass);
  }

  /** Mutes the changes that could not be made, so that the list says what the pass on show has. */
  function giveUp(pass: TraceMessage): void {
    const made = new Set(JSON.parse(madeIn(pass)) as string[]);
    const changes = state().changes.map((one) =>
      one.muted || made.has(canonical(one.edit)) ? one : { ...one, muted: true },
    );
    timeline.replace({ ...state(), changes });
  }

  function show(comparison: Comparison, field: Field): void {
    dispatch({ type: "compared", comparison: aligned(comparison), field });
    passesChanged();
  }

  function end(pass: TraceMessage): void {
    dispatch({ type: "compared", comparison: null, only: pass });
    passesChanged();
  }

  function passesChanged(): void {
    void align();
    onPasses();
  }

  /** Passes of the same input correspond token by token. */
  function aligned(comparison: Comparison): Comparison {
    const { kind, baseline, current } = comparison;
    if (comparison.alignment !== null || (kind !== "unchanged" && kind !== "kept")) return comparison;
    return sameTokens(baseline, current)
      ? { ...comparison, alignment: identity(current, baseline) }
      : comparison;
  }

  /** Asks which tokens, layers and heads of the two passes correspond. */
  async function align(): Promise<void> {
    const { comparison } = state();
    if (comparison === null || comparison.alignment !== null) return;
    const request: Request = {
      ...{ type: "align", trace: comparison.current.trace, baseline: comparison.baseline.trace },
    };
    const ending = await runRequest(source, request, "align", { signal: alignments.next(), first: true });
    if (ending.kind === "failed") {
      work.fail(ending.error);
      // Passes that have nothing in common cannot be compared.
      if (state().comparison === comparison) end(comparison.current);
    } else if (ending.kind === "answered" && ending.message !== null) {
      const before = state();
      timeline.dispatch({ type: "aligned", alignment: ending.message });
      if (state() !== before) onPasses();
    }
  }

  /** Compares the current pass with another baseline, and shows a field of both; null ends the comparison. */
  async function compareWith(choice: BaselineChoice | null, field?: Field): Promise<void> {
    const current = currentPass(state());
    if (current === null) return;
    if (choice === null) {
      dispatch({ type: "compared", comparison: null, step: true });
      return passesChanged();
    }
    work.onRetry(() => void compareWith(choice, field));
    const baseline = await passOf(choice, current);
    if (baseline === null || currentPass(state())?.trace !== current.trace) return;
    const comparison = aligned({ kind: choice.kind, baseline, current, alignment: null });
    dispatch({
      type: "compared",
      comparison,
      field: field ?? (choice.kind === "kept" ? "after" : "difference"),
      step: true,
    });
    passesChanged();
  }

  /** Compares two passes that are there already, such as continuations of the passes that were compared. */
  function comparePasses(
    { baseline, current }: Pick<Comparison, "baseline" | "current">,
    field: Field,
  ): void {
    // The wanted changes may name by word what the edits of a pass name by index.
    if (upToDate()) askedOf.set(current.trace, writtenOf(editsMade(state().changes)));
    const comparison = aligned({ kind: "kept", baseline, current, alignment: null });
    dispatch({ type: "compared", comparison, field, step: true });
    passesChanged();
  }

  /** Compares the current pass with a trace that the host has, by its id; null ends the comparison. */
  async function compareWithId(id: string | null, field: Field): Promise<void> {
    const current = currentPass(state());
    if (id === null || current === null) return compareWith(null);
    const baseline = await work.ask("change", { type: "trace", trace: id }, "trace", "Loading the baseline");
    if (baseline === null || currentPass(state())?.trace !== current.trace) return;
    await compareWith({ kind: kindBetween(current, baseline), trace: baseline }, field);
  }

  async function passOf(choice: BaselineChoice, current: TraceMessage): Promise<TraceMessage | null> {
    const asked = "Running the baseline";
    if ("trace" in choice) return choice.trace;
    switch (choice.kind) {
      case "kept":
        return current;
      case "unchanged":
        return work.ask("change", { type: "run", trace: current.trace, edits: [] }, "trace", asked);
      case "prompt":
        return work.ask("change", requestOf(choice.input), "trace", asked);
      case "model": {
        const input = inputOfTrace(current);
        if (input === null) return null;
        return work.ask("change", requestOf({ ...input, model: choice.model }), "trace", asked);
      }
    }
  }

  /** Shows the passes that an address describes, without a step of undo, as long as `still` holds. */
  async function restore(wanted: Wanted, still: () => boolean): Promise<void> {
    const before = state();
    const pass = currentPass(before);
    if (pass === null) return;
    const changes = wanted.changes ?? before.changes;
    const edits = editsMade(changes);
    const same = wanted.changes === null || madeIn(pass) === writtenOf(edits);
    const changed = wanted.changes !== null && edits.length > 0 && pass.model.name !== null;
    const name = wanted.baseline ?? (changed ? "unchanged" : null);
    const own = before.comparison === null ? null : baselineName(before.comparison);
    work.onRetry(() => void restore(wanted, still));
    const current = same ? pass : await passWith(pass, edits);
    const found =
      current === null || name === null
        ? null
        : own === name
          ? (before.comparison?.baseline ?? null)
          : await baselineNamed(name, current);
    if (!still() || currentPass(state())?.trace !== pass.trace) return;
    if (current === null) {
      timeline.replace({ ...state(), changes });
      return giveUp(pass);
    }
    if (!same || wanted.changes !== null) askedOf.set(current.trace, writtenOf(edits));
    const comparison =
      found === null || name === null
        ? null
        : aligned({ kind: kindOf(name, current, found), baseline: found, current, alignment: null });
    const field = comparison === null ? "after" : wanted.field;
    const trace = comparison === null ? current : passShown(comparison, field);
    timeline.replace(fitted({ ...state(), trace, comparison, field, changes }));
    passesChanged();
  }

  /** The pass that an address calls its baseline; null if it is not there. */
  async function baselineNamed(name: string, current: TraceMessage): Promise<TraceMessage | null> {
    const input = inputOfTrace(current);
    const kind = kindNamed(name);
    if (kind === "unchanged") return (current.edits ?? []).length === 0 ? current : passOf({ kind }, current);
    if (kind === "model") return passOf({ kind, model: name.slice("model:".length) }, current);
    if (kind === "prompt")
      return input === null
        ? null
        : passOf({ kind, input: { ...input, text: name.slice("prompt:".length), messages: null } }, current);
    return work.ask("change", { type: "trace", trace: name }, "trace", "Loading the baseline");
  }

  /** After undo and redo: runs what a state wants if it was left before its pass had arrived. */
  function travelled(): void {
    work.abort("change");
    void align();
    follow(0);
  }

  return {
    change,
    muteLast,
    follow,
    compareWith,
    compareWithId,
    comparePasses,
    restore,
    travelled,
    /** Whether changes are wanted that the current pass does not have yet. */
    pending,
    close: () => {
      clearTimeout(rest);
      alignments.abort();
    },
  };
}

/** What another baseline is called in the switch. */
export const KIND_WORDS: Readonly<Record<BaselineKind, string>> = {
  unchanged: "the model as it is",
  prompt: "another prompt",
  model: "another model",
  saved: "a saved trace",
  kept: "the pass kept",
};

function kindNamed(name: string): "unchanged" | "model" | "prompt" | null {
  if (name === "unchanged") return name;
  if (name.startsWith("model:")) return "model";
  return name.startsWith("prompt:") ? "prompt" : null;
}

/** What a baseline is to the current pass: as it is named, or, for the id of a trace, judged by the two. */
function kindOf(name: string, current: TraceMessage, baseline: TraceMessage): BaselineKind {
  return kindNamed(name) ?? kindBetween(current, baseline);
}

function kindBetween(current: TraceMessage, baseline: TraceMessage): BaselineKind {
  if (current.model.title !== baseline.model.title) return "model";
  if (!sameTokens(current, baseline)) return "prompt";
  return (baseline.edits ?? []).length === 0 ? "unchanged" : "saved";
}

function sameTokens(a: TraceMessage, b: TraceMessage): boolean {
  const ids = (trace: TraceMessage) =>
    JSON.stringify(Object.entries(trace.tokens).map(([side, all]) => [side, all.map(({ id }) => id)]));
  return a.model.title === b.model.title && ids(a) === ids(b);
}

/** A pass with the tokens and stacks of another one where these are equal, so that views of them need no change. */
function withCommonParts(pass: TraceMessage, like: TraceMessage): TraceMessage {
  const equal = (part: "tokens" | "stacks") => JSON.stringify(pass[part]) === JSON.stringify(like[part]);
  return {
    ...pass,
    tokens: equal("tokens") ? like.tokens : pass.tokens,
    stacks: equal("stacks") ? like.stacks : pass.stacks,
  };
}

/** The alignment of two passes of one model over the same tokens. */
function identity(current: TraceMessage, baseline: TraceMessage): Alignment {
  return {
    ...{ trace: current.trace, baseline: baseline.trace, identical: true, substituted: [], notes: [] },
    sides: Object.fromEntries(
      Object.entries(current.tokens).map(([side, tokens]) => [side, tokens.map((_, index) => index)]),
    ),
    stacks: Object.fromEntries(
      Object.entries(current.stacks).map(([name, { layers, shapes }]) => [
        name,
        { layers, note: null, heads: shapes.map((shape) => shape?.heads ?? 0) },
      ]),
    ),
  };
}
