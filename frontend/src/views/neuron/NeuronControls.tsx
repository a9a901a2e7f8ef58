import { Show } from "solid-js";
import type { Order } from "../../state/state";
import { SegmentedControl } from "../shared/SegmentedControl";
import type { NeuronProps, NeuronView } from "./createNeuronView";

/** What of the neurons is shown, and in which order: the strip above the columns. */
export function NeuronControls(props: NeuronProps & { readonly now: NeuronView }) {
  const { session } = props;
  const state = session.state;
  const orders = (): readonly (readonly [Order, string])[] => {
    const all: (readonly [Order, string])[] = [
      ["index", "index"],
      ["contribution", "contribution"],
    ];
    return props.now.pairing() === null ? all : [...all, ["wavelength", "wavelength"]];
  };
  const open = () => state().view.neurons === "open";
  return (
    <div class="neuron-controls">
      <div class="expander" data-testid="neuron-expander">
        <SegmentedControl
          label="Neurons of the selected token"
          options={[
            ["closed", "⊖ collapsed"],
            ["open", "⊕ expanded"],
          ]}
          value={state().view.neurons}
          onChange={(neurons) => session.dispatch({ type: "view", view: { neurons } })}
        />
      </div>
      <span class="space" />
      <Show when={open() && props.now.layer() !== null}>
        <button
          type="button"
          class="toggle"
          aria-pressed={state().view.values === "shown"}
          title="The value side: what each key has to give (v), and how much of it the head passes on"
          data-testid="neuron-values"
          on:click={() =>
            session.dispatch({
              type: "view",
              view: { values: state().view.values === "shown" ? "hidden" : "shown" },
            })
          }
        >
          values
        </button>
        <div class="sort">
          <span class="label">sort</span>
          <SegmentedControl
            label="Order of dimensions"
            options={orders()}
            value={props.now.orderName()}
            onChange={(order) => session.dispatch({ type: "view", view: { order } })}
          />
        </div>
      </Show>
    </div>
  );
}
