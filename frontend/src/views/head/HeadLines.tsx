import { createEffect, createMemo, createSignal, For, on, onCleanup, onMount } from "solid-js";
import type { LayerField } from "../../compute/field";
import { rise } from "../../marks/curve";
import { longestToken } from "../../marks/format";
import { LineList, strokeLines } from "../../marks/lines";
import type { Place, Scale, Side } from "../../state/state";
import { layOut, rowAt, rowY } from "../layout";
import { leastVisible, opacityOf, type Painting, prepare, scalesOf, shadeTokens } from "../paint";
import { type Edge, type Focus, keyShown, queryShown, type Shown, weightsAt } from "../reading";
import { TokenColumn } from "../TokenColumn";
import { BandPainter, type Drawn } from "./band";
import { linesAt } from "./collect";

export interface HeadLinesProps {
  /** What tells the ids of its tokens from those of another view. */
  readonly prefix?: string;
  readonly field: LayerField;
  /** Rises whenever the field knows more than before. */
  readonly version: number;
  readonly shown: Shown;
  readonly scale: Scale;
  readonly dark: boolean;
  readonly pins: readonly Place[];
  readonly token: Place | null;
  readonly focus: Focus | null;
  readonly onFocus: (focus: Focus | null) => void;
  readonly onToken: (place: Place | null) => void;
  readonly onPin: (place: Place) => void;
  readonly onDrawn: (drawn: Drawn) => void;
  readonly onEnter: () => void;
}

/** Tokens that attend on the left, tokens attended to on the right, a line for each weight. */
export function HeadLines(props: HeadLinesProps) {
  let stage!: HTMLDivElement;
  let base!: HTMLCanvasElement;
  let above!: HTMLCanvasElement;
  const [size, setSize] = createSignal({ width: 0, height: 0 });
  const [scroll, setScroll] = createSignal(0);
  const band = new BandPainter(
    () => base,
    (drawn) => props.onDrawn(drawn),
  );
  onCleanup(() => band.close());

  const rows = () => Math.max(props.field.queries, props.field.keys);
  const longest = createMemo(() => longestToken([...props.shown.queries, ...props.shown.keys]));
  const layout = createMemo(() => layOut(size().width, size().height, rows(), longest()));
  const painting = (): Painting => ({
    layout: layout(),
    scroll: scroll(),
    scale: props.scale,
    dark: props.dark,
    heads: props.shown.heads,
  });

  /** Places whose lines stand out: pins, then what the keyboard or the pointer is on. */
  const places = createMemo<readonly Place[]>(() => {
    const extra =
      props.focus?.kind === "token" ? props.focus.place : props.focus === null ? props.token : null;
    return [...props.pins, ...(extra === null ? [] : [extra])];
  });
  /** The one whose opposite tokens are shaded. */
  const shaded = createMemo<Place | null>(() => {
    const focus = props.focus;
    if (focus?.kind === "token") return focus.place;
    if (focus?.kind === "edge" && props.pins.length === 0) return { side: "query", index: focus.edge.query };
    return props.token ?? props.pins.at(-1) ?? null;
  });

  const paintBase = (): void => {
    const { width, height } = size();
    if (width === 0 || height === 0) return;
    const { field, version, shown, scale, dark } = props;
    band.show({ field, version, shown, scale, dark, layout: layout() }, scroll());
  };

  const paintAbove = (): void => {
    if (size().width === 0) return;
    const now = painting();
    const context = prepare(above, now.layout.width, now.layout.height);
    const place = shaded();
    if (place !== null && props.focus?.kind !== "edge") {
      const stripes = props.shown.heads.flatMap((head) => {
        const weights = weightsAt(props.field, head, place);
        return weights === null ? [] : [{ head, weights }];
      });
      const isShown = (other: number) =>
        place.side === "query"
          ? queryShown(props.shown, place.index) && keyShown(props.shown, other)
          : keyShown(props.shown, place.index) && queryShown(props.shown, other);
      shadeTokens(context, place, stripes, isShown, now);
    }
    const scales = scalesOf(now);
    strokeLines(context, linesAt(props.field, props.shown, places(), leastVisible(props.scale)), {
      ...scales,
      width: (weight) => 1.4 + 2.4 * weight,
    });
    if (props.focus?.kind === "edge") {
      const { head, query, key } = props.focus.edge;
      const one = new LineList();
      one.add(head, query, key, 1);
      strokeLines(context, one, { ...scales, opacity: () => 1, width: () => 2.5 });
    }
  };

  let frame = 0;
  let [baseStale, aboveStale] = [false, false];
  const schedule = (which: "base" | "above"): void => {
    if (which === "base") baseStale = true;
    aboveStale = true;
    if (frame !== 0) return;
    frame = requestAnimationFrame(() => {
      frame = 0;
      if (baseStale) paintBase();
      if (aboveStale) paintAbove();
      [baseStale, aboveStale] = [false, false];
    });
  };
  onCleanup(() => cancelAnimationFrame(frame));

  createEffect(
    on(
      [
        () => props.field,
        () => props.version,
        () => props.shown,
        () => props.scale,
        () => props.dark,
        size,
        scroll,
      ],
      () => schedule("base"),
    ),
  );
  createEffect(on([places, shaded, () => props.focus], () => schedule("above")));

  onMount(() => {
    const watch = new ResizeObserver(() => setSize({ width: stage.clientWidth, height: stage.clientHeight }));
    watch.observe(stage);
    onCleanup(() => watch.disconnect());
  });

  const focusAt = (event: MouseEvent): Focus | null => {
    const box = stage.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const now = layout();
    const side: Side | null = x < now.lineX0 - 2 ? "query" : x > now.lineX1 + 2 ? "key" : null;
    if (side !== null) {
      if (x < now.queryX - 8 || x > now.keyX + now.column + 8) return null;
      const index = rowAt(now, y, scroll(), side === "query" ? props.field.queries : props.field.keys);
      return index === null ? null : { kind: "token", place: { side, index } };
    }
    const pool =
      props.pins.length > 0
        ? linesAt(props.field, props.shown, props.pins, leastVisible(props.scale))
        : band.lines;
    const edge = pool && nearestLine(pool, painting(), x, y);
    return edge === null ? null : { kind: "edge", edge };
  };

  const follow = (event: PointerEvent): void => {
    const next = focusAt(event);
    if (!sameFocus(next, props.focus)) props.onFocus(next);
  };

  const reveal = (index: number): void => {
    const now = layout();
    const y = rowY(now, index, scroll());
    if (y < now.rowHeight) stage.scrollTop -= now.rowHeight - y;
    else if (y > now.height - now.rowHeight) stage.scrollTop += y - now.height + now.rowHeight;
  };

  const bold = createMemo(() => strongest(props.field, props.shown, shaded(), props.version));

  return (
    <div
      class="stage"
      ref={stage}
      classList={{ dimmed: places().length > 0 || props.focus !== null }}
      on:scroll={() => setScroll(stage.scrollTop)}
      on:pointermove={follow}
      on:pointerleave={() => props.onFocus(null)}
      on:click={(event) => {
        const focus = focusAt(event);
        if (focus?.kind === "token") props.onPin(focus.place);
      }}
    >
      <div class="extent" style={{ height: `${Math.max(layout().extent, size().height)}px` }}>
        <div class="window" style={{ height: `${size().height}px` }}>
          <canvas class="base" aria-hidden="true" ref={base} />
          <canvas class="above" aria-hidden="true" ref={above} />
          <For each={["query", "key"] as const}>
            {(side) => (
              <TokenColumn
                side={side}
                prefix={props.prefix}
                tokens={side === "query" ? props.shown.queries : props.shown.keys}
                layout={layout()}
                scroll={scroll()}
                active={props.focus?.kind === "token" ? props.focus.place : props.token}
                edge={props.focus?.kind === "edge" ? props.focus.edge : null}
                pins={props.pins}
                muted={(index) =>
                  side === "query" ? !queryShown(props.shown, index) : !keyShown(props.shown, index)
                }
                number={(index) => (shaded()?.side === side ? null : (bold()?.[index] ?? null))}
                onMove={(index) => {
                  props.onToken({ side, index });
                  reveal(index);
                }}
                onPin={(index) => props.onPin({ side, index })}
                onEnter={props.onEnter}
              />
            )}
          </For>
        </div>
      </div>
    </div>
  );
}

