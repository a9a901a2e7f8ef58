/** State shared by all panels of a page: the shown field, what the pointer is on, what the readout says. */

import { type Accessor, createEffect, createMemo, createSignal, on, onCleanup, untrack } from "solid-js";
import { ComparedLayer, DifferenceLayer } from "../../compute/differenceLayer";
import { type LayerField, layerField } from "../../compute/layerField";
import { imageQuery } from "../../marks/imagePatches";
import type { ChangeSubject } from "../../state/changeSubject";
import { createEdgeWeights } from "../../state/edgeWeights";
import { editMarks } from "../../state/editMarks";
import { createEffects } from "../../state/effect";
import { sentenceOf } from "../../state/failure";
import type { Session } from "../../state/session";
import { chosenPlace, type HeadPlace, headsOn, type Place } from "../../state/state";
import type { LayerMessage } from "../../wire/messages";
import type { HeadReadout } from "../model/headReadout";
import type { GesturePoint } from "../shared/changeGesture";
import { copyText } from "../shared/clipboard";
import { type Counterparts, counterpartsOf } from "../shared/counterparts";
import {
  type Edge,
  edgeAt,
  type Focus,
  placeShown,
  queryShown,
  type Shown,
  sinkKeys,
} from "../shared/weights";
import { followExactRows } from "./exactRows";

/** How long the pointer must rest on a token before its weights are listed. */
const REST_MS = 90;

/** Below this width the tools of the toolbar become one menu, CSS pixels. */
const FOLDED_BELOW = 900;
/** How long a notice stays visible. */
const NOTICE_MS = 4000;

export type HostTheme = "light" | "dark";

/** The box that changes something: its subject, where it opens (CSS pixels of the window), and who gets the focus back. */
export interface Changing {
  readonly subject: ChangeSubject;
  readonly at: { readonly x: number; readonly y: number; readonly width: number; readonly height: number };
  readonly from: HTMLElement | null;
}

export type Page = ReturnType<typeof createPage>;

