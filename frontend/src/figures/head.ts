/** The head view as a figure: queries on the left, keys on the right, and a line for each weight. */

import { headColor, headDash } from "../marks/palette";
import { darkness } from "../marks/scale";
import type { Side } from "../state/state";
import type { Token } from "../wire/messages";
import { tokensShown } from "./droppedTokens";
import { type EdgeRules, edgesBetween, rowDrawn } from "./edges";
import { scaleOf, valueColor } from "./fieldColors";
import { drawLines, markedLine, type Placement } from "./headLines";
import { type HeadFigure, nameOf, notesOf, settingsOf, titleOf } from "./headSubject";
import { columnWidth, rowHeightOf, rowsAround, type TokenLook, tokenText } from "./rows";
import { type Figure, inksOf, sheetOf } from "./sheet";
import { element, type Piece, paint, together } from "./svg";

const LINES = { columns: 300, turned: 150 };

export async function headFigure(wanted: HeadFigure): Promise<Figure> {
  const { view, shaded, queries, keys, field } = wanted;
  const middle = shaded?.index ?? null;
  const queryRange = rowsAround(queries.length, middle);
  const keyRange = rowsAround(keys.length, middle);
  const shown = tokensShown(wanted, queries, keys);
  const rules: EdgeRules = {
    heads: wanted.heads,
    queryShown: shown.query,
    keyShown: shown.key,
    sinks: wanted.sinks,
    treatment: view.sinks,
    threshold: view.threshold,
    top: view.top,
    scale: view.scale,
  };
  const { lines, dropped } = edgesBetween(field, rules, queryRange, keyRange);
  const turned = view.orientation === "rows";
  const place = turned
    ? acrossTokens(wanted, queryRange, keyRange)
    : downTokens(wanted, queryRange, keyRange);
  const drawn = await drawLines(lines, wanted, place, turned);
  const notes = notesOf(wanted, { dropped, raster: drawn.raster, queryRange, keyRange });
  return sheetOf({
    subject: wanted.subject,
    dark: wanted.dark,
    name: nameOf(wanted),
    title: titleOf(wanted),
    notes,
    settings: settingsOf(wanted, lines.count),
    width: place.width,
    height: place.height,
    body: [
      shading(wanted, rules, place, turned),
      drawn.piece,
      ...place.tokens,
      ...squares(wanted, place),
      markedLine(wanted, place, turned),
    ],
  });
}

/** Space for the names of several heads. */
function topOf({ heads }: HeadFigure): number {
  return heads.length > 1 ? 30 : 4;
}

/** The tokens of both sides, placed by `how`. */
function textsOf(
  { queries, keys, places }: HeadFigure,
  queryRange: readonly [number, number],
  keyRange: readonly [number, number],
  how: (side: Side, index: number, bold: boolean) => TokenLook,
): readonly Piece[] {
  const side = (name: Side, all: readonly Token[], [first, last]: readonly [number, number]) =>
    all.slice(first, last).map((token, at) => {
      const index = first + at;
      const marked = places.some((place) => place.side === name && place.index === index);
      return tokenText(token, how(name, index, marked));
    });
  return [...side("query", queries, queryRange), ...side("key", keys, keyRange)];
}

function downTokens(
  wanted: HeadFigure,
  queryRange: readonly [number, number],
  keyRange: readonly [number, number],
): Placement {
  const { queries, keys } = wanted;
  const inks = inksOf(wanted.dark);
  const rows = Math.max(queryRange[1] - queryRange[0], keyRange[1] - keyRange[0]);
  const rowHeight = rowHeightOf(rows);
  const size = rowHeight >= 22 ? 14 : 12;
  const cells = {
    query: columnWidth(queries.slice(...queryRange), size, 60, 190),
    key: columnWidth(keys.slice(...keyRange), size, 60, 190),
  };
  const from = cells.query + 6;
  const to = from + LINES.columns;
  const top = topOf(wanted);
  const y = (first: number) => (index: number) => top + (index - first + 0.5) * rowHeight;
  const [query, key] = [y(queryRange[0]), y(keyRange[0])];
  const tokens = textsOf(wanted, queryRange, keyRange, (side, index, bold) => ({
    x: side === "query" ? cells.query - 8 : to + 14,
    y: side === "query" ? query(index) : key(index),
    anchor: side === "query" ? "end" : "start",
    ...{ size, inks, room: cells[side] - 10, bold },
  }));
  return {
    width: to + 6 + cells.key,
    height: top + rows * rowHeight + 4,
    ...{ from, to, query, key, rowHeight, cells, tokens },
  };
}

