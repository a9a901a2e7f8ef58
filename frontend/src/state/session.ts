/** The session: the only part that sends requests. It holds the state and reports work in progress and failures. */

import { batch, createSignal } from "solid-js";
import type { Source } from "../source/source";
import type { HelloMessage, Request, TileMessage } from "../wire/messages";
import { createComparison } from "./comparison";
import { createEdges } from "./edges";
import { failureFrom } from "./failure";
import { createFiles } from "./files";
import { writeView } from "./hash";
import { createLayers } from "./layers";
import { createOverviews, type Overview } from "./overviews";
import { type Action, reduce } from "./reduce";
import { type AppState, currentPass, edgeBeside, headsOn, selectedEdge } from "./state";
import { createTimeline } from "./timeline";
import { createValues } from "./values";
import { createVisits } from "./visits";
import { createWork } from "./work";

/** Actions that may change the shown layer. */
const LAYER_ACTIONS: readonly Action["type"][] = ["layer", "stack", "head", "add-head", "field"];

export type Session = ReturnType<typeof createSession>;

export function createSession(source: Source) {
  const [hello, setHello] = createSignal<HelloMessage | null>(null);
  const timeline = createTimeline({
    onStep: (action, before, after) => {
      if (after.pins !== before.pins) showEdge();
      if (after.view.filter !== before.view.filter || after.view.measure !== before.view.measure)
        showOverview();
      if (LAYER_ACTIONS.includes(action.type)) void showLayer();
      if (action.type === "changes") comparison.follow();
    },
    onTravel: (before) => void visits.travelled(before),
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
  const visits = createVisits({
    ...{ source, work, timeline, comparison, hello, setHello, can },
    showLayer: () => showLayer(),
  });

  const files = createFiles({ work, timeline, hello, visit: visits.visit });

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

  /** The current pass, with its baseline if there is one, as a self-contained page that opens with the current view; null if that failed or was canceled. */
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
      batch(() => {
        timeline.replace(reduce(state(), { type: "field", field }));
        void showLayer();
      });
    },
    compareWith: comparison.compareWith,
    /** Compares with a trace of the host by its id; null ends the comparison. */
    compareWithId: comparison.compareWithId,
    comparePasses: comparison.comparePasses,
    openFile: files.openFile,
    traceOf: files.traceOf,
    /** Notes, the trail of kept views, and the file of all. */
    workspace: files,
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
    lastInput: visits.lastInput,
    layer: layers.layer,
    /** The token of an address that was just opened; a view scrolls to it once. */
    tokenToReveal: visits.tokenToReveal,
    tokenRevealed: visits.tokenRevealed,
    dispatch,
    run: visits.run,
    /** Earlier inputs, newest first, and how to show one again. */
    recentInputs: visits.recentInputs.list,
    reopen: visits.reopen,
    /** Counts the inputs that the user went to; each is an entry of the browser's history. */
    entry: visits.entry,
    remark: visits.remark,
    dismissRemark: visits.dismissRemark,
    layerOf: layers.other,
    tile,
    /** Exact rows, and the layer with q and k that are not rounded; null where the host cannot send them. */
    exactRows: async (heads: readonly number[], rows: readonly number[], pass?: AppState["trace"]) =>
      can("tile") ? layers.exactRows(heads, rows, pass) : null,
    exactLayer: async () => (can("tile") ? layers.exactLayer() : null),
    check,
    exportPage,
    start: visits.start,
    visit: visits.visit,
    cancel,
    close,
    undo: timeline.undo,
    redo: timeline.redo,
    undoes: timeline.undoes,
    redoes: timeline.redoes,
    retry: work.retry,
    /** Runs a text that was too long again, truncated. */
    shorten: visits.shorten,
    fail: (sentence: string) => work.setFailure(failureFrom(sentence)),
    lose: (sentence: string) => work.setFailure({ ...failureFrom(sentence), disconnected: true }),
    dismiss: () => work.setFailure(null),
  };
}
