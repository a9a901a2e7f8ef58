/** Loads the layers and matrices that the model view needs for heads that are viewed up close. */

import { ComparedLayer, DifferenceLayer } from "../../compute/differenceLayer";
import { type LayerField, layerField } from "../../compute/layerField";
import { Matrices, type Matrix, type Minus, type Part, TILE } from "../../compute/matrices";
import type { Thumbnails } from "../../compute/thumbnails";
import { sentenceOf } from "../../state/failure";
import { keepNewest } from "../../state/keepNewest";
import type { Session } from "../../state/session";
import type { Comparison, HeadPlace } from "../../state/state";
import type { LayerMessage, TraceMessage } from "../../wire/messages";
import { rectOf, type View } from "./camera";
import type { Grid } from "./grid";
import type { Placement, Slot } from "./placement";

/** Heads narrower than this, in CSS pixels, are drawn from their thumbnails. */
const CLOSE_FROM = 96;
const MOST_LAYERS = 6;
/** Layers in the cache: those in sight, of two passes. */
const KEPT_LAYERS = 2 * MOST_LAYERS + 2;

interface Layer {
  readonly message: LayerMessage;
  readonly field: LayerField;
}

/** The numbers on show: those of a pass, or of the current pass of a comparison minus its baseline. */
export interface OnShow {
  readonly trace: TraceMessage;
  readonly stack: string;
  /** Null unless differences are shown. */
  readonly difference: Comparison | null;
}

/** What is seen of the heads, and how large. */
export interface Closeness {
  readonly grid: Grid;
  readonly view: View;
  readonly placement: Placement;
  readonly layers: ReadonlyMap<number, Thumbnails>;
  readonly partOf: (place: HeadPlace) => Part;
  /** Whether single cells of a head are read, so that its layer is needed even for a coarse image. */
  readonly reads: HeadPlace | null;
}

export class Details {
  readonly #matrices: Matrices;
  readonly #layers = new Map<string, Layer | "requested" | "failed">();
  readonly #differences = new WeakMap<LayerMessage, { readonly minus: Minus; readonly field: LayerField }>();

  constructor(
    private readonly session: Session,
    private readonly onMore: () => void,
  ) {
    this.#matrices = new Matrices(onMore, session.fail);
  }

  close(): void {
    this.#matrices.close();
  }

  /** Tiles that have not arrived yet. */
  get missing(): number {
    return this.#matrices.missing;
  }

  /** The numbers of a layer; null until they have loaded. */
  field(of: OnShow, layer: number): LayerField | null {
    const known = this.#loaded(of.trace, of.stack, layer);
    if (known === null || of.difference === null) return known?.field ?? null;
    return this.#subtracted(known, of, of.difference)?.field ?? null;
  }

  /** A head's matrix, possibly incomplete; null if the thumbnail has all details, or if its layers have not loaded. */
  matrix(of: OnShow, look: Closeness, slot: HeadPlace): Matrix | null {
    const known = this.#loaded(of.trace, of.stack, slot.layer);
    if (known === null || !isPooled(look.layers.get(slot.layer))) return null;
    const placed = look.placement.of(slot);
    if (placed === null || rectOf(look.grid, look.view, placed).width < CLOSE_FROM) return null;
    if (of.difference === null) return this.#matrices.of(known.message, slot.head, look.partOf(slot), null);
    const found = this.#subtracted(known, of, of.difference);
    return found && this.#matrices.of(known.message, slot.head, look.partOf(slot), found.minus);
  }

  /** Requests what is missing in the window, starting from the center. */
  ask(of: OnShow, look: Closeness): void {
    const close = inSight(look).filter(({ layer }) => isPooled(look.layers.get(layer)));
    const layers = [
      ...new Set([...(look.reads === null ? [] : [look.reads.layer]), ...close.map((s) => s.layer)]),
    ];
    const passes = of.difference === null ? [of.trace] : [of.difference.current, of.difference.baseline];
    for (const layer of layers.slice(0, MOST_LAYERS)) {
      for (const pass of passes) this.#bring(pass, of.stack, layer);
    }
    const jobs = close.flatMap((slot) => {
      const matrix = this.matrix(of, look, slot);
      return matrix === null ? [] : tilesInSight(look, slot, matrix).map((tile) => ({ matrix, tile }));
    });
    this.#matrices.want(jobs);
  }

