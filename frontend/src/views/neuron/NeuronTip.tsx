import { Show } from "solid-js";
import { type Pairing, unitOf } from "../../compute/rotaryPairs";
import type { Side } from "../../state/state";
import type { Columns } from "./columns";
import { stripHeight } from "./columns";
import { middleOf, type Spot } from "./hitTest";
import { Tooltip, type TooltipWords } from "./Tooltip";

export interface NeuronTipProps {
  readonly at: Spot | null;
  readonly words: TooltipWords | null;
  readonly columns: Columns;
  /** Center of a row, in the window. */
  readonly rowY: (spot: Spot) => number;
  readonly rowHeight: number;
  readonly height: number;
  readonly dim: number;
  readonly valueDim: number;
  readonly query: number;
  readonly pairing: Pairing | null;
  /** The marked dimension. */
  readonly neuron: number | null;
  readonly signed: boolean;
  readonly renormalized: boolean;
  readonly name: (side: Side, index: number) => string;
}

/** The tooltip of the cell under the pointer or the keyboard cursor. */
export function NeuronTip(props: NeuronTipProps) {
  const spot = () => {
    const { at, columns } = props;
    if (at?.place == null) return null;
    const sizes = { dim: props.dim, values: props.valueDim };
    return { x: middleOf(at, columns, sizes, stripHeight(props.rowHeight)), y: props.rowY(at) };
  };
  const absent = () => {
    if (props.signed) return "not aligned, or masked in one of the passes";
    return props.renormalized ? "hidden or masked" : "masked: this query cannot attend to this key";
  };
  const kept = (words: TooltipWords) =>
    words.kind !== "v" &&
    props.neuron !== null &&
    unitOf(props.pairing, props.neuron).includes(words.dimension);
  return (
    <Show when={props.words}>
      {(words) => (
        <Show when={spot()}>
          {(place) => (
            <Tooltip
              spot={place()}
              width={props.columns.width}
              height={props.height}
              words={words()}
              signed={props.signed}
              absent={absent()}
              queryName={props.name("query", props.query)}
              rowName={props.name(words().kind === "q" ? "query" : "key", words().row)}
              kept={kept(words())}
            />
          )}
        </Show>
      )}
    </Show>
  );
}
