/** The numbers of a view as tables. Weights and scores are the host's exact ones wherever it can send them. */

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
/** Further columns if two passes are compared. */
const BOTH = ["before", "after", "difference"] as const;
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
  return {
    name: nameOf(page, `edges-${query}-${key}`),
    columns: [...EDGE, "among", ...(page.state().comparison === null ? [] : BOTH)],
    rows: (edges.rows() ?? []).map(({ layer, head, weight, rank, score, among, both }) => [
      ...[layer, head, query, queries[query].text, key, keys[key].text],
      ...[weight, rank === 0 ? null : rank, score, among],
      ...(both ? [both.before?.weight ?? null, both.after?.weight ?? null, both.difference] : []),
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
  if (page.readings() !== null) return comparedWeights(page, places, wanted);
  const exact = await session.exactRows(heads, wanted);
  const columns = side === "query" ? [...keys.keys()] : places.map(({ index }) => index);
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
  const first = heads.length === 1 ? headName(field.layer, heads[0]) : `layer-${field.layer}`;
  const names = places.map(({ index }) => index).join("-");
  const view = `weights-${first}-${side === "query" ? "from" : "to"}-${names}`;
  return { name: nameOf(page, view), columns: EDGE, rows };
}

/** The same in both passes: weights before and after, and their difference. Empty where tokens are not aligned. */
async function comparedWeights(
  page: Page,
  places: readonly Place[],
  wanted: readonly number[],
): Promise<Table> {
  const [readings, field] = [page.readings(), page.field()];
  const { comparison, field: name } = page.state();
  if (readings === null || field === null || comparison === null) throw new Error(NO_TOKEN);
  const shown = page.shown();
  const { queries, keys, heads } = shown;
  const at = name === "before" ? "readAt" : "read";
  const side = places[0].side;
  await page.exactRows(wanted);
  const columns = side === "query" ? [...keys.keys()] : places.map(({ index }) => index);
  const rows = heads.flatMap((head) =>
    wanted.flatMap((query) =>
      columns
        .filter((key) => keyShown(shown, key))
        .flatMap((key): Cell[][] => {
          const { before, after } = readings[at](head, query, key);
          const masked = !before && !after && !field.allowed(head, query, key);
          if (masked) return [];
          const difference = before === null || after === null ? null : after - before;
          const place = [field.layer, head, query, queries[query].text, key, keys[key].text];
          return [[...place, before, after, difference]];
        }),
    ),
  );
  const first = heads.length === 1 ? headName(field.layer, heads[0]) : `layer-${field.layer}`;
  const names = places.map(({ index }) => index).join("-");
  const view = `weights-${first}-${side === "query" ? "from" : "to"}-${names}-compared`;
  return { name: nameOf(page, view), columns: [...EDGE.slice(0, 6), ...BOTH], rows };
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
  const isDifference = trace.signed ?? false;
  const exactLayer = isDifference ? null : await page.session.exactLayer();
  const exact = exactLayer === null ? null : layerField(exactLayer);
  const sent = exact instanceof ComputedLayer ? headVectors(exact.data, head) : vectors;
  const { dim } = sent;
  const steps = isDifference ? trace : traceQuery(sent, query);
  const rows = isDifference ? null : await page.session.exactRows([head], [query]);
  const weights = rowOf(field, head, query, rows?.weights(0, 0));
  const part = (all: Float32Array, at: number) => [...all.subarray(at * dim, (at + 1) * dim)];
  const start = (vector: string, token: number, text: string): Cell[] => [
    ...[field.layer, head, vector, token, text],
  ];
  return {
    name: nameOf(page, `neurons-${isDifference ? "difference-" : ""}${headName(field.layer, head)}-${query}`),
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
