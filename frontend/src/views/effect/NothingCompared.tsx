import { Show } from "solid-js";
import { headName } from "../../marks/format";
import { neuronHead } from "../../state/state";
import type { Page } from "../page/page";
import { PredictionTables } from "../shared/Predictions";

/** The tab before the first change: what a change would show, and the change that is nearest. */
export function NothingCompared(props: { readonly page: Page }) {
  const { session, state } = props.page;
  const head = () => ({ layer: state().selection.layer, head: neuronHead(state()) });
  const name = () => headName(head().layer, head().head);
  const several = () => Object.keys(state().trace?.stacks ?? {}).length > 1;
  const turnOff = (): void => {
    const stack = several() ? { stack: state().selection.stack } : {};
    const edit = { type: "ScaleHead", ...head(), factor: 0, ...stack };
    session.change([...state().changes, { edit, muted: false }], `turn off head ${name()}`);
  };
  return (
    <>
      <div class="part" data-testid="nothing-compared">
        <h3>Nothing is compared yet</h3>
        <Show
          when={session.canChange()}
          fallback={<p>This trace cannot be changed here, because its model is not there.</p>}
        >
          <p>
            The views show where heads attend. What a head does for the prediction shows once you change it:
            then you see the prediction before and after, and the same change made elsewhere.
          </p>
          <p>
            <button type="button" class="ghost small" data-testid="turn-off" on:click={turnOff}>
              Turn off head {name()}
            </button>
          </p>
        </Show>
      </div>
      <PredictionTables trace={props.page.trace()} near={null} />
    </>
  );
}
