import { createEffect, createMemo, createSignal, on, onCleanup, onMount, Show } from "solid-js";
import type { HeadPlace } from "../../state/state";
import { pixelRatio } from "../shared/canvas";
import { type GesturePoint, onChangeGesture } from "../shared/changeGesture";
import { pointIn } from "../shared/pointer";
import { fillingZoom, framing, panned, rectOf, worldAt, zoomedAbout } from "./camera";
import { drawFrame } from "./drawFrame";
import { followGestures } from "./gestures";
import { gridKeys } from "./gridKeys";
import { createGridLayout } from "./gridLayout";
import type { ModelGridProps } from "./gridProps";
import { MatrixMargins } from "./MatrixMargins";
import { cellAt, type HeadCell, rectOfCell } from "./matrixFrame";
import { GridPainter } from "./painter";

/** A grid of thumbnails with layers as rows and heads as columns. It is one tab stop; arrow keys move between heads. */
export function ModelGrid(props: ModelGridProps) {
  let stage!: HTMLDivElement;
  let thumbnails!: HTMLCanvasElement;
  let overlay!: HTMLCanvasElement;
  let painter: GridPainter | null = null;
  const [size, setSize] = createSignal({ width: 0, height: 0 });
  const [hovered, setHovered] = createSignal<HeadPlace | null>(null);
  const [cell, setCell] = createSignal<HeadCell | null>(null);
  const [dragging, setDragging] = createSignal(false);
  const [inside, setInside] = createSignal<"keyboard" | "pointer" | null>(null);
  const [at, setAt] = createSignal<HeadPlace | null>(null);
  /** Whether the keyboard just moved to a head, which then counts as pointed at. */
  const [arrived, setArrived] = createSignal(false);

  const layout = createGridLayout(props, size);
  const { placement, grid, filling, partOf, motion, view, frame } = layout;
  const slots = () => placement().lines.flat();
  const exists = (place: HeadPlace) => placement().of(place) !== null;

  /** The head with keyboard focus: the last focused one, or else the selected one. */
  const active = createMemo<HeadPlace>(() => {
    const now = at();
    if (now !== null && exists(now)) return now;
    const selected = { layer: props.selected.layer, head: props.selected.heads[0] ?? 0 };
    return exists(selected) ? selected : (slots()[0] ?? selected);
  });
  const focused = () => (inside() === "keyboard" ? active() : null);
  createEffect(
    on([() => props.selected.layer, () => props.selected.heads], () => {
      const now = at();
      if (now === null || now.layer === props.selected.layer) return;
      if (inside() === null) setAt(null);
    }),
  );
  createEffect(
    on(
      [hovered, focused, arrived],
      ([over, focus, moved]) => {
        const place = over ?? focus;
        const slot = place === null ? null : placement().of(place);
        const rect = slot === null ? null : rectOf(grid(), view(), slot);
        const box = stage.getBoundingClientRect();
        const spot = rect === null ? null : { x: box.x + rect.x + rect.width, y: box.y + rect.y };
        props.onOver(place, frame() === null && (over !== null || moved) ? spot : null);
      },
      { defer: true },
    ),
  );
  const matrixPlace = createMemo(() => frame()?.slot ?? null, undefined, { equals: sameOrNone });
  createEffect(on(matrixPlace, (now) => props.onMatrix(now)));
  createEffect(on(cell, (now) => props.onCell(now), { defer: true }));
  createEffect(() => {
    // A cell stays under the pointer as long as its head is shown as a matrix.
    const now = cell();
    const shown = frame()?.slot;
    if (now !== null && (shown?.layer !== now.layer || shown.head !== now.head)) setCell(null);
  });

  /** Heads next to a matrix are dimmed. */
  const within = createMemo(() => {
    const now = matrixPlace();
    return now === null ? props.within : (place: HeadPlace) => same(place, now);
  });
  const closeness = () => ({
    ...{ grid: grid(), view: view(), placement: placement(), layers: props.layers, partOf },
    reads: frame()?.slot ?? null,
  });
  createEffect(
    on([view, placement, frame, motion.moving, () => props.layers, () => props.version], () => {
      if (!motion.moving() && size().width > 0 && motion.camera() !== null) props.onCloseness(closeness());
    }),
  );

  let request = 0;
  const schedule = (): void => {
    if (request !== 0) return;
    request = requestAnimationFrame(() => {
      request = 0;
      if (size().width > 0 && size().height > 0) draw();
    });
  };
  const draw = (): void => {
    if (painter === null) return;
    drawFrame({ stage, painter, overlay }, props, layout, closeness(), {
      ...{ hovered: hovered(), focused: focused(), cell: cell(), within: within() },
    });
  };
  onCleanup(() => cancelAnimationFrame(request));
  createEffect(
    on(
      [
        () => [props.layers, props.rules, props.look, props.dark, props.palette, props.scale, props.selected],
        () => [props.tint, props.within, props.edge, props.version, props.causal],
        () => [props.tintSigned, props.differenceFull, props.counterparts, props.changed],
        placement,
        view,
        pixelRatio,
        motion.moving,
        hovered,
        focused,
        cell,
      ],
      schedule,
    ),
  );

  const placeOf = (event: GesturePoint): HeadPlace | null => {
    const { x, y } = pointIn(stage, event);
    if (frame() === null && (x < grid().left || y < grid().top)) return null;
    const world = worldAt(view(), x, y);
    return placement().at(world.column, world.row);
  };
  const cellOf = (event: GesturePoint): HeadCell | null => {
    const matrix = frame();
    const { x, y } = pointIn(stage, event);
    if (matrix === null || x < filling().left || y < filling().top) return null;
    const found = cellAt(matrix, x, y);
    return found === null ? null : { layer: matrix.slot.layer, head: matrix.slot.head, ...found };
  };
  const hover = (place: HeadPlace | null): void => {
    const now = hovered();
    if (now?.layer !== place?.layer || now?.head !== place?.head) setHovered(place);
  };
  const point = (event: MouseEvent): void => {
    if (dragging()) return;
    hover(placeOf(event));
    const [now, next] = [cell(), cellOf(event)];
    if (now?.query !== next?.query || now?.key !== next?.key || now?.head !== next?.head) setCell(next);
  };

  const zoomTo = (place: HeadPlace): void => {
    const slot = placement().of(place);
    if (slot !== null) motion.glide(framing(grid(), filling(), slot), place);
  };
  let justDragged: () => boolean = () => false;
  onMount(() => {
    painter = new GridPainter(thumbnails);
    const watch = new ResizeObserver(() => setSize({ width: stage.clientWidth, height: stage.clientHeight }));
    watch.observe(stage);
    onCleanup(() => watch.disconnect());
    onCleanup(
      onChangeGesture(stage, (at) => {
        const place = cellOf(at) ?? placeOf(at);
        if (place === null) return false;
        props.onChange(place, placeInWindow(place), stage);
        return true;
      }),
    );
    justDragged = followGestures(stage, {
      onZoom: (factor, x, y) => motion.jump(zoomedAbout(grid(), filling(), motion.camera(), factor, x, y)),
      onPan: (dx, dy) => motion.jump(panned(grid(), filling(), motion.camera(), dx, dy)),
      movable: () => motion.camera() !== null,
      onDragging: setDragging,
    });
  });
  const click = (event: MouseEvent): void => {
    if (justDragged() || event.detail > 1) return;
    const pointed = cellOf(event);
    const place = pointed ?? placeOf(event);
    if (place === null) return;
    setAt({ layer: place.layer, head: place.head });
    if (event.shiftKey) props.onAdd({ layer: place.layer, head: place.head });
    else if (pointed !== null) props.onEdge(pointed);
    else props.onSelect({ layer: place.layer, head: place.head });
  };
  const doubleClick = (event: MouseEvent): void => {
    if (justDragged()) return;
    if (cellOf(event) !== null) {
      props.onTakeBack();
      motion.glide(null);
      return;
    }
    const place = placeOf(event);
    if (place !== null) zoomTo(place);
  };
  const onKey = gridKeys({
    ...{ grid, filling, view, placement, frame, motion, active, cell },
    go: (place) => {
      setInside("keyboard");
      setArrived(true);
      setHovered(null);
      setAt(place);
    },
    onCell: (now) => {
      setInside("keyboard");
      setCell(now);
    },
    onSelect: props.onSelect,
    onAdd: props.onAdd,
    onEdge: props.onEdge,
    onEnter: props.onEnter,
    onChange: (place) => props.onChange(place, placeInWindow(place), stage),
  });
  /** Where a head or a cell is in the window, without what is outside the view. */
  const placeInWindow = (place: HeadPlace | HeadCell): DOMRect => {
    const box = stage.getBoundingClientRect();
    const slot = placement().of(place);
    const matrix = frame();
    const rect =
      "query" in place && matrix !== null
        ? rectOfCell(matrix, place)
        : slot === null
          ? { x: 0, y: 0, width: box.width, height: box.height }
          : rectOf(grid(), view(), slot);
    // The host may show the page scaled.
    const scale = box.width / Math.max(1, stage.offsetWidth);
    const [left, top] = [Math.max(0, rect.x), Math.max(0, rect.y)];
    const [right, bottom] = [rect.x + rect.width, rect.y + rect.height];
    const width = Math.max(1, Math.min(stage.offsetWidth, right) - left);
    const height = Math.max(1, Math.min(stage.offsetHeight, bottom) - top);
    return new DOMRect(box.x + scale * left, box.y + scale * top, scale * width, scale * height);
  };

  const line = () => placement().lines.findIndex((each) => each.some((slot) => same(slot, active())));
  const matrixName = () => {
    const now = frame();
    if (now === null) return undefined;
    const { slot, rect, part: of, cellWidth, cellHeight } = now;
    return [
      `${slot.layer}.${slot.head}`,
      rect.x,
      rect.y,
      cellWidth,
      cellHeight,
      ...of.queries,
      ...of.keys,
    ].join(" ");
  };

  return (
    <div
      class="thumbnails"
      classList={{ near: motion.camera() !== null, dragging: dragging(), cells: frame() !== null }}
      ref={stage}
      data-testid="model-grid"
      data-look={props.look}
      data-layers={props.layers.size}
      data-pitch={`${view().pitchX} ${view().pitchY} ${view().x} ${view().y}`}
      data-zoom={view().zoom.toFixed(3)}
      data-filling={fillingZoom(grid(), filling()).toFixed(3)}
      data-moving={motion.moving()}
      data-matrix={matrixName()}
      data-order={props.sort}
      role="grid"
      tabindex="0"
      aria-label="Heads of all layers"
      aria-rowcount={placement().lines.length}
      aria-colcount={Math.max(0, ...placement().lines.map((each) => each.length))}
      aria-multiselectable="true"
      aria-activedescendant="model-active"
      on:pointermove={point}
      on:pointerleave={() => {
        hover(null);
        if (inside() !== "keyboard") setCell(null);
      }}
      on:pointerdown={() => {
        setInside("pointer");
        setArrived(false);
      }}
      on:focus={() => {
        if (inside() === null) setInside(stage.matches(":focus-visible") ? "keyboard" : "pointer");
      }}
      on:blur={() => {
        setInside(null);
        setArrived(false);
      }}
      on:click={click}
      on:dblclick={doubleClick}
      on:keydown={onKey}
    >
      <canvas
        class="picture"
        ref={thumbnails}
        aria-hidden="true"
        data-testid="model-picture"
        style={{ left: `${grid().left}px`, top: `${grid().top}px` }}
      />
      <canvas class="overlay" ref={overlay} aria-hidden="true" />
      <Show when={frame()}>
        {(now) => (
          <MatrixMargins
            frame={now()}
            grid={grid()}
            filling={filling()}
            queries={props.rules.queries}
            keys={props.rules.keys}
            counterparts={props.counterparts}
            changed={props.changed(now().slot) !== null}
            pointed={cell()}
          />
        )}
      </Show>
      <div role="row" class="heard" aria-rowindex={line() + 1}>
        <div
          id="model-active"
          role="gridcell"
          aria-colindex={(placement().lines[line()]?.findIndex((slot) => same(slot, active())) ?? 0) + 1}
          aria-selected={
            active().layer === props.selected.layer && props.selected.heads.includes(active().head)
          }
        >
          <Show when={cell()} fallback={props.spoken(active())}>
            {(now) => props.spokenCell(now())}
          </Show>
        </div>
      </div>
    </div>
  );
}

function sameOrNone(a: HeadPlace | null, b: HeadPlace | null): boolean {
  return a === b || (a !== null && b !== null && same(a, b));
}

function same(a: HeadPlace, b: HeadPlace): boolean {
  return a.layer === b.layer && a.head === b.head;
}
