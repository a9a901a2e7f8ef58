import { Show } from "solid-js";
import type { Page } from "../page/page";
import type { EdgeView } from "../shared/edgeView";
import { TokenText } from "../shared/TokenText";

export interface EdgeProps {
  readonly page: Page;
  readonly now: EdgeView;
}

/** The pair that heads are ranked by, and whether sinks count. */
export function EdgeHeading(props: EdgeProps) {
  const { session, shown } = props.page;
  return (
    <>
      <Show when={props.now.edge()}>
        {(edge) => (
          <span class="title">
            <b>
              <TokenText
                tokens={shown().queries}
                index={edge().query}
                counterparts={shown().counterparts?.query}
              />{" "}
              →{" "}
              <TokenText tokens={shown().keys} index={edge().key} counterparts={shown().counterparts?.key} />
            </b>
          </span>
        )}
      </Show>
      <span class="space" />
      <Show when={props.now.edge()}>
        <button
          type="button"
          class="toggle"
          aria-pressed={props.now.offSink()}
          data-testid="edges-off-sink"
          title={`Exclude the attention sinks (${props.now.sinkName()}) and renormalize the other weights of each row`}
          on:click={() =>
            session.dispatch({
              type: "view",
              view: { measured: props.now.offSink() ? "all" : "off-sink", range: [null, null] },
            })
          }
        >
          without sinks
        </button>
      </Show>
    </>
  );
}
