import { createEffect, onCleanup } from "solid-js";
import type { HeadSummary } from "../../compute/headSummary";
import type { Place } from "../../state/state";
import { pixelRatio } from "../shared/canvas";
import type { TokenLayout } from "../shared/tokenLayout";
import { readTheme, type Theme } from "./canvasTheme";
import type { Shading } from "./overlay";
import { paintMinimap } from "./paintMinimap";

export interface MinimapProps {
  readonly layout: TokenLayout;
  readonly scroll: number;
  readonly summaries: readonly HeadSummary[];
  readonly shading: Shading | null;
  readonly pins: readonly Place[];
  readonly dark: boolean;
  /** Scrolls the window to a position along the tokens. */
  readonly onMove: (along: number) => void;
}

/** An overview of the whole input: where attention comes from and goes, and the draggable window. */
export function Minimap(props: MinimapProps) {
  let canvas!: HTMLCanvasElement;
  let theme: Theme | null = null;
  let frame = 0;
  const turned = () => props.layout.cells !== undefined;
  createEffect(() => {
    const { layout, summaries, shading, pins, dark } = props;
    pixelRatio();
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(() => {
      if (theme?.dark !== dark) theme = readTheme(canvas, dark);
      paintMinimap(canvas, { layout, summaries, shading, pins, theme });
    });
  });
  onCleanup(() => cancelAnimationFrame(frame));

  const move = (event: PointerEvent): void => {
    const box = canvas.getBoundingClientRect();
    const share = turned() ? (event.clientX - box.left) / box.width : (event.clientY - box.top) / box.height;
    const { extent, height } = props.layout;
    props.onMove(Math.max(0, Math.min(extent - height, share * extent - height / 2)));
  };
  const percent = (part: number) => `${(100 * part) / props.layout.extent}%`;
  const frameStyle = () => {
    const [from, size] = [percent(props.scroll), percent(props.layout.height)];
    return turned() ? { left: from, width: size } : { top: from, height: size };
  };
  return (
    <div
      class="minimap"
      data-testid="minimap"
      aria-hidden="true"
      title="Overview of the whole input. Click or drag to scroll."
      on:pointerdown={(event) => {
        (event.currentTarget as HTMLElement).setPointerCapture(event.pointerId);
        move(event);
      }}
      on:pointermove={(event) => {
        if (event.buttons === 1) move(event);
      }}
    >
      <canvas ref={canvas} />
      <i class="frame" style={frameStyle()} />
    </div>
  );
}
