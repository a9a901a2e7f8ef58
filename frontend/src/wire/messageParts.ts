/** Checks that the parts of a message fit each other: tokens and stacks, images and patches, masks and keys. */

import type { LayerMessage, Message, TraceMessage, Workspace } from "./messages";
import { DamagedError } from "./safetensors";

/** Throws `DamagedError` if a part of the message refers to something that is not there. */
export function checkParts(message: Message): void {
  if (message.type === "trace") checkTrace(message);
  else if (message.type === "layer") checkLayer(message);
  else if (message.type === "open") checkWorkspace(message);
  else if (message.type === "hello" && message.workspace) checkWorkspace(message.workspace);
  else if (message.type === "save" && !(message.tensors.get("file")?.data instanceof Uint8Array))
    throw new DamagedError("The bytes of the workspace file are missing.");
}

function checkTrace(trace: TraceMessage): void {
  const { tokens, stacks, images = [], predictions = [] } = trace;
  if (Object.keys(stacks).length === 0) throw new DamagedError("The trace has no stacks.");
  for (const [name, { query, key, shapes, layers }] of Object.entries(stacks)) {
    for (const side of [query, key])
      if (!Object.hasOwn(tokens, side)) throw new DamagedError(`The stack ${short(name)} has no tokens.`);
    if (shapes.length !== layers)
      throw new DamagedError(`The stack ${short(name)} must have ${layers} shapes; got ${shapes.length}.`);
    for (const shape of shapes)
      if (shape !== null && shape.heads % shape.kv_heads !== 0)
        throw new DamagedError(`In the stack ${short(name)}, ${grouping(shape.heads, shape.kv_heads)}`);
  }
  for (const at of images.keys())
    if (!(trace.tensors.get(`image_${at}`)?.data instanceof Uint8Array))
      throw new DamagedError(`Image ${at} of the trace is missing.`);
  const longest = Math.max(...Object.values(tokens).map((side) => side.length));
  for (const side of Object.values(tokens))
    for (const { image } of side)
      if (image != null && image >= Math.max(images.length, 1))
        throw new DamagedError(`A token belongs to image ${image}, but the trace has ${images.length}.`);
  for (const { position } of predictions)
    if (position !== null && position >= longest)
      throw new DamagedError(`A prediction is about token ${position}, but there are ${longest} tokens.`);
}

function checkWorkspace({ traces, current, baseline }: Workspace): void {
  for (const shown of baseline === null ? [current] : [current, baseline])
    if (!traces.includes(shown))
      throw new DamagedError(`The trace ${short(shown)} is not one of the workspace's traces.`);
}

function checkLayer(layer: LayerMessage): void {
  const { heads, kv_heads: kvHeads = heads, queries, keys } = layer;
  if (heads % kvHeads !== 0) throw new DamagedError(`In layer ${layer.layer}, ${grouping(heads, kvHeads)}`);
  checkRange(layer, "mask_lo", [keys + 1]);
  checkRange(layer, "mask_hi", [keys + 1]);
  checkRange(layer, "rows_at", [heads, queries]);
  checkRange(layer, "cuts", [heads, queries, keys]);
}

/** Checks that the numbers of an int32 tensor are from 0 to below `limits`, one limit for each column. */
function checkRange({ tensors }: LayerMessage, name: string, limits: readonly number[]): void {
  const data = tensors.get(name)?.data;
  if (data === undefined) return;
  if (!(data instanceof Int32Array)) throw new DamagedError(`The layer's \`${name}\` must be int32.`);
  for (let at = 0; at < data.length; at++)
    if (data[at] < 0 || data[at] >= limits[at % limits.length])
      throw new DamagedError(`The layer's \`${name}\` contains ${data[at]}, which is out of range.`);
}

function grouping(heads: number, kvHeads: number): string {
  return `${heads} query heads cannot be divided evenly among ${kvHeads} key heads.`;
}

function short(name: string): string {
  return name.slice(0, 40);
}
