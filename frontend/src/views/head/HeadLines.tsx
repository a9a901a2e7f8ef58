import {
  createEffect,
  createMemo,
  createSignal,
  For,
  type JSX,
  on,
  onCleanup,
  onMount,
  Show,
  untrack,
} from "solid-js";
import type { LayerField } from "../../compute/layerField";
import type { Place, Side } from "../../state/state";
import type { Token } from "../../wire/messages";
import { pixelRatio } from "../shared/canvas";
import { type GesturePoint, onChangeGesture } from "../shared/changeGesture";
import { longestName } from "../shared/counterparts";
import type { Painting } from "../shared/lineScales";
import { pointIn } from "../shared/pointer";
import { TokenColumn } from "../shared/TokenColumn";
import { layOutColumns, layOutRows, rowAt, rowSize, rowY, type TokenLayout } from "../shared/tokenLayout";
import { type Edge, type Focus, heaviestEdges, keyShown, queryShown, type Shown } from "../shared/weights";
import { readTheme, type Theme } from "./canvasTheme";
import { createHighlight, type HighlightProps } from "./createHighlight";
import { createLineRaster, type LineRasterProps } from "./lineRaster";
import { Minimap } from "./Minimap";
import { nearestLine } from "./nearestLine";
import { paintOverlay } from "./overlay";
import { paintBand } from "./paintBand";
import { mostlyRightToLeft, wordWidths } from "./wordLayout";

/** `version` increases whenever the field has new data; `paired` is the edge between the current token and the pinned one opposite. */
export interface HeadLinesProps extends LineRasterProps, HighlightProps {
  readonly field: LayerField;
  readonly shown: Shown;
  /** A prefix that makes the ids of its tokens unique among views. */
  readonly prefix?: string;
  readonly turned?: boolean;
  readonly found?: (place: Place) => boolean;
  /** Content before a token's name. */
  readonly before?: (token: Token) => JSX.Element;
  readonly onFocus: (focus: Focus | null) => void;
  readonly onToken: (place: Place | null) => void;
  readonly onPin: (place: Place) => void;
  readonly onEdge?: (edge: Edge) => void;
  readonly onEnter: () => void;
  /** Opens a change of a line or a token at a point of the window; absent where nothing can be changed. */
  readonly onChange?: (what: Focus, at: GesturePoint, from: HTMLElement) => void;
  /** Receives a function that scrolls to a token. */
  readonly reveal?: (reveal: (place: Place) => void) => void;
  /** A token to scroll to once the view is laid out. */
  readonly toReveal?: Place | null;
  readonly onRevealed?: () => void;
}

/** How long scrolling must rest before what is under the pointer is read. */
const REST_MS = 120;
const SIDES = ["query", "key"] as const;
const PAIR_LETTERS = 5;

