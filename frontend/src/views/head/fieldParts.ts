/** A field as plain data that can be sent to a worker: one pass, or two with the positions that correspond. */

import { ComparedLayer, type Correspondence, DifferenceLayer } from "../../compute/differenceLayer";
import type { LayerData } from "../../compute/layerData";
import { ComputedLayer, type LayerField, type LayerHeader, PackedLayer } from "../../compute/layerField";

/** A layer before keys were removed; its header lists them. */
interface PassParts {
  readonly header: LayerHeader;
  readonly data: LayerData | Uint8Array | Uint16Array;
}

export interface FieldParts extends PassParts {
  /** The pass that is subtracted; null for a single pass. */
  readonly baseline: (PassParts & { readonly correspondence: Correspondence }) | null;
}

/** Throws a `TypeError` for a field that is neither a layer nor a difference of two. */
export function partsOf(field: LayerField): FieldParts {
  if (!(field instanceof DifferenceLayer)) return { ...passParts(field), baseline: null };
  const { current, baseline, correspondence } = field.compared;
  return { ...passParts(current), baseline: { ...passParts(baseline), correspondence } };
}

export function fieldOf(parts: FieldParts): LayerField {
  const { baseline } = parts;
  if (baseline === null) return passOf(parts);
  return new DifferenceLayer(new ComparedLayer(passOf(parts), passOf(baseline), baseline.correspondence));
}

function passParts(field: LayerField): PassParts {
  if (field instanceof PackedLayer) return { header: field.header, data: field.bytes };
  if (field instanceof ComputedLayer) return { header: field.header, data: (field.whole ?? field).data };
  throw new TypeError("Only an original or renormalized layer can be sent to the worker.");
}

function passOf({ header: { without, ...header }, data }: PassParts): LayerField {
  const whole = { ...header, without: new Set<number>() };
  const packed = data instanceof Uint8Array || data instanceof Uint16Array;
  const field = packed ? new PackedLayer(whole, data) : new ComputedLayer(whole, data);
  return without.size > 0 ? field.renormalized(without) : field;
}
