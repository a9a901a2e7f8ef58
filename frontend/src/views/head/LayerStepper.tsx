import { For, Show } from "solid-js";
import type { Session } from "../../state/session";
import { currentTrace } from "../../state/state";

/** The stack, where there are several, and the layer of the head view. */
export function LayerStepper(props: { readonly session: Session }) {
  const { session } = props;
  const selection = () => session.state().selection;
  const stacks = () => currentTrace(session.state())?.stacks ?? {};
  const stack = () => stacks()[selection().stack];
  const go = (layer: number) => session.dispatch({ type: "layer", layer });
  return (
    <>
      <Show when={Object.keys(stacks()).length > 1}>
        <select
          aria-label="Stack"
          on:change={(event) => session.dispatch({ type: "stack", stack: event.currentTarget.value })}
        >
          <For each={Object.keys(stacks())}>
            {(name) => (
              <option value={name} selected={name === selection().stack}>
                {name}
              </option>
            )}
          </For>
        </select>
      </Show>
      <span class="stepper">
        <button
          type="button"
          aria-label="Layer before"
          disabled={selection().layer === 0}
          on:click={() => go(selection().layer - 1)}
        >
          ‹
        </button>
        <select
          aria-label="Layer"
          data-testid="layer"
          on:change={(event) => go(Number(event.currentTarget.value))}
        >
          <For each={stack()?.shapes ?? []}>
            {(shape, layer) => (
              <option value={layer()} disabled={shape === null} selected={layer() === selection().layer}>
                layer {layer()}
                {shape !== null
                  ? ""
                  : stack()?.left_out?.includes(layer())
                    ? " (left out)"
                    : " (no attention)"}
              </option>
            )}
          </For>
        </select>
        <button
          type="button"
          aria-label="Layer after"
          disabled={selection().layer >= (stack()?.layers ?? 1) - 1}
          on:click={() => go(selection().layer + 1)}
        >
          ›
        </button>
      </span>
    </>
  );
}
