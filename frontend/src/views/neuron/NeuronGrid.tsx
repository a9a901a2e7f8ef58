import { createEffect, createMemo, createSignal, For, Index, on, onCleanup, onMount, Show } from "solid-js";
import type { HeadVectors, QueryTrace } from "../../compute/neuron";
import { face, longestToken } from "../../marks/format";
import type { Place, Scale } from "../../state/state";
import { type Layout, layOut, rowY } from "../layout";
import { pixelRatio, prepare } from "../paint";
import { type Focus, keyShown, queryShown, type Shown } from "../reading";
import { TokenColumn } from "../TokenColumn";
import { type Padding, paddingBeside, samePadding } from "./align";
import { boxOf, columnsFor, stripHeight } from "./columns";
import { headingsOf } from "./headings";
import { type Fulls, paintMarks, paintScene, queryY, readTheme, type Scene, type Theme } from "./paint";
import { type At, focusOf, hitAt, moved, sameAt } from "./pointing";
import { SelectedQuery } from "./SelectedQuery";
import { cellSentence, cellWords, meant, rowSentence, signed } from "./say";
import { Tip } from "./Tip";

export interface NeuronGridProps {
  readonly vectors: HeadVectors;
  readonly trace: QueryTrace;
  readonly weights: Float32Array;
  readonly shown: Shown;
  readonly fulls: Fulls;
  /** How far q · k may be off. */
  readonly dotError: number;
  /** Dimensions from left to right; null for their own order. */
  readonly order: Uint16Array | null;
  /** The dimension that is kept marked. */
  readonly neuron: number | null;
  readonly pins: readonly Place[];
  readonly scale: Scale;
  readonly dark: boolean;
  readonly focus: Focus | null;
  readonly onFocus: (focus: Focus | null) => void;
  readonly onQuery: (query: number) => void;
  readonly onKey: (key: number) => void;
  readonly onNeuron: (dimension: number | null) => void;
  readonly onDetail: (sentence: string | null) => void;
  readonly onCollapse: () => void;
}

/** Height of the columns' names, as in neuron.css. */
const HEADINGS = 32;