/** Queries on one side, keys on the other, and a line for each weight. */
export function HeadLines(props: HeadLinesProps) {
  let stage!: HTMLDivElement;
  let base!: HTMLCanvasElement;
  let above!: HTMLCanvasElement;
  const [size, setSize] = createSignal({ width: 0, height: 0 });
  const [scroll, setScroll] = createSignal(0);

  const tokens = (side: Side) => (side === "query" ? props.shown.queries : props.shown.keys);
  const rows = () => Math.max(props.field.queries, props.field.keys);
  const counterparts = (side: Side) => props.shown.counterparts?.[side];
  /** Letters that a weight before and after takes beside a token. */
  const longest = createMemo(() => {
    const extra = props.readings != null && props.shown.heads.length === 1 ? PAIR_LETTERS : 0;
    return extra + Math.max(...SIDES.map((side) => longestName(tokens(side), counterparts(side))));
  });
  const rightToLeft = createMemo(() => mostlyRightToLeft(props.shown.queries));
  const turned = () => props.turned ?? false;
  const layout = createMemo<TokenLayout>(() => {
    const { width, height } = size();
    if (!turned()) return layOutColumns(width, height, rows(), longest());
    const [query, key] = SIDES.map((side) => wordWidths(tokens(side), counterparts(side)));
    const widths = { query, key };
    return layOutRows({ width, height }, widths, rightToLeft());
  });
  const scrollable = () => layout().extent > layout().height + 1;

  const raster = createLineRaster(props, layout, scroll);
  const { band, known, rules, cutoffs, summaries } = raster;
  createEffect(
    on(band, (now) => {
      if (now !== null) paintBand(base, now);
    }),
  );

  const painting = (): Painting => ({
    layout: layout(),
    scroll: scroll(),
    scale: props.scale,
    dark: props.dark,
    heads: props.shown.heads,
    signed: props.field.signed,
    off: props.off ?? [],
  });
  const { places, marked, shading, lines, changed, announced, remark } = createHighlight(props, {
    ...{ layout, rules, cutoffs, known },
  });

  let theme: Theme | null = null;
  let frame = 0;
  const paintAbove = (): void => {
    if (size().width === 0) return;
    if (theme?.dark !== props.dark) theme = readTheme(stage, props.dark);
    const { focus } = props;
    const at = layout().cells === undefined ? "translateY" : "translateX";
    above.style.transform = `${at}(${scroll()}px)`;
    paintOverlay(above, {
      painting: painting(),
      theme,
      hovered: focus?.kind === "token" ? focus.place : null,
      shading: shading(),
      places: places(),
      lines: lines(),
      marked: marked(),
      changed: changed(),
    });
  };
  const schedule = (): void => {
    if (frame !== 0) return;
    frame = requestAnimationFrame(() => {
      frame = 0;
      paintAbove();
    });
  };
  onCleanup(() => cancelAnimationFrame(frame));
  createEffect(
    on(
      [
        shading,
        lines,
        scroll,
        layout,
        () => props.focus,
        marked,
        changed,
        () => props.off,
        () => props.dark,
        () => props.scale,
        pixelRatio,
      ],
      schedule,
    ),
  );

  let crossed: { readonly from: Place; readonly to: Place } | null = null;
  /** Moves the keyboard to the token on the other side with the largest weight, or back to where it came from. */
  const cross = (from: Place): void => {
    const back = crossed?.to.side === from.side && crossed.to.index === from.index ? crossed.from : null;
    const [edge] = back === null ? heaviestEdges(props.field, props.shown, from, 1) : [];
    const strongest: Place | null =
      edge === undefined
        ? null
        : from.side === "query"
          ? { side: "key", index: edge.key }
          : { side: "query", index: edge.query };
    const to = back ?? strongest;
    crossed = to === null ? null : { from, to };
    if (to === null) return;
    props.onToken(to);
    reveal(to);
  };

  onMount(() => {
    const watch = new ResizeObserver(() => setSize({ width: stage.clientWidth, height: stage.clientHeight }));
    watch.observe(stage);
    onCleanup(() => watch.disconnect());
  });

  const moveTo = (along: number): void => {
    if (layout().cells === undefined) stage.scrollTop = along;
    else stage.scrollLeft = along;
  };
  /** Where reading starts: on the right for right-to-left text in rows. */
  const start = createMemo(() => props.shown.queries);
  const across = createMemo(turned);
  const hasSize = createMemo(() => size().width > 0);
  createEffect(
    on([start, across, hasSize], () => {
      moveTo(turned() && rightToLeft() ? untrack(layout).extent : 0);
      followScroll();
    }),
  );
  let rested: ReturnType<typeof setTimeout> | undefined;
  let pointer: PointerEvent | null = null;
  const onScroll = (): void => {
    followScroll();
    // Scrolling moved the content under the pointer. The new content is read once scrolling stops.
    if (pointer === null) return;
    if (props.focus !== null) props.onFocus(null);
    clearTimeout(rested);
    rested = setTimeout(() => pointer !== null && follow(pointer), REST_MS);
  };
  onCleanup(() => clearTimeout(rested));
  const followScroll = (): void => {
    setScroll(layout().cells === undefined ? stage.scrollTop : stage.scrollLeft);
  };
  const reveal = ({ side, index }: Place): void => {
    const now = layout();
    const half = rowSize(now, index, side);
    const y = rowY(now, index, scroll(), side);
    if (y < half || y > now.height - half) moveTo(scroll() + y - now.height / 2);
    followScroll();
  };
  props.reveal?.(reveal);
  createEffect(
    on([() => props.toReveal ?? null, hasSize], ([place, sized]) => {
      if (place === null || !sized) return;
      reveal(place);
      props.onRevealed?.();
    }),
  );

  const focusAt = (event: GesturePoint): Focus | null => {
    const { x, y } = pointIn(stage, event);
    const now = layout();
    const [across, along] = now.cells === undefined ? [x, y] : [y, x];
    const side: Side | null = across < now.lineX0 - 2 ? "query" : across > now.lineX1 + 2 ? "key" : null;
    if (side !== null) {
      if (across < now.queryX - 8 || across > now.keyX + now.column + 8) return null;
      const index = rowAt(now, along, scroll(), tokens(side).length, side);
      return index === null ? null : { kind: "token", place: { side, index } };
    }
    const pool = props.pins.length > 0 ? lines() : band()?.lines;
    const edge = pool && nearestLine(pool, painting(), across, along);
    return edge ? { kind: "edge", edge } : null;
  };
  const follow = (event: PointerEvent): void => {
    pointer = event;
    const next = focusAt(event);
    if (JSON.stringify(next) !== JSON.stringify(props.focus)) props.onFocus(next);
  };
  const changeToken = (place: Place, element: HTMLElement): void => {
    const token = element.querySelector(
      `[data-testid="${element.dataset.testid?.replace("tokens", "")}${place.index}"]`,
    );
    const box = (token ?? element).getBoundingClientRect();
    props.onChange?.({ kind: "token", place }, { clientX: box.right, clientY: box.bottom }, element);
  };
  onMount(() => {
    const stop = onChangeGesture(stage, (at) => {
      const what = props.onChange === undefined ? null : focusAt(at);
      if (what !== null) props.onChange?.(what, at, stage);
      return what !== null;
    });
    onCleanup(stop);
  });
  /** The wheel offset for a view that scrolls horizontally. */
  const wheel = (event: WheelEvent): void => {
    if (!turned() || event.deltaX !== 0 || event.shiftKey || event.ctrlKey) return;
    stage.scrollLeft += event.deltaY;
    event.preventDefault();
  };

  const spot = () => {
    const now = band();
    if (now === null) return { display: "none" };
    const { layout: drawn, top, ratio } = now.request;
    const size = { width: `${now.width / ratio}px`, height: `${now.height / ratio}px` };
    const [across, along] = [`${drawn.lineX0}px`, `${top}px`];
    return drawn.cells === undefined
      ? { left: across, top: along, ...size }
      : { left: along, top: across, ...size };
  };
  const length = () => `${Math.max(layout().extent, layout().height)}px`;

  return (
    <div class="lines" classList={{ turned: turned() }}>
      <div
        class="stage"
        ref={stage}
        classList={{ dimmed: places().length > 0 || props.focus !== null || props.paired != null }}
        on:scroll={onScroll}
        on:wheel={{ handleEvent: wheel, passive: false }}
        on:pointermove={follow}
        on:pointerleave={() => {
          pointer = null;
          props.onFocus(null);
        }}
        on:click={(event) => {
          const focus = focusAt(event);
          if (focus?.kind === "token") props.onPin(focus.place);
          else if (focus?.kind === "edge") props.onEdge?.(focus.edge);
        }}
      >
        <div class="extent" style={turned() ? { width: length(), height: "100%" } : { height: length() }}>
          <canvas
            class="base"
            aria-hidden="true"
            data-testid={`${props.prefix ?? ""}lines`}
            ref={base}
            style={spot()}
          />
          <canvas class="above" aria-hidden="true" ref={above} />
          <For each={SIDES}>
            {(side) => (
              <TokenColumn
                side={side}
                prefix={props.prefix}
                tokens={tokens(side)}
                layout={layout()}
                scroll={scroll()}
                scrolled
                active={props.token}
                edge={null}
                pins={props.pins}
                counterparts={counterparts(side)}
                muted={(index) =>
                  side === "query" ? !queryShown(props.shown, index) : !keyShown(props.shown, index)
                }
                found={(index) => props.found?.({ side, index }) ?? false}
                remark={(index) => remark(side, index)}
                before={props.before}
                onMove={(index) => {
                  props.onToken({ side, index });
                  reveal({ side, index });
                }}
                onPin={(index) => {
                  props.onPin({ side, index });
                  // The keyboard stays on a token that it unpins.
                  props.onToken({ side, index });
                }}
                onCross={(index) => cross({ side, index })}
                onEnter={props.onEnter}
                onChange={props.onChange && ((index, element) => changeToken({ side, index }, element))}
              />
            )}
          </For>
        </div>
      </div>
      <Show when={scrollable()}>
        <Minimap
          layout={layout()}
          scroll={scroll()}
          summaries={summaries()}
          shading={announced()}
          pins={props.pins}
          dark={props.dark}
          onMove={moveTo}
        />
      </Show>
    </div>
  );
}
