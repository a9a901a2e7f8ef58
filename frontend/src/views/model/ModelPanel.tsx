import { createEffect, createMemo, Show } from "solid-js";
import { Thumbnails } from "../../compute/thumbnails";
import type { Session } from "../../state/session";
import { currentTrace, headsOn } from "../../state/state";
import type { OverviewMessage } from "../../wire/messages";
import { sinkKeys, sinkName } from "../reading";
import { Segments } from "../Segments";
import { WholeButton } from "../WholeButton";
import { groundAndInk, type Look, lookOf, type Rules } from "./look";
import { ModelGrid } from "./ModelGrid";
import type { HeadPlace } from "./overlay";
import { type HeadReading, readHead, spokenHead } from "./reading";

const LOOKS: readonly (readonly [Look, string])[] = [
  ["lines", "lines"],
  ["map", "map"],
];

export interface ModelPanelProps {
  readonly session: Session;
  readonly dark: boolean;
  readonly wide: boolean;
  readonly over: HeadPlace | null;
  readonly onOver: (place: HeadPlace | null) => void;
  /** What the readout should say of the head pointed at. */
  readonly onReading: (reading: HeadReading | null) => void;
  readonly onEnter: () => void;
}

/** All heads of the model at a glance, and the way to each of them. */
export function ModelPanel(props: ModelPanelProps) {
  const { session } = props;
  const state = session.state;
  const trace = () => currentTrace(state());
  const stack = () => trace()?.stacks[state().selection.stack];
  const queries = () => trace()?.tokens[stack()?.query ?? ""] ?? [];
  const keys = () => trace()?.tokens[stack()?.key ?? ""] ?? [];
  const causal = () => stack()?.causal ?? false;

  const read = new WeakMap<OverviewMessage, Thumbnails>();
  const overview = () => {
    const now = session.overview();
    return now?.trace === trace()?.trace && now?.stack === state().selection.stack ? now : null;
  };
  const layers = createMemo((): ReadonlyMap<number, Thumbnails> => {
    const found = new Map<number, Thumbnails>();
    try {
      for (const [layer, message] of overview()?.layers ?? []) {
        const thumbnails = read.get(message) ?? new Thumbnails(message);
        read.set(message, thumbnails);
        found.set(layer, thumbnails);
      }
    } catch (error) {
      session.fail(error instanceof Error ? error.message : String(error));
    }
    return found;
  });
  const rules = createMemo(
    (): Rules => ({
      filter: state().view.filter,
      sinksHidden: state().view.sinks === "hidden",
      sinks: sinkKeys(keys(), causal()),
      queries: queries(),
      keys: keys(),
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
  const heads = createMemo(() => (stack()?.shapes ?? []).map((shape) => shape?.heads ?? 0));
  const selected = createMemo(() => ({ layer: state().selection.layer, heads: headsOn(state()) }));
  const look = () => lookOf(state().view.thumbnails, Math.max(queries().length, keys().length));
  const reading = (place: HeadPlace): HeadReading =>
    readHead(place, layers().get(place.layer) ?? null, rules(), sinkName(keys(), causal()));
  createEffect(() => props.onReading(props.over === null ? null : reading(props.over)));

  const pooled = () => layers().values().next().value?.pooled ?? [1, 1];
  const notes = () => {
    const parts = [`${look() === "lines" ? "weight" : "√ weight"}, each head to its own largest`];
    if (rules().sinks.size > 0) {
      const name = sinkName(keys(), causal());
      const treated = rules().sinksHidden ? " (hidden)" : look() === "lines" ? " (faint)" : "";
      parts[0] += ` off the ${name}${treated}`;
    }
    const { filter } = rules();
    if (filter !== "all") parts.push(`only ${filter[0]} → ${filter[1]}`);
    if (pooled()[0] > 1 || pooled()[1] > 1) parts.push(`max of ${pooled()[0]} × ${pooled()[1]}`);
    return parts.join(" · ");
  };
  const arrival = () => {
    const now = overview();
    if (!session.hello()?.can.includes("overview")) return "This host sends no thumbnails.";
    if (now?.arrival === "broken") return "The thumbnails did not all arrive.";
    const all = heads().filter((count) => count > 0).length;
    return now?.arrival === "whole" ? "" : `${now?.layers.size ?? 0} of ${all} layers`;
  };

  return (
    <section class="panel model-view" aria-label="Model view" data-testid="model-view">
      <div class="bar">
        <h2>Model</h2>
        <Segments
          label="Thumbnails"
          options={LOOKS}
          value={look()}
          onChange={(thumbnails) => session.dispatch({ type: "view", view: { thumbnails } })}
        />
        <Show when={Object.keys(trace()?.stacks ?? {}).length > 1}>
          <Segments
            label="Stack"
            options={Object.keys(trace()?.stacks ?? {}).map((name) => [name, name] as const)}
            value={state().selection.stack}
            onChange={(name) => session.dispatch({ type: "stack", stack: name })}
          />
        </Show>
        <span class="space" />
        <span class="quiet num" data-testid="model-arrival">
          {arrival()}
        </span>
        <WholeButton session={session} panel="model" name="Model view" />
      </div>
      <ModelGrid
        layers={layers()}
        heads={heads()}
        rules={rules()}
        look={look()}
        dark={props.dark}
        fit={state().frame.whole === "one" && props.wide ? "width" : "height"}
        selected={selected()}
        over={props.over}
        spoken={(place) => spokenHead(reading(place))}
        onOver={props.onOver}
        onSelect={(place) => session.dispatch({ type: "head", ...place })}
        onAdd={(place) => session.dispatch({ type: "add-head", ...place })}
        onEnter={props.onEnter}
      />
      <div class="legend" data-testid="model-legend">
        <canvas
          class="ramp"
          width="64"
          height="8"
          aria-hidden="true"
          ref={(canvas) => ramp(canvas, look, () => props.dark)}
        />
        <span>{notes()}</span>
      </div>
    </section>
  );
}

/** The legend's ramp, from no weight to the head's largest. */
function ramp(canvas: HTMLCanvasElement, look: () => Look, dark: () => boolean): void {
  createEffect(() => {
    const context = canvas.getContext("2d");
    if (context === null) return;
    const image = context.createImageData(canvas.width, canvas.height);
    const words = new Uint32Array(image.data.buffer);
    const colours = groundAndInk(dark(), look());
    for (let at = 0; at < words.length; at++) {
      words[at] = colours[Math.round((255 * (at % canvas.width)) / (canvas.width - 1))];
    }
    context.putImageData(image, 0, 0);
  });
}
