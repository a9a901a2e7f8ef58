/** Props of the neuron grid. */

import type { HeadVectors, QueryTrace } from "../../compute/neuron";
import type { Pairing } from "../../compute/rotaryPairs";
import type { ChangeSubject } from "../../state/changeSubject";
import type { Place, Scale } from "../../state/state";
import type { GesturePoint } from "../shared/changeGesture";
import type { Focus, Shown } from "../shared/weights";
import type { Fulls, ValueSide } from "./scene";

export interface NeuronGridProps {
  readonly vectors: HeadVectors;
  readonly trace: QueryTrace;
  readonly weights: Float32Array;
  readonly shown: Shown;
  readonly fulls: Fulls;
  /** The error of q · k. */
  readonly dotError: number;
  /** Order of dimensions, with pairs kept together; null for index order. */
  readonly sequence: Uint16Array | null;
  readonly pairing: Pairing | null;
  /** Whether dimensions are sorted by wavelength. */
  readonly byTurn: boolean;
  /** Whether value vectors are switched on. */
  readonly valuesShown: boolean;
  /** Whether hidden keys were removed from the softmax; they are then displayed like masked keys. */
  readonly renormalized: boolean;
  /** The value vectors; null if they are hidden or not loaded. */
  readonly side: ValueSide | null;
  /** The marked dimension. */
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
  /** Opens a change at a point of the window, of what `subject` makes of the layer; absent where nothing can be changed. */
  readonly onChange?: (
    subject: (layer: { readonly stack: string; readonly layer: number }) => ChangeSubject,
    at: GesturePoint,
    from: HTMLElement,
  ) => void;
  readonly onCollapse: () => void;
}
