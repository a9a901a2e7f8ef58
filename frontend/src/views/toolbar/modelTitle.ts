/** The title of the model on the page. */

import type { HelloMessage, ModelEntry, TraceMessage } from "../../wire/messages";

/** The model of the first run: the default of the host, else its only model; null if undecided. */
export function firstModel(hello: Pick<HelloMessage, "model" | "models" | "can"> | null): ModelEntry | null {
  if (hello === null || !hello.can.includes("run")) return null;
  const named = hello.models.find(({ name }) => name === hello.model);
  return named ?? (hello.model === null && hello.models.length === 1 ? hello.models[0] : null);
}

/** The title of the shown model; without a trace, that of the `requested` model, else that of the first run. */
export function modelTitle(
  trace: Pick<TraceMessage, "model"> | null,
  hello: Pick<HelloMessage, "model" | "models" | "can"> | null,
  requested: string | null = null,
): string {
  if (trace !== null) return trace.model.title ?? "Saved result";
  const running = hello?.models.find(({ name }) => name === requested) ?? firstModel(hello);
  return running?.title ?? "No model loaded";
}
