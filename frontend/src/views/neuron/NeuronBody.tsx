import { createMemo, Match, Switch } from "solid-js";
import { HeadLines } from "../head/HeadLines";
import type { NeuronProps, NeuronView } from "./createNeuronView";
import { NeuronControls } from "./NeuronControls";
import { NeuronGrid } from "./NeuronGrid";
import { NeuronLegend } from "./NeuronLegend";
import { NeuronTable } from "./NeuronTable";

/** The neuron view: how the query and keys of one head produce the attention of one token (figure 6 of Vig 2019). */
export function NeuronBody(props: NeuronProps & { readonly now: NeuronView }) {
  const { session, now } = props;
  const state = session.state;
  const open = () => state().view.neurons === "open";
  const show = (neurons: "open" | "closed") => session.dispatch({ type: "view", view: { neurons } });
  const choose = (index: number) => session.dispatch({ type: "token", token: { side: "query", index } });
  /** The data for the grid, once all of it has loaded. */
  const whole = createMemo(() => {
    const [traced, weights, fulls] = [now.traced(), now.weights(), now.fulls()];
    return traced && weights && fulls && { ...traced, weights, fulls };
  });
  const onKey = (event: KeyboardEvent): void => {
    const neurons = ({ "+": "open", "=": "open", "-": "closed", "−": "closed" } as const)[event.key];
    if (neurons === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    show(neurons);
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <div class="neuron" data-testid="neuron-view" on:keydown={onKey}>
      <NeuronControls {...props} />
      <Switch fallback={<div class="stage empty" />}>
        <Match when={open() && props.field !== null && now.layer() === null}>
          <div class="hint" data-testid="neuron-unknown">
            <p>{now.missing()}</p>
            <button
              type="button"
              class="ghost small"
              on:click={() => session.dispatch({ type: "frame", frame: { side: "weights" } })}
            >
              Show weights
            </button>
          </div>
        </Match>
        <Match when={open() && whole()}>
          {(shown) => (
            <>
              <NeuronGrid
                {...shown()}
                shown={props.shown}
                dotError={now.error()}
                sequence={now.order()}
                pairing={now.pairing()}
                valuesShown={state().view.values === "shown"}
                renormalized={state().view.sinks === "renormalized"}
                byTurn={now.orderName() === "wavelength"}
                side={now.side()}
                neuron={state().selection.neuron}
                pins={state().pins}
                scale={state().view.scale}
                dark={props.dark}
                focus={props.focus}
                onFocus={props.onFocus}
                onQuery={choose}
                onKey={(index) => session.dispatch({ type: "pin", place: { side: "key", index } })}
                onNeuron={(neuron) => session.dispatch({ type: "neuron", neuron })}
                onDetail={props.onDetail}
                onChange={
                  props.onChange &&
                  ((subject, at, from) => {
                    const { stack, layer } = state().selection;
                    props.onChange?.(subject({ stack, layer }), at, from);
                  })
                }
                onCollapse={() => show("closed")}
              />
              <NeuronTable
                {...shown()}
                pairing={now.pairing()}
                side={now.side()}
                queries={props.shown.queries}
                keys={props.shown.keys}
              />
            </>
          )}
        </Match>
        <Match when={!open() && props.field}>
          {(field) => (
            <>
              <p class="neuron-heads">
                Attention of every token. Click a token on the left to see its neurons.
              </p>
              <HeadLines
                prefix="neuron-"
                field={field()}
                version={props.version}
                shown={{ ...props.shown, heads: [now.head()] }}
                scale={state().view.scale}
                dark={props.dark}
                changed={props.marks.lines}
                pins={[]}
                token={state().selection.token}
                focus={props.focus}
                onFocus={props.onFocus}
                onToken={(token) => session.dispatch({ type: "token", token })}
                onPin={(place) => {
                  if (place.side === "key") session.dispatch({ type: "pin", place });
                  else {
                    choose(place.index);
                    show("open");
                  }
                }}
                onDrawn={() => undefined}
                onEnter={() => show("open")}
              />
            </>
          )}
        </Match>
      </Switch>
      <NeuronLegend
        now={now}
        field={props.field}
        layer={state().selection.layer}
        shown={props.shown}
        view={state().view}
        dark={props.dark}
      />
    </div>
  );
}
