/** Images of a trace, decoded once, without object URLs, so that it works under the strictest content security policy. */

import { type Accessor, createSignal } from "solid-js";
import type { TraceMessage } from "../../wire/messages";
import { context2d } from "../shared/canvas";

export interface Bitmap {
  readonly color: ImageBitmap;
  readonly gray: HTMLCanvasElement;
  readonly width: number;
  readonly height: number;
}

const known = new WeakMap<Uint8Array, Accessor<Bitmap | null>>();

/** An image of a trace; null while it is being decoded, or if there is none. */
export function bitmapOf(trace: TraceMessage | null, image: number): Bitmap | null {
  const bytes = trace?.tensors.get(`image_${image}`)?.data;
  if (!(bytes instanceof Uint8Array)) return null;
  const kept = known.get(bytes);
  if (kept !== undefined) return kept();
  const [bitmap, setBitmap] = createSignal<Bitmap | null>(null);
  known.set(bytes, bitmap);
  void decoded(bytes).then(setBitmap, () => setBitmap(null));
  return bitmap();
}

async function decoded(bytes: Uint8Array): Promise<Bitmap> {
  const color = await createImageBitmap(new Blob([new Uint8Array(bytes)]));
  const { width, height } = color;
  const gray = document.createElement("canvas");
  [gray.width, gray.height] = [width, height];
  const context = context2d(gray);
  context.drawImage(color, 0, 0);
  const pixels = context.getImageData(0, 0, width, height);
  const { data } = pixels;
  for (let at = 0; at < data.length; at += 4) {
    const light = 0.2126 * data[at] + 0.7152 * data[at + 1] + 0.0722 * data[at + 2];
    data[at] = data[at + 1] = data[at + 2] = light;
  }
  context.putImageData(pixels, 0, 0);
  return { color, gray, width, height };
}
