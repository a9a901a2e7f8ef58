import { For, Show } from "solid-js";
import { weightText } from "../../marks/format";
import { currentPass } from "../../state/state";
import { ChangeList } from "../changes/ChangeList";
import type { Page } from "../page/page";

/** What the changes do to the prediction of the model. */
export function EffectPanel(props: { readonly page: Page }) {
  const { state } = props.page;
  const after = () => currentPass(state())?.next ?? [];
  return (
    <section class="effect" data-testid="effect" aria-label="Effect">
      <ChangeList page={props.page} />
      <Show when={after().length > 0} fallback={<p class="quiet">This model predicts no next token.</p>}>
        <table>
          <tbody>
            <For each={after()}>
              {({ text, probability }) => (
                <tr>
                  <th scope="row">{text}</th>
                  <td>{weightText(probability, 3)}</td>
                </tr>
              )}
            </For>
          </tbody>
        </table>
      </Show>
    </section>
  );
}
