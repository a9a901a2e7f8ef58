import { createMemo, Show } from "solid-js";
import { counted, face, word } from "../../marks/format";
import { fieldNames } from "../../state/fieldNames";
import type { Token } from "../../wire/messages";
import type { Page } from "../page/page";
import { type PairedToken, PairedTokens, type TokenPair } from "./PairedTokens";

/** Tokens that are shown on each side of a difference in a long input. */
const AROUND = 8;
/** Inputs up to this length are shown whole, tokens. */
const WHOLE = 60;

/** The tokens of two inputs, aligned, with those boxed that are substituted. */
export function WhatDiffers(props: { readonly page: Page }) {
  const { state, effects } = props.page;
  const comparison = createMemo(() => state().comparison);
  const columns = createMemo(() => {
    const now = comparison();
    // The continuations show the difference of their own texts.
    if (now?.alignment == null || now.alignment.identical || effects.step() !== null) return null;
    const [side] = Object.keys(now.current.tokens);
    const [after, before] = [now.current.tokens[side], now.baseline.tokens[side] ?? []];
    const substituted = new Set(now.alignment.substituted.map(([here]) => here));
    return { pairs: pairsOf(before, after, now.alignment.sides[side] ?? [], substituted), before, after };
  });
  const summary = () => {
    const now = columns();
    const count = comparison()?.alignment?.substituted.length ?? 0;
    if (now === null) return "";
    const without = now.pairs.filter(({ look }) => look === "gap").length;
    const rest = without === 0 ? "the rest aligned" : `${without} without a counterpart, the rest aligned`;
    return `${count} of ${counted(now.after.length, "token")} substituted, ${rest}`;
  };
  const notes = () => comparison()?.alignment?.notes ?? [];
  return (
    <Show when={columns()}>
      {(now) => (
        <section class="part" data-testid="what-differs" aria-label="What differs">
          <div class="part-head">
            <h3>What differs</h3>
            <span class="quiet num" data-testid="differences">
              {summary()}
            </span>
          </div>
          <PairedTokens
            label="Tokens of both inputs, aligned"
            names={fieldNames(comparison() as NonNullable<ReturnType<typeof comparison>>)}
            pairs={shortened(now().pairs)}
          />
          <Show when={notes().length > 0}>
            <p class="say">{notes().join(" ")}</p>
          </Show>
        </section>
      )}
    </Show>
  );
}

/** Every token of both rows, in order; `aligned` gives for each token after the index of its counterpart before, or −1. */
function pairsOf(
  before: readonly Token[],
  after: readonly Token[],
  aligned: readonly number[],
  substituted: ReadonlySet<number>,
): readonly TokenPair[] {
  const pairs: TokenPair[] = [];
  let next = 0;
  const missing = (until: number): void => {
    for (; next < until; next++) pairs.push({ before: shown(before, next), after: null, look: "gap" });
  };
  for (let index = 0; index < after.length; index++) {
    const there = aligned[index] ?? -1;
    if (there < 0) {
      pairs.push({ before: null, after: shown(after, index), look: "gap" });
      continue;
    }
    missing(there);
    next = Math.max(next, there + 1);
    pairs.push({
      before: shown(before, there),
      after: shown(after, index),
      look: substituted.has(index) ? "boxed" : "same",
    });
  }
  missing(before.length);
  return pairs;
}

function shown(tokens: readonly Token[], index: number): PairedToken | null {
  const token = tokens[index];
  if (token === undefined) return null;
  const { before, text } = face(token);
  return { text: before + text, label: `${word(token)}, token ${index}`, share: null };
}

const GAP: TokenPair = {
  before: { text: "…", label: "tokens that are the same", share: null },
  after: { text: "…", label: "tokens that are the same", share: null },
  look: "same",
};

/** Of a long input only what is near a difference. */
function shortened(pairs: readonly TokenPair[]): readonly TokenPair[] {
  if (pairs.length <= WHOLE) return pairs;
  const near = pairs.map(() => false);
  for (const [at, { look }] of pairs.entries())
    if (look !== "same") near.fill(true, Math.max(0, at - AROUND), at + AROUND + 1);
  return pairs.flatMap((pair, at) => (near[at] ? [pair] : at === 0 || near[at - 1] ? [GAP] : []));
}
