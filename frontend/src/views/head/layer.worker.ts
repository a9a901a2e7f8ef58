/** Worker that summarizes all rows of a layer's heads and draws bands of lines. */

import { type HeadSummary, type RowRules, summarize } from "../../compute/headSummary";
import type { LayerField } from "../../compute/layerField";
import { type Band, type BandRequest, drawBand } from "./band";
import { type FieldParts, fieldOf } from "./fieldParts";

export type ToWorker =
  | { readonly type: "layer"; readonly parts: FieldParts }
  | {
      readonly type: "summarize";
      readonly client: number;
      readonly key: string;
      readonly rules: RowRules;
      readonly heads: readonly number[];
    }
  | { readonly type: "band"; readonly client: number; readonly key: string; readonly request: BandRequest }
  | { readonly type: "leave"; readonly client: number };

export type FromWorker =
  | {
      readonly type: "summary";
      readonly client: number;
      readonly key: string;
      readonly summary: HeadSummary;
    }
  | { readonly type: "band"; readonly client: number; readonly band: Band };

interface Jobs {
  band: Extract<ToWorker, { type: "band" }> | null;
  summaries: { readonly key: string; readonly rules: RowRules; readonly heads: number[] } | null;
}

let field: LayerField | undefined;
/** Only the latest request of each client. */
const jobs = new Map<number, Jobs>();
const cutoffs = new Map<string, Float32Array>();
let going = false;

self.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  if (data.type === "layer") {
    field = fieldOf(data.parts);
    return;
  }
  if (data.type === "leave") {
    jobs.delete(data.client);
    return;
  }
  const own = jobs.get(data.client) ?? { band: null, summaries: null };
  jobs.set(data.client, own);
  if (data.type === "band") own.band = data;
  else own.summaries = { key: data.key, rules: data.rules, heads: [...data.heads] };
  if (!going) {
    going = true;
    setTimeout(step);
  }
};

/** Runs one unit of work: bands first, because they are visible. Messages are received between units. */
function step(): void {
  going = work();
  if (going) setTimeout(step);
}

function work(): boolean {
  if (field === undefined) throw new Error("Work was requested before its layer was sent.");
  for (const own of jobs.values()) {
    if (own.band === null) continue;
    const { client, key, request } = own.band;
    own.band = null;
    const band = drawBand(field, request, (head) => cutoffs.get(`${key} ${head}`) ?? null);
    const { lines } = band;
    const buffers = [lines.head.buffer, lines.query.buffer, lines.key.buffer, lines.weight.buffer];
    if (band.pixels !== null) buffers.push(band.pixels.buffer);
    answer({ type: "band", client, band }, buffers as ArrayBuffer[]);
    return true;
  }
  for (const [client, own] of jobs) {
    const head = own.summaries?.heads.shift();
    if (head === undefined || own.summaries === null) continue;
    const { key, rules } = own.summaries;
    const summary = summarize(field, head, rules);
    field.learn(head, summary.normalizers);
    cutoffs.set(`${key} ${head}`, summary.cutoffs);
    // Copied, because the worker keeps using them.
    answer({ type: "summary", client, key, summary }, []);
    return true;
  }
  return false;
}

function answer(message: FromWorker, transfer: ArrayBuffer[]): void {
  self.postMessage(message, { transfer });
}
