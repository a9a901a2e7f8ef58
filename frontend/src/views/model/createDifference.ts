/** What the model view needs to draw the difference of two passes: its scale, what is equal, and the tokens beside each other. */

import { type Accessor, createMemo } from "solid-js";
import { edgeRows } from "../../compute/edgeRows";
import { type HeadValue, Measured } from "../../compute/measures";
import type { Thumbnails } from "../../compute/thumbnails";
import { type EditMarks, editMarks, type HeadMark } from "../../state/editMarks";
import { sentenceOf } from "../../state/failure";
import { differenceName } from "../../state/fieldNames";
import type { Session } from "../../state/session";
import { type AppState, edgeBeside, editsMade, type HeadPlace, type Pair } from "../../state/state";
import type { EdgeMessage } from "../../wire/messages";
import { type Counterparts, counterpartsOf } from "../shared/counterparts";
import { largestDifference } from "./differenceStyle";
import type { Rules } from "./thumbnailStyle";

export function createDifference(
  session: Session,
  layers: Accessor<ReadonlyMap<number, Thumbnails>>,
  rules: Accessor<Rules>,
) {
  const state = session.state;
  /** The comparison whose difference is on show; null for the numbers of a single pass. */
  const comparison = createMemo(() => (state().field === "difference" ? state().comparison : null));
  /** What is subtracted from what: `after − before`. */
  const name = () => {
    const now = comparison();
    return now === null ? "" : differenceName(now);
  };
  const stackName = () => state().selection.stack;
  const aligned = createMemo(() => comparison()?.alignment?.stacks[stackName()] ?? null);
  /** The |difference| with full color in all heads; null if weights are drawn. */
  const full = createMemo(() =>
    comparison() === null ? null : largestDifference(layers().values(), rules()),
  );
  /** Layers that have a difference, and those of them in which no weight differs. */
  const unchanged = createMemo(() => {
    const known = [...layers()].filter(([, { difference }]) => difference !== null);
    return {
      known: known.length,
      layers: known.flatMap(([layer, { difference }]) => (difference?.unchanged ? [layer] : [])),
    };
  });
  const counterparts = createMemo((): Counterparts | null => {
    const now = comparison();
    const stack = now?.current.stacks[stackName()];
    if (now?.alignment == null || stack === undefined) return null;
    const { alignment, baseline } = now;
    const side = (name: string) => counterpartsOf(alignment.sides[name] ?? [], baseline.tokens[name] ?? []);
    return { query: side(stack.query), key: side(stack.key) };
  });

  /** The measures of the baseline, once they are there. */
  const measured = createMemo((): Measured | null => {
    const now = comparison();
    const beside = session.overviewBeside();
    const fits = beside?.trace === now?.baseline.trace && beside?.stack === stackName();
    if (now === null || beside?.arrival !== "whole" || !fits) return null;
    try {
      return new Measured(beside.layers.values());
    } catch (error) {
      session.fail(sentenceOf(error));
      return null;
    }
  });
  /** Whether the measures of the baseline may still arrive. */
  const measuresComing = () => {
    const beside = session.overviewBeside();
    const asked = beside?.trace === comparison()?.baseline.trace && beside?.stack === stackName();
    return comparison() !== null && (!asked || beside?.arrival === "coming");
  };
  const headsAligned = createMemo(() => aligned()?.heads ?? []);

  /** The weights of an edge of the shown pass in the baseline; null until they are there. */
  const edgeBefore = (edge: Pair, offSink: boolean): HeadValue | null => {
    const now = comparison();
    const place = edgeBeside(state(), edge);
    const message = session.edgeBeside();
    if (now === null || place === null || message === null) return null;
    const { trace, stack, query, key } = message;
    const fits = trace === now.baseline.trace && stack === stackName();
    if (!fits || query !== place.query || key !== place.key) return null;
    try {
      return edgeValues(message, offSink);
    } catch (error) {
      session.fail(sentenceOf(error));
      return null;
    }
  };

  const shownEdits = createMemo(() => editsOnShow(state()));
  const marks = createMemo(() => {
    const stack = stackName();
    const known = new Map<number, EditMarks>();
    const edits = shownEdits();
    return (layer: number): EditMarks => {
      const found = known.get(layer) ?? editMarks(edits, stack, layer);
      known.set(layer, found);
      return found;
    };
  });
  const changed = createMemo(() => {
    const of = marks();
    return ({ layer, head }: HeadPlace): HeadMark | null => of(layer).heads.get(head) ?? null;
  });
  /** The heads that were changed, in the order of the model. */
  const changedHeads = createMemo((): readonly HeadPlace[] => {
    const shapes = state().trace?.stacks[stackName()]?.shapes ?? [];
    return shapes.flatMap((_, layer) =>
      [...marks()(layer).heads.keys()].sort((a, b) => a - b).map((head) => ({ layer, head })),
    );
  });

  return {
    ...{ comparison, name, aligned, full, unchanged, counterparts, measured, measuresComing, headsAligned },
    ...{ edgeBefore, changed, changedHeads },
  };
}

/** The weight of an edge in each head. */
export function edgeValues(message: EdgeMessage, offSink: boolean): HeadValue {
  const weights = new Map(
    edgeRows(message, offSink).map(({ layer, head, weight }) => [layer * 4096 + head, weight]),
  );
  return ({ layer, head }) => weights.get(layer * 4096 + head) ?? Number.NaN;
}

/** The edits of the pass on show; of the current one, those that the user wants, made already or not. */
function editsOnShow({ changes, comparison, field, trace }: AppState) {
  if (field === "before" && comparison !== null) return comparison.baseline.edits ?? [];
  return changes.length > 0 ? editsMade(changes) : (trace?.edits ?? []);
}
