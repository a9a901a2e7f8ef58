/** What the output or the attention of a head can be replaced by. */

import type { HeadSubject } from "../../state/changeSubject";
import type { AppState } from "../../state/state";
import type { Edit, TraceMessage } from "../../wire/messages";
import type { Page } from "../page/page";
import { editPlace } from "./headFactor";
import { unchangedPass } from "./subject";

export interface Replacement {
  readonly name: string;
  readonly title: string;
  /** Where it comes from, or why it cannot be made. */
  readonly note: string;
  /** Null if it cannot be made. */
  readonly edit: Edit | null;
}

export function replacementsOf(page: Page, subject: HeadSubject): readonly Replacement[] {
  const { session } = page;
  const state = session.state();
  const place = editPlace(session, subject);
  const source = { trace: state.comparison?.baseline.trace ?? "" };
  const rows = positions(state, subject);
  const patch = (what: "output" | "attention", reason: string | null): Edit | null =>
    reason === null
      ? { type: "PatchHead", ...place, source, what, ...(what === "output" ? rows : {}) }
      : null;
  const [noOutput, noAttention] = [whyNotOutput(state, subject), whyNotAttention(state, subject)];
  const own = unchangedPass(state);
  return [
    {
      name: "the baseline's output",
      title: "Activation patching: the output that this head has in the baseline",
      note: noOutput ?? "",
      edit: patch("output", noOutput),
    },
    {
      name: "the baseline's attention",
      title: "The attention weights of the baseline, with the values of this pass",
      note: noAttention ?? "",
      edit: patch("attention", noAttention),
    },
    {
      name: "its mean",
      title: "Mean ablation: at every token, the mean of its outputs over all tokens of this text",
      note: own === null ? "needs the pass without changes" : "over this text",
      edit: own === null ? null : { type: "MeanHead", ...place, reference: { trace: own.trace } },
    },
  ];
}

function whyNotOutput({ comparison }: AppState, { stack, layer, head }: HeadSubject): string | null {
  if (comparison === null) return "no baseline yet: press c";
  const { baseline, current, alignment } = comparison;
  if ((baseline.edits ?? []).length > 0) return "the baseline is changed itself";
  if (baseline.model.name !== current.model.name) return "the baseline is another model";
  if (alignment === null) return "the tokens are not aligned yet";
  return head < (alignment.stacks[stack]?.heads[layer] ?? 0) ? null : "the baseline has no such head";
}

function whyNotAttention(state: AppState, subject: HeadSubject): string | null {
  const { comparison } = state;
  const reason = whyNotOutput(state, subject);
  if (reason !== null || comparison === null) return reason;
  const { baseline, current } = comparison;
  const sizes = (pass: TraceMessage) => {
    const stack = pass.stacks[subject.stack];
    return [stack?.query, stack?.key].map((side) => pass.tokens[side ?? ""]?.length);
  };
  return String(sizes(baseline)) === String(sizes(current)) ? null : "the baseline has other tokens";
}

/** Which queries are patched from which, unless all are, one by one. */
function positions({ comparison }: AppState, { stack }: HeadSubject): Partial<Edit> {
  if (comparison === null || comparison.alignment === null) return {};
  const to = comparison.alignment.sides[comparison.current.stacks[stack]?.query ?? ""] ?? [];
  const there = comparison.baseline.tokens[comparison.baseline.stacks[stack]?.query ?? ""]?.length ?? 0;
  if (to.length === there && to.every((index, at) => index === at)) return {};
  const found = to.flatMap((index, at) => (index < 0 ? [] : [[at, index] as const]));
  return { position: found.map(([at]) => at), source_position: found.map(([, index]) => index) };
}
