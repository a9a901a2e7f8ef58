import { createMemo, Show } from "solid-js";
import { changeWords } from "../../figures/changeWords";
import { headsOn, neuronHead } from "../../state/state";
import type { Page } from "../page/page";
import { Fader } from "./Fader";
import { headFactor, MOST_FACTOR } from "./headFactor";

/** Turns the output of the selected head up, down or off. Of several heads it is the one whose neurons are shown. */
export function HeadFader(props: { readonly page: Page }) {
  const { session, state } = props.page;
  const place = createMemo(
    () => {
      const { stack, layer } = state().selection;
      return { stack, layer, head: neuronHead(state()) };
    },
    undefined,
    { equals: (a, b) => a.stack === b.stack && a.layer === b.layer && a.head === b.head },
  );
  const scaled = createMemo(() => headFactor(session, place()));
  const several = () => headsOn(state()).length > 1;
  const reason = () => state().trace?.stacks[place().stack]?.changes?.head ?? null;
  const text = (): string => {
    const change = scaled().change();
    return change === null ? "× 1" : changeWords(change.edit).value;
  };
  return (
    <Show when={session.canChange() && state().trace?.stacks[place().stack]?.shapes[place().layer]}>
      <div class="head-fader" data-testid="head-fader" title={reason() ?? undefined}>
        <span class="name">
          Head{" "}
          <b>
            {place().layer}.{place().head}
          </b>{" "}
          output
          <Show when={several()}>
            <span
              class="one-of"
              title="Of the heads that are on, the one whose neurons are shown. Choose another there, or turn the others off."
            >
              {" "}
              (1 of {headsOn(state()).length})
            </span>
          </Show>
        </span>
        <Show when={reason() === null} fallback={<span class="why">{reason()}</span>}>
          <Fader
            label={`Output of head ${place().layer}.${place().head}`}
            value={scaled().factor()}
            most={MOST_FACTOR}
            asItIs={1}
            text={text()}
            changed={scaled().change() !== null}
            muted={scaled().change()?.muted}
            testid="head-factor"
            onTurn={(factor) => scaled().set(factor)}
            onRest={(factor) => {
              if (factor === 1) scaled().reset();
            }}
          />
          <output class="num value" classList={{ is: scaled().change()?.muted === false }}>
            {text()}
          </output>
          <button
            type="button"
            class="ghost small"
            aria-pressed={scaled().change() !== null && scaled().factor() === 0}
            title={
              scaled().factor() === 0
                ? "The output of this head is off. Click: as it is"
                : "Turn the output of this head off (ablate it)"
            }
            data-testid="head-off"
            on:click={() => (scaled().factor() === 0 ? scaled().reset() : scaled().set(0))}
          >
            Off
          </button>
        </Show>
      </div>
    </Show>
  );
}
