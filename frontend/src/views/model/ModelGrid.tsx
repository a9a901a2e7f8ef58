import { createEffect, createMemo, createSignal, on, onCleanup, onMount } from "solid-js";
import type { Thumbnails } from "../../compute/thumbnails";
import { gridOf, placeAt, revealing, type Scroll } from "./grid";
import type { Look, Rules } from "./look";
import { type HeadPlace, paintOverlay } from "./overlay";
import { GridPainter } from "./painter";

export interface ModelGridProps {
  readonly layers: ReadonlyMap<number, Thumbnails>;
  /** Heads of each layer of the model; 0 for a layer without attention. */
  readonly heads: readonly number[];
  readonly rules: Rules;
  readonly look: Look;
  readonly dark: boolean;
  readonly fit: "height" | "width";
  readonly selected: { readonly layer: number; readonly heads: readonly number[] };
  /** The head under the pointer, else the one in focus. */
  readonly over: HeadPlace | null;
  /** What a head is called and holds, for those who hear it. */
  readonly spoken: (place: HeadPlace) => string;
  readonly onOver: (place: HeadPlace | null) => void;
  readonly onSelect: (place: HeadPlace) => void;
  readonly onAdd: (place: HeadPlace) => void;
  /** Into the head view. */
  readonly onEnter: () => void;
}

