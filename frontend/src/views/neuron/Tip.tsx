import { Show } from "solid-js";
import type { CellWords } from "./say";

export type TipWords =
  | { readonly kind: "q"; readonly dimension: number; readonly row: number; readonly q: string }
  | {
      readonly kind: "cell";
      readonly dimension: number;
      readonly row: number;
      readonly cell: CellWords;
      readonly allowed: boolean;
    };

export interface TipProps {
  readonly spot: { readonly x: number; readonly y: number };
  /** The window that it stays inside. */
  readonly width: number;
  readonly height: number;
  readonly words: TipWords;
  readonly scaling: number;
  readonly queryName: string;
  readonly rowName: string;
  readonly kept: boolean;
}

/** As in neuron.css. */
const WIDE = 216;
const TALL = 124;

/** The numbers of the cell under the pointer, beside it. The readout says the same aloud. */
export function Tip(props: TipProps) {
  const left = () => Math.max(4, Math.min(props.width - WIDE - 4, props.spot.x + 14));
  const top = () => {
    const below = props.spot.y + 26;
    return below + TALL < props.height ? below : Math.max(4, props.spot.y - TALL - 22);
  };
  const cell = () => (props.words.kind === "cell" ? props.words : null);
  return (
    <div
      class="neuron-tip num"
      data-testid="neuron-tip"
      aria-hidden="true"
      style={{ transform: `translate(${left()}px, ${top()}px)` }}
    >
      <b>
        dimension {props.words.dimension}
        {props.kept ? " (marked)" : ""}
      </b>
      <Show
        when={cell()}
        fallback={
          <dl>
            <dt>
              q <bdi>{props.rowName}</bdi>
            </dt>
            <dd>{props.words.kind === "q" ? props.words.q : ""}</dd>
          </dl>
        }
      >
        {(now) => (
          <dl>
            <dt>
              q <bdi>{props.queryName}</bdi>
            </dt>
            <dd>{now().cell.q}</dd>
            <dt>
              k <bdi>{props.rowName}</bdi>
            </dt>
            <dd>{now().cell.k}</dd>
            <dt>q × k</dt>
            <dd>{now().cell.product}</dd>
            <Show when={now().allowed} fallback={<dt class="wide">not allowed: the model never asks</dt>}>
              <dt>adds to the score</dt>
              <dd>{now().cell.scaled}</dd>
              <dt>share of q·k</dt>
              <dd>{now().cell.share}</dd>
            </Show>
          </dl>
        )}
      </Show>
    </div>
  );
}
