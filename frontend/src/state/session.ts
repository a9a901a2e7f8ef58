/** The one place that asks the source: it keeps the state, runs requests, and tells who listens what is under way. */

import { createSignal } from "solid-js";
import { DisconnectedError, RefusedError, type Source } from "../source/source";
import type { HelloMessage, LayerMessage, Message, Request, TileMessage } from "../wire/messages";
import { createEdges } from "./edges";
import { type Failure, failureOf, told } from "./failure";
import { type Address, applyAddress, readHash } from "./hash";
import { begin, type History, redo, replace, step, undo } from "./history";
import { type Input, inputOf, requestOf } from "./input";
import { createOverviews } from "./overviews";
import {
  type Action,
  type AppState,
  currentTrace,
  EMPTY,
  fitted,
  headsOn,
  type Place,
  reduce,
  selectedEdge,
  undoable,
} from "./state";
import { dragOf, stepName } from "./stepNames";
import { createValues } from "./values";

export interface Work {
  readonly what: "run" | "layer" | "check" | "export" | "hello";
  readonly text: string;
  readonly done: number;
  readonly total: number;
  /** Why nobody works on it yet; null once somebody does. */
  readonly waiting: string | null;
}

/** Steps after which another layer is on show. */
const MOVES: readonly Action["type"][] = ["layer", "stack", "head", "add-head"];
const KEPT_LAYERS = 6;
/** Steps of a slider that follow each other this quickly are one step. */
const DRAG_MS = 1000;

export type Session = ReturnType<typeof createSession>;