/** A thumbnail for each head: rows are layers, columns heads. One thing to focus, in which arrows move from head to head. */
export function ModelGrid(props: ModelGridProps) {
  let stage!: HTMLDivElement;
  let picture!: HTMLCanvasElement;
  let overlay!: HTMLCanvasElement;
  let painter: GridPainter | null = null;
  const [size, setSize] = createSignal({ width: 0, height: 0 });
  const [scroll, setScroll] = createSignal<Scroll>({ x: 0, y: 0 });
  const [hovered, setHovered] = createSignal<HeadPlace | null>(null);
  const [inside, setInside] = createSignal<"keyboard" | "pointer" | null>(null);
  const [at, setAt] = createSignal<HeadPlace | null>(null);

  const grid = createMemo(() =>
    gridOf({
      ...size(),
      layers: props.heads.length,
      heads: Math.max(1, ...props.heads),
      look: props.look,
      fit: props.fit,
    }),
  );
  /** Where the keyboard is: where it was last, else on what is selected. */
  const active = createMemo<HeadPlace>(() => {
    const now = at();
    if (now !== null && now.head < (props.heads[now.layer] ?? 0)) return now;
    return { layer: props.selected.layer, head: props.selected.heads[0] ?? 0 };
  });
  const focused = () => (inside() === "keyboard" ? active() : null);
  createEffect(
    on([() => props.selected.layer, () => props.selected.heads], () => {
      const now = at();
      if (now === null || now.layer === props.selected.layer) return;
      if (inside() === null) setAt(null);
    }),
  );
  createEffect(on([hovered, focused], ([over, focus]) => props.onOver(over ?? focus), { defer: true }));

  let frame = 0;
  const schedule = (): void => {
    if (frame !== 0) return;
    frame = requestAnimationFrame(() => {
      frame = 0;
      if (size().width === 0 || size().height === 0) return;
      const { layers, rules, look, dark } = props;
      const begun = performance.now();
      painter?.paint({ layers, rules, look, dark, grid: grid() }, scroll());
      performance.measure("attnscope thumbnails", { start: begun, detail: layers.size });
      const style = getComputedStyle(stage);
      paintOverlay(
        overlay,
        grid(),
        scroll(),
        { selected: props.selected, hovered: hovered(), focused: focused(), heads: props.heads },
        {
          ink: style.getPropertyValue("--ink"),
          quiet: style.getPropertyValue("--ink2"),
          accent: style.getPropertyValue("--accent"),
          panel: style.getPropertyValue("--panel"),
          font: `12px ${style.fontFamily}`,
        },
      );
    });
  };
  onCleanup(() => cancelAnimationFrame(frame));
  createEffect(
    on(
      [
        () => props.layers,
        () => props.rules,
        () => props.look,
        () => props.dark,
        () => props.selected,
        () => props.heads,
        grid,
        scroll,
        hovered,
        focused,
      ],
      schedule,
    ),
  );

  onMount(() => {
    painter = new GridPainter(picture);
    const watch = new ResizeObserver(() => setSize({ width: stage.clientWidth, height: stage.clientHeight }));
    watch.observe(stage);
    onCleanup(() => watch.disconnect());
  });

  const placeOf = (event: MouseEvent): HeadPlace | null => {
    const box = stage.getBoundingClientRect();
    const place = placeAt(grid(), scroll(), event.clientX - box.left, event.clientY - box.top);
    return place !== null && place.head < (props.heads[place.layer] ?? 0) ? place : null;
  };
  const hover = (place: HeadPlace | null): void => {
    const now = hovered();
    if (now?.layer !== place?.layer || now?.head !== place?.head) setHovered(place);
  };
  const go = (place: HeadPlace): void => {
    setAt(place);
    const next = revealing(grid(), scroll(), place.layer, place.head);
    stage.scrollTo(next.x, next.y);
  };

  const onKey = (event: KeyboardEvent): void => {
    const { layer, head } = active();
    const command = event.ctrlKey || event.metaKey;
    const present = props.heads.flatMap((heads, each) => (heads > 0 ? [each] : []));
    const row = Math.max(0, present.indexOf(layer));
    const toRow = (to: number): HeadPlace => {
      const found = present[Math.max(0, Math.min(present.length - 1, to))] ?? layer;
      return { layer: found, head: Math.min(head, props.heads[found] - 1) };
    };
    const last = (props.heads[layer] ?? 1) - 1;
    const moves: Readonly<Record<string, () => HeadPlace>> = {
      ArrowRight: () => ({ layer, head: Math.min(last, head + 1) }),
      ArrowLeft: () => ({ layer, head: Math.max(0, head - 1) }),
      ArrowDown: () => toRow(row + 1),
      ArrowUp: () => toRow(row - 1),
      PageDown: () => toRow(row + 5),
      PageUp: () => toRow(row - 5),
      Home: () => ({ ...(command ? toRow(0) : { layer }), head: 0 }),
      End: () => (command ? { ...toRow(present.length), head: last } : { layer, head: last }),
    };
    const move = moves[event.key];
    if (event.altKey || (command && event.key !== "Home" && event.key !== "End")) return;
    if (move !== undefined) {
      setInside("keyboard");
      setHovered(null);
      go(move());
    } else if (event.key === "Enter" || event.key === " ") {
      setInside("keyboard");
      if (event.shiftKey) props.onAdd({ layer, head });
      else props.onSelect({ layer, head });
      if (event.key === "Enter" && !event.shiftKey) props.onEnter();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <div
      class="thumbnails"
      ref={stage}
      data-testid="model-grid"
      data-look={props.look}
      data-layers={props.layers.size}
      data-pitch={`${grid().pitchX} ${grid().pitchY} ${grid().left} ${grid().top}`}
      role="grid"
      tabindex="0"
      aria-label="Heads of all layers"
      aria-rowcount={grid().layers}
      aria-colcount={grid().heads}
      aria-multiselectable="true"
      aria-activedescendant="model-active"
      on:scroll={() => setScroll({ x: stage.scrollLeft, y: stage.scrollTop })}
      on:pointermove={(event) => hover(placeOf(event))}
      on:pointerleave={() => hover(null)}
      on:pointerdown={() => setInside("pointer")}
      on:focus={() => {
        if (inside() === null) setInside(stage.matches(":focus-visible") ? "keyboard" : "pointer");
      }}
      on:blur={() => setInside(null)}
      on:click={(event) => {
        const place = placeOf(event);
        if (place === null) return;
        setAt(place);
        if (event.shiftKey) props.onAdd(place);
        else props.onSelect(place);
      }}
      on:keydown={onKey}
    >
      <div
        class="extent"
        style={{
          width: `${Math.max(grid().extentX, size().width) - (grid().extentX > size().width ? 0 : 1)}px`,
          height: `${Math.max(grid().extentY, size().height)}px`,
        }}
      >
        <div class="window" style={{ width: `${size().width}px`, height: `${size().height}px` }}>
          <canvas
            class="picture"
            ref={picture}
            aria-hidden="true"
            data-testid="model-picture"
            style={{
              left: `${grid().left}px`,
              top: `${grid().top}px`,
              width: `${Math.max(0, size().width - grid().left)}px`,
              height: `${Math.max(0, size().height - grid().top)}px`,
            }}
          />
          <canvas class="overlay" ref={overlay} aria-hidden="true" />
          <div role="row" class="heard" aria-rowindex={active().layer + 1}>
            <div
              id="model-active"
              role="gridcell"
              aria-colindex={active().head + 1}
              aria-selected={
                active().layer === props.selected.layer && props.selected.heads.includes(active().head)
              }
            >
              {props.spoken(active())}
            </div>
          </div>
        </div>
      </div>
    </div>
  );
}
