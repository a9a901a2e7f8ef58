/** The current view as Python code that draws the same figure and reads its numbers. Pure. */

import { type AppState, currentPass, headsOn, neuronHead, type PanelName } from "../state/state";
import type { ChatMessage, TraceMessage } from "../wire/messages";
import { editPython } from "./edits";
import { pythonString } from "./pythonString";

/** A program that traces the same input, and what it is compared with, and shows one view of it. Empty without a trace. */
export function pythonOf(state: AppState, panel: PanelName): string {
  const { comparison, field } = state;
  const trace = currentPass(state);
  if (trace === null) return "";
  const edited = [trace, comparison?.baseline].some((pass) => (pass?.edits ?? []).length > 0);
  const lines = ["import attnscope", ...(edited ? ["from attnscope import edits"] : []), ""];
  if (trace.model.name !== null) lines.push(`model = attnscope.load(${pythonString(trace.model.name)})`);
  lines.push(`trace = ${pass(trace, "model", "saved.trace")}`);
  if (comparison !== null) {
    const other = comparison.baseline.model.name;
    const same = other === trace.model.name;
    if (other !== null && !same) lines.push(`baseline_model = attnscope.load(${pythonString(other)})`);
    lines.push(
      `baseline = ${pass(comparison.baseline, same ? "model" : "baseline_model", "baseline.trace")}`,
    );
  }
  // Rounding depends on the number of threads, and the id hashes every bit.
  lines.push(
    `# trace.id was ${pythonString(trace.trace)}; expect the same id on the same machine with the same number of threads`,
    "",
  );
  const view = viewArguments(state, panel);
  const compared = comparison === null ? [] : ["baseline=baseline", `field=${pythonString(field)}`];
  const shown = ["trace", ...view.arguments, ...compared];
  lines.push(`attnscope.show(${shown.join(", ")})`);
  const drawn = [...shown, ...settingsOf(state, panel)].join(", ");
  lines.push(`# attnscope.figure(${drawn}).savefig(${pythonString(`${view.file}.pdf`)})`);
  if (view.numbers !== null) lines.push(view.numbers);
  return `${lines.join("\n")}\n`;
}

/** The call that makes a pass with a model, or that opens a saved one. */
function pass(trace: TraceMessage, model: string, file: string): string {
  const { text, pair, target, messages } = trace.input;
  const edits = trace.edits ?? [];
  if (trace.model.name === null || text === null)
    return `attnscope.open(${pythonString(file)})  # replace with the path of the saved trace`;
  const call = [messages === undefined ? pythonString(text) : chatPython(messages)];
  if (pair !== null) call.push(`pair=${pythonString(pair)}`);
  if (target != null) call.push(`target=${pythonString(target)}`);
  if (edits.length > 0) call.push(`edits=[${edits.map(editPython).join(", ")}]`);
  return `${model}.trace(${call.join(", ")})`;
}

/** The messages of a chat as a Python list of dictionaries. */
export function chatPython(messages: readonly ChatMessage[]): string {
  const turns = messages.map(
    ({ role, content }) => `{"role": ${pythonString(role)}, "content": ${pythonString(content)}}`,
  );
  return `[${turns.join(", ")}]`;
}

interface ViewCall {
  readonly arguments: readonly string[];
  readonly file: string;
  readonly numbers: string | null;
}

function viewArguments(state: AppState, panel: PanelName): ViewCall {
  const { layer, token, stack } = state.selection;
  const { pins } = state;
  const several = Object.keys(state.trace?.stacks ?? {}).length > 1;
  const ofStack = several ? [`stack=${pythonString(stack)}`] : [];
  const inStack = ofStack.map((argument) => `, ${argument}`).join("");
  const place = token ?? pins.findLast((pin) => pin.side === "query") ?? null;
  const query = place?.side === "query" ? [`token=${place.index}`] : [];
  if (panel === "model") return { arguments: ['view="model"', ...ofStack], file: "model", numbers: null };
  const head = neuronHead(state);
  const shown = state.field === "before" ? "baseline" : "trace";
  if (panel === "side" && state.frame.side === "neurons") {
    return {
      arguments: ['view="neuron"', `layer=${layer}`, `head=${head}`, ...query, ...ofStack],
      file: `neurons-${layer}.${head}`,
      numbers: `q, k = ${shown}.q(${layer}, ${head}${inStack}), ${shown}.k(${layer}, ${head}${inStack})`,
    };
  }
  const heads = headsOn(state);
  const at = `${layer}, ${heads[0] ?? 0}`;
  return {
    arguments: ['view="head"', `layer=${layer}`, `heads=[${heads.join(", ")}]`, ...query, ...ofStack],
    file: heads.length === 1 ? `head-${layer}.${heads[0]}` : `layer-${layer}`,
    numbers:
      state.field === "difference"
        ? `difference = attnscope.analysis.difference(trace, baseline, ${at}${inStack})  # [query, key]`
        : `attention = ${shown}.attention(${at}${inStack})  # [query, key]`,
  };
}

/** The settings of the page that also apply to a figure, unless they have their default values. */
function settingsOf({ view }: AppState, panel: PanelName): readonly string[] {
  const found = [`scale=${pythonString(view.scale)}`];
  if (view.filter !== "all") found.push(`filter=${pythonString(view.filter)}`);
  if (view.sinks !== "shown") found.push(`hide_sinks=${view.sinks === "hidden" ? "True" : '"renormalized"'}`);
  if (panel === "head" && view.threshold > 0) found.push(`threshold=${view.threshold}`);
  if (panel === "head" && view.top !== null) found.push(`top=${view.top}`);
  if (panel === "model" && view.palette !== "blue") found.push(`palette=${pythonString(view.palette)}`);
  if (panel === "model" && view.thumbnails !== "auto") {
    found.push(`thumbnails=${pythonString(view.thumbnails)}`);
  }
  return found;
}