/** For each token opposite to a place, the largest weight over the heads on show. */
function strongest(
  field: LayerField,
  shown: Shown,
  place: Place | null,
  _version: number,
): Float32Array | null {
  if (place === null) return null;
  let most: Float32Array | null = null;
  if (place.side === "query" ? !queryShown(shown, place.index) : !keyShown(shown, place.index)) return null;
  for (const head of shown.heads) {
    const weights = weightsAt(field, head, place);
    if (weights === null) continue;
    most ??= new Float32Array(weights.length);
    for (let other = 0; other < weights.length; other++) {
      const visible = place.side === "query" ? keyShown(shown, other) : queryShown(shown, other);
      if (visible && weights[other] > most[other]) most[other] = weights[other];
    }
  }
  return most;
}

/** The line under the pointer: the most opaque of those that pass within a few pixels. */
function nearestLine(lines: LineList, now: Painting, x: number, y: number): Edge | null {
  const { layout, scale } = now;
  const scales = scalesOf(now);
  const share = rise((x - layout.lineX0) / (layout.lineX1 - layout.lineX0));
  let best: Edge | null = null;
  let bestValue = 0;
  for (let at = 0; at < lines.count; at++) {
    const strand = scales.strand(lines.head[at]);
    const y0 = scales.queryY(lines.query[at]) + strand;
    const y1 = scales.keyY(lines.key[at]) + strand;
    const away = Math.abs(y0 + (y1 - y0) * share - y);
    if (away > 6) continue;
    const value = opacityOf(lines.weight[at], scale) * (1 - away / 8);
    if (value > bestValue && value > 0.02) {
      bestValue = value;
      best = { head: lines.head[at], query: lines.query[at], key: lines.key[at] };
    }
  }
  return best;
}

function sameFocus(a: Focus | null, b: Focus | null): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
