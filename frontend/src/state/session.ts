/** The session: the only part that sends requests. It holds the state and reports work in progress and failures. */

import { batch, createSignal } from "solid-js";
import { HostError, type Source } from "../source/source";
import type { HelloMessage, Request, TileMessage, TraceMessage } from "../wire/messages";
import type { ComparedAddress } from "./comparedAddress";
import { createComparison } from "./comparison";
import { createEdges } from "./edges";
import { failureFrom, failureOf } from "./failure";
import { type Address, applyAddress, type NamedTokens, readHash, writeView } from "./hash";
import { type Input, inputOf, requestOf } from "./input";
import { createLayers } from "./layers";
import { placesNamed } from "./namedTokens";
import { createOverviews, type Overview } from "./overviews";
import { createRecentInputs } from "./recentInputs";
import { type Action, reduce } from "./reduce";
import { type Remark, remarkOf, unknownModel } from "./remark";
import { runRequest } from "./request";
import {
  type AppState,
  currentPass,
  edgeBeside,
  headsOn,
  type Place,
  passShown,
  type Selection,
  selectedEdge,
} from "./state";
import { createTimeline } from "./timeline";
import { createValues } from "./values";
import { createWork } from "./work";

/** How a trace is shown. */
interface Arrival {
  /** The state to show it in; without one, the present state as far as it fits. */
  readonly within?: AppState;
  /** Whether an entry of the browser's history led here, or is there already. */
  readonly again?: boolean;
  /** Whether undo or redo led here, which must not become a step of undo. */
  readonly travelled?: boolean;
  /** What was run. */
  readonly input?: Input | null;
  readonly select?: Partial<Selection>;
  /** What it is compared with, and its changes. */
  readonly compared?: ComparedAddress;
}

const BASELINE_GONE =
  "attnscope no longer has the pass that this link compares with, so only the current one is shown.";
const GONE =
  "attnscope no longer has this result, and this page cannot run its input again. Run it again where it was made.";

/** Actions that may change the shown layer. */
const LAYER_ACTIONS: readonly Action["type"][] = ["layer", "stack", "head", "add-head", "field"];

export type Session = ReturnType<typeof createSession>;

