/** The numbers of a view as tables. Weights and scores are the host's exact ones wherever it can send them. */

import { DifferenceLayer } from "../../compute/differenceLayer";
import { changeOf } from "../../compute/edgeRows";
import { ComputedLayer, type LayerField, layerField } from "../../compute/layerField";
import { headVectors, traceQuery } from "../../compute/neuron";
import type { Cell, Table } from "../../figures/csv";
import { fileName } from "../../figures/fileName";
import { headName } from "../../marks/format";
import type { Place } from "../../state/state";
import type { Surroundings } from "../page/context";
import type { Page } from "../page/page";
import { keyShown, queryShown } from "../shared/weights";
import { comparedPlaces } from "../weights/rows";
import { NO_LAYER, NO_NEURONS, NO_PAIR, nothingShown } from "./figures";

export type TableKind = "weights" | "edges" | "neurons";

const EDGE = [
  "layer",
  "head",
  "query",
  "query_token",
  "key",
  "key_token",
  "weight",
  "rank",
  "score",
] as const;
/** Columns of differences. */
const CHANGE = [...EDGE.slice(0, 6), "before", "after", "difference"] as const;
const NO_TOKEN = "Select a token first.";

/** Why a table cannot be made right now; null if it can. */
export function tableObstacle({ page, neurons, edges }: Surroundings, kind: TableKind): string | null {
  const nothing = nothingShown(page);
  if (nothing !== null) return nothing;
  if (kind === "edges") return edges.rows() === null ? NO_PAIR : null;
  if (page.field() === null) return NO_LAYER;
  if (kind === "weights") return page.listed() === null ? NO_TOKEN : null;
  return neurons.traced() === null ? NO_NEURONS : null;
}

/** Makes the table of a view. Throws an error with a message for the user if there is nothing to export. */
export async function tableOf(context: Surroundings, kind: TableKind): Promise<Table> {
  const reason = tableObstacle(context, kind);
  if (reason !== null) throw new Error(reason);
  if (kind === "edges") return edgesTable(context);
  return kind === "weights" ? weightsTable(context.page) : neuronsTable(context);
}

function nameOf({ trace, state }: Page, view: string): string {
  const model = trace()?.model;
  const several = Object.keys(trace()?.stacks ?? {}).length > 1;
  const stack = several ? `${state().selection.stack}-` : "";
  return fileName(model?.name ?? model?.title ?? "trace", `${stack}${view}`, trace()?.input.text ?? null);
}

/** The pair in all heads, in the order of the view. */
function edgesTable({ page, edges }: Surroundings): Table {
  const { query, key } = edges.edge() ?? { query: 0, key: 0 };
  const { queries, keys } = page.shown();
  if (edges.rows()?.[0]?.before != null) {
    return {
      name: nameOf(page, `edges-${query}-${key}-difference`),
      columns: CHANGE,
      rows: (edges.rows() ?? []).map((row) => [
        ...[row.layer, row.head, query, queries[query].text, key, keys[key].text],
        ...[row.before, row.weight, changeOf(row)],
      ]),
    };
  }
  return {
    name: nameOf(page, `edges-${query}-${key}`),
    columns: [...EDGE, "among"],
    rows: (edges.rows() ?? []).map(({ layer, head, weight, rank, score, among }) => [
      ...[layer, head, query, queries[query].text, key, keys[key].text],
      ...[weight, rank === 0 ? null : rank, score, among],
    ]),
  };
}

/**
 * Every weight of the listed token, or of the compared ones, in the heads that are on. The sentence filter and the treatment
 * of sinks apply; the threshold and the limit of keys per row, which only make the view easier to read, don't.
 */
async function weightsTable(page: Page): Promise<Table> {
  const { session, state } = page;
  const field = page.field();
  const listed = page.listed();
  if (field === null || listed === null) throw new Error(NO_TOKEN);
  const shown = page.shown();
  const { queries, keys, heads } = shown;
  const compared = comparedPlaces(state().pins, listed);
  const places: readonly Place[] = compared.length > 0 ? compared : [listed];
  const side = places[0].side;
  const wanted =
    side === "query"
      ? places.map(({ index }) => index)
      : [...queries.keys()].filter((query) => queryShown(shown, query));
  const columns = side === "query" ? [...keys.keys()] : places.map(({ index }) => index);
  const first = heads.length === 1 ? headName(field.layer, heads[0]) : `layer-${field.layer}`;
  const names = places.map(({ index }) => index).join("-");
  const view = `weights-${first}-${side === "query" ? "from" : "to"}-${names}`;
  if (field instanceof DifferenceLayer) {
    const rows = await changes(page, field, wanted, columns);
    return { name: nameOf(page, `${view}-difference`), columns: CHANGE, rows };
  }
  const exact = await session.exactRows(heads, wanted);
  const rows: Cell[][] = [];
  for (const [h, head] of heads.entries()) {
    for (const [at, query] of wanted.entries()) {
      const row = rowOf(field, head, query, exact?.weights(h, at));
      for (const key of columns) {
        if (!keyShown(shown, key) || !field.allowed(head, query, key)) continue;
        const score = exact?.score(h, at, key) ?? field.score(head, query, key);
        const rank = row.reduce((above, weight) => (weight > row[key] ? above + 1 : above), 1);
        rows.push([
          field.layer,
          head,
          query,
          queries[query].text,
          key,
          keys[key].text,
          row[key],
          rank,
          score,
        ]);
      }
    }
  }
  return { name: nameOf(page, view), columns: EDGE, rows };
}

