import { For, Show } from "solid-js";
import type { HeadReadout } from "./headReadout";
import { type HeadFact, rankText } from "./measures";

export interface HeadCardProps {
  readonly reading: HeadReadout;
  readonly facts: readonly HeadFact[];
  readonly chosen: string | null;
  /** Whether attention sinks are excluded. */
  readonly offSink: boolean;
  /** The upper right corner of the head, relative to the panel, and the space available to the right. */
  readonly spot: { readonly x: number; readonly y: number };
  readonly room: { readonly width: number; readonly height: number };
}

/** As in model.css. */
const WIDE = 292;

/** Shows the measures of the head under the pointer. Hidden from screen readers, which get the readout and the grid. */
export function HeadCard(props: HeadCardProps) {
  const tall = () => 44 + 21 * props.facts.length;
  const left = () => Math.max(4, Math.min(props.spot.x + 12, props.room.width - WIDE - 4));
  const top = () => Math.max(4, Math.min(props.spot.y, props.room.height - tall() - 8));
  return (
    <div
      class="head-card num"
      data-testid="head-card"
      aria-hidden="true"
      style={{ transform: `translate(${left()}px, ${top()}px)` }}
    >
      <b>
        Head {props.reading.layer}.{props.reading.head}
      </b>
      <Show when={props.offSink}>
        <span class="quiet"> excluding sinks</span>
      </Show>
      <Show when={props.reading.largest}>
        {(largest) => (
          <p class="quiet">
            <bdi>{largest().from}</bdi> → <bdi>{largest().to}</bdi> {largest().weight}
            {props.reading.mark && ` · ${props.reading.mark}`}
          </p>
        )}
      </Show>
      <dl>
        <For each={props.facts}>
          {(fact) => (
            <>
              <dt classList={{ now: fact.name === props.chosen }}>{fact.title}</dt>
              <dd>
                <Show when={fact.before}>
                  {(before) => <span class="quiet" data-testid="fact-before">{`${before()} → `}</span>}
                </Show>
                {fact.value}
              </dd>
              <dd class="quiet">{rankText(fact)}</dd>
            </>
          )}
        </For>
      </dl>
    </div>
  );
}