/** The page follows `hostTheme` unless the user chose a theme; if undefined, it follows the browser. */
export function createPage(session: Session, hostTheme?: Accessor<HostTheme | undefined>) {
  const state = session.state;
  const [focus, setFocus] = createSignal<Focus | null>(null);
  const [detail, setDetail] = createSignal<string | null>(null);
  const [version, setVersion] = createSignal(0);
  const rowsChanged = (): void => void setVersion((count) => count + 1);
  const [overHead, setOverHead] = createSignal<HeadPlace | null>(null);
  /** The matrix cell under the pointer in the model view, with its layer. */
  const [overCell, setOverCell] = createSignal<{ readonly field: LayerField; readonly edge: Edge } | null>(
    null,
  );
  const [headReadout, setHeadReadout] = createSignal<HeadReadout | null>(null);

  const browserDark = followBrowser();
  const dark = createMemo(() => {
    const { theme } = state().view;
    if (theme !== "auto") return theme === "dark";
    const around = hostTheme?.();
    return around === undefined ? browserDark() : around === "dark";
  });

  const trace = createMemo(() => state().trace);
  const stack = () => trace()?.stacks[state().selection.stack];
  /** The fields of messages, kept so that exact rows and columns stay when another pass is shown. */
  const fields = new WeakMap<LayerMessage, LayerField>();
  const fieldOf = (layer: LayerMessage): LayerField | null => {
    const known = fields.get(layer);
    if (known !== undefined) return known;
    try {
      const made = layerField(layer);
      fields.set(layer, made);
      return made;
    } catch (error) {
      session.fail(sentenceOf(error));
      return null;
    }
  };
  const loaded = createMemo(() => {
    const layer = session.layer();
    return layer === null || trace() === null ? null : fieldOf(layer);
  });
  /** In differences, the tokens of the baseline that those of the current pass correspond to. */
  const counterparts = createMemo(
    (): Counterparts | null => {
      const both = state().field === "difference" ? state().comparison : null;
      const now = stack();
      const there = both?.baseline.stacks[state().selection.stack];
      const sides = both?.alignment?.sides;
      if (both === null || now === undefined || there === undefined || sides === undefined) return null;
      return {
        query: counterpartsOf(sides[now.query] ?? [], both.baseline.tokens[there.query] ?? []),
        key: counterpartsOf(sides[now.key] ?? [], both.baseline.tokens[there.key] ?? []),
      };
    },
    undefined,
    { equals: sameCounterparts },
  );
  const shown = createMemo(
    (): Shown => {
      const now = stack();
      const keys = now ? (trace()?.tokens[now.key] ?? []) : [];
      return {
        heads: headsOn(state()).filter((head) => head < (loaded()?.heads ?? 0)),
        filter: state().view.filter,
        hiddenKeys: state().view.sinks === "shown" ? new Set<number>() : sinkKeys(keys, now?.causal ?? false),
        threshold: state().view.threshold,
        top: state().view.top,
        queries: now ? (trace()?.tokens[now.query] ?? []) : [],
        keys,
        counterparts: counterparts() ?? undefined,
      };
    },
    undefined,
    { equals: sameShown },
  );
  const comparison = createMemo(() => state().comparison);
  const shownField = createMemo(() => state().field);
  const stackName = createMemo(() => state().selection.stack);
  const layerIndex = createMemo(() => state().selection.layer);
  const renormalized = createMemo(() => state().view.sinks === "renormalized");
  const hiddenKeys = createMemo(() => shown().hiddenKeys, undefined, { equals: sameKeys });
  /** The selected layer in both passes; null without a comparison, and until both have arrived and are aligned. */
  const compared = createMemo((): ComparedLayer | null => {
    const both = comparison();
    const layers = session.compared();
    const { alignment } = both ?? {};
    if (both === null || alignment == null || layers === null) return null;
    const { baseline, current } = layers;
    if (current.trace !== both.current.trace || baseline.trace !== both.baseline.trace) return null;
    if (current.stack !== stackName() || current.layer !== layerIndex()) return null;
    const [after, before] = [fieldOf(current), fieldOf(baseline)];
    const named = both.current.stacks[current.stack];
    if (after === null || before === null || named === undefined) return null;
    return new ComparedLayer(after, before, {
      queries: alignment.sides[named.query] ?? [],
      keys: alignment.sides[named.key] ?? [],
      heads: alignment.stacks[current.stack]?.heads[current.layer] ?? 0,
    });
  });
  /** The same as the views show it: without the sinks, if these are removed and the rows renormalized. */
  const readings = createMemo((): ComparedLayer | null => {
    const both = compared();
    const without = hiddenKeys();
    return both === null || !renormalized() || without.size === 0 ? both : both.renormalized(without);
  });
  interface Drawn {
    readonly passes: string;
    readonly layer: DifferenceLayer;
  }
  /** The difference. While the next layer is loading, the previous one of the same two passes is still drawn. */
  const difference = createMemo<Drawn | null>((before) => {
    const pair = comparison();
    if (shownField() !== "difference" || pair === null) return null;
    const passes = [pair.current.trace, pair.baseline.trace, stackName()].join(" ");
    const both = readings();
    if (both === null) return before?.passes === passes ? before : null;
    return { passes, layer: new DifferenceLayer(both) };
  }, null);
  /** The shown field; null until a layer of this trace has arrived, because layers of another trace must not be drawn. */
  const field = createMemo((): LayerField | null => {
    const now = loaded();
    const fits = now !== null && now.queries === shown().queries.length && now.keys === shown().keys.length;
    if (!fits || session.layer()?.trace !== trace()?.trace) return null;
    if (shownField() === "difference") return difference()?.layer ?? null;
    return renormalized() && hiddenKeys().size > 0 ? now.renormalized(hiddenKeys()) : now;
  });

  /** The token under the pointer or the keyboard, else the selected one, else the one pinned last. */
  const place = createMemo<Place | null>(() => {
    const now = focus();
    if (now?.kind === "token") return now.place;
    return chosenPlace(state());
  });
  const listed = followAtRest(place, shown, () => trace()?.tokens);
  /** The edge in the readout: the one under the pointer, else the one that the token stands for. */
  const edge = createMemo<Edge | null>(() => {
    void version();
    const now = focus();
    const layer = field();
    if (now?.kind === "edge") return now.edge;
    const at = place();
    return layer === null || at === null ? null : edgeAt(layer, shown(), state().pins, at);
  });

  /** What the edits of the shown pass do to the selected layer. */
  const marks = createMemo(() => editMarks(trace()?.edits ?? [], stackName(), layerIndex()));

  const effects = createEffects(session);
  /** Loads exact rows of some queries, in both passes if two are compared. */
  const exactRows = followExactRows(session, field, compared, rowsChanged);
  /** What the open change box is about, and the element that it belongs to; null while it is closed. */
  const [changing, setChanging] = createSignal<Changing | null>(null);

  /** Opens the change box for something at a point of the window. */
  const openChange = (subject: ChangeSubject, at: GesturePoint, from: HTMLElement): void => {
    setChanging({ subject, at: { x: at.clientX, y: at.clientY, width: 0, height: 0 }, from });
  };
  const edgeWeights = createEdgeWeights(session.source, (error) => session.fail(sentenceOf(error)));
  onCleanup(edgeWeights.close);
  /** The weight of an edge in any pass; null until it is known, or where the host cannot tell. */
  const edgeWeight: typeof edgeWeights.weight = (pass, place) =>
    session.can("edge") ? edgeWeights.weight(pass, place) : null;

  const [width, setWidth] = createSignal(1400);
  const narrow = createMemo(() => width() < FOLDED_BELOW);
  const [help, setHelp] = createSignal(false);
  const [notice, setNotice] = createSignal<string | null>(null);
  let noticeTimer: ReturnType<typeof setTimeout> | undefined;
  /** Shows a short message for a moment; null removes it. */
  const notify = (sentence: string | null): void => {
    clearTimeout(noticeTimer);
    setNotice(sentence);
    if (sentence !== null) noticeTimer = setTimeout(() => setNotice(null), NOTICE_MS);
  };
  onCleanup(() => clearTimeout(noticeTimer));
  const [toCopy, setToCopy] = createSignal<{ readonly title: string; readonly text: string } | null>(null);
  /** Copies text to the clipboard and says `done`, or shows the text in a dialog if the clipboard is blocked. */
  const copy = async (title: string, text: string, done = `${title} copied`): Promise<void> => {
    if (await copyText(text)) notify(done);
    else setToCopy({ title, text });
  };

  return {
    ...{ session, state, dark, trace, stack, field, shown, version, rowsChanged, listed, edge },
    ...{ focus, setFocus, detail, setDetail, overHead, setOverHead, headReadout, setHeadReadout },
    ...{ notice, notify, toCopy, setToCopy, copy, narrow, setWidth, help, setHelp },
    ...{
      overCell,
      setOverCell,
      compared,
      readings,
      marks,
      exactRows,
      changing,
      setChanging,
      openChange,
      edgeWeight,
    },
    effects,
  };
}

