/** Props of the grid of thumbnails. */

import type { LayerField } from "../../compute/layerField";
import type { Matrix } from "../../compute/matrices";
import type { Thumbnails } from "../../compute/thumbnails";
import type { HeadMark } from "../../state/editMarks";
import type { Camera, HeadPlace, Palette, Scale, ViewSettings } from "../../state/state";
import type { Counterparts } from "../shared/counterparts";
import type { Closeness } from "./details";
import type { CellPlace, HeadCell } from "./matrixFrame";
import type { Tint } from "./painter";
import type { Rules, ThumbnailStyle } from "./thumbnailStyle";

export interface ModelGridProps {
  readonly layers: ReadonlyMap<number, Thumbnails>;
  /** Heads of each layer of the model; 0 for a layer without attention. */
  readonly heads: readonly number[];
  /** Layers that are not included in an exported file. */
  readonly leftOut: readonly number[];
  readonly rules: Rules;
  readonly look: ThumbnailStyle;
  readonly palette: Palette;
  readonly scale: Scale;
  readonly dark: boolean;
  readonly causal: boolean;
  readonly sort: ViewSettings["sort"];
  /** The value by which heads are sorted; null if they are not sorted. */
  readonly value: ((place: HeadPlace) => number) | null;
  readonly tint: Tint;
  /** Whether the tint is a difference: from −1 to 1, in the colors of signs. */
  readonly tintSigned: boolean;
  /** The |difference| with full color in all heads; null if weights are drawn. */
  readonly differenceFull: number | null;
  /** The tokens of the baseline, if differences are drawn; otherwise null. */
  readonly counterparts: Counterparts | null;
  /** The mark of a head that was changed; null for others. */
  readonly changed: (place: HeadPlace) => HeadMark | null;
  readonly within: (place: HeadPlace) => boolean;
  readonly selected: { readonly layer: number; readonly heads: readonly number[] };
  /** The pinned edge. */
  readonly edge: CellPlace | null;
  readonly camera: Camera | null;
  /** Changes whenever new data have arrived. */
  readonly version: number;
  readonly field: (layer: number) => LayerField | null;
  readonly matrix: (look: Closeness, place: HeadPlace) => Matrix | null;
  readonly onCloseness: (look: Closeness) => void;
  /** The accessible description of a head. */
  readonly spoken: (place: HeadPlace) => string;
  readonly spokenCell: (cell: HeadCell) => string;
  readonly onCamera: (camera: Camera | null) => void;
  /** Reports the head under the pointer or the keyboard, and its position on the page. */
  readonly onOver: (place: HeadPlace | null, spot: { readonly x: number; readonly y: number } | null) => void;
  readonly onCell: (cell: HeadCell | null) => void;
  /** Reports the head shown as a matrix. */
  readonly onMatrix: (place: HeadPlace | null) => void;
  readonly onSelect: (place: HeadPlace) => void;
  readonly onAdd: (place: HeadPlace) => void;
  readonly onEdge: (cell: HeadCell) => void;
  /** A second click on the same cell undoes the first. */
  readonly onTakeBack: () => void;
  /** Changes a head, or the attention in a cell; `at` is its place in the window. */
  readonly onChange: (place: HeadPlace | HeadCell, at: DOMRect, from: HTMLElement) => void;
  /** Moves to the head view. */
  readonly onEnter: () => void;
}
