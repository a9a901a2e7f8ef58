/** The list of changes: one for each thing that is changed, in the order of the computation. Pure. */

import type { Edit, TraceMessage } from "../wire/messages";
import type { Change } from "./state";

/** The stages of a layer's computation, in order; edits of one stage act in the order of the list. */
const STAGES = ["input", "neurons", "scores", "weights", "outputs", "output"] as const;
type Stage = (typeof STAGES)[number];

/** Stacks that are computed before the decoder, in order. */
const FIRST_STACKS = ["vision", "encoder"];

/** The values that fields have where they are missing. */
const DEFAULTS: Readonly<Record<string, unknown>> = { vector: "q", what: "attention", at: "output", seed: 0 };

/** An edit written so that two equal edits are written alike: sorted fields without those that are missing or usual. */
export function canonical(edit: Edit): string {
  const fields = Object.entries(edit).filter(
    ([name, value]) => value != null && !(name in DEFAULTS && DEFAULTS[name] === value),
  );
  return JSON.stringify(fields.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Whether two lists make the same edits in the same order. */
export function sameEdits(a: readonly Edit[], b: readonly Edit[]): boolean {
  return a.length === b.length && a.every((edit, at) => canonical(edit) === canonical(b[at]));
}

export function stageOf(edit: Edit): Stage {
  switch (edit.type) {
    case "ScaleNeuron":
      return "neurons";
    case "CutEdge":
      return "scores";
    case "SetAttention":
      return "weights";
    case "PatchHead":
      return edit.what === "output" ? "outputs" : "weights";
    case "AddVector":
      return edit.at === "input" ? "input" : "output";
    default:
      return "outputs";
  }
}

/** What an edit changes. Of two edits with the same subject, the later one replaces the other. */
export function subjectOf(edit: Edit): string {
  const { type, layer, head, stack, query, key, position, dims, vector } = edit;
  const place = [stack ?? null, layer, head ?? null];
  if (type === "CutEdge" || type === "SetAttention") return JSON.stringify(["line", ...place, query, key]);
  const at = position ?? null;
  if (type === "ScaleNeuron") return JSON.stringify(["neurons", ...place, vector ?? "q", dims, at]);
  return JSON.stringify([stageOf(edit), ...place, at]);
}

/** The change of the subject of `edit`; null if there is none. */
export function findChange(changes: readonly Change[], edit: Edit): Change | null {
  const subject = subjectOf(edit);
  return changes.find((one) => subjectOf(one.edit) === subject) ?? null;
}

/** The list with these edits made: each replaces the change of its subject, or takes its place in the computation. */
export function putChanges(changes: readonly Change[], edits: readonly Edit[]): readonly Change[] {
  return edits.reduce(putChange, changes);
}

function putChange(changes: readonly Change[], edit: Edit): readonly Change[] {
  const subject = subjectOf(edit);
  const at = changes.findIndex((one) => subjectOf(one.edit) === subject);
  const made: Change = { edit, muted: false };
  if (at >= 0 && stageOf(changes[at].edit) === stageOf(edit)) return changes.with(at, made);
  const others = changes.filter((_, index) => index !== at);
  const before = others.findLastIndex((one) => compareOrder(one.edit, edit) <= 0);
  return others.toSpliced(before + 1, 0, made);
}

/** The list with other numbers in the changes of these edits' subjects, which keep their places and stay muted if they are. */
export function turnChanges(changes: readonly Change[], edits: readonly Edit[]): readonly Change[] {
  const turned = new Map(edits.map((edit) => [subjectOf(edit), edit]));
  return changes.map((one) => {
    const edit = turned.get(subjectOf(one.edit));
    return edit === undefined ? one : { ...one, edit };
  });
}

/** The list in the order of the computation; changes of the same stage keep their order. */
export function inOrder(changes: readonly Change[]): readonly Change[] {
  return changes.toSorted((a, b) => compareOrder(a.edit, b.edit));
}

/** The list without the changes of these edits' subjects. */
export function removeChanges(changes: readonly Change[], edits: readonly Edit[]): readonly Change[] {
  const subjects = new Set(edits.map(subjectOf));
  return changes.filter(({ edit }) => !subjects.has(subjectOf(edit)));
}

/** The list with the changes of these edits' subjects muted, or made again. */
export function muteChanges(
  changes: readonly Change[],
  edits: readonly Edit[],
  muted: boolean,
): readonly Change[] {
  const subjects = new Set(edits.map(subjectOf));
  return changes.map((one) => (subjects.has(subjectOf(one.edit)) ? { ...one, muted } : one));
}

/** Edits as changes in the order of the computation; of edits with the same subject the last one counts. */
export function changesOf(edits: readonly Edit[]): readonly Change[] {
  return putChanges([], edits);
}

/** Negative if `a` is computed before `b`, 0 if the list decides. */
export function compareOrder(a: Edit, b: Edit): number {
  const keys = (edit: Edit): readonly number[] => {
    const stack = FIRST_STACKS.indexOf(String(edit.stack));
    const rank = stack < 0 ? FIRST_STACKS.length : stack;
    // Cross-attention follows the attention of the decoder's layer with the same number.
    return [rank, Number(edit.layer), edit.stack === "cross" ? 1 : 0, STAGES.indexOf(stageOf(edit))];
  };
  const [first, second] = [keys(a), keys(b)];
  const at = first.findIndex((key, index) => key !== second[index]);
  return at < 0 ? 0 : first[at] - second[at];
}

/** Whether it matters which of two edits comes first: they set weights of the same row, or outputs of the same head. */
export function orderCounts(a: Edit, b: Edit): boolean {
  const head = ({ stack, layer, head: own }: Edit) => JSON.stringify([stack ?? null, layer, own ?? null]);
  if (head(a) !== head(b) || compareOrder(a, b) !== 0) return false;
  const stage = stageOf(a);
  if (stage === "weights") return overlap(a.query ?? a.position, b.query ?? b.position);
  return stage === "outputs" && overlap(a.position, b.position);
}

/** Whether two positions share a token; a missing one stands for every token. */
function overlap(a: unknown, b: unknown): boolean {
  if (a == null || b == null) return true;
  const listed = (position: unknown) => (Array.isArray(position) ? position : [position]);
  return listed(a).some((one) => listed(b).includes(one));
}

/** The list with the change at `from` moved to `to`; the list itself if their order does not count. */
export function moveChange(changes: readonly Change[], from: number, to: number): readonly Change[] {
  const moved = changes[from];
  if (moved === undefined || changes[to] === undefined || from === to) return changes;
  const [low, high] = from < to ? [from + 1, to] : [to, from - 1];
  const passed = changes.slice(low, high + 1);
  if (!passed.every(({ edit }) => compareOrder(edit, moved.edit) === 0)) return changes;
  if (!passed.some(({ edit }) => orderCounts(edit, moved.edit))) return changes;
  return changes.toSpliced(from, 1).toSpliced(to, 0, moved);
}

/** Names a row so that it keeps its name while its numbers change. */
export function rowKey({ changes, over }: ChangeRow): string {
  return `${over} ${changes.length} ${subjectOf(changes[0].edit)}`;
}

/** Whether the order of a row and its neighbors in the list counts, so that it can be moved. */
export function movable(rows: readonly ChangeRow[], at: number): boolean {
  const own = rows[at];
  if (own === undefined || own.over !== "head") return false;
  return [rows[at - 1], rows[at + 1]].some(
    (other) => other?.over === "head" && orderCounts(other.changes[0].edit, own.changes[0].edit),
  );
}

/** Changes that the list shows as one row: the same edit in every head of a layer, or of all layers. */
export interface ChangeRow {
  readonly changes: readonly Change[];
  readonly over: "head" | "layer" | "all";
}

/** The rows of the list, by the shapes of the stacks that the edits are in. */
export function rowsOf(changes: readonly Change[], stacks: TraceMessage["stacks"]): readonly ChangeRow[] {
  const left = new Set(changes);
  const rows: ChangeRow[] = [];
  const alike = (one: Change): string =>
    canonical({ ...one.edit, head: null, layer: null, muted: one.muted ? 1 : null });
  const groups = new Map<string, Change[]>();
  for (const one of changes) groups.set(alike(one), [...(groups.get(alike(one)) ?? []), one]);
  for (const one of changes) {
    if (!left.has(one)) continue;
    const stack = stacks[String(one.edit.stack ?? Object.keys(stacks)[0])];
    const group = (groups.get(alike(one)) ?? []).filter(({ edit }) => edit.head != null);
    const layer = group.filter(({ edit }) => edit.layer === one.edit.layer);
    const heads = stack?.shapes.reduce((sum, shape) => sum + (shape?.heads ?? 0), 0) ?? 0;
    const own = stack?.shapes[Number(one.edit.layer)]?.heads ?? 0;
    const row: ChangeRow =
      heads > 1 && group.length === heads && heads > own
        ? { changes: group, over: "all" }
        : own > 1 && layer.length === own
          ? { changes: layer, over: "layer" }
          : { changes: [one], over: "head" };
    for (const each of row.changes) left.delete(each);
    rows.push(row);
  }
  return rows;
}
