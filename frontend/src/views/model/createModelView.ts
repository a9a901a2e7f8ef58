/** The data of the model view, derived from the state and the loaded messages. */

import { createMemo } from "solid-js";
import { edgeRows } from "../../compute/edgeRows";
import { type HeadValue, known, Measured } from "../../compute/measures";
import { Thumbnails } from "../../compute/thumbnails";
import { sentenceOf } from "../../state/failure";
import type { Session } from "../../state/session";
import { type HeadPlace, headsOn, selectedEdge } from "../../state/state";
import type { Measure, OverviewMessage } from "../../wire/messages";
import { sinkKeys, sinkName } from "../shared/weights";
import { createDifference, edgeValues } from "./createDifference";
import { differenceReadout, type HeadReadout, headReadout, markName } from "./headReadout";
import {
  describedMeasure,
  differenceOf,
  edgeMeasure,
  measuresOf,
  type ShownMeasure,
  shownMeasure,
  tintShare,
} from "./measures";
import { type Rules, thumbnailStyleOf } from "./thumbnailStyle";

export function createModelView(session: Session) {
  const state = session.state;
  const trace = createMemo(() => state().trace);
  const stack = createMemo(() => trace()?.stacks[state().selection.stack]);
  const queries = createMemo(() => trace()?.tokens[stack()?.query ?? ""] ?? []);
  const keys = createMemo(() => trace()?.tokens[stack()?.key ?? ""] ?? []);
  const causal = () => stack()?.causal ?? false;
  const sinks = createMemo(() => sinkKeys(keys(), causal()));
  const overview = createMemo(() => {
    const now = session.overview();
    const { comparison, field, selection, view } = state();
    const baseline = field === "difference" ? (comparison?.baseline.trace ?? null) : null;
    const same = now?.trace === trace()?.trace && now?.stack === selection.stack;
    return same && now?.filter === view.filter && now.baseline === baseline ? now : null;
  });

  const read = new WeakMap<OverviewMessage, Thumbnails>();
  /** The thumbnails of each layer on show last: where a change leaves a layer as it was, they are kept with what is drawn of them. */
  const last = new Map<number, Thumbnails>();
  const readLayer = (message: OverviewMessage): Thumbnails => {
    const known = read.get(message);
    if (known !== undefined) return known;
    const made = new Thumbnails(message);
    const before = last.get(made.layer);
    const thumbnails = before?.equals(made) ? before : made;
    read.set(message, thumbnails);
    return thumbnails;
  };
  const layers = createMemo((): ReadonlyMap<number, Thumbnails> => {
    const found = new Map<number, Thumbnails>();
    try {
      for (const [layer, message] of overview()?.layers ?? []) {
        const thumbnails = readLayer(message);
        last.set(layer, thumbnails);
        found.set(layer, thumbnails);
      }
    } catch (error) {
      session.fail(sentenceOf(error));
    }
    return found;
  });
  const rules = createMemo(
    (): Rules => ({
      filter: state().view.filter,
      // A thumbnail has the largest weight of each cell, not complete rows that could be renormalized.
      sinksHidden: state().view.sinks !== "shown",
      ...{ sinks: sinks(), queries: queries(), keys: keys() },
    }),
    undefined,
    {
      equals: (a, b) =>
        a.filter === b.filter &&
        a.sinksHidden === b.sinksHidden &&
        a.queries === b.queries &&
        a.keys === b.keys,
    },
  );
  const difference = createDifference(session, layers, rules);
  const heads = createMemo(() => (stack()?.shapes ?? []).map((shape) => shape?.heads ?? 0));
  const selected = createMemo(
    () => ({ layer: state().selection.layer, heads: headsOn(state()) }),
    undefined,
    {
      equals: (a, b) => a.layer === b.layer && String(a.heads) === String(b.heads),
    },
  );
  const look = () => thumbnailStyleOf(state().view.thumbnails, Math.max(queries().length, keys().length));

  /** The measures once all layers have loaded; until then, those of the same stack before, since a filter does not change them. */
  const measured = createMemo((before: { readonly of: string; readonly values: Measured } | null) => {
    const now = overview();
    const of = `${trace()?.trace} ${state().selection.stack}`;
    if (now?.arrival !== "whole") return before?.of === of ? before : null;
    if (before?.of === of) return before;
    try {
      return { of, values: new Measured(now.layers.values()) };
    } catch (error) {
      session.fail(sentenceOf(error));
      return null;
    }
  }, null);
  const measures = createMemo(() => measuresOf(session.hello()?.measures ?? [], measured()?.values ?? null));
  /** The measures that are defined for at least one head of this input, and the others. Both are empty while loading. */
  const offered = createMemo(() => {
    const values = measured()?.values;
    const isKnown = ({ name }: Measure) => {
      const of = values?.value(name, false);
      return of !== undefined && known(of, heads().entries()).length > 0;
    };
    if (values === undefined) return { some: [], none: [] };
    return { some: measures().filter(isKnown), none: measures().filter((measure) => !isKnown(measure)) };
  });
  const offSink = () => state().view.measured === "off-sink";

  const edge = createMemo(() => selectedEdge(state()), undefined, {
    equals: (a, b) => a?.query === b?.query && a?.key === b?.key,
  });
  const edgeTable = createMemo(() => {
    const message = session.edge();
    const now = edge();
    const fits = message?.trace === trace()?.trace && message?.stack === state().selection.stack;
    if (message === null || now === null || !fits) return null;
    if (message.query !== now.query || message.key !== now.key) return null;
    try {
      return edgeRows(message, offSink());
    } catch (error) {
      session.fail(sentenceOf(error));
      return null;
    }
  });
  const edgeValue = createMemo((): { readonly value: HeadValue; readonly signed: boolean } | null => {
    const [message, now] = [session.edge(), edge()];
    if (edgeTable() === null || message === null || now === null) return null;
    const value = edgeValues(message, offSink());
    if (difference.comparison() === null) return { value, signed: false };
    const before = difference.edgeBefore(now, offSink());
    return before && { value: differenceOf(value, before, difference.headsAligned()), signed: true };
  });

  /** The measure by which heads are tinted, sorted and filtered: the chosen one, or else the edge being ranked. */
  const measure = createMemo((): ShownMeasure | null => {
    const chosen =
      state().view.measure ?? (state().frame.side === "edges" && edge() !== null ? "edge" : null);
    const comparing = difference.comparison() !== null;
    if (chosen === "edge") {
      const found = edgeValue();
      const now = edge();
      if (found === null || now === null) return null;
      const of = edgeMeasure(now, queries(), keys());
      return shownMeasure(of, found.value, heads(), {
        signed: found.signed,
        pass: found.signed ? difference.name() : null,
      });
    }
    const found = measures().find(({ name }) => name === chosen);
    const values = measured()?.values;
    if (found === undefined || values === undefined) return null;
    const value = values.value(found.name, offSink());
    if (!comparing) return shownMeasure(found, value, heads(), { signed: false, pass: null });
    const before = difference.measured()?.value(found.name, offSink());
    if (before === undefined)
      return difference.measuresComing()
        ? null
        : shownMeasure(found, value, heads(), { signed: false, pass: "of the current pass" });
    const change = differenceOf(value, before, difference.headsAligned());
    return shownMeasure(found, change, heads(), { signed: true, pass: difference.name() });
  });
  const within = createMemo(() => {
    const now = measure();
    const [least, most] = state().view.range;
    if (now === null || (least === null && most === null)) return everyHead;
    return (place: HeadPlace) => {
      const value = now.value(place);
      return value >= (least ?? Number.NEGATIVE_INFINITY) && value <= (most ?? Number.POSITIVE_INFINITY);
    };
  });
  const tint = createMemo(() => {
    const now = measure();
    if (now?.bounds == null || state().view.tint === "off") return noTint;
    return (place: HeadPlace) => tintShare(now, place);
  });
  const tintSigned = () => measure()?.signed ?? false;
  const count = createMemo(() => {
    const all = heads().reduce((sum, each) => sum + each, 0);
    let inside = 0;
    heads().forEach((each, layer) => {
      for (let head = 0; head < each; head++) if (within()({ layer, head })) inside += 1;
    });
    return { all, inside };
  });

  const name = () => sinkName(keys(), causal());
  const reading = (place: HeadPlace): HeadReadout => {
    const thumbnails = layers().get(place.layer) ?? null;
    const found =
      difference.comparison() === null
        ? headReadout(place, thumbnails, rules(), name())
        : differenceReadout(place, thumbnails, rules(), difference.counterparts());
    const mark = markName(difference.changed()(place));
    const now = measure();
    if (now === null) return { ...found, mark };
    const measured = describedMeasure(now, now.value(place));
    return { ...found, mark, note: found.note === "" ? measured : `${found.note} · ${measured}` };
  };

  return {
    ...{ trace, stack, queries, keys, causal, overview, layers, rules, heads, selected, look, reading },
    ...{
      measures,
      offered,
      measured,
      measure,
      offSink,
      within,
      tint,
      tintSigned,
      difference,
      count,
      edge,
      edgeTable,
      sinkName: name,
    },
  };
}

function everyHead(): boolean {
  return true;
}

function noTint(): null {
  return null;
}
