import { createEffect, createMemo, createSignal, For, on, Show } from "solid-js";
import type { ComparedLayer } from "../../compute/differenceLayer";
import type { LayerField } from "../../compute/layerField";
import { decimals, differenceText, scoreText, weightText, word } from "../../marks/format";
import { css, headColor } from "../../marks/palette";
import type { Field, Place } from "../../state/state";
import type { TraceMessage } from "../../wire/messages";
import { PredictionTables } from "../shared/Predictions";
import { SignedBar } from "../shared/SignedBar";
import { TokenText } from "../shared/TokenText";
import { thresholdText } from "../shared/thresholdSteps";
import { type Edge, type Focus, readEdge, type Shown, type WeightedEdge } from "../shared/weights";
import { type ComparedRow, comparedPlaces, comparedRows, listedEdges } from "./rows";
import { VirtualTable } from "./VirtualTable";

const MOST = 50;

const NOTHING = "No weights to show";

export interface RowTableProps {
  readonly field: LayerField | null;
  readonly version: number;
  /** Both passes, if two are compared, and which is on show. */
  readonly readings: ComparedLayer | null;
  readonly shownField: Field;
  readonly shown: Shown;
  readonly dark: boolean;
  readonly place: Place | null;
  readonly pins: readonly Place[];
  readonly trace: TraceMessage | null;
  readonly onFocus: (focus: Focus | null) => void;
  readonly onUnpin: (place: Place) => void;
  /** Selects an edge. */
  readonly onEdge: (edge: { readonly query: number; readonly key: number }) => void;
}

/** The token whose weights are listed, and the pins. */
export function RowHeading(props: RowTableProps) {
  const tokens = (side: Place["side"]) => (side === "query" ? props.shown.queries : props.shown.keys);
  const name = (place: Place) => {
    const token = tokens(place.side)[place.index];
    return token === undefined ? String(place.index) : word(token);
  };
  return (
    <>
      <Show when={props.place}>
        {(shown) => (
          <span class="title">
            <span class="quiet">
              {props.field?.signed ? "change of attention" : "attention"}{" "}
              {shown().side === "key" ? "to" : "from"}{" "}
            </span>
            <b>
              <TokenText
                tokens={tokens(shown().side)}
                index={shown().index}
                counterparts={props.shown.counterparts?.[shown().side]}
              />
            </b>
          </span>
        )}
      </Show>
      <span class="space" />
      <For each={props.pins}>
        {(pin) => (
          <button
            type="button"
            class="chip"
            title="Unpin"
            aria-label={`Unpin ${name(pin)}`}
            on:click={() => props.onUnpin(pin)}
          >
            {pin.side === "key" ? "→ " : ""}
            <TokenText tokens={tokens(pin.side)} index={pin.index} />
            {pin.side === "query" ? " →" : ""} <i>×</i>
          </button>
        )}
      </For>
    </>
  );
}

