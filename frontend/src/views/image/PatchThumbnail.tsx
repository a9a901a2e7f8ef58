import { createEffect, Show } from "solid-js";
import type { Token } from "../../wire/messages";
import { pixelRatio } from "../shared/canvas";
import type { Bitmap } from "./bitmaps";

/** A thumbnail of a patch, beside its name. */
export function PatchThumbnail(props: {
  readonly token: Token;
  readonly bitmap: Bitmap | null;
  readonly size: number;
}) {
  return (
    <Show when={props.token.box != null && props.bitmap}>
      {(bitmap) => (
        <canvas
          class="crop"
          aria-hidden="true"
          style={{ width: `${props.size}px`, height: `${props.size}px` }}
          ref={(canvas) =>
            createEffect(() => {
              const side = Math.round(props.size * pixelRatio());
              canvas.width = canvas.height = side;
              const [x0, y0, x1, y1] = props.token.box ?? [0, 0, 0, 0];
              const context = canvas.getContext("2d");
              context?.drawImage(bitmap().color, x0, y0, x1 - x0, y1 - y0, 0, 0, side, side);
            })
          }
        />
      )}
    </Show>
  );
}
