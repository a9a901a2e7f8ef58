/** What the head view highlights: the current tokens, their lines, the tokens opposite, and marked lines. */

import { type Accessor, createEffect, createMemo, createSignal, on, onCleanup } from "solid-js";
import type { ComparedLayer } from "../../compute/differenceLayer";
import type { RowRules } from "../../compute/headSummary";
import type { LayerField } from "../../compute/layerField";
import type { Lines } from "../../marks/lines";
import type { LineMark } from "../../state/editMarks";
import type { Place, Side } from "../../state/state";
import { nameLength } from "../shared/counterparts";
import type { TokenLayout } from "../shared/tokenLayout";
import { type Edge, type Focus, type Shown, statedEdge } from "../shared/weights";
import type { MarkedLine } from "./markedLine";
import type { Shading } from "./overlay";
import { type Cutoffs, drawnAt, linesAt } from "./selectLines";
import { numberBeside, spokenNumber, type TokenNumber } from "./shadedNumbers";

export interface HighlightProps {
  readonly field: LayerField;
  readonly shown: Shown;
  readonly version: number;
  readonly pins: readonly Place[];
  readonly token: Place | null;
  readonly focus: Focus | null;
  readonly paired?: Edge | null;
  /** Both passes, if weights before and after are written beside the tokens. */
  readonly readings?: ComparedLayer | null;
  /** Lines that edits cut or set. */
  readonly changed?: readonly LineMark[];
}

export interface HighlightSource {
  readonly layout: Accessor<TokenLayout>;
  readonly rules: Accessor<RowRules>;
  readonly cutoffs: Cutoffs;
  /** Changes when more cutoffs are known. */
  readonly known: Accessor<number>;
}

/** How long the pointer must rest before numbers on the canvas are also announced to screen readers. */
const REST_MS = 120;
/** Width of `.05 → .90`, and of a letter relative to the font size. */
const PAIR_ROOM = 66;
const LETTER = 0.56;

export function createHighlight(props: HighlightProps, { layout, rules, cutoffs, known }: HighlightSource) {
  /** Places whose lines are highlighted: pins, then the place under the pointer or the keyboard cursor. */
  const places = createMemo<readonly Place[]>(() => {
    const { focus } = props;
    const extra = focus?.kind === "token" ? focus.place : focus === null ? props.token : null;
    return [...props.pins, ...(extra === null ? [] : [extra])];
  });
  /** The place whose opposite tokens are shaded. */
  const shaded = createMemo<Place | null>(() => {
    const { focus } = props;
    if (focus?.kind === "token") return focus.place;
    if (focus?.kind === "edge") {
      const ends = endsOf(focus.edge);
      return props.pins.findLast((pin) => ends.some((end) => samePlace(end, pin))) ?? ends[0];
    }
    return props.token ?? props.pins.at(-1) ?? null;
  });
  /** The line that is outlined: the one under the pointer, else the one between the current and the pinned token. */
  const marked = createMemo<MarkedLine | null>(() => {
    void props.version;
    const { focus, field } = props;
    const edge = focus?.kind === "edge" ? focus.edge : (props.paired ?? null);
    if (edge === null || edge.query >= field.queries || edge.key >= field.keys) return null;
    return { ...edge, ...statedEdge(field, edge) };
  });
  /** Weights before and after are written only where the word leaves room for both. */
  const fitted = (number: TokenNumber | null, side: Side, index: number): TokenNumber | null => {
    if (number?.before == null) return number;
    const now = layout();
    const tokens = side === "query" ? props.shown.queries : props.shown.keys;
    const letters = nameLength(tokens, index, props.shown.counterparts?.[side]);
    const room = now.column - letters * now.fontSize * LETTER - 22;
    return now.cells !== undefined || room < PAIR_ROOM ? { ...number, before: null } : number;
  };
  const shading = createMemo<Shading | null>(() => {
    void props.version;
    known();
    const place = shaded();
    const { field, shown } = props;
    if (place === null || place.index >= (place.side === "query" ? field.queries : field.keys)) return null;
    const stripes = shown.heads.flatMap((head) => {
      const weights = drawnAt(field, head, place, rules(), cutoffs);
      return weights === null ? [] : [{ head, weights }];
    });
    if (stripes.length === 0) return null;
    const source = { field, shown, place, stripes, readings: props.readings ?? null };
    const side = place.side === "query" ? "key" : "query";
    return {
      place,
      stripes,
      spoken: (other) => {
        const number = numberBeside(source, other);
        return number === null ? null : spokenNumber(number, field.signed);
      },
      number: (other) => fitted(numberBeside(source, other), side, other),
    };
  });
  const lines = createMemo<Lines>(() => {
    void props.version;
    known();
    return linesAt(props.field, props.shown.heads, places(), rules(), cutoffs);
  });
  /** The marked lines of edits among the heads on show; with a current token, only those at it. */
  const changed = createMemo<readonly LineMark[]>(() => {
    const at = places();
    const all = (props.changed ?? []).filter(({ head }) => props.shown.heads.includes(head));
    if (at.length === 0) return all;
    return all.filter((mark) => endsOf(mark).some((end) => at.some((place) => samePlace(place, end))));
  });

  /** The numbers beside the tokens, for screen readers; updated once the pointer rests. */
  const [announced, setAnnounced] = createSignal<Shading | null>(null);
  createEffect(
    on(shading, (now) => {
      const timer = setTimeout(() => setAnnounced(now), REST_MS);
      onCleanup(() => clearTimeout(timer));
    }),
  );
  const remark = (side: Side, index: number): string | null => {
    const now = announced();
    if (now === null || now.place.side === side) return null;
    const text = now.spoken(index);
    return text === null ? null : `, ${text}`;
  };
  return { places, marked, shading, lines, changed, announced, remark };
}

function endsOf({ query, key }: Pick<Edge, "query" | "key">): readonly [Place, Place] {
  return [
    { side: "query", index: query },
    { side: "key", index: key },
  ];
}

function samePlace(a: Place, b: Place): boolean {
  return a.side === b.side && a.index === b.index;
}