export function createSession(source: Source) {
  const [history, setHistory] = createSignal<History<AppState>>(begin(EMPTY));
  const [hello, setHello] = createSignal<HelloMessage | null>(null);
  const [work, setWork] = createSignal<Work | null>(null);
  const [failure, setFailure] = createSignal<Failure | null>(null);
  const [asked, setAsked] = createSignal<Input | null>(null);
  const [layer, setLayer] = createSignal<LayerMessage | null>(null);
  const [sought, setSought] = createSignal<Place | null>(null);
  const layers = new Map<string, LayerMessage>();
  const running = new Map<Work["what"] | "tile", AbortController>();
  let retry: () => void = () => undefined;
  let shorten: () => void = () => undefined;
  const overviews = createOverviews(source, (error) => {
    retry = () => void showLayer();
    setFailure(failureOf(error));
  });

  const edges = createEdges(source, (error) => {
    retry = showEdge;
    setFailure(failureOf(error));
  });

  const values = createValues(source, (error) => setFailure(failureOf(error)));

  const state = (): AppState => history().present;

  /** What is being dragged, and when it last moved. */
  let dragged: { readonly what: string; readonly at: number } | null = null;

  function dispatch(action: Action): void {
    const before = state();
    const next = reduce(before, action);
    const drag = dragOf(action);
    const now = performance.now();
    const goesOn = drag !== null && dragged?.what === drag && now - dragged.at < DRAG_MS;
    dragged = drag === null ? null : { what: drag, at: now };
    const apart = undoable(action) && !goesOn;
    setHistory(apart ? step(history(), next, stepName(action)) : replace(history(), next));
    if (next.pins !== before.pins) showEdge();
    if (next.view.filter !== before.view.filter) showOverview();
    if (MOVES.includes(action.type)) void showLayer();
  }

  function travel(to: (from: History<AppState>) => History<AppState>): void {
    const { traces, trace, view, frame } = state();
    const moved = to(history());
    // A step back is a step of the view: what was loaded meanwhile, the theme and the panels stay.
    const kept = { traces, trace, frame, view: { ...moved.present.view, theme: view.theme } };
    setHistory(replace(moved, fitted({ ...moved.present, ...kept })));
    dragged = null;
    void showLayer();
  }

  /** Runs one request to its end; the answer's last message, or null where it was cancelled or failed. */
  async function ask<T extends Message["type"]>(
    what: Work["what"],
    request: Request,
    answer: T,
    text: string,
  ): Promise<Extract<Message, { type: T }> | null> {
    running.get(what)?.abort();
    const control = new AbortController();
    running.set(what, control);
    setWork({ what, text, done: 0, total: 0, waiting: null });
    try {
      for await (const message of source.request(request, { signal: control.signal })) {
        if (message.type === "progress" && message.stage === "wait") {
          setWork({ what, text, done: 0, total: 0, waiting: message.text || null });
        } else if (message.type === "progress") {
          setWork({ what, text: message.text, done: message.done, total: message.total, waiting: null });
        } else if (message.type === answer) {
          setFailure(null);
          return message as Extract<Message, { type: T }>;
        }
      }
      throw new DisconnectedError("attnscope stopped answering in the middle.");
    } catch (error) {
      if (control.signal.aborted) return null;
      if (error instanceof RefusedError && error.code === "cancelled") return null;
      setFailure(failureOf(error));
      return null;
    } finally {
      if (running.get(what) === control) {
        running.delete(what);
        if (work()?.what === what) setWork(null);
      }
    }
  }

  async function run(input: Input): Promise<void> {
    setAsked(input);
    retry = () => void run(input);
    shorten = () => void run({ ...input, cut: true });
    const trace = await ask("run", requestOf(input), "trace", "starting");
    if (trace !== null) {
      dispatch({ type: "traced", trace, select: input.select });
      await Promise.all([showLayer(), learn(trace.model.name)]);
    }
  }

  /** Asks again what the models read, where the one that just ran was not loaded when one asked first. */
  async function learn(name: string | null): Promise<void> {
    const entry = hello()?.models.find((one) => one.name === name);
    if (entry === undefined || entry.loaded) return;
    try {
      const { signal } = new AbortController();
      for await (const message of source.request({ type: "hello" }, { signal })) {
        if (message.type === "hello") setHello(message);
      }
    } catch {
      // What was known stays; whoever asks for more is told what is wrong.
    }
  }

  function showOverview(): void {
    const trace = currentTrace(state());
    if (trace === null || !hello()?.can.includes("overview")) return;
    void overviews.show(trace.trace, state().selection.stack, state().view.filter);
  }

  /** Brings the pinned edge in all heads, where one is pinned and this host knows it. */
  function showEdge(): void {
    const trace = currentTrace(state());
    if (trace === null || !hello()?.can.includes("edge")) return;
    void edges.show(trace.trace, state().selection.stack, selectedEdge(state()));
  }

  /** Brings the selected layer, from what is kept or from the source. The old picture stays until it is there. */
  async function showLayer(): Promise<void> {
    const trace = currentTrace(state());
    if (trace === null) return;
    const { stack, layer: index } = state().selection;
    showOverview();
    showEdge();
    const key = `${trace.trace} ${stack} ${index}`;
    const kept = layers.get(key);
    if (kept !== undefined) {
      running.get("layer")?.abort();
      setLayer(kept);
      return;
    }
    if (trace.stacks[stack]?.shapes[index] === null) {
      setLayer(null);
      return;
    }
    const request: Request = { type: "layer", trace: trace.trace, stack, layer: index };
    const message = await ask("layer", request, "layer", `layer ${index}`);
    if (message === null) {
      if (failure() !== null) retry = () => void showLayer();
      return;
    }
    layers.set(key, message);
    for (const oldest of layers.keys()) {
      if (layers.size <= KEPT_LAYERS) break;
      layers.delete(oldest);
    }
    setLayer(message);
  }

  /** Another layer of the trace on show, the selection staying as it is; null where it cannot be had. */
  async function layerOf(stack: string, index: number): Promise<LayerMessage | null> {
    const trace = currentTrace(state());
    if (trace === null || trace.stacks[stack]?.shapes[index] == null) return null;
    const key = `${trace.trace} ${stack} ${index}`;
    const kept = layers.get(key);
    if (kept !== undefined) return kept;
    const request: Request = { type: "layer", trace: trace.trace, stack, layer: index };
    const control = new AbortController();
    try {
      for await (const message of source.request(request, { signal: control.signal })) {
        if (message.type === "layer") return message;
      }
    } catch (error) {
      setFailure(failureOf(error));
    }
    return null;
  }

  /** Exact rows of the selected layer, for pinned tokens. Fails silently only when it was overtaken. */
  async function tile(heads: readonly number[], rows: readonly number[]): Promise<TileMessage | null> {
    const trace = state().trace;
    if (trace === null || !hello()?.can.includes("tile")) return null;
    const { stack, layer: index } = state().selection;
    running.get("tile")?.abort();
    const control = new AbortController();
    running.set("tile", control);
    try {
      const request: Request = { type: "tile", trace, stack, layer: index, heads, rows };
      for await (const message of source.request(request, { signal: control.signal })) {
        if (message.type === "tile") return message;
      }
    } catch (error) {
      if (control.signal.aborted) return null;
      setFailure(failureOf(error));
    }
    return null;
  }

  async function check(): Promise<void> {
    const trace = state().trace;
    if (trace === null) return;
    retry = () => void check();
    const message = await ask("check", { type: "check", trace }, "check", "checking against the model");
    if (message !== null) dispatch({ type: "certified", trace, certificate: message.certificate });
  }

  /** The trace on show as a page of its own, which starts with what is selected; null where that failed or was cancelled. */
  async function exported(again: () => void): Promise<Uint8Array<ArrayBuffer> | null> {
    const { trace, selection } = state();
    if (trace === null) return null;
    retry = again;
    const { stack, layer: index } = selection;
    const request: Request = { type: "export", trace, stack, layer: index, heads: headsOn(state()) };
    const message = await ask("export", request, "export", "writing the file");
    const html = message?.tensors.get("html")?.data;
    return html instanceof Uint8Array ? html.slice() : null;
  }

  /** Greets the source and shows what the address asks for, else the first example. */
  async function start(hash: string): Promise<void> {
    retry = () => void start(hash);
    const greeting = await ask("hello", { type: "hello" }, "hello", "connecting");
    if (greeting === null) return;
    setHello(greeting);
    await visit(hash);
  }

  /** Shows what a hash asks for, and brings its token into sight. */
  async function visit(hash: string): Promise<void> {
    const address = readHash(hash);
    setSought(null);
    await show(address);
    const { token } = state().selection;
    if (token !== null && samePlace(token, address.token)) setSought(token);
  }

  async function show(address: Address): Promise<void> {
    setHistory(replace(history(), applyAddress(state(), address)));
    if (address.trace !== null && address.trace === state().trace) return showLayer();
    if (address.trace !== null && (await recall(address.trace))) return showLayer();
    if (address.text !== null && hello()?.can.includes("run")) {
      const { text, pair, target, messages, model } = address;
      return run({ text, pair, target, messages, model });
    }
    if (state().trace !== null) return showLayer();
    const given = hello()?.trace ?? null;
    if (given !== null && (await recall(given))) return showLayer();
    const example = hello()?.examples[0];
    if (example !== undefined && hello()?.model !== null) return run(inputOf(example));
  }

  /** A trace that the host may still hold; whether it did. */
  async function recall(trace: string): Promise<boolean> {
    const control = new AbortController();
    try {
      for await (const message of source.request({ type: "trace", trace }, { signal: control.signal })) {
        if (message.type === "trace") {
          dispatch({ type: "traced", trace: message });
          return true;
        }
      }
    } catch (error) {
      // Not held any more: the caller runs the text again. Anything else is a failure to tell.
      if (!(error instanceof RefusedError)) {
        setFailure(failureOf(error));
      }
    }
    return false;
  }

  function cancel(): void {
    const now = work();
    if (now === null) return;
    running.get(now.what)?.abort();
    setWork(null);
    if (now.what === "layer") {
      retry = () => void showLayer();
      setFailure({ ...told(`You stopped ${now.text} on its way.`), code: "cancelled" });
    }
  }

  /** Stops all that runs: nobody looks any more. */
  function close(): void {
    for (const control of running.values()) control.abort();
    overviews.close();
    edges.close();
    values.close();
  }

  return {
    state,
    overview: overviews.overview,
    edge: edges.edge,
    values: values.values,
    showValues: values.show,
    hello,
    work,
    failure,
    /** What was last asked to be traced; until it is there, the trace on show is of something else. */
    asked,
    layer,
    /** The token of an address that was just opened: the view that shows it brings it into sight, once. */
    sought,
    reached: () => setSought(null),
    dispatch,
    run,
    layerOf,
    tile,
    check,
    exported,
    start,
    visit,
    cancel,
    close,
    undo: () => travel(undo),
    redo: () => travel(redo),
    /** What undo and redo would do; null where there is nothing. */
    undoes: () => history().past.at(-1)?.name ?? null,
    redoes: () => history().future[0]?.name ?? null,
    retry: () => {
      setFailure(null);
      retry();
    },
    /** Runs the text again that was too long, cut. */
    shorten: () => {
      setFailure(null);
      shorten();
    },
    fail: (sentence: string) => setFailure(told(sentence)),
    lose: (sentence: string) => setFailure({ ...told(sentence), disconnected: true }),
    dismiss: () => setFailure(null),
  };
}

function samePlace(a: Place, b: Place | null): boolean {
  return a.side === b?.side && a.index === b.index;
}