  #loaded({ trace }: TraceMessage, stack: string, layer: number): Layer | null {
    const known = this.#layers.get(`${trace} ${stack} ${layer}`);
    return known === undefined || typeof known === "string" ? null : known;
  }

  /** A layer minus that of the baseline; null until both have loaded and are aligned. */
  #subtracted(
    { message, field }: Layer,
    { stack }: OnShow,
    { alignment, baseline, current }: Comparison,
  ): { readonly minus: Minus; readonly field: LayerField } | null {
    const other = this.#loaded(baseline, stack, message.layer);
    const named = current.stacks[stack];
    if (alignment === null || other === null || named === undefined) return null;
    const known = this.#differences.get(message);
    if (known?.minus.message === other.message) return known;
    const correspondence = {
      queries: alignment.sides[named.query] ?? [],
      keys: alignment.sides[named.key] ?? [],
      heads: alignment.stacks[stack]?.heads[message.layer] ?? 0,
    };
    const made = {
      minus: { message: other.message, correspondence },
      field: new DifferenceLayer(new ComparedLayer(field, other.field, correspondence)),
    };
    this.#differences.set(message, made);
    return made;
  }

  #read(message: LayerMessage | null): Layer | "failed" {
    if (message === null) return "failed";
    try {
      return { message, field: layerField(message) };
    } catch (error) {
      this.session.fail(sentenceOf(error));
      return "failed";
    }
  }

  #bring(pass: TraceMessage, stack: string, layer: number): void {
    const name = `${pass.trace} ${stack} ${layer}`;
    const known = this.#layers.get(name);
    if (known !== undefined && known !== "failed") {
      this.#layers.delete(name);
      this.#layers.set(name, known);
      return;
    }
    this.#layers.set(name, "requested");
    void this.session.layerOf(stack, layer, pass).then((message) => {
      keepNewest(this.#layers, name, this.#read(message), KEPT_LAYERS);
      if (message !== null) this.onMore();
    });
  }
}

/** Whether thumbnail cells pool several weights. */
function isPooled(thumbnails: Thumbnails | undefined): boolean {
  return thumbnails !== undefined && Math.max(...thumbnails.pooled) > 1;
}

/** The large heads in the window, closest to the center first. */
function inSight({ grid, view, placement }: Closeness): readonly Slot[] {
  const middle = { x: (grid.left + grid.width) / 2, y: (grid.top + grid.height) / 2 };
  const found: { readonly slot: Slot; readonly far: number }[] = [];
  for (const slot of placement.lines.flat()) {
    const { x, y, width, height } = rectOf(grid, view, slot);
    if (width < CLOSE_FROM) return [];
    if (x > grid.width || y > grid.height || x + width < grid.left || y + height < grid.top) continue;
    const dx = Math.max(0, x - middle.x, middle.x - x - width);
    const dy = Math.max(0, y - middle.y, middle.y - y - height);
    found.push({ slot, far: Math.hypot(dx, dy) });
  }
  return found.sort((a, b) => a.far - b.far).map(({ slot }) => slot);
}

/** The tiles of a matrix that are in the window, from top to bottom. */
function tilesInSight({ grid, view }: Closeness, slot: Slot, matrix: Matrix): readonly number[] {
  const { y, height } = rectOf(grid, view, slot);
  const [first, end] = matrix.part.queries;
  const cell = height / (end - first);
  const from = Math.max(0, Math.floor((grid.top - y) / cell / TILE));
  const until = Math.min(matrix.tiles.length, Math.ceil((grid.height - y) / cell / TILE));
  return Array.from({ length: Math.max(0, until - from) }, (_, at) => from + at);
}
