import { createEffect, createMemo, createSignal, For, on, onCleanup, onMount } from "solid-js";
import { unitOf } from "../../compute/rotaryPairs";
import { face } from "../../marks/format";
import type { Place } from "../../state/state";
import { pixelRatio, prepare } from "../shared/canvas";
import { type GesturePoint, onChangeGesture } from "../shared/changeGesture";
import { pointIn } from "../shared/pointer";
import { TokenColumn } from "../shared/TokenColumn";
import { rowY } from "../shared/tokenLayout";
import { keyShown, queryShown } from "../shared/weights";
import { ColumnHeads } from "./ColumnHeads";
import { changeAt } from "./changeAt";
import { createNeuronLayout } from "./createNeuronLayout";
import { meaningfulDecimals } from "./describe";
import type { NeuronGridProps } from "./gridProps";
import { focusOf, movedSpot, type Spot, sameSpot, spotAcross, spotAt } from "./hitTest";
import { hoverDetail, tooltipWords } from "./hoverText";
import { NeuronTip } from "./NeuronTip";
import { type Padding, paddingBeside, samePadding } from "./padding";
import { paintMarks } from "./paintMarks";
import { paintScene } from "./paintScene";
import { SelectedQuery } from "./SelectedQuery";
import { queryY, readTheme, type Scene, type Theme } from "./scene";

/** Height of the column names, as in neuron.css. */
const HEADINGS = 32;

