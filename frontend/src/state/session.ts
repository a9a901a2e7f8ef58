/** The session: the only part that sends requests. It holds the state and reports work in progress and failures. */

import { createSignal } from "solid-js";
import { HostError, type Source } from "../source/source";
import type { HelloMessage, Request, TileMessage } from "../wire/messages";
import { createEdges } from "./edges";
import { failureFrom } from "./failure";
import { type Address, applyAddress, type NamedTokens, readHash } from "./hash";
import { type Input, inputOf, requestOf } from "./input";
import { createLayers } from "./layers";
import { createOverviews } from "./overviews";
import type { Action } from "./reduce";
import { runRequest } from "./request";
import { headsOn, type Place, selectedEdge } from "./state";
import { createTimeline } from "./timeline";
import { createValues } from "./values";
import { tokensNamed } from "./words";
import { createWork } from "./work";

/** Actions that may change the shown layer. */
const LAYER_ACTIONS: readonly Action["type"][] = ["layer", "stack", "head", "add-head"];

export type Session = ReturnType<typeof createSession>;

export function createSession(source: Source) {
  const [hello, setHello] = createSignal<HelloMessage | null>(null);
  const [lastInput, setLastInput] = createSignal<Input | null>(null);
  const [tokenToReveal, setTokenToReveal] = createSignal<Place | null>(null);
  let shorten: () => void = () => undefined;
  /** What an address names by words, until its trace is there. */
  let named: NamedTokens | null = null;
  /** Why a name stands for no token, until the page is loaded. */
  let notFound: string | null = null;

  const timeline = createTimeline({
    onStep: (action, before, after) => {
      if (after.pins !== before.pins) showEdge();
      if (after.view.filter !== before.view.filter) showOverview();
      if (LAYER_ACTIONS.includes(action.type)) void showLayer();
    },
    onTravel: () => void showLayer(),
  });
  const { state, dispatch } = timeline;
  const work = createWork(source);
  const layers = createLayers(source, work, state);
  const overviews = createOverviews(source, (error) => {
    work.onRetry(() => void showLayer());
    work.fail(error);
  });
  const edges = createEdges(source, (error) => {
    work.onRetry(showEdge);
    work.fail(error);
  });
  const values = createValues(source, work.fail);

  const can = (what: string): boolean => hello()?.can.includes(what) ?? false;

  async function run(input: Input): Promise<void> {
    setLastInput(input);
    work.onRetry(() => void run(input));
    shorten = () => void run({ ...input, cut: true });
    const trace = await work.ask("run", requestOf(input), "trace", "Starting");
    if (trace !== null) {
      dispatch({ type: "traced", trace, select: input.select });
      selectNamed();
      await Promise.all([showLayer(), refreshModels(trace.model.name)]);
    }
  }

  /** Reloads the model list if the model that just ran was not loaded before: its accepted inputs are now known. */
  async function refreshModels(name: string | null): Promise<void> {
    const entry = hello()?.models.find((model) => model.name === name);
    if (entry === undefined || entry.loaded) return;
    // If this fails, the old list stays; the next request reports the problem.
    await runRequest(source, { type: "hello" }, "hello", { onAnswer: setHello });
  }

  function showOverview(): void {
    const { trace, selection, view } = state();
    if (trace === null || !can("overview")) return;
    void overviews.show(trace.trace, selection.stack, view.filter);
  }

  /** Loads the pinned edge in all heads, if one is pinned and the host supports it. */
  function showEdge(): void {
    const { trace, selection } = state();
    if (trace === null || !can("edge")) return;
    void edges.show(trace.trace, selection.stack, selectedEdge(state()));
  }

  async function showLayer(): Promise<void> {
    showOverview();
    showEdge();
    await layers.show(() => void showLayer());
  }

  async function tile(heads: readonly number[], rows: readonly number[]): Promise<TileMessage | null> {
    return can("tile") ? layers.tile(heads, rows) : null;
  }

  async function check(): Promise<void> {
    const trace = state().trace?.trace;
    if (trace === undefined) return;
    work.onRetry(() => void check());
    const message = await work.ask("check", { type: "check", trace }, "check", "Checking against the model");
    if (message !== null) dispatch({ type: "certified", trace, certificate: message.certificate });
  }

  /** The shown trace as a self-contained page that opens at the current selection; null if that failed or was canceled. */
  async function exportPage(again: () => void): Promise<Uint8Array<ArrayBuffer> | null> {
    const { trace, selection } = state();
    if (trace === null) return null;
    work.onRetry(again);
    const { stack, layer } = selection;
    const request: Request = { type: "export", trace: trace.trace, stack, layer, heads: headsOn(state()) };
    const message = await work.ask("export", request, "export", "Writing the file");
    const html = message?.tensors.get("html")?.data;
    return html instanceof Uint8Array ? html.slice() : null;
  }

  /** Connects to the source and shows what the address describes, else a saved trace, else the first example. */
  async function start(hash: string): Promise<void> {
    work.onRetry(() => void start(hash));
    const message = await work.ask("hello", { type: "hello" }, "hello", "Connecting");
    if (message === null) return;
    setHello(message);
    await visit(hash);
  }

  /** Shows what a hash describes, and scrolls its token into view. */
  async function visit(hash: string): Promise<void> {
    const address = readHash(hash);
    setTokenToReveal(null);
    const { token, query, key } = address.named;
    const words = token !== null || query !== null || key !== null;
    named = words ? address.named : null;
    notFound = null;
    await show(address);
    named = null;
    if (notFound !== null && !work.failure()?.disconnected) work.setFailure(failureFrom(notFound));
    const selected = state().selection.token;
    if (selected !== null && (words || samePlace(selected, address.token))) setTokenToReveal(selected);
  }

  /** Selects and pins the tokens that the address names, in the trace that is now there; of a span the last token. */
  function selectNamed(): void {
    const { trace, selection } = state();
    const stack = trace?.stacks[selection.stack];
    if (named === null || trace === null || stack === undefined) return;
    const { token, query, key } = named;
    named = null;
    const at = (text: string | null, side: Place["side"], name: string): Place | null => {
      if (text === null) return null;
      const found = tokensNamed(text, trace.tokens[stack[side]] ?? [], name);
      if (!("sentence" in found)) return { side, index: Math.max(...found) };
      notFound ??= found.sentence;
      return null;
    };
    const ends = [at(query, "query", "query"), at(key, "key", "key")].filter((one) => one !== null);
    const selected = at(token, "query", "token") ?? ends.find(({ side }) => side === "query") ?? null;
    const before = state();
    timeline.replace({
      ...before,
      pins: ends.length > 0 ? ends : before.pins,
      selection: { ...before.selection, token: selected ?? before.selection.token },
    });
  }

  async function show(address: Address): Promise<void> {
    timeline.replace(applyAddress(state(), address));
    if (address.trace !== null && address.trace === state().trace?.trace) {
      selectNamed();
      return showLayer();
    }
    if (address.trace !== null && (await recall(address.trace))) return showLayer();
    if (address.text !== null && can("run")) {
      const { text, pair, target, messages, continues, model } = address;
      return run({ text, pair, target, messages, continues, model });
    }
    if (state().trace !== null) {
      selectNamed();
      return showLayer();
    }
    const saved = hello()?.trace ?? null;
    if (saved !== null && (await recall(saved))) return showLayer();
    const example = hello()?.examples[0];
    if (example !== undefined && hello()?.model !== null) return run(inputOf(example));
  }

  /** Shows a trace that the host may still have; returns whether it did. */
  async function recall(trace: string): Promise<boolean> {
    const ending = await runRequest(source, { type: "trace", trace }, "trace", { first: true });
    if (ending.kind !== "answered") {
      // The host dropped it: the caller runs the text again. Report any other failure.
      if (!(ending.error instanceof HostError)) work.fail(ending.error);
      return false;
    }
    if (ending.message === null) return false;
    dispatch({ type: "traced", trace: ending.message });
    selectNamed();
    return true;
  }

  function cancel(): void {
    const stopped = work.cancel();
    if (stopped?.what !== "layer") return;
    work.onRetry(() => void showLayer());
    work.setFailure({
      ...failureFrom(`Layer ${state().selection.layer} was not loaded.`),
      code: "cancelled",
    });
  }

  /** Cancels all requests when the page is closed. */
  function close(): void {
    for (const part of [work, layers, overviews, edges, values]) part.close();
  }

  return {
    state,
    overview: overviews.overview,
    edge: edges.edge,
    values: values.values,
    showValues: values.show,
    hello,
    work: work.work,
    failure: work.failure,
    /** The input of the last run. While it runs, the shown trace belongs to an earlier input. */
    lastInput,
    layer: layers.layer,
    /** The token of an address that was just opened; a view scrolls to it once. */
    tokenToReveal,
    tokenRevealed: () => setTokenToReveal(null),
    dispatch,
    run,
    layerOf: layers.other,
    tile,
    check,
    exportPage,
    start,
    visit,
    cancel,
    close,
    undo: timeline.undo,
    redo: timeline.redo,
    undoes: timeline.undoes,
    redoes: timeline.redoes,
    retry: work.retry,
    /** Runs a text that was too long again, truncated. */
    shorten: () => {
      work.setFailure(null);
      shorten();
    },
    fail: (sentence: string) => work.setFailure(failureFrom(sentence)),
    lose: (sentence: string) => work.setFailure({ ...failureFrom(sentence), disconnected: true }),
    dismiss: () => work.setFailure(null),
  };
}

function samePlace(a: Place, b: Place | null): boolean {
  return a.side === b?.side && a.index === b.index;
}
