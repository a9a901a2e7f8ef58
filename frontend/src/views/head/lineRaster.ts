/** The image of all lines of the head view and the summaries of its heads, requested when they change. */

import { type Accessor, createEffect, createMemo, createSignal, on, onCleanup } from "solid-js";
import type { HeadSummary } from "../../compute/headSummary";
import type { LayerField } from "../../compute/layerField";
import type { Scale } from "../../state/state";
import { pixelRatio } from "../shared/canvas";
import { leastVisible } from "../shared/lineScales";
import type { TokenLayout } from "../shared/tokenLayout";
import { rowRules, type Shown } from "../shared/weights";
import { type Band, type BandRequest, bandAround, covers } from "./band";
import { joinLineWorker, type LineWorkerClient } from "./lineWorker";

/** What the image of lines does not show. */
export interface RasterSummary {
  /** The smallest weight drawn, if limited by visibility (`least`) or by too many lines (`crowded`). */
  readonly least: number;
  readonly crowded: number;
  /** Mean attention per row that is not drawn; null until all rows are summarized. */
  readonly dropped: number | null;
  /** Mean attention per row to hidden keys; null until known. */
  readonly hidden: number | null;
  /** Mean magnitude of a row: 1 for attention; null until known. */
  readonly total: number | null;
  readonly complete: boolean;
  readonly fading: boolean;
}

export interface LineRasterProps {
  readonly field: LayerField;
  readonly shown: Shown;
  readonly scale: Scale;
  readonly dark: boolean;
  /** Heads that are off. */
  readonly off?: readonly number[];
  readonly onDrawn: (drawn: RasterSummary) => void;
  /** Called when the field has new data. */
  readonly onKnown?: () => void;
  readonly onFailure?: (sentence: string) => void;
}

export function createLineRaster(
  props: LineRasterProps,
  layout: Accessor<TokenLayout>,
  scroll: Accessor<number>,
) {
  const [band, setBand] = createSignal<Band | null>(null);
  const [known, setKnown] = createSignal(0);

  const rules = createMemo(() => rowRules(props.shown, leastVisible(props.scale, props.field.signed)));
  /** A cache key for the rules. */
  const key = createMemo(() => {
    const { filter, hiddenKeys } = props.shown;
    const { least, top } = rules();
    return `${filter} ${[...hiddenKeys].join(",")} ${least} ${top}`;
  });

  const client = createMemo<LineWorkerClient>(() => {
    const one = joinLineWorker(props.field, {
      onSummary: () => {
        setKnown((count) => count + 1);
        props.onKnown?.();
      },
      onBand: (arrived) => {
        if (arrived.request.id === wanted?.id) setBand({ ...arrived, request: wanted });
      },
      onFailure: (sentence) => props.onFailure?.(sentence),
    });
    onCleanup(() => one.close());
    return one;
  });
  createEffect(
    on([client, key, () => props.shown], ([one, name, shown]) => one.summarize(name, rules(), shown.heads)),
  );
  const summaries = createMemo<readonly HeadSummary[]>(() => {
    known();
    return props.shown.heads.flatMap((head) => client().summary(key(), head) ?? []);
  });
  const allKnown = createMemo(() => summaries().length === props.shown.heads.length);
  const cutoffs = (head: number) => client().summary(key(), head)?.cutoffs ?? null;

  // Request a new image of all lines when it would differ, or when the window leaves it.
  let wanted: BandRequest | null = null;
  let wantedKey = "";
  let ids = 0;
  const ask = (): void => {
    const now = layout();
    if (now.width === 0 || now.height === 0) return;
    const { heads } = props.shown;
    const [scale, dark] = [props.scale, props.dark];
    wanted = {
      id: ++ids,
      heads,
      rules: rules(),
      layout: now,
      scale,
      dark,
      signed: props.field.signed,
      off: props.off ?? [],
      ratio: pixelRatio(),
      ...bandAround(now, scroll()),
    };
    wantedKey = key();
    client().band(wantedKey, wanted);
  };
  createEffect(
    on(
      [
        ...[client, key, layout, allKnown, pixelRatio],
        ...[() => props.shown, () => props.scale, () => props.dark, () => props.off],
      ],
      () => {
        if (band()?.request.layout.cells !== layout().cells) setBand(null);
        ask();
      },
    ),
  );
  createEffect(
    on(scroll, (now) => {
      if (wanted !== null && !covers(wanted, layout(), now, 0.5)) ask();
    }),
  );
  createEffect(() => {
    const now = band();
    if (now === null) return;
    const all = summaries();
    let [dropped, hidden, total, seen] = [0, 0, 0, 0];
    for (const summary of all) {
      dropped += summary.dropped;
      hidden += summary.hidden;
      total += summary.total;
      seen += summary.rows;
    }
    props.onDrawn({
      least: rules().least,
      crowded: now.threshold,
      dropped: allKnown() && seen > 0 ? dropped / seen : null,
      hidden: allKnown() && seen > 0 ? hidden / seen : null,
      total: allKnown() && seen > 0 ? total / seen : null,
      complete: now.complete,
      fading: now.pixels !== null && layout().extent > 1.5 * layout().height,
    });
  });

  return { band, known, rules, cutoffs, summaries };
}
