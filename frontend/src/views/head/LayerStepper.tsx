import { For } from "solid-js";
import type { Session } from "../../state/session";

/** Selects the layer of the head view. Layers without attention are disabled. */
export function LayerStepper(props: { readonly session: Session }) {
  const { session } = props;
  const selection = () => session.state().selection;
  const stacks = () => session.state().trace?.stacks ?? {};
  const stack = () => stacks()[selection().stack];
  /** Whether any layer from `first` up to, but not including, `end` has attention. */
  const present = (first: number, end?: number) =>
    (stack()?.shapes ?? []).slice(first, end).some((shape) => shape !== null);
  const go = (layer: number) => session.dispatch({ type: "layer", layer });
  return (
    <span class="stepper">
      <button
        type="button"
        aria-label="Previous layer"
        disabled={!present(0, selection().layer)}
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
                  ? " (not included)"
                  : " (no attention)"}
            </option>
          )}
        </For>
      </select>
      <button
        type="button"
        aria-label="Next layer"
        disabled={!present(selection().layer + 1)}
        on:click={() => go(selection().layer + 1)}
      >
        ›
      </button>
    </span>
  );
}
