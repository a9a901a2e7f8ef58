/** The edges of two passes from one query to two keys, and the same with the two words swapped in both inputs. */

import { createSignal } from "solid-js";
import type { EdgeMessage, Request, TraceMessage } from "../wire/messages";
import { sentenceOf } from "./failure";
import { inputOfTrace, requestOf } from "./input";
import { RequestSlot, runRequest } from "./request";
import type { Session } from "./session";
import type { Comparison } from "./state";

/** What is contrasted: tokens of the current pass, by index. */
export interface ContrastPlace {
  readonly stack: string;
  readonly query: number;
  readonly one: number;
  readonly other: number;
}

interface Edges {
  readonly after: readonly [EdgeMessage, EdgeMessage];
  readonly before: readonly [EdgeMessage, EdgeMessage];
}

export interface HeadContrast {
  readonly place: ContrastPlace;
  /** The pass that it belongs to. */
  readonly trace: string;
  readonly first: Edges;
  readonly second: Edges | null;
}

/** A failure that a sentence explains. */
class ContrastError extends Error {}

export function createHeadContrast({ source }: Session) {
  const [contrast, setContrast] = createSignal<HeadContrast | null>(null);
  const [busy, setBusy] = createSignal<"first" | "second" | null>(null);
  const [failure, setFailure] = createSignal<string | null>(null);
  const slot = new RequestSlot();

  /** Shows the contrast of two keys; null shows none. */
  async function show(passes: Comparison | null, place: ContrastPlace | null): Promise<void> {
    const signal = slot.next();
    setContrast(null);
    setFailure(null);
    setBusy(null);
    if (passes === null || place === null) return;
    await attempt("first", signal, async () => {
      const first = await edgesOf(passes, place, signal);
      if (!signal.aborted) setContrast({ place, trace: passes.current.trace, first, second: null });
    });
  }

  /** Runs both inputs with the two words swapped. */
  async function swap(passes: Comparison): Promise<void> {
    const now = contrast();
    if (now === null || now.trace !== passes.current.trace) return;
    const signal = slot.next();
    await attempt("second", signal, async () => {
      const after = await swapped(passes.current, now.place, now.place, signal);
      const there = counterparts(passes, now.place);
      const before = await swapped(passes.baseline, there, there, signal);
      const edges = async (pass: typeof after) =>
        [
          await edge(pass.trace, now.place.stack, pass.query, pass.one, signal),
          await edge(pass.trace, now.place.stack, pass.query, pass.other, signal),
        ] as const;
      const second = { after: await edges(after), before: await edges(before) };
      if (!signal.aborted) setContrast({ ...now, second });
    });
  }

  async function attempt(
    what: "first" | "second",
    signal: AbortSignal,
    work: () => Promise<void>,
  ): Promise<void> {
    setFailure(null);
    setBusy(what);
    try {
      await work();
    } catch (error) {
      if (!signal.aborted) setFailure(sentenceOf(error));
    }
    if (!signal.aborted) setBusy(null);
  }

  async function edgesOf(passes: Comparison, place: ContrastPlace, signal: AbortSignal): Promise<Edges> {
    const there = counterparts(passes, place);
    const of = async (trace: string, at: ContrastPlace) =>
      [
        await edge(trace, at.stack, at.query, at.one, signal),
        await edge(trace, at.stack, at.query, at.other, signal),
      ] as const;
    return { after: await of(passes.current.trace, place), before: await of(passes.baseline.trace, there) };
  }

  async function edge(
    trace: string,
    stack: string,
    query: number,
    key: number,
    signal: AbortSignal,
  ): Promise<EdgeMessage> {
    return answered(await runRequest(source, { type: "edge", trace, stack, query, key }, "edge", { signal }));
  }

  /** The pass over an input with two words swapped, and where its three tokens are. */
  async function swapped(
    pass: TraceMessage,
    { query, one, other }: ContrastPlace,
    { stack }: ContrastPlace,
    signal: AbortSignal,
  ): Promise<{ readonly trace: string } & Omit<ContrastPlace, "stack">> {
    const side = pass.stacks[stack]?.key ?? "";
    const tokens = pass.tokens[side] ?? [];
    const words = [tokens[one], tokens[other]].map((token) => token?.text.trim() ?? "");
    const input = inputOfTrace(pass);
    if (input === null) throw new ContrastError("The model of this input is not there, so it cannot run.");
    const request: Request = requestOf({ ...input, text: swapWords(input.text, words[0], words[1]) });
    const edits = pass.edits ?? [];
    const trace = answered(
      await runRequest(source, edits.length === 0 ? request : { ...request, edits }, "trace", { signal }),
    );
    const found = trace.tokens[side] ?? [];
    if (found.length !== tokens.length)
      throw new ContrastError(
        "The other order of the two words has another number of tokens, so it cannot be compared.",
      );
    const at = (word: string) => found.findIndex(({ text }) => text.trim() === word);
    return { trace: trace.trace, query, one: at(words[0]), other: at(words[1]) };
  }

  return { contrast, busy, failure, show, swap, close: () => slot.abort() };
}

/** A text with two words swapped. Throws unless each occurs once. */
export function swapWords(text: string, one: string, other: string): string {
  for (const word of [one, other]) {
    const count = word === "" ? 0 : text.split(word).length - 1;
    if (count !== 1)
      throw new ContrastError(
        `Both orders need two words that occur once in the text; “${word}” occurs ${count === 0 ? "not at all" : `${count} times`}.`,
      );
  }
  const places = [text.indexOf(one), text.indexOf(other)];
  if (places[0] > places[1]) return swapWords(text, other, one);
  const between = text.slice(places[0] + one.length, places[1]);
  return text.slice(0, places[0]) + other + between + one + text.slice(places[1] + other.length);
}

/** The same tokens in the baseline. */
function counterparts({ current, alignment }: Comparison, place: ContrastPlace): ContrastPlace {
  const stack = current.stacks[place.stack];
  const to = (side: string | undefined, index: number) => alignment?.sides[side ?? ""]?.[index] ?? -1;
  const there = {
    stack: place.stack,
    query: to(stack?.query, place.query),
    one: to(stack?.key, place.one),
    other: to(stack?.key, place.other),
  };
  if (Math.min(there.query, there.one, there.other) < 0)
    throw new ContrastError("One of these tokens has no counterpart in the baseline.");
  return there;
}

function answered<T>(ending: {
  readonly kind: string;
  readonly message?: T | null;
  readonly error?: unknown;
}): T {
  if (ending.kind !== "answered") throw ending.error;
  if (ending.message == null) throw new ContrastError("No answer arrived. Try again.");
  return ending.message;
}