/** A table of the largest weights of a token, or of pinned tokens side by side, and the model's predictions. */
export function RowTable(props: RowTableProps) {
  const [most, setMost] = createSignal(MOST);
  const compared = createMemo(() => comparedPlaces(props.pins, props.place));
  createEffect(
    on([() => props.place, () => props.field, () => props.shown], () => {
      setMost(MOST);
    }),
  );
  const side = () => (compared()[0] ?? props.place)?.side ?? "query";
  const others = () => (side() === "key" ? props.shown.queries : props.shown.keys);
  const othersBefore = () => props.shown.counterparts?.[side() === "key" ? "query" : "key"];
  const edges = createMemo(() => {
    void props.version;
    if (props.field === null || props.place === null || compared().length > 0) return [];
    return listedEdges(props.field, props.shown, props.place, most());
  });
  const table = createMemo(() => {
    void props.version;
    if (props.field === null || compared().length === 0) return [];
    return comparedRows(props.field, props.shown, compared(), most());
  });
  const digits = (head: number, query: number) =>
    props.field?.exact(head, query) ? 4 : decimals(props.field?.error ?? 0);
  const color = (head: number) => css(headColor(head, props.dark));
  const limits = () => {
    const { threshold, top, hiddenKeys, filter } = props.shown;
    const parts: string[] = [];
    if (threshold > 0) parts.push(`of at least ${thresholdText(threshold)}`);
    if (top !== null) parts.push(compared().length > 0 ? "" : `in the top ${top} of a query`);
    if (hiddenKeys.size > 0) parts.push("without attention sinks");
    if (filter !== "all") parts.push(`${filter[0]} → ${filter[1]}`);
    const only = parts.filter((part) => part !== "").join(", ");
    const { length } = props.shown.heads;
    return [
      ...(only === "" ? [] : [`only weights ${only}`]),
      ...(compared().length > 0 && length > 1
        ? [`${props.field?.signed ? "largest change" : "maximum"} over ${length} heads`]
        : []),
    ].join(" · ");
  };
  const cells = (edge: () => WeightedEdge) => {
    const read = createMemo(() => props.field && readEdge(props.field, edge()));
    return [
      <>
        <i class="dot" style={{ background: color(edge().head) }} />
        {props.field?.layer}.{edge().head}
      </>,
      <TokenText
        tokens={others()}
        index={side() === "key" ? edge().query : edge().key}
        counterparts={othersBefore()}
      />,
      <Show
        when={props.field?.signed}
        fallback={
          <i
            class="weight-bar"
            style={{ width: `${Math.max(1, edge().weight * 100)}%`, background: color(edge().head) }}
          />
        }
      >
        <SignedBar value={edge().weight} dark={props.dark} />
      </Show>,
      ...(props.readings === null
        ? [
            <span>{weightText(edge().weight, digits(edge().head, edge().query))}</span>,
            <span>{read()?.rank ?? "–"}</span>,
          ]
        : (["before", "after", "difference"] as const).map((name) => <span>{inBoth(edge(), name)}</span>)),
      <span>{read()?.score == null ? "–" : scoreText(read()?.score as number, read()?.scoreError)}</span>,
    ];
  };
  const inBoth = (edge: Edge, name: Field): string => {
    void props.version;
    const { readings } = props;
    if (readings === null) return "";
    const at = props.shownField === "before" ? "readAt" : "read";
    const { before, after } = readings[at](edge.head, edge.query, edge.key);
    const size = digits(edge.head, edge.query);
    if (name === "difference")
      return before === null || after === null ? "–" : differenceText(after - before, size);
    const weight = name === "before" ? before : after;
    return weight === null ? "–" : weightText(weight, size);
  };
  const comparedText = (place: Place, { other, weights }: ComparedRow, at: number): string => {
    const [query, key] = place.side === "query" ? [place.index, other] : [other, place.index];
    if (!props.field?.allowed(props.shown.heads[0] ?? 0, query, key)) return "–";
    const text = props.field.signed ? differenceText : weightText;
    return text(weights[at] ?? 0, decimals(props.field.error));
  };
  const comparedCells = (row: () => ComparedRow) => [
    <TokenText tokens={others()} index={row().other} counterparts={othersBefore()} />,
    ...compared().map((place, at) => (
      <>
        <i class="cell-bar" style={{ width: `${Math.abs(row().weights[at] ?? 0) * 100}%` }} />
        <b>{comparedText(place, row(), at)}</b>
      </>
    )),
  ];
  /** The edge with the largest weight in a compared row. */
  const edgeOf = ({ other, weights }: ComparedRow): WeightedEdge => {
    const sizes = weights.map(Math.abs);
    const place = compared()[sizes.indexOf(Math.max(...sizes))];
    const [query, key] = place.side === "query" ? [place.index, other] : [other, place.index];
    let best: WeightedEdge = { head: props.shown.heads[0] ?? 0, query, key, weight: 0 };
    for (const head of props.shown.heads) {
      const weight = props.field?.row(head, query)[key] ?? 0;
      if (Math.abs(weight) > Math.abs(best.weight)) best = { head, query, key, weight };
    }
    return best;
  };
  const point = (edge: WeightedEdge | null) =>
    props.onFocus(
      edge === null ? null : { kind: "edge", edge: { head: edge.head, query: edge.query, key: edge.key } },
    );

  return (
    <>
      <Show when={limits() !== ""}>
        <p class="limits" data-testid="weights-limits">
          {limits()}
        </p>
      </Show>
      <Show
        when={props.place !== null}
        fallback={<p class="hint">Point at a token to see where its attention goes.</p>}
      >
        <Show
          when={compared().length > 0}
          fallback={
            <VirtualTable
              label={props.field?.signed ? "Largest differences" : "Largest weights"}
              columns={[
                "head",
                side() === "key" ? "from" : "to",
                <span class="heard">weight as a bar</span>,
                ...(props.readings === null ? ["weight", "rank"] : ["before", "after", "difference"]),
                props.field?.signed ? "Δ score" : "score",
              ]}
              tracks={
                props.readings === null
                  ? "58px minmax(70px, 1.1fr) minmax(30px, 1.4fr) 56px 40px 58px"
                  : "52px minmax(64px, 1.1fr) minmax(20px, 1.4fr) 58px 58px 80px 62px"
              }
              rows={edges()}
              keyOf={({ head, query, key }) => `${head} ${query} ${key}`}
              cells={cells}
              empty={NOTHING}
              onPoint={point}
              onChoose={({ query, key }) => props.onEdge({ query, key })}
              onEnd={() => edges().length >= most() && setMost(edges().length * 4)}
            />
          }
        >
          <VirtualTable
            label="Comparison of pinned tokens"
            columns={[
              side() === "key" ? "from" : "to",
              ...compared().map((place) => (
                <TokenText
                  tokens={side() === "key" ? props.shown.keys : props.shown.queries}
                  index={place.index}
                />
              )),
            ]}
            tracks={`minmax(70px, 1.2fr) repeat(${compared().length}, minmax(64px, 1fr))`}
            rows={table()}
            keyOf={({ other }) => String(other)}
            cells={comparedCells}
            empty={NOTHING}
            onPoint={(row) => point(row && edgeOf(row))}
            onChoose={(row) => props.onEdge(edgeOf(row))}
            onEnd={() => table().length >= most() && setMost(table().length * 4)}
          />
        </Show>
      </Show>
      <PredictionTables trace={props.trace} near={props.place?.index ?? null} />
    </>
  );
}