/** The weights of both passes and their difference, exact where the host can send them; empty where nothing corresponds. */
async function changes(
  page: Page,
  { compared, layer }: DifferenceLayer,
  wanted: readonly number[],
  columns: readonly number[],
): Promise<readonly (readonly Cell[])[]> {
  const shown = page.shown();
  const { queries, keys, heads } = shown;
  const { current, baseline, correspondence } = compared;
  const pass = page.state().comparison?.baseline;
  const others = wanted.map((query) => correspondence.queries[query] ?? -1);
  const there = others.filter((query) => query >= 0);
  const [after, before] = [
    await page.session.exactRows(heads, wanted),
    there.length === 0 ? null : await page.session.exactRows(heads, there, pass),
  ];
  const rows: Cell[][] = [];
  for (const [h, head] of heads.entries()) {
    for (const [at, query] of wanted.entries()) {
      const own = rowOf(current, head, query, after?.weights(h, at));
      const other = head < correspondence.heads ? others[at] : -1;
      const place = there.indexOf(other);
      const from = other < 0 ? null : rowOf(baseline, head, other, before?.weights(h, place));
      for (const key of columns) {
        const there = correspondence.keys[key] ?? -1;
        const allowed = current.allowed(head, query, key) || compared.aligned(head, query, key);
        if (!keyShown(shown, key) || !allowed) continue;
        const was = from === null || there < 0 ? null : from[there];
        const difference = was === null ? null : own[key] - was;
        if (was === 0 && own[key] === 0 && !current.allowed(head, query, key)) continue;
        rows.push([
          ...[layer, head, query, queries[query].text, key, keys[key].text],
          ...[was, own[key], difference],
        ]);
      }
    }
  }
  return rows;
}

/** A row of the field, from exact weights if there are any: without the removed keys, and rescaled to a sum of 1. */
function rowOf(
  field: LayerField,
  head: number,
  query: number,
  exact: Float32Array | undefined,
): Float32Array {
  if (exact === undefined) return field.row(head, query);
  if (field.without.size === 0) return exact;
  const rest = exact.map((weight, key) => (field.without.has(key) ? 0 : weight));
  const sum = rest.reduce((total, weight) => total + weight, 0);
  return sum > 0 ? rest.map((weight) => weight / sum) : rest;
}

/** The query vector and all key vectors of the head, with each key's score and weight. Columns are in the model's order. */
async function neuronsTable({ page, neurons }: Surroundings): Promise<Table> {
  const traced = neurons.traced();
  if (traced === null) throw new Error(NO_NEURONS);
  const { field, vectors, trace } = traced;
  const { queries, keys } = page.shown();
  const { query } = trace;
  const { head } = vectors;
  const exactLayer = await page.session.exactLayer();
  const exact = exactLayer === null ? null : layerField(exactLayer);
  const sent = exact instanceof ComputedLayer ? headVectors(exact.data, head) : vectors;
  const { dim } = sent;
  const steps = traceQuery(sent, query);
  const rows = await page.session.exactRows([head], [query]);
  const weights = rowOf(field, head, query, rows?.weights(0, 0));
  const part = (all: Float32Array, at: number) => [...all.subarray(at * dim, (at + 1) * dim)];
  const start = (vector: string, token: number, text: string): Cell[] => [
    ...[field.layer, head, vector, token, text],
  ];
  return {
    name: nameOf(page, `neurons-${headName(field.layer, head)}-${query}`),
    columns: [
      ...["layer", "head", "vector", "token", "text", "dot", "score", "weight"],
      ...Array.from({ length: dim }, (_, at) => String(at)),
    ],
    rows: [
      [...start("q", query, queries[query].text), null, null, null, ...part(sent.q, query)],
      ...keys.map(({ text }, key) => [
        ...start("k", key, text),
        ...[steps.dots[key], rows?.score(0, 0, key) ?? steps.scores[key], weights[key]],
        ...part(sent.k, key),
      ]),
    ],
  };
}
