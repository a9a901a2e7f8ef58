import { createMemo, createSignal, For, Show } from "solid-js";
import { factorText } from "../../figures/changeWords";
import type { NeuronSubject } from "../../state/changeSubject";
import { findChange, putChanges, removeChanges } from "../../state/changes";
import { currentPass } from "../../state/state";
import type { Edit } from "../../wire/messages";
import type { Page } from "../page/page";
import { SegmentedControl } from "../shared/SegmentedControl";
import { BoxTitle } from "./BoxTitle";
import { Fader } from "./Fader";
import { editPlace, MOST_FACTOR } from "./headFactor";

type Vector = NeuronSubject["vector"];

const VECTORS: readonly (readonly [Vector, string])[] = [
  ["q", "q"],
  ["k", "k"],
  ["v", "v"],
];
const FACTORS = [
  [0, "Off"],
  [0.5, "½"],
  [2, "Double"],
] as const;

/** Scales dimensions of the query, key or value vectors of a head. */
export function NeuronBox(props: { readonly page: Page; readonly subject: NeuronSubject }) {
  const { page } = props;
  const { session } = page;
  const { stack, layer, head, dims } = props.subject;
  const [vector, setVector] = createSignal<Vector>(props.subject.vector);
  const edit = (factor: number): Edit => ({
    type: "ScaleNeuron",
    ...editPlace(session, props.subject),
    ...{ dims: [...dims], factor, vector: vector() },
  });
  const change = createMemo(() => findChange(session.state().changes, edit(1)));
  const factor = (): number => (change() === null ? 1 : Number(change()?.edit.factor));
  const what = () => `${vector()} ${dims.join(" · ")}`;
  const set = (to: number): void =>
    session.change(
      putChanges(session.state().changes, [edit(to)]),
      `scale ${what()} of head ${layer}.${head}`,
    );
  const reset = (): void => {
    if (change() !== null)
      session.change(
        removeChanges(session.state().changes, [edit(1)]),
        `leave ${what()} of head ${layer}.${head} as it is`,
      );
  };
  const pass = () => currentPass(session.state())?.stacks[stack];
  const reason = () => pass()?.changes?.[dims.length > 1 ? "pair" : "neuron"] ?? null;
  /** The heads that share the keys and values of this one. */
  const group = (): readonly number[] => {
    const shape = pass()?.shapes[layer];
    if (vector() === "q" || shape == null || shape.kv_heads === shape.heads) return [];
    const size = shape.heads / shape.kv_heads;
    const first = Math.floor(head / size) * size;
    return Array.from({ length: size }, (_, index) => first + index);
  };
  return (
    <>
      <BoxTitle
        layer={layer}
        head={head}
        dark={page.dark()}
        value={factorText(factor())}
        changed={change() !== null}
      >
        {what()} <span class="quiet">{dims.length > 1 ? "pair" : "neuron"}</span>
      </BoxTitle>
      <Show when={reason() === null} fallback={<p class="why">{reason()}</p>}>
        <Fader
          label={`${what()} of head ${layer}.${head}`}
          value={factor()}
          most={MOST_FACTOR}
          asItIs={1}
          text={factorText(factor())}
          changed={change() !== null}
          muted={change()?.muted}
          testid="change-fader"
          onTurn={set}
          onRest={(to) => {
            if (to === 1) reset();
          }}
        />
        <p class="ends" aria-hidden="true">
          <span>0 off</span>
          <span>as it is</span>
          <span>2</span>
        </p>
        <div class="buttons">
          <For each={FACTORS}>
            {([to, name]) => (
              <button
                type="button"
                class="ghost small"
                data-off={to === 0 ? "" : undefined}
                data-testid={`change-${to}`}
                aria-pressed={change() !== null && factor() === to}
                on:click={() => set(to)}
              >
                {name}
              </button>
            )}
          </For>
          <button type="button" class="ghost small" data-testid="as-it-is" on:click={reset}>
            As it is
          </button>
          <span class="space" />
          <SegmentedControl label="Vector" options={VECTORS} value={vector()} onChange={setVector} />
        </div>
        <Show when={group().length > 0}>
          <p class="says" data-testid="shared">
            Heads {group().join(", ")} of layer {layer} share this {vector()}: it changes in all of them.
          </p>
        </Show>
      </Show>
    </>
  );
}
