import { For, Show } from "solid-js";
import { headsOn, type Order } from "../../state/state";
import { Segments } from "../Segments";
import { Word } from "../Word";
import type { NeuronProps, Neurons } from "./readNeurons";

const ORDERS: readonly (readonly [Order, string])[] = [
  ["index", "index"],
  ["contribution", "contribution"],
];
/** Whose neurons are shown, in which order, and whether they are open. */
export function NeuronHeading(props: NeuronProps & { readonly now: Neurons }) {
  const { session } = props;
  const state = session.state;
  const name = (head: number) => `${props.field?.layer}.${head}`;
  return (
    <>
      <Show when={props.field !== null}>
        <Show when={headsOn(state()).length > 1} fallback={<b class="num">{name(props.now.head())}</b>}>
          <select
            aria-label="Head whose neurons are shown"
            title="One of the heads that are on"
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
              <Word tokens={props.shown.queries} index={traced().trace.query} />
            </b>
          )}
        </Show>
      </Show>
      <span class="space" />
      <Show when={props.now.traced()}>
        <Segments
          label="Order of dimensions"
          options={ORDERS}
          value={state().view.order}
          onChange={(order) => session.dispatch({ type: "view", view: { order } })}
        />
      </Show>
      <button
        type="button"
        class="toggle"
        aria-expanded={state().view.neurons === "open"}
        aria-label="Neurons of the selected token"
        title="Expanded: the neurons of the selected token. Collapsed: only the lines of every token."
        data-testid="neuron-expand"
        on:click={() =>
          session.dispatch({
            type: "view",
            view: { neurons: state().view.neurons === "open" ? "closed" : "open" },
          })
        }
      >
        {state().view.neurons === "open" ? "−" : "+"}
        <span class="wordy">{state().view.neurons === "open" ? " collapse" : " expand"}</span>
      </button>
    </>
  );
}