function acrossTokens(
  wanted: HeadFigure,
  queryRange: readonly [number, number],
  keyRange: readonly [number, number],
): Placement {
  const { queries, keys } = wanted;
  const inks = inksOf(wanted.dark);
  const size = 14;
  const room = Math.max(
    columnWidth(queries.slice(...queryRange), size, 24, 120),
    columnWidth(keys.slice(...keyRange), size, 24, 120),
  );
  const rowHeight = Math.min(room, 64);
  const tilted = room > 64;
  const cell = tilted ? room * 0.75 + 14 : 28;
  const x = (first: number) => (index: number) => (index - first + 0.5) * rowHeight;
  const [query, key] = [x(queryRange[0]), x(keyRange[0])];
  const from = topOf(wanted) + cell;
  const to = from + LINES.turned;
  const tokens = textsOf(wanted, queryRange, keyRange, (side, index, bold) => ({
    x: side === "query" ? query(index) : key(index),
    y: side === "query" ? from - 14 : to + 14,
    anchor: tilted ? (side === "query" ? "start" : "end") : "middle",
    turned: tilted ? -45 : undefined,
    ...{ size, inks, room, bold },
  }));
  const count = Math.max(queryRange[1] - queryRange[0], keyRange[1] - keyRange[0]);
  const spare = tilted ? 40 : 4;
  return {
    width: count * rowHeight + spare,
    height: to + cell + 4,
    ...{ from, to, query, key, rowHeight, cells: { query: 26, key: 26 }, tokens },
  };
}

/** Shades the tokens opposite the chosen one by weight, with a stripe for each head. */
function shading(wanted: HeadFigure, rules: EdgeRules, place: Placement, turned: boolean): Piece {
  const last = wanted.shaded;
  if (last === null) return together([]);
  const [opposite, count] =
    last.side === "query"
      ? (["key", wanted.keys.length] as const)
      : (["query", wanted.queries.length] as const);
  const room = place.cells[opposite] - 4;
  const stripe = room / Math.max(1, wanted.heads.length);
  const start = opposite === "key" ? place.to + 6 : place.from - 6 - room;
  const boxes: Piece[] = [];
  wanted.heads.forEach((head, nth) => {
    const row = last.side === "query" ? rowDrawn(wanted.field, head, last.index, rules) : null;
    for (let index = 0; index < count; index++) {
      const at = opposite === "key" ? place.key(index) : place.query(index);
      if (at < 0 || at > (turned ? place.width : place.height)) continue;
      const seen =
        opposite === "key"
          ? rules.keyShown(index) && rules.queryShown(last.index)
          : rules.queryShown(index) && rules.keyShown(last.index);
      if (!seen) continue;
      const weight = row === null ? rowDrawn(wanted.field, head, index, rules)[last.index] : row[index];
      const strength = darkness(Math.abs(weight), scaleOf(wanted.field, wanted.view.scale));
      const opacity = (wanted.field.signed ? 1 : 0.6) * strength;
      if (opacity < 0.004) continue;
      const along = { at: at - place.rowHeight / 2 + 1, size: place.rowHeight - 2 };
      const across = { at: start + nth * stripe, size: stripe };
      const [h, v] = turned ? [along, across] : [across, along];
      boxes.push(
        element("rect", {
          ...{ x: h.at, y: v.at, width: h.size, height: v.size, rx: stripe > 12 ? 3 : 0 },
          fill: paint(valueColor(wanted.field, head, weight, wanted.dark, "box")),
          "fill-opacity": opacity.toFixed(3),
        }),
      );
    }
  });
  return element("g", { class: "shading" }, together(boxes));
}

/** The head names, each in its color. */
function squares({ heads, field, dark }: HeadFigure, { width }: Placement): readonly Piece[] {
  const pitch = 44;
  const most = Math.max(1, Math.floor((width - 40) / pitch));
  const shown = heads.slice(0, heads.length > most ? most - 1 : most);
  const inks = inksOf(dark);
  const named = shown.map((head, at) =>
    together([
      element("path", {
        d: `M${at * pitch} 8h14`,
        stroke: field.signed ? inks.quiet : paint(headColor(head, dark)),
        "stroke-width": 4,
        "stroke-dasharray":
          headDash(head)
            .map((part) => part / 2)
            .join(" ") || undefined,
      }),
      element(
        "text",
        { x: at * pitch + 18, y: 12, "font-size": 12, fill: inks.quiet },
        `${field.layer}.${head}`,
      ),
    ]),
  );
  const more = heads.length - shown.length;
  const rest =
    more > 0
      ? [
          element(
            "text",
            { x: shown.length * pitch, y: 12, "font-size": 12, fill: inks.quiet },
            `+${more} more`,
          ),
        ]
      : [];
  return heads.length > 1 ? [...named, ...rest] : [];
}
