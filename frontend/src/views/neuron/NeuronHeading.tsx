import { For, Show } from "solid-js";
import { headsOn } from "../../state/state";
import { TokenText } from "../shared/TokenText";
import type { NeuronProps, NeuronView } from "./createNeuronView";

/** The head and the token whose neurons are shown. */
export function NeuronHeading(props: NeuronProps & { readonly now: NeuronView }) {
  const { session } = props;
  const state = session.state;
  const name = (head: number) => `${props.field?.layer}.${head}`;
  return (
    <>
      <Show when={props.field !== null}>
        <Show when={headsOn(state()).length > 1} fallback={<b class="num">{name(props.now.head())}</b>}>
          <select
            aria-label="Head"
            title="Choose one of the selected heads"
            data-testid="neuron-head"
            class="num"
            on:change={(event) =>
              session.dispatch({ type: "neuron-head", head: Number(event.currentTarget.value) })
            }
          >
            <For each={headsOn(state())}>
              {(head) => (
                <option value={head} selected={head === props.now.head()}>
                  {name(head)}
                </option>
              )}
            </For>
          </select>
        </Show>
        <Show when={props.now.traced()}>
          {(traced) => (
            <b class="title">
              <TokenText
                tokens={props.shown.queries}
                index={traced().trace.query}
                counterparts={props.shown.counterparts?.query}
              />
            </b>
          )}
        </Show>
      </Show>
      <span class="space" />
    </>
  );
}
