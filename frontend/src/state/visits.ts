/** Which input is shown: runs it, finds it again from an address, from the list of earlier inputs, or by undo. */

import { batch, createSignal } from "solid-js";
import { HostError, type Source } from "../source/source";
import type { HelloMessage, TraceMessage } from "../wire/messages";
import type { createComparison } from "./comparison";
import { failureOf } from "./failure";
import { type Address, applyAddress, type NamedTokens, readHash } from "./hash";
import { type Input, inputOf, requestOf } from "./input";
import { placesNamed } from "./namedTokens";
import { createRecentInputs } from "./recentInputs";
import { type Remark, remarkOf, unknownModel } from "./remark";
import { runRequest } from "./request";
import { type AppState, type Place, passShown, type Selection } from "./state";
import type { createTimeline } from "./timeline";
import type { WorkTracker } from "./work";

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
}

const GONE =
  "attnscope no longer has this result, and this page cannot run its input again. Run it again where it was made.";

export interface VisitParts {
  readonly source: Source;
  readonly work: WorkTracker;
  readonly timeline: ReturnType<typeof createTimeline>;
  readonly comparison: ReturnType<typeof createComparison>;
  readonly hello: () => HelloMessage | null;
  readonly setHello: (message: HelloMessage) => void;
  readonly can: (what: string) => boolean;
  /** Loads what the views show of the selected layer. */
  readonly showLayer: () => Promise<void>;
}

export function createVisits(parts: VisitParts) {
  const { source, work, timeline, comparison, hello, setHello, can, showLayer } = parts;
  const { state, dispatch } = timeline;
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
  }

  /** Shows a trace. A new one is an entry of the browser's history unless an entry led to it. */
  function arrive(trace: TraceMessage, how: Arrival): void {
    const { within, again = false, travelled = false, input = null, select } = how;
    const before = state();
    batch(() => {
      if (!again && before.trace !== null && before.trace.trace !== trace.trace) setEntry(entry() + 1);
      dispatch({ type: "traced", trace, select, within, again: travelled });
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
    const wanted = { ...address, baseline: address.baseline ?? baselineInFile(address) };
    if (namesPass(wanted)) await comparison.restore(wanted, () => visits === mine);
    if (visits !== mine) return;
    named = null;
    if (notFound !== null && !work.failure()?.disconnected) setRemark(remarkOf(notFound));
    const selected = state().selection.token;
    if (selected !== null && (words || samePlace(selected, address.token))) setTokenToReveal(selected);
  }

  /** The baseline in the file that the page is part of, unless the address names another trace. */
  function baselineInFile({ trace, text, messages }: Address): string | null {
    const other = trace !== null && trace !== hello()?.trace;
    return other || text !== null || messages !== null ? null : (hello()?.file?.baseline?.trace ?? null);
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
    const { trace, text, messages } = address;
    const now = state().trace;
    const names = trace !== null || ((text !== null || messages !== null) && can("run"));
    if (now !== null && (trace === now.trace || !names)) {
      timeline.replace(applyAddress(state(), address));
      selectNamed();
      return showLayer();
    }
    if (now === null) timeline.replace(applyAddress(state(), address));
    const within = applyAddress({ ...state(), trace: null }, address);
    if (trace !== null) {
      const found = await recall(trace, { within, again: true }, current);
      if (found === "shown" || found === "failed" || !current()) return;
      const input = recentInputs.find(trace)?.again ?? inputOfAddress(address);
      if (input !== null) return rerun(input, within);
      const { sentence } = failureOf(found.error);
      setRemark(remarkOf(hello()?.file ? sentence : GONE));
    } else {
      const input = inputOfAddress(address);
      if (input !== null) return rerun(input, within);
    }
    if (state().trace !== null) {
      selectNamed();
      return showLayer();
    }
    const saved = hello()?.trace ?? null;
    if (saved !== null && (await recall(saved, { within, again: true }, current)) === "shown") return;
    const example = hello()?.examples[0];
    if (example !== undefined && hello()?.model !== null) return perform(inputOf(example), { again: true });
  }

  /** The input that an address describes; null if there is none, or if nothing can run it. */
  function inputOfAddress({ text, pair, target, messages, continues, model }: Address): Input | null {
    if (!can("run") || ((text ?? "") === "" && messages === null)) return null;
    return { text: text ?? "", pair, target, messages, continues, model };
  }

  /** Runs the input of an address, or says that its model is not there. */
  async function rerun(input: Input, within: AppState): Promise<void> {
    const models = hello()?.models ?? [];
    const { model } = input;
    if (model === null || models.length === 0 || models.some(({ name }) => name === model)) {
      return perform(input, { within, again: true });
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
    work.setFailure(null);
    arrive(ending.message, how);
    await showLayer();
    return "shown";
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

  return {
    ...{ run, start, visit, reopen, travelled, entry, remark, lastInput, tokenToReveal, recentInputs },
    tokenRevealed: () => setTokenToReveal(null),
    dismissRemark: () => setRemark(null),
    /** Runs a text that was too long again, truncated. */
    shorten: () => {
      work.setFailure(null);
      shorten();
    },
  };
}

/** Whether an address says which passes are shown, and not only how. */
function namesPass({ trace, text, messages, changes, baseline }: Address): boolean {
  return [trace, text, messages, baseline].some((part) => part !== null) || changes !== null;
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
