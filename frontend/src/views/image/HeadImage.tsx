import { createEffect, createMemo } from "solid-js";
import type { LayerField } from "../../compute/layerField";
import { percent } from "../../marks/format";
import {
  type Frame,
  heaviest,
  lights,
  type Patch,
  paintScene,
  patchAt,
  patchBeside,
  shareOf,
} from "../../marks/imagePatches";
import { css, headColor } from "../../marks/palette";
import type { Place, Scale } from "../../state/state";
import { prepare } from "../shared/canvas";
import { pointIn } from "../shared/pointer";
import { type Focus, weightsAt } from "../shared/weights";
import type { Bitmap } from "./bitmaps";

export interface HeadImageProps {
  readonly head: number;
  readonly layer: number;
  readonly bitmap: Bitmap;
  readonly patches: readonly Patch[];
  readonly field: LayerField;
  readonly version: number;
  /** The token whose attention is shown on the image. */
  readonly place: Place;
  readonly pins: readonly Place[];
  readonly focus: Focus | null;
  readonly scale: Scale;
  readonly dark: boolean;
  /** Width in CSS pixels. */
  readonly width: number;
  /** The name of the rest of the input in the caption. */
  readonly rest: string | null;
  readonly onFocus: (focus: Focus | null) => void;
  readonly onToken: (index: number) => void;
  readonly onPin: (index: number) => void;
  readonly onIsolate: () => void;
}

/** Width of a caption without the text about the rest, and of one letter, in CSS pixels. Narrow captions omit that text. */
const CAPTION = 84;
const LETTER = 7;

/** The attention of one head from the selected token to the patches of an image. */
export function HeadImage(props: HeadImageProps) {
  let canvas!: HTMLCanvasElement;
  const scale = () => props.width / props.bitmap.width;
  const height = () => Math.round(props.bitmap.height * scale());
  const weights = createMemo(() => {
    void props.version;
    return weightsAt(props.field, props.head, props.place);
  });
  const most = createMemo(() => {
    const now = weights();
    return now === null ? 0 : heaviest(props.patches, now);
  });
  const pinned = () => props.pins.findLast((pin) => pin.side === "query")?.index ?? null;
  const frames = createMemo<readonly Frame[]>(() => {
    const { focus, place, pins } = props;
    const edge = focus?.kind === "edge" ? focus.edge : null;
    const pointed = edge === null ? [] : [place.side === "query" ? edge.key : edge.query];
    return [
      ...pointed.map((index) => ({ index, kind: "pointed" as const })),
      ...pins
        .filter((pin) => pin.index !== place.index)
        .map(({ index }) => ({ index, kind: "pinned" as const })),
      { index: place.index, kind: "query" as const },
    ];
  });

  createEffect(() => {
    const { bitmap, patches, dark } = props;
    const now = weights();
    const context = prepare(canvas, props.width, height());
    paintScene(
      context,
      {
        color: bitmap.color,
        gray: bitmap.gray,
        size: bitmap,
        patches,
        lights: now === null ? null : lights(patches, now, most(), props.scale),
        tint: headColor(props.head, dark),
        ground: dark ? "#14171d" : "#ffffff",
        frames: frames(),
      },
      scale(),
    );
  });

  const under = (event: MouseEvent): number | null => {
    const { x, y } = pointIn(canvas, event);
    return patchAt(props.patches, x / scale(), y / scale());
  };
  const follow = (event: PointerEvent): void => {
    const index = under(event);
    const query = pinned();
    const next: Focus | null =
      index === null
        ? null
        : query === null || query === index
          ? { kind: "token", place: { side: "query", index } }
          : { kind: "edge", edge: { head: props.head, query, key: index } };
    if (JSON.stringify(next) !== JSON.stringify(props.focus)) props.onFocus(next);
  };
  const steps: Readonly<Record<string, readonly [number, number]>> = {
    ArrowRight: [1, 0],
    ArrowLeft: [-1, 0],
    ArrowDown: [0, 1],
    ArrowUp: [0, -1],
  };
  const onKey = (event: KeyboardEvent): void => {
    const now = props.place.index;
    if (event.key in steps) {
      const next = patchBeside(props.patches, now, ...steps[event.key]);
      if (next !== null) props.onToken(next);
      props.onFocus(null);
    } else if (event.key === "Enter" || event.key === " ") {
      props.onPin(now);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };
  const outside = () => {
    const now = weights();
    if (now === null || props.rest === null) return "";
    const text = `${props.rest} ${percent(Math.max(0, 1 - shareOf(props.patches, now)))}`;
    return props.width < CAPTION + LETTER * text.length ? "" : text;
  };
  const name = () => `${props.layer}.${props.head}`;

  return (
    <figure class="head-picture" style={{ width: `${props.width}px` }}>
      <div
        class="patches"
        role="application"
        tabindex="0"
        aria-roledescription="patch grid"
        aria-label={`Image, head ${name()}. Arrow keys move between patches; Enter pins a patch.`}
        data-testid={`picture-${props.head}`}
        style={{ height: `${height()}px` }}
        on:pointermove={follow}
        on:pointerleave={() => props.onFocus(null)}
        on:click={(event) => {
          const index = under(event);
          if (index !== null) props.onPin(index);
        }}
        on:keydown={onKey}
      >
        <canvas ref={canvas} aria-hidden="true" />
      </div>
      <figcaption class="num">
        <button
          type="button"
          title={`Show only head ${name()}, or all heads again`}
          style={{ "--head": css(headColor(props.head, props.dark)) }}
          on:click={props.onIsolate}
        >
          {name()}
        </button>
        <span class="peak" title="Largest weight on any patch">
          {most() > 0 ? (most() < 0.0995 ? most().toFixed(3) : most().toFixed(2)) : ""}
        </span>
        <span class="space" />
        <span class="rest" title={`Attention to ${props.rest ?? "other tokens"}`}>
          {outside()}
        </span>
      </figcaption>
    </figure>
  );
}
