/** What the page calls its model. Pure. */

import type { HelloMessage, ModelEntry, TraceMessage } from "../../wire/messages";

/** The model that the first run will be of: the one the host names, else its only one; null where nobody knows. */
export function firstModel(hello: Pick<HelloMessage, "model" | "models" | "can"> | null): ModelEntry | null {
  if (hello === null || !hello.can.includes("run")) return null;
  const named = hello.models.find(({ name }) => name === hello.model);
  return named ?? (hello.model === null && hello.models.length === 1 ? hello.models[0] : null);
}

/** The model on show, or before there is one, the model that was `asked` to run, else the one that will be run. */
export function modelTitle(
  trace: Pick<TraceMessage, "model"> | null,
  hello: Pick<HelloMessage, "model" | "models" | "can"> | null,
  asked: string | null = null,
): string {
  if (trace !== null) return trace.model.title ?? "Saved trace";
  const running = hello?.models.find(({ name }) => name === asked) ?? firstModel(hello);
  return running?.title ?? "No model yet";
}
