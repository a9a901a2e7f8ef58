/** What the grid of the neuron view is given. */

import type { HeadVectors, QueryTrace } from "../../compute/neuron";
import type { Pairing } from "../../compute/rotaryPairs";
import type { Place, Scale } from "../../state/state";
import type { Focus, Shown } from "../shared/weights";
import type { Fulls, ValueSide } from "./scene";

export interface NeuronGridProps {
  readonly vectors: HeadVectors;
  readonly trace: QueryTrace;
  readonly weights: Float32Array;
  readonly shown: Shown;
  readonly fulls: Fulls;
  /** How far q · k may be off. */
  readonly dotError: number;
  /** Dimensions one after another, pairs kept together; null for their own order. */
  readonly sequence: Uint16Array | null;
  readonly pairing: Pairing | null;
  /** Whether they are sorted by wavelength. */
  readonly byTurn: boolean;
  /** Whether the value side is asked for. */
  readonly valuesShown: boolean;
  /** Whether hidden keys were taken out of the softmax: they read as left out, like those that are not allowed. */
  readonly renormalized: boolean;
  /** The value side; null while it is hidden or not here. */
  readonly side: ValueSide | null;
  /** The dimension that is kept marked. */
  readonly neuron: number | null;
  readonly pins: readonly Place[];
  readonly scale: Scale;
  readonly dark: boolean;
  readonly focus: Focus | null;
  readonly onFocus: (focus: Focus | null) => void;
  readonly onQuery: (query: number) => void;
  readonly onKey: (key: number) => void;
  readonly onNeuron: (dimension: number | null) => void;
  readonly onDetail: (sentence: string | null) => void;
  readonly onCollapse: () => void;
}