/** Whether the browser prefers a dark theme. */
function followBrowser(): Accessor<boolean> {
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  const [isDark, setDark] = createSignal(prefersDark.matches);
  const follow = (): void => void setDark(prefersDark.matches);
  prefersDark.addEventListener("change", follow);
  onCleanup(() => prefersDark.removeEventListener("change", follow));
  return isDark;
}

/** The token whose weights are listed. It changes once the pointer rests; initially it is the last query. */
function followAtRest(
  place: Accessor<Place | null>,
  shown: Accessor<Shown>,
  tokens: Accessor<object | undefined>,
): Accessor<Place | null> {
  const [listed, setListed] = createSignal<Place | null>(null);
  createEffect(on(createMemo(tokens), () => setListed(null)));
  createEffect(() => {
    const now = place();
    const { queries, keys } = shown();
    const count = (side: Place["side"]) => (side === "query" ? queries : keys).length;
    const settle = (): void => {
      const seen = queries.findLastIndex((_, query) => queryShown(shown(), query));
      const initial = imageQuery(queries) ?? (seen < 0 ? count("query") - 1 : seen);
      const last: Place = { side: "query", index: initial };
      setListed((before) => {
        if (count("query") === 0) return null;
        const kept = before !== null && before.index < count(before.side) && placeShown(shown(), before);
        return now ?? (kept ? before : last);
      });
    };
    const timer = setTimeout(settle, untrack(listed) === null ? 0 : REST_MS);
    onCleanup(() => clearTimeout(timer));
  });
  return listed;
}

function sameShown(a: Shown, b: Shown): boolean {
  return (
    a.queries === b.queries &&
    a.keys === b.keys &&
    sameCounterparts(a.counterparts ?? null, b.counterparts ?? null) &&
    a.filter === b.filter &&
    a.threshold === b.threshold &&
    a.top === b.top &&
    String(a.heads) === String(b.heads) &&
    sameKeys(a.hiddenKeys, b.hiddenKeys)
  );
}

function sameCounterparts(a: Counterparts | null, b: Counterparts | null): boolean {
  if (a === null || b === null) return a === b;
  return (["query", "key"] as const).every(
    (side) => a[side].length === b[side].length && a[side].every((token, at) => token === b[side][at]),
  );
}

function sameKeys(a: ReadonlySet<number>, b: ReadonlySet<number>): boolean {
  return String([...a]) === String([...b]);
}