/** The five columns of the paper for one query: the query, the keys, their products, the sums, the softmax. */
export function NeuronGrid(props: NeuronGridProps) {
  let box!: HTMLDivElement;
  let stage!: HTMLDivElement;
  let cells!: HTMLDivElement;
  let base!: HTMLCanvasElement;
  let above!: HTMLCanvasElement;
  const [room, setRoom] = createSignal(0);
  const [height, setHeight] = createSignal(0);
  const [scroll, setScroll] = createSignal(0);
  const [at, setAt] = createSignal<At | null>(null, { equals: sameAt });

  const [padding, setPadding] = createSignal<Padding>({ above: 0, below: 0 }, { equals: samePadding });
  /** The rows of the head view, where it is on show beside this one. */
  const headStage = () =>
    (box.getRootNode() as ShadowRoot).querySelector("[data-panel=head]:not([hidden]) .stage");

  const dim = () => props.vectors.dim;
  const rows = () => Math.max(props.vectors.queries, props.vectors.keys);
  const longest = createMemo(() => longestToken([...props.shown.queries, ...props.shown.keys]));
  const rough = createMemo(() => layOut(room(), height(), rows(), longest()));
  const extras = (): readonly ("cap" | "bias" | "score")[] => {
    const { softcap, biasKind, scaling } = props.vectors.data;
    const all: ("cap" | "bias" | "score")[] = [];
    if (softcap !== null) all.push("cap");
    if (biasKind !== null) all.push("bias");
    if (softcap !== null || biasKind !== null || scaling !== 1) all.push("score");
    return all;
  };
  const columns = createMemo(() =>
    columnsFor({
      room: room(),
      dim: dim(),
      rowHeight: rough().rowHeight,
      fontSize: rough().fontSize,
      longest: longest(),
      extras: extras(),
    }),
  );
  const layout = createMemo<Layout>(() => ({
    ...rough(),
    width: columns().width,
    queryX: columns().queryX,
    keyX: columns().keyX,
    column: columns().token,
  }));
  let painted: Theme | null = null;
  /** Read once for each theme: to ask the page for its style makes it lay itself out. */
  const theme = (): Theme => {
    if (painted?.dark !== props.dark) painted = readTheme(stage, props.dark);
    return painted;
  };
  const scene = (): Scene => ({
    columns: columns(),
    layout: layout(),
    scroll: scroll(),
    vectors: props.vectors,
    trace: props.trace,
    weights: props.weights,
    order: props.order,
    fulls: props.fulls,
    dotDigits: Math.min(2, meant(props.dotError)),
    scale: props.scale,
    theme: theme(),
    ratio: pixelRatio(),
  });

  const dimensionAt = (place: number): number => (props.order === null ? place : props.order[place]);
  const placeOf = (dimension: number): number =>
    props.order === null ? dimension : props.order.indexOf(dimension);
  const keptPlace = () => (props.neuron === null || props.neuron >= dim() ? null : placeOf(props.neuron));
  /** The key row that is marked, here or by another view. */
  const markedKey = createMemo(() => {
    const now = at();
    if (now !== null) return now.zone === "query" || now.zone === "q" ? null : now.row;
    const focus = props.focus;
    if (focus?.kind === "edge") return focus.edge.query === props.trace.query ? focus.edge.key : null;
    return focus?.kind === "token" && focus.place.side === "key" ? focus.place.index : null;
  });

  const name = (side: Place["side"], index: number) => {
    const token = (side === "query" ? props.shown.queries : props.shown.keys)[index];
    return token === undefined ? String(index) : face(token).text;
  };
  const words = createMemo(() => {
    const now = at();
    if (now?.place == null || now.place >= dim()) return null;
    // Over a query's vector the key is the one that the order is about, or the query's own row.
    const key = now.zone === "q" ? null : now.row;
    if (key !== null && key >= props.trace.keys) return null;
    const dimension = dimensionAt(now.place);
    if (key === null) {
      const value = props.vectors.q[now.row * dim() + dimension];
      const text = signed(value, meant(Math.abs(value) * props.vectors.rounding));
      return { kind: "q" as const, dimension, row: now.row, q: text };
    }
    const names = { query: name("query", props.trace.query), key: name("key", key) };
    const cell = cellWords(props.vectors, props.trace, key, dimension, names);
    return { kind: "cell" as const, dimension, row: key, cell, allowed: props.trace.allowed[key] === 1 };
  });
  createEffect(() => {
    const now = at();
    const said = words();
    if (said?.kind === "cell") props.onDetail(cellSentence(said.cell, said.allowed));
    else if (said?.kind === "q") {
      props.onDetail(`dimension ${said.dimension} of ${name("query", said.row)}: q ${said.q}`);
    } else if (now !== null && now.zone !== "query" && now.row < props.trace.keys) {
      props.onDetail(rowSentence(props.trace, now.row, props.dotError));
    } else props.onDetail(null);
  });
  onCleanup(() => props.onDetail(null));

  const point = (now: At | null): void => {
    if (sameAt(now, at())) return;
    setAt(now);
    props.onFocus(focusOf(now, props.vectors, props.trace.query));
  };

  let frame = 0;
  let [baseStale, aboveStale] = [false, false];
  const draw = (): void => {
    frame = 0;
    if (room() === 0 || height() === 0) return;
    const now = scene();
    if (baseStale) paintScene(prepare(base, now.layout.width, now.layout.height), now);
    if (aboveStale) {
      const place = at()?.place ?? null;
      paintMarks(prepare(above, now.layout.width, now.layout.height), now, {
        key: markedKey(),
        hovered: place,
        kept: keptPlace(),
      });
    }
    [baseStale, aboveStale] = [false, false];
  };
  const schedule = (everything: boolean): void => {
    baseStale ||= everything;
    aboveStale = true;
    if (frame === 0) frame = requestAnimationFrame(draw);
  };
  onCleanup(() => cancelAnimationFrame(frame));
  createEffect(
    on(
      [
        () => props.trace,
        () => props.weights,
        () => props.order,
        () => props.fulls,
        () => props.dotError,
        () => props.scale,
        () => props.dark,
        columns,
        layout,
        scroll,
      ],
      () => schedule(true),
    ),
  );
  createEffect(on([at, markedKey, keptPlace], () => schedule(false)));

  onMount(() => {
    const measure = (): void => {
      const beside = headStage();
      const frame = box.getBoundingClientRect();
      const own = { top: frame.top + HEADINGS, bottom: frame.top + box.clientHeight };
      setPadding(paddingBeside(own, beside?.getBoundingClientRect() ?? null));
      setRoom(box.clientWidth);
      setHeight(stage.clientHeight);
    };
    const watch = new ResizeObserver(measure);
    watch.observe(box);
    watch.observe(stage);
    const beside = headStage();
    if (beside !== null) watch.observe(beside);
    onCleanup(() => watch.disconnect());
  });

  const hit = (event: MouseEvent): At | null => {
    const edge = stage.getBoundingClientRect();
    const spot = { x: event.clientX - edge.left, y: event.clientY - edge.top };
    const { vectors, trace } = props;
    return hitAt(spot, { columns: columns(), layout: layout(), scroll: scroll(), vectors, trace });
  };

  const choose = (now: At | null): void => {
    if (now === null) return;
    if (now.zone === "query") props.onQuery(now.row);
    else if (now.place === null) props.onKey(now.row);
    else {
      const dimension = dimensionAt(now.place);
      props.onNeuron(props.neuron === dimension ? null : dimension);
    }
  };

  const reveal = (index: number): void => {
    const now = layout();
    const y = rowY(now, index, scroll());
    if (y < now.rowHeight) stage.scrollTop -= now.rowHeight - y;
    else if (y > now.height - now.rowHeight) stage.scrollTop += y - now.height + now.rowHeight;
  };
  // A token that is selected elsewhere comes into sight, unless the pointer is at work here.
  createEffect(
    on([() => props.trace.query, height], ([query]) => {
      if (at() === null && height() > 0) reveal(query);
    }),
  );

  const cursor = (): At => at() ?? { zone: "product", row: props.trace.query, place: 0 };
  const onKey = (event: KeyboardEvent): void => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const page = Math.max(1, Math.floor(layout().height / layout().rowHeight) - 1);
    const next = moved(cursor(), event.key, page, props.vectors.keys, dim());
    if (next !== null) {
      point(next);
      reveal(next.row);
    } else if (event.key === "Enter" || event.key === " ") choose(cursor());
    else if (event.key === "Escape" && props.neuron !== null) props.onNeuron(null);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  const tipSpot = () => {
    const now = at();
    if (now?.place == null) return null;
    const mark = boxOf(columns(), dim(), stripHeight(layout().rowHeight), now.place);
    const from = { q: columns().q, k: columns().k, product: columns().product, query: 0, row: 0 }[now.zone];
    const y =
      now.zone === "q" && now.row === props.trace.query ? selectedY() : rowY(layout(), now.row, scroll());
    return { x: from + mark.x + mark.width / 2, y };
  };

  const headings = createMemo(() => headingsOf(columns(), props.fulls, props.vectors));

  const queryPlace = (): Place => ({ side: "query", index: props.trace.query });
  const active = (): Place | null => {
    const now = at();
    if (now !== null) {
      return now.zone === "query" || now.zone === "q"
        ? { side: "query", index: now.row }
        : { side: "key", index: now.row };
    }
    if (props.focus?.kind === "token") return props.focus.place;
    return markedKey() === null ? queryPlace() : { side: "key", index: markedKey() as number };
  };
  const selectedY = () => queryY({ layout: layout(), scroll: scroll(), trace: props.trace });

  return (
    <div class="neuron-scroll" ref={box}>
      <div class="neuron-inner" style={{ width: `${columns().width}px` }}>
        <div class="neuron-heads" aria-hidden="true" style={{ "margin-top": `${padding().above}px` }}>
          <Index each={headings()}>
            {(now) => (
              <span
                title={now().title}
                style={{ left: `${now().x + now().width / 2}px`, "min-width": `${now().width}px` }}
              >
                {now().text}
                <i class="num">{now().below}</i>
              </span>
            )}
          </Index>
        </div>
        <div
          class="stage"
          ref={stage}
          data-testid="neuron-stage"
          style={{ "margin-bottom": `${padding().below}px` }}
          on:scroll={() => setScroll(stage.scrollTop)}
          on:pointermove={(event) => point(hit(event))}
          on:pointerleave={() => point(null)}
          on:click={(event) => choose(hit(event))}
        >
          <div class="extent" style={{ height: `${Math.max(layout().extent, height())}px` }}>
            <div class="window" style={{ height: `${height()}px` }}>
              <canvas class="base" aria-hidden="true" ref={base} />
              <canvas class="above" aria-hidden="true" ref={above} />
              <For each={["query", "key"] as const}>
                {(side) => (
                  <TokenColumn
                    side={side}
                    prefix="neuron-"
                    tokens={side === "query" ? props.shown.queries : props.shown.keys}
                    layout={layout()}
                    scroll={scroll()}
                    active={active()}
                    edge={null}
                    pins={[queryPlace(), ...props.pins.filter((pin) => pin.side === "key")]}
                    muted={(index) =>
                      side === "query"
                        ? !queryShown(props.shown, index)
                        : !keyShown(props.shown, index) || props.trace.allowed[index] === 0
                    }
                    onMove={(index) => {
                      if (side === "query") props.onQuery(index);
                      else point({ zone: "row", row: index, place: null });
                      reveal(index);
                    }}
                    onPin={(index) => (side === "query" ? props.onCollapse() : props.onKey(index))}
                    onEnter={() => cells.focus()}
                  />
                )}
              </For>
              <div
                class="cells"
                ref={cells}
                role="application"
                tabindex="0"
                aria-label="Neurons: up and down for keys, left and right for dimensions, Enter marks a dimension"
                data-testid="neuron-cells"
                data-columns={`${columns().k - columns().q} ${columns().product - columns().q} ${columns().span} ${columns().fold}`}
                data-order={props.order === null ? "" : props.order.join(" ")}
                data-marked={props.neuron ?? ""}
                style={{
                  left: `${columns().q}px`,
                  width: `${columns().product + columns().span - columns().q}px`,
                }}
                on:keydown={onKey}
                on:focus={(event) => {
                  if ((event.currentTarget as HTMLElement).matches(":focus-visible")) point(cursor());
                }}
                on:blur={() => point(null)}
              />
              <SelectedQuery
                tokens={props.shown.queries}
                index={props.trace.query}
                columns={columns()}
                layout={layout()}
                scroll={scroll()}
                y={selectedY()}
                onCollapse={props.onCollapse}
              />
              <Show when={words() && tipSpot()}>
                {(spot) => (
                  <Tip
                    spot={spot()}
                    width={columns().width}
                    height={height()}
                    words={words()!}
                    scaling={props.vectors.data.scaling}
                    queryName={name("query", props.trace.query)}
                    rowName={name(words()!.kind === "q" ? "query" : "key", words()!.row)}
                    kept={props.neuron === words()!.dimension}
                  />
                )}
              </Show>
            </div>
          </div>
        </div>
      </div>
    </div>
  );
}