/** The five columns of the paper for one query: query, keys, elementwise products, dot products, softmax. */
export function NeuronGrid(props: NeuronGridProps) {
  let box!: HTMLDivElement;
  let stage!: HTMLDivElement;
  let cells!: HTMLDivElement;
  let base!: HTMLCanvasElement;
  let above!: HTMLCanvasElement;
  const [room, setRoom] = createSignal(0);
  const [height, setHeight] = createSignal(0);
  const [scroll, setScroll] = createSignal(0);
  /** Horizontal scroll offset. */
  const [aside, setAside] = createSignal(0);
  const [at, setAt] = createSignal<Spot | null>(null, { equals: sameSpot });
  const [padding, setPadding] = createSignal<Padding>({ above: 0, below: 0 }, { equals: samePadding });
  /** The rows of the head view, if it is visible beside this one. */
  const headStage = () =>
    (box.getRootNode() as ShadowRoot).querySelector("[data-panel=head]:not([hidden]) .stage");

  const dim = () => props.vectors.dim;
  const { columns, order, placeOf, group, layout, stuck } = createNeuronLayout(props, {
    ...{ room, height, aside },
  });
  // When value vectors are switched on in a narrow view, scroll to them.
  let revealValues = false;
  createEffect(
    on(
      () => props.valuesShown,
      (shown) => {
        revealValues = shown;
      },
      { defer: true },
    ),
  );
  createEffect(() => {
    const { values, width } = columns();
    if (values === null || !revealValues) return;
    revealValues = false;
    requestAnimationFrame(() => box.scrollTo({ left: width }));
  });
  let painted: Theme | null = null;
  /** Read once per theme, because reading computed styles forces a layout. */
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
    absent: props.trace.signed ? "–" : props.renormalized ? "hidden" : "masked",
    order: order(),
    group: group(),
    side: props.side,
    fulls: props.fulls,
    dotDigits: Math.min(2, meaningfulDecimals(props.dotError)),
    scoreError: props.dotError * props.vectors.data.scaling,
    scale: props.scale,
    theme: theme(),
    ratio: pixelRatio(),
  });

  const dimensionAt = (place: number): number => order()?.[place] ?? place;
  /** The places of a dimension and of its rotary partner. */
  const placesOf = (dimension: number | null): readonly number[] =>
    dimension === null || dimension >= dim() ? [] : unitOf(props.pairing, dimension).map(placeOf);
  const keptPlaces = createMemo(() => placesOf(props.neuron));
  /** The key row that is highlighted, here or by another view. */
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
  const words = createMemo(() => tooltipWords(at(), props, dimensionAt, name));
  createEffect(() => props.onDetail(hoverDetail(at(), words(), props, name)));
  onCleanup(() => props.onDetail(null));

  const point = (now: Spot | null): void => {
    if (sameSpot(now, at())) return;
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
      const spot = at();
      const over = spot?.place ?? null;
      paintMarks(prepare(above, now.layout.width, now.layout.height), now, {
        key: markedKey(),
        hovered: over === null || spot?.zone === "value" ? [] : placesOf(dimensionAt(over)),
        kept: keptPlaces(),
        value: spot?.zone === "value" ? over : null,
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
        order,
        () => props.side,
        () => props.fulls,
        () => props.dotError,
        () => props.scale,
        () => props.dark,
        columns,
        layout,
        scroll,
        pixelRatio,
      ],
      () => schedule(true),
    ),
  );
  createEffect(on([at, markedKey, keptPlaces], () => schedule(false)));

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

  const hit = (event: GesturePoint): Spot | null => {
    const { vectors, trace, side } = props;
    const valueDim = side?.values.dim ?? 0;
    const place = { columns: columns(), layout: layout(), scroll: scroll() };
    return spotAt(pointIn(stage, event), { ...place, vectors, trace, valueDim });
  };

  const choose = (now: Spot | null): void => {
    if (now === null) return;
    if (now.zone === "query") props.onQuery(now.row);
    else if (now.place === null || now.zone === "value") props.onKey(now.row);
    else {
      const dimension = dimensionAt(now.place);
      const marked = props.neuron !== null && unitOf(props.pairing, props.neuron).includes(dimension);
      props.onNeuron(marked ? null : dimension);
    }
  };

  const openChange = (spot: Spot, at: GesturePoint, from: HTMLElement): void => {
    const { head } = props.vectors;
    const place = { head, query: props.trace.query, pairing: props.pairing, dimensionAt };
    props.onChange?.((here) => changeAt(spot, { ...here, ...place }), at, from);
  };
  /** Opens the change of a spot beside its row. */
  const change = (spot: Spot, from: HTMLElement): void => {
    const box = stage.getBoundingClientRect();
    const at = { clientX: box.left + columns().k - aside(), clientY: box.top + tipY(spot) };
    openChange(spot, at, from);
  };
  onMount(() => {
    const stop = onChangeGesture(stage, (at) => {
      const spot = props.onChange === undefined ? null : hit(at);
      if (spot !== null) openChange(spot, at, cells);
      return spot !== null;
    });
    onCleanup(stop);
  });

  const reveal = (index: number): void => {
    const now = layout();
    const y = rowY(now, index, scroll());
    if (y < now.rowHeight) stage.scrollTop -= now.rowHeight - y;
    else if (y > now.height - now.rowHeight) stage.scrollTop += y - now.height + now.rowHeight;
  };
  // Scroll to a token that was selected in another view, unless the pointer is in this one. A new height keeps it in sight,
  // unless the user has scrolled since.
  let revealed = 0;
  createEffect(
    on([() => props.trace.query, height], ([query, now], before) => {
      const scrolled = before?.[0] === query && Math.abs(stage.scrollTop - revealed) > 1;
      if (at() !== null || now <= 0 || scrolled) return;
      reveal(query);
      revealed = stage.scrollTop;
    }),
  );

  const cursor = (): Spot => at() ?? { zone: "product", row: props.trace.query, place: 0 };
  const onKey = (event: KeyboardEvent): void => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const page = Math.max(1, Math.floor(layout().height / layout().rowHeight) - 1);
    const next = movedSpot(cursor(), event.key, page, props.vectors.keys, dim());
    if (next !== null) {
      point(next);
      reveal(next.row);
    } else if (event.key === "Enter" || event.key === " ") choose(cursor());
    else if (event.key === "e" && props.onChange) change(cursor(), cells);
    else if (event.key === "Escape" && props.neuron !== null) props.onNeuron(null);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  const tipY = ({ zone, row }: Spot) =>
    zone === "q" && row === props.trace.query ? selectedY() : rowY(layout(), row, scroll());

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
    <div
      class="neuron-scroll"
      classList={{ aside: aside() > columns().queryX }}
      ref={box}
      on:scroll={() => setAside(box.scrollLeft)}
    >
      <div class="neuron-inner" style={{ width: `${columns().width}px` }}>
        <ColumnHeads
          columns={columns()}
          vectors={props.vectors}
          fulls={props.fulls}
          side={props.side}
          turns={
            props.byTurn && props.pairing !== null && order() !== null
              ? { pairing: props.pairing, order: order()! }
              : null
          }
          group={group()}
          signed={props.trace.signed ?? false}
          query={props.trace.query}
          queryName={name("query", props.trace.query)}
          renormalized={props.renormalized}
          above={padding().above}
        />
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
                    layout={side === "query" ? stuck() : layout()}
                    scroll={scroll()}
                    active={active()}
                    edge={null}
                    counterparts={props.shown.counterparts?.[side]}
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
                    onCross={() => point(spotAcross(side, props.trace, props.weights))}
                    onEnter={() => cells.focus()}
                    onChange={
                      props.onChange &&
                      ((index, column) =>
                        change({ zone: side === "query" ? "query" : "row", row: index, place: null }, column))
                    }
                  />
                )}
              </For>
              <div
                class="cells"
                ref={cells}
                role="application"
                tabindex="0"
                aria-label="Neurons. Up and Down move between keys, Left and Right between dimensions; Enter marks a dimension."
                data-testid="neuron-cells"
                data-columns={`${columns().k - columns().q} ${columns().product - columns().q} ${columns().span} ${columns().fold}`}
                data-order={order()?.join(" ") ?? ""}
                data-marked={props.neuron === null ? "" : unitOf(props.pairing, props.neuron).join(" ")}
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
                columns={{ ...columns(), queryX: stuck().queryX }}
                layout={layout()}
                scroll={scroll()}
                y={selectedY()}
                onCollapse={props.onCollapse}
              />
              <NeuronTip
                at={at()}
                words={words()}
                columns={columns()}
                rowY={tipY}
                rowHeight={layout().rowHeight}
                height={height()}
                dim={dim()}
                valueDim={props.side?.values.dim ?? 0}
                query={props.trace.query}
                pairing={props.pairing}
                neuron={props.neuron}
                signed={props.trace.signed ?? false}
                renormalized={props.renormalized}
                name={name}
              />
            </div>
          </div>
        </div>
      </div>
    </div>
  );
}
