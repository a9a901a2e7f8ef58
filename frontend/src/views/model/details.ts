/** Loads the layers and matrices that the model view needs for heads that are viewed up close. */

import { type LayerField, layerField } from "../../compute/layerField";
import { Matrices, type Matrix, type Part, TILE } from "../../compute/matrices";
import type { Thumbnails } from "../../compute/thumbnails";
import { sentenceOf } from "../../state/failure";
import { keepNewest } from "../../state/keepNewest";
import type { Session } from "../../state/session";
import type { HeadPlace } from "../../state/state";
import type { LayerMessage } from "../../wire/messages";
import { rectOf, type View } from "./camera";
import type { Grid } from "./grid";
import type { Placement, Slot } from "./placement";

/** Heads narrower than this, in CSS pixels, are drawn from their thumbnails. */
const CLOSE_FROM = 96;
const MOST_LAYERS = 6;

interface Layer {
  readonly message: LayerMessage;
  readonly field: LayerField;
}

export interface Closeness {
  readonly trace: string;
  readonly stack: string;
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

  /** The field of a layer; null until it has loaded. */
  field(trace: string, stack: string, layer: number): LayerField | null {
    const known = this.#layers.get(`${trace} ${stack} ${layer}`);
    return known === undefined || typeof known === "string" ? null : known.field;
  }

  /** A head's matrix, possibly incomplete; null if the thumbnail has all details. */
  matrix(look: Closeness, slot: HeadPlace): Matrix | null {
    const known = this.#layers.get(`${look.trace} ${look.stack} ${slot.layer}`);
    if (known === undefined || typeof known === "string" || !isPooled(look.layers.get(slot.layer)))
      return null;
    const placed = look.placement.of(slot);
    if (placed === null || rectOf(look.grid, look.view, placed).width < CLOSE_FROM) return null;
    return this.#matrices.of(known.message, slot.head, look.partOf(slot));
  }

  /** Requests what is missing in the window, starting from the center. */
  ask(look: Closeness): void {
    const close = inSight(look).filter(({ layer }) => isPooled(look.layers.get(layer)));
    const layers = [
      ...new Set([...(look.reads === null ? [] : [look.reads.layer]), ...close.map((s) => s.layer)]),
    ];
    for (const layer of layers.slice(0, MOST_LAYERS)) this.#bring(look, layer);
    const jobs = close.flatMap((slot) => {
      const matrix = this.matrix(look, slot);
      return matrix === null ? [] : tilesInSight(look, slot, matrix).map((tile) => ({ matrix, tile }));
    });
    this.#matrices.want(jobs);
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

  #bring({ trace, stack }: Closeness, layer: number): void {
    const name = `${trace} ${stack} ${layer}`;
    const known = this.#layers.get(name);
    if (known !== undefined && known !== "failed") {
      this.#layers.delete(name);
      this.#layers.set(name, known);
      return;
    }
    this.#layers.set(name, "requested");
    void this.session.layerOf(stack, layer).then((message) => {
      keepNewest(this.#layers, name, this.#read(message), MOST_LAYERS + 2);
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
