/** Connecting lines, stroked one by one. Suitable for as many lines as a canvas draws quickly. */

import { css, headDash, type Rgb } from "./palette";

/** Lines as parallel arrays. A weight may be a difference, below zero too. */
export interface Lines {
  readonly count: number;
  readonly head: Uint16Array;
  readonly query: Uint32Array;
  readonly key: Uint32Array;
  readonly weight: Float32Array;
}

export interface LineScales {
  /** Left and right end of every line, in CSS pixels. */
  readonly x0: number;
  readonly x1: number;
  readonly queryY: (query: number) => number;
  readonly keyY: (key: number) => number;
  /** Vertical offset of a head's lines from the middle of a row, so that heads are side by side. */
  readonly strand: (head: number) => number;
  /** Lines between rows farther apart than this fade out in the middle, since their ends are never visible together. */
  readonly reach: number;
  /** Opacity and line width for a weight. */
  readonly opacity: (weight: number) => number;
  readonly width: (weight: number) => number;
  readonly color: (head: number, weight?: number) => Rgb;
  /** Lengths of dash and gap of a head's lines; by default those that tell heads apart. */
  readonly dash?: (head: number) => readonly number[];
}

/** A line from (x0, y0) to (x1, y1), level at both ends. */
export function traceLine(
  context: CanvasRenderingContext2D,
  x0: number,
  y0: number,
  x1: number,
  y1: number,
): void {
  const middle = (x0 + x1) / 2;
  context.beginPath();
  context.moveTo(x0, y0);
  context.bezierCurveTo(middle, y0, middle, y1, x1, y1);
}

export function strokeLines(context: CanvasRenderingContext2D, lines: Lines, scales: LineScales): void {
  const { x0, x1, queryY, keyY, dash = headDash } = scales;
  context.lineCap = "butt";
  let head = -1;
  let strand = 0;
  for (let at = 0; at < lines.count; at++) {
    if (lines.head[at] !== head) {
      head = lines.head[at];
      strand = scales.strand(head);
      context.setLineDash([...dash(head)]);
    }
    const weight = lines.weight[at];
    const y0 = queryY(lines.query[at]) + strand;
    const y1 = keyY(lines.key[at]) + strand;
    context.strokeStyle = css(scales.color(head, weight), scales.opacity(weight));
    context.lineWidth = scales.width(weight);
    traceLine(context, x0, y0, x1, y1);
    context.stroke();
  }
  context.setLineDash([]);
}

/** Collects lines in growing arrays. */
export class LineList implements Lines {
  count = 0;
  head = new Uint16Array(1024);
  query = new Uint32Array(1024);
  key = new Uint32Array(1024);
  weight = new Float32Array(1024);

  add(head: number, query: number, key: number, weight: number): void {
    if (this.count === this.head.length) this.#grow();
    this.head[this.count] = head;
    this.query[this.count] = query;
    this.key[this.count] = key;
    this.weight[this.count] = weight;
    this.count += 1;
  }

  /** The `most` lines with the largest magnitudes, and the total magnitude of the others. */
  heaviest(most: number): { readonly lines: LineList; readonly threshold: number; readonly dropped: number } {
    if (this.count <= most) return { lines: this, threshold: 0, dropped: 0 };
    const sorted = this.weight.slice(0, this.count).map(Math.abs).sort();
    const threshold = sorted[this.count - most];
    const lines = new LineList();
    let dropped = 0;
    for (let at = 0; at < this.count; at++) {
      if (Math.abs(this.weight[at]) >= threshold)
        lines.add(this.head[at], this.query[at], this.key[at], this.weight[at]);
      else dropped += Math.abs(this.weight[at]);
    }
    return { lines, threshold, dropped };
  }

  #grow(): void {
    const size = this.head.length * 2;
    const copy = <T extends Uint16Array | Uint32Array | Float32Array>(into: T, from: T): T => {
      into.set(from);
      return into;
    };
    this.head = copy(new Uint16Array(size), this.head);
    this.query = copy(new Uint32Array(size), this.query);
    this.key = copy(new Uint32Array(size), this.key);
    this.weight = copy(new Float32Array(size), this.weight);
  }
}
