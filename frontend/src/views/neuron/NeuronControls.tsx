import { Show } from "solid-js";
import { differenceName } from "../../state/fieldNames";
import type { Order } from "../../state/state";
import { SegmentedControl } from "../shared/SegmentedControl";
import type { NeuronProps, NeuronView } from "./createNeuronView";

/** The controls above the columns: what is shown of the neurons, and in which order. */
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
      <Show when={props.field?.signed && state().comparison}>
        {(comparison) => (
          <span class="quiet" data-testid="neuron-difference">
            {differenceName(comparison())}
          </span>
        )}
      </Show>
      <span class="space" />
      <Show when={open() && props.now.layer() !== null}>
        <button
          type="button"
          class="toggle"
          aria-pressed={state().view.values === "shown"}
          title="Show the value vector v of each key and how much each key contributes to the head output"
          data-testid="neuron-values"
          on:click={() =>
            session.dispatch({
              type: "view",
              view: { values: state().view.values === "shown" ? "hidden" : "shown" },
            })
          }
        >
          value vectors
        </button>
        <div class="sort">
          <span class="label">sort</span>
          <SegmentedControl
            label="Sort dimensions by"
            options={orders()}
            value={props.now.orderName()}
            onChange={(order) => session.dispatch({ type: "view", view: { order } })}
          />
        </div>
      </Show>
    </div>
  );
}
