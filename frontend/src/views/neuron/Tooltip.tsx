import { Show } from "solid-js";
import type { CellWords, PairWords } from "./describe";

/** The contents of the tooltip for a query cell, a value cell, or a cell of a key and its product. */
export type TooltipWords =
  | {
      readonly kind: "q";
      readonly dimension: number;
      readonly row: number;
      readonly q: string;
      /** Its rotary partner and wavelength; null if it does not rotate. */
      readonly pair: Pick<PairWords, "partner" | "wavelength"> | null;
    }
  | {
      readonly kind: "v";
      readonly dimension: number;
      readonly row: number;
      readonly v: string;
      readonly weighted: string;
    }
  | {
      readonly kind: "cell";
      readonly dimension: number;
      readonly row: number;
      readonly cell: CellWords;
      readonly allowed: boolean;
    };

export interface TooltipProps {
  readonly spot: { readonly x: number; readonly y: number };
  /** Size of the window that the tooltip stays inside. */
  readonly width: number;
  readonly height: number;
  readonly words: TooltipWords;
  readonly queryName: string;
  readonly rowName: string;
  readonly kept: boolean;
  /** Whether the numbers are differences. */
  readonly signed: boolean;
  /** The text for a key without a weight. */
  readonly absent: string;
}

/** As in neuron.css. */
const WIDE = 228;
const TALL = 194;

/** Shows the numbers of the cell under the pointer. Hidden from screen readers, which get the readout. */
export function Tooltip(props: TooltipProps) {
  const left = () => Math.max(4, Math.min(props.width - WIDE - 4, props.spot.x + 14));
  const top = () => {
    const below = props.spot.y + 26;
    return below + TALL < props.height ? below : Math.max(4, props.spot.y - TALL - 22);
  };
  const delta = () => (props.signed ? "Δ " : "");
  const cell = () => (props.words.kind === "cell" ? props.words : null);
  const pair = (): PairWords | null => cell()?.cell.pair ?? null;
  const turn = () => pair() ?? (props.words.kind === "q" ? props.words.pair : null);
  const single = (): readonly (readonly [string, string])[] => {
    const { words } = props;
    if (words.kind === "q") return [["q", words.q]];
    return words.kind === "v"
      ? [
          ["v", words.v],
          ["attention × v", words.weighted],
        ]
      : [];
  };
  return (
    <div
      class="neuron-tip num"
      data-testid="neuron-tip"
      aria-hidden="true"
      style={{ transform: `translate(${left()}px, ${top()}px)` }}
    >
      <b>
        {props.words.kind === "v" ? "value dimension" : "dimension"} {props.words.dimension}
        {props.kept ? " (marked)" : ""}
      </b>
      <Show when={turn()}>
        {(other) => (
          <p>
            rotary pair with dimension {other().partner}
            <br />
            rotary wavelength {other().wavelength} tokens
          </p>
        )}
      </Show>
      <Show
        when={cell()}
        fallback={
          <dl>
            {single().map(([name, value]) => (
              <>
                <dt>
                  {delta()}
                  {name} <bdi>{props.rowName}</bdi>
                </dt>
                <dd>{value}</dd>
              </>
            ))}
          </dl>
        }
      >
        {(now) => (
          <dl>
            <dt>
              {delta()}q <bdi>{props.queryName}</bdi>
            </dt>
            <dd>{now().cell.q}</dd>
            <dt>
              {delta()}k <bdi>{props.rowName}</bdi>
            </dt>
            <dd>{now().cell.k}</dd>
            <dt>{delta()}q × k</dt>
            <dd>{now().cell.product}</dd>
            <Show when={now().allowed} fallback={<dt class="wide">{props.absent}</dt>}>
              <dt>{props.signed ? "adds to Δ score" : "adds to the score"}</dt>
              <dd>{now().cell.scaled}</dd>
              <dt>share of {delta()}q·k</dt>
              <dd>{now().cell.share}</dd>
              <Show when={pair()}>
                {(both) => (
                  <>
                    <dt class="pair">the pair adds</dt>
                    <dd class="pair">{both().scaled}</dd>
                    <dt>the pair’s share</dt>
                    <dd>{both().share}</dd>
                  </>
                )}
              </Show>
            </Show>
          </dl>
        )}
      </Show>
    </div>
  );
}
