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
import { longestToken, shortWeight } from "../../marks/format";
import { LineList, type Lines } from "../../marks/lines";
import type { Place, Side } from "../../state/state";
import type { Token } from "../../wire/messages";
import { pixelRatio } from "../shared/canvas";
import type { Painting } from "../shared/lineScales";
import { pointIn } from "../shared/pointer";
import { TokenColumn } from "../shared/TokenColumn";
import { layOutColumns, layOutRows, rowAt, rowSize, rowY, type TokenLayout } from "../shared/tokenLayout";
import { type Edge, type Focus, heaviestEdges, keyShown, queryShown, statedEdge } from "../shared/weights";
import { readTheme, type Theme } from "./canvasTheme";
import { createLineRaster, type LineRasterProps } from "./lineRaster";
import { Minimap } from "./Minimap";
import type { MarkedLine } from "./markedLine";
import { nearestLine } from "./nearestLine";
import { paintOverlay, type Shading } from "./overlay";
import { paintBand } from "./paintBand";
import { drawnAt, linesAt } from "./selectLines";
import { mostlyRightToLeft, wordWidths } from "./wordLayout";

export interface HeadLinesProps extends LineRasterProps {
  /** A prefix that makes the ids of its tokens unique among views. */
  readonly prefix?: string;
  /** Increases whenever the field has new data. */
  readonly version: number;
  readonly pins: readonly Place[];
  readonly token: Place | null;
  readonly focus: Focus | null;
  /** The edge between the current token and the one pinned on the other side. */
  readonly paired?: Edge | null;
  readonly turned?: boolean;
  readonly found?: (place: Place) => boolean;
  /** Content before a token's name. */
  readonly before?: (token: Token) => JSX.Element;
  readonly onFocus: (focus: Focus | null) => void;
  readonly onToken: (place: Place | null) => void;
  readonly onPin: (place: Place) => void;
  readonly onEdge?: (edge: Edge) => void;
  readonly onEnter: () => void;
  /** Receives a function that scrolls to a token. */
  readonly reveal?: (reveal: (place: Place) => void) => void;
  /** A token to scroll to once the view is laid out. */
  readonly toReveal?: Place | null;
  readonly onRevealed?: () => void;
}

/** How long the pointer must rest before numbers on the canvas are also announced to screen readers. */
const REST_MS = 120;

/** Queries on one side, keys on the other, and a line for each weight. */
export function HeadLines(props: HeadLinesProps) {
  let stage!: HTMLDivElement;
  let base!: HTMLCanvasElement;
  let above!: HTMLCanvasElement;
  const [size, setSize] = createSignal({ width: 0, height: 0 });
  const [scroll, setScroll] = createSignal(0);

  const tokens = (side: Side) => (side === "query" ? props.shown.queries : props.shown.keys);
  const rows = () => Math.max(props.field.queries, props.field.keys);
  const longest = createMemo(() => longestToken([...props.shown.queries, ...props.shown.keys]));
  const rightToLeft = createMemo(() => mostlyRightToLeft(props.shown.queries));
  const turned = () => props.turned ?? false;
  const layout = createMemo<TokenLayout>(() => {
    const { width, height } = size();
    if (!turned()) return layOutColumns(width, height, rows(), longest());
    const widths = { query: wordWidths(tokens("query")), key: wordWidths(tokens("key")) };
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
  });
  /** Places whose lines are highlighted: pins, then the place under the pointer or the keyboard cursor. */
  const places = createMemo<readonly Place[]>(() => {
    const { focus } = props;
    const extra = focus?.kind === "token" ? focus.place : focus === null ? props.token : null;
    return [...props.pins, ...(extra === null ? [] : [extra])];
  });
  /** The place whose opposite tokens are shaded. */
  const shaded = createMemo<Place | null>(() => {
    const { focus } = props;
    if (focus?.kind === "token") return focus.place;
    if (focus?.kind === "edge") {
      const ends = endsOf(focus.edge);
      return props.pins.findLast((pin) => ends.some((end) => samePlace(end, pin))) ?? ends[0];
    }
    return props.token ?? props.pins.at(-1) ?? null;
  });
  /** The line that is outlined: the one under the pointer, else the one between the current and the pinned token. */
  const marked = createMemo<MarkedLine | null>(() => {
    void props.version;
    const { focus, field } = props;
    const edge = focus?.kind === "edge" ? focus.edge : (props.paired ?? null);
    if (edge === null || edge.query >= field.queries || edge.key >= field.keys) return null;
    return { ...edge, ...statedEdge(field, edge) };
  });
  const shading = createMemo<Shading | null>(() => {
    void props.version;
    known();
    const place = shaded();
    if (place === null || place.index >= (place.side === "query" ? props.field.queries : props.field.keys))
      return null;
    const stripes = props.shown.heads.flatMap((head) => {
      const weights = drawnAt(props.field, head, place, rules(), cutoffs);
      return weights === null ? [] : [{ head, weights }];
    });
    return stripes.length === 0 ? null : { place, stripes };
  });
  const lines = createMemo<Lines>(() => {
    void props.version;
    known();
    return props.field === null
      ? new LineList()
      : linesAt(props.field, props.shown.heads, places(), rules(), cutoffs);
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

  /** The numbers beside the tokens, for screen readers; updated once the pointer rests. */
  const [announced, setAnnounced] = createSignal<Shading | null>(null);
  createEffect(
    on(shading, (now) => {
      const timer = setTimeout(() => setAnnounced(now), REST_MS);
      onCleanup(() => clearTimeout(timer));
    }),
  );
  const remark = (side: Side, index: number): string | null => {
    const now = announced();
    if (now === null || now.place.side === side) return null;
    let most = 0;
    for (const { weights } of now.stripes) most = Math.max(most, weights[index] ?? 0);
    const text = shortWeight(most);
    return text === "" ? null : `, ${text.startsWith(".") ? `0${text}` : text}`;
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

  const focusAt = (event: MouseEvent): Focus | null => {
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
          <For each={["query", "key"] as const}>
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

function endsOf({ query, key }: Edge): readonly [Place, Place] {
  return [
    { side: "query", index: query },
    { side: "key", index: key },
  ];
}

function samePlace(a: Place, b: Place): boolean {
  return a.side === b.side && a.index === b.index;
}