export function createSession(source: Source) {
  const [hello, setHello] = createSignal<HelloMessage | null>(null);
  const [lastInput, setLastInput] = createSignal<Input | null>(null);
  const [tokenToReveal, setTokenToReveal] = createSignal<Place | null>(null);
  const [remark, setRemark] = createSignal<Remark | null>(null);
  const [entry, setEntry] = createSignal(0);
  const recentInputs = createRecentInputs();
  let shorten: () => void = () => undefined;
  /** How often another input was asked for. An answer to an earlier request must not replace a later one. */
  let visits = 0;
  /** What an address names by words, until its trace is there. */
  let named: NamedTokens | null = null;
  /** Why a name stands for no token, until the page is loaded. */
  let notFound: string | null = null;

  const timeline = createTimeline({
    onStep: (action, before, after) => {
      if (after.pins !== before.pins) showEdge();
      if (after.view.filter !== before.view.filter || after.view.measure !== before.view.measure)
        showOverview();
      if (LAYER_ACTIONS.includes(action.type)) void showLayer();
      if (action.type === "changes") comparison.follow();
    },
    onTravel: (before) => void travelled(before),
  });
  const { state, dispatch } = timeline;
  const work = createWork(source);
  const layers = createLayers(source, work, state);
  const kept = new Map<string, Overview>();
  const overviewFailed = (error: unknown): void => {
    work.onRetry(() => void showLayer());
    work.fail(error);
  };
  const overviews = createOverviews(source, overviewFailed, kept);
  const overviewsBeside = createOverviews(source, overviewFailed, kept);
  const edges = createEdges(source, (error) => {
    work.onRetry(showEdge);
    work.fail(error);
  });
  const edgesBeside = createEdges(source, work.fail);
  const values = createValues(source, work.fail);
  const comparison = createComparison({ source, work, timeline, onPasses: () => void showLayer() });

  const can = (what: string): boolean => hello()?.can.includes(what) ?? false;
  const canChange = (): boolean => can("run") && currentPass(state())?.model.name != null;

  /** Runs an input that the user chose. */
  function run(input: Input): Promise<void> {
    visits += 1;
    setRemark(null);
    return perform(input, {});
  }

  /** Runs an input, and shows its trace as `how` says. */
  async function perform(input: Input, how: Omit<Arrival, "input" | "select">): Promise<void> {
    setLastInput(input);
    work.onRetry(() => void perform(input, how));
    shorten = () => void perform({ ...input, cut: true }, how);
    const trace = await work.ask("run", requestOf(input), "trace", "Starting");
    if (trace === null) return;
    const asked = how.within === undefined;
    if (asked && input.query != null) named = { token: input.query, query: null, key: null };
    arrive(trace, { ...how, input, select: input.select });
    if (asked && input.frame !== undefined) dispatch({ type: "frame", frame: input.frame });
    if (asked && input.query != null) setTokenToReveal(state().selection.token);
    await Promise.all([showLayer(), refreshModels(trace.model.name)]);
    if (how.compared !== undefined) follow();
  }

  /** Shows a trace. A new one is an entry of the browser's history unless an entry led to it. */
  function arrive(trace: TraceMessage, how: Arrival, baseline: TraceMessage | null = null): void {
    const { within, again = false, travelled = false, input = null, select, compared } = how;
    const before = state();
    batch(() => {
      if (!again && before.trace !== null && before.trace.trace !== trace.trace) setEntry(entry() + 1);
      dispatch({ type: "traced", trace, select, within, again: travelled });
      if (compared !== undefined) comparison.restore(baseline, compared);
      recentInputs.shown(before, trace, input);
    });
    selectNamed();
  }

  /** Reloads the model list if the model that just ran was not loaded before: its accepted inputs are now known. */
  async function refreshModels(name: string | null): Promise<void> {
    const entry = hello()?.models.find((model) => model.name === name);
    if (entry === undefined || entry.loaded) return;
    // If this fails, the old list stays; the next request reports the problem.
    await runRequest(source, { type: "hello" }, "hello", { onAnswer: setHello });
  }

  function showOverview(): void {
    const { trace, selection, view, field } = state();
    if (trace === null || !can("overview")) return;
    const baseline = field === "difference" ? (state().comparison?.baseline.trace ?? null) : null;
    void overviews.show(trace.trace, selection.stack, view.filter, baseline).then(showOverviewBeside);
  }

  /** Loads the overview of the baseline while differences are shown: for a measure of heads, or if it is there already. */
  function showOverviewBeside(): void {
    const { comparison, field, selection, view } = state();
    if (comparison === null || field !== "difference") return;
    const of = [comparison.baseline.trace, selection.stack, view.filter] as const;
    const wanted = view.measure !== null && view.measure !== "edge";
    if (wanted || overviews.has(...of)) void overviewsBeside.show(...of);
  }

  /** Loads the pinned edge in all heads, if one is pinned and the host supports it. */
  function showEdge(): void {
    const { trace, selection } = state();
    if (trace === null || !can("edge")) return;
    void edges.show(trace.trace, selection.stack, selectedEdge(state()));
    showEdgeBeside();
  }

  /** The pinned edge in the pass that is compared with the shown one. */
  function showEdgeBeside(): void {
    const { comparison, field, selection } = state();
    const edge = selectedEdge(state());
    const other = field === "before" ? comparison?.current : comparison?.baseline;
    const place = edge === null ? null : edgeBeside(state(), edge);
    void edgesBeside.show(other?.trace ?? "", selection.stack, place);
  }

  async function showLayer(): Promise<void> {
    showOverview();
    showEdge();
    await Promise.all([layers.show(() => void showLayer()), layers.compare()]);
  }

  /** Exact rows of the selected layer, in the shown pass or in the one that is compared with it (`beside`). */
  async function tile(
    heads: readonly number[],
    rows: readonly number[],
    beside: string | null = null,
  ): Promise<TileMessage | null> {
    return can("tile") ? layers.tile(heads, rows, beside) : null;
  }

  async function check(): Promise<void> {
    const trace = state().trace?.trace;
    if (trace === undefined) return;
    work.onRetry(() => void check());
    const message = await work.ask("check", { type: "check", trace }, "check", "Checking against the model");
    if (message !== null) dispatch({ type: "certified", trace, certificate: message.certificate });
  }

  /** The shown trace as a self-contained page that opens with the current view; null if that failed or was canceled. */
  async function exportPage(again: () => void): Promise<Uint8Array<ArrayBuffer> | null> {
    const { selection, comparison } = state();
    const trace = currentPass(state());
    if (trace === null) return null;
    work.onRetry(again);
    const { stack, layer } = selection;
    const count = trace.stacks[stack]?.shapes[layer]?.heads ?? 0; // the shown pass may have others
    const heads = headsOn(state()).filter((head) => head < count);
    const request: Request = {
      ...{ type: "export", trace: trace.trace, stack, layer, heads: heads.length > 0 ? heads : [0] },
      ...(comparison === null ? {} : { baseline: comparison.baseline.trace }),
      address: writeView(state()),
    };
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

  /** Shows what a hash describes, and scrolls its token into view. A later visit or run replaces an earlier one. */
  async function visit(hash: string): Promise<void> {
    visits += 1;
    const mine = visits;
    work.abort("run");
    const address = readHash(hash);
    setTokenToReveal(null);
    setRemark(null);
    const { token, query, key } = address.named;
    const words = token !== null || query !== null || key !== null;
    named = words ? address.named : null;
    notFound = null;
    await show(address, () => visits === mine);
    if (visits !== mine) return;
    named = null;
    if (notFound !== null && !work.failure()?.disconnected) setRemark(remarkOf(notFound));
    const selected = state().selection.token;
    if (selected !== null && (words || samePlace(selected, address.token))) setTokenToReveal(selected);
  }

  /** Selects and pins the tokens that the address names, in the trace that is now there. */
  function selectNamed(): void {
    const before = state();
    const { trace, selection } = before;
    if (named === null || trace?.stacks[selection.stack] === undefined) return;
    const found = placesNamed(trace, selection.stack, named);
    named = null;
    notFound ??= found.notFound;
    timeline.replace({
      ...before,
      pins: found.pins.length > 0 ? found.pins : before.pins,
      selection: { ...selection, token: found.token ?? selection.token },
    });
  }

  async function show(address: Address, current: () => boolean): Promise<void> {
    const { trace, text, messages, compared } = address;
    const now = currentPass(state());
    const names = trace !== null || ((text !== null || messages !== null) && can("run"));
    if (now !== null && (trace === now.trace || !names)) {
      const baseline = trace === null ? null : await recallBaseline(compared);
      if (!current()) return;
      timeline.replace(applyAddress(state(), address));
      if (trace !== null) comparison.restore(baseline, compared);
      selectNamed();
      await showLayer();
      return follow();
    }
    if (now === null) timeline.replace(applyAddress(state(), address));
    const within = applyAddress({ ...state(), trace: null }, address);
    if (trace !== null) {
      const found = await recall(trace, { within, again: true, compared }, current);
      if (found === "shown" || found === "failed" || !current()) return;
      const input = recentInputs.find(trace)?.again ?? inputOfAddress(address);
      if (input !== null) return rerun(input, within, compared);
      const { sentence } = failureOf(found.error);
      setRemark(remarkOf(hello()?.file ? sentence : GONE));
    } else {
      const input = inputOfAddress(address);
      if (input !== null) return rerun(input, within, compared);
    }
    if (state().trace !== null) {
      selectNamed();
      return showLayer();
    }
    const saved = hello()?.trace ?? null;
    const inFile = hello()?.file?.baseline?.trace ?? null;
    const own = { ...compared, baseline: compared.baseline ?? inFile };
    const arrival = { within, again: true, compared: own };
    if (saved !== null && (await recall(saved, arrival, current)) === "shown") return;
    const example = hello()?.examples[0];
    if (example !== undefined && hello()?.model !== null) return perform(inputOf(example), { again: true });
  }

  /** The input that an address describes; null if there is none, or if nothing can run it. */
  function inputOfAddress({ text, pair, target, messages, continues, model }: Address): Input | null {
    if (!can("run") || ((text ?? "") === "" && messages === null)) return null;
    return { text: text ?? "", pair, target, messages, continues, model };
  }

  /** Runs the input of an address, or says that its model is not there. */
  async function rerun(input: Input, within: AppState, compared: ComparedAddress): Promise<void> {
    const models = hello()?.models ?? [];
    const { model } = input;
    if (model === null || models.length === 0 || models.some(({ name }) => name === model)) {
      if (compared.baseline !== null && compared.kind !== "unchanged") setRemark(remarkOf(BASELINE_GONE));
      return perform(input, { within, again: true, compared });
    }
    const own = hello()?.model ?? models[0].name;
    setLastInput({ ...input, model: own });
    setRemark(unknownModel(model, models, (chosen) => void run({ ...input, model: chosen })));
    if (state().trace !== null) await showLayer();
  }

  /** Asks the host for a trace, and shows it if the host still has it. */
  async function recall(
    trace: string,
    how: Arrival,
    current: () => boolean = () => true,
  ): Promise<"shown" | "failed" | { readonly error: unknown }> {
    const ending = await runRequest(source, { type: "trace", trace }, "trace", { first: true });
    if (!current()) return "failed";
    if (ending.kind !== "answered") {
      if (ending.error instanceof HostError) return { error: ending.error };
      work.fail(ending.error);
      return "failed";
    }
    if (ending.message === null) return "failed";
    const baseline = how.compared === undefined ? null : await recallBaseline(how.compared);
    if (!current()) return "failed";
    work.setFailure(null);
    arrive(ending.message, how, baseline);
    await showLayer();
    follow();
    return "shown";
  }

  /** The baseline of an address; null if there is none, or if the host no longer has it. */
  async function recallBaseline({ baseline }: ComparedAddress): Promise<TraceMessage | null> {
    if (baseline === null) return null;
    const known = state().comparison?.baseline;
    if (known?.trace === baseline) return known;
    const ending = await runRequest(source, { type: "trace", trace: baseline }, "trace", { first: true });
    if (ending.kind === "answered") return ending.message;
    if (ending.error instanceof HostError) setRemark(remarkOf(BASELINE_GONE));
    else work.fail(ending.error);
    return null;
  }

  /** Makes the changes of an address that its trace does not have. */
  function follow(): void {
    if (canChange()) comparison.follow(0);
  }

  /** Shows an earlier input again as it was left; runs it again if the host dropped it. */
  async function reopen(trace: string): Promise<void> {
    visits += 1;
    const mine = visits;
    work.abort("run");
    setRemark(null);
    work.onRetry(() => void reopen(trace));
    const { frame, view } = state();
    const earlier = recentInputs.find(trace);
    const left = earlier?.left ?? null;
    const within =
      left === null ? undefined : { ...left, trace: null, frame, view: { ...left.view, theme: view.theme } };
    const shown = left?.comparison ? passShown(left.comparison, left.field).trace : trace;
    const found = await recall(shown, { within }, () => visits === mine);
    if (found === "shown" || found === "failed") return;
    if (earlier?.again != null && can("run")) return perform(earlier.again, { within });
    setRemark(remarkOf(GONE));
  }

  /** After undo and redo: loads what is shown now. If they lead to another input, the host may have dropped its trace. */
  async function travelled(before: AppState): Promise<void> {
    const { trace } = state();
    comparison.travelled();
    if (trace === null || trace.trace === before.trace?.trace || related(before, state())) return showLayer();
    visits += 1;
    const mine = visits;
    work.abort("run");
    setRemark(null);
    batch(() => {
      setEntry(entry() + 1);
      recentInputs.shown(before, trace, null);
    });
    const within = { ...state(), trace: null };
    const how = { within, again: true, travelled: true };
    const found = await recall(trace.trace, how, () => visits === mine);
    if (found === "shown" || found === "failed") return;
    const input = recentInputs.find(trace.trace)?.again ?? null;
    if (input !== null && can("run")) return perform(input, how);
    setRemark(remarkOf(GONE));
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
    for (const part of [work, layers, overviews, overviewsBeside, edges, edgesBeside, values, comparison])
      part.close();
  }

  return {
    state,
    overview: overviews.overview,
    /** The overview of the baseline, if it was loaded while differences are shown. */
    overviewBeside: overviewsBeside.overview,
    edge: edges.edge,
    /** The pinned edge in the pass that is compared with the shown one. */
    edgeBeside: edgesBeside.edge,
    /** The selected layer in both passes; null without a comparison. */
    compared: layers.compared,
    change: comparison.change,
    muteLast: comparison.muteLast,
    /** Shows another field for a moment, without a step of undo. */
    peek: (field: AppState["field"]) => {
      timeline.replace(reduce(state(), { type: "field", field }));
      void showLayer();
    },
    compareWith: comparison.compareWith,
    /** Compares with a trace of the host by its id; null ends the comparison. */
    compareWithId: comparison.compareWithId,
    comparePasses: comparison.comparePasses,
    /** Whether changes are wanted that the current pass does not have yet. */
    pending: comparison.pending,
    source,
    can,
    /** Whether the shown pass can be changed: its model is there, and the host runs it. */
    canChange,
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
    /** Earlier inputs, newest first, and how to show one again. */
    recentInputs: recentInputs.list,
    reopen,
    /** Counts the inputs that the user went to; each is an entry of the browser's history. */
    entry,
    remark,
    dismissRemark: () => setRemark(null),
    layerOf: layers.other,
    tile,
    /** Exact rows, and the layer with q and k that are not rounded; null where the host cannot send them. */
    exactRows: async (heads: readonly number[], rows: readonly number[], pass?: AppState["trace"]) =>
      can("tile") ? layers.exactRows(heads, rows, pass) : null,
    exactLayer: async () => (can("tile") ? layers.exactLayer() : null),
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

/** Whether two states show passes of one comparison, or of the same input. */
function related(a: AppState, b: AppState): boolean {
  const passes = ({ trace, comparison }: AppState): readonly (string | undefined)[] => [
    trace?.trace,
    comparison?.baseline.trace,
    comparison?.current.trace,
  ];
  return passes(a).some((one) => one !== undefined && passes(b).includes(one));
}

function samePlace(a: Place, b: Place | null): boolean {
  return a.side === b?.side && a.index === b.index;
}
