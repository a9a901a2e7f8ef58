import { For, Show } from "solid-js";
import { changePhrase } from "../../figures/changeWords";
import { type ChangeRow, rowKey, rowsOf } from "../../state/changes";
import { currentPass } from "../../state/state";
import { EffectNumber } from "../effect/EffectNumber";
import type { Page } from "../page/page";
import { BaselineMenu } from "./BaselineMenu";
import { FieldSwitch } from "./FieldSwitch";

/** Changes that the line names; the others are counted. */
const MOST_CHANGES = 3;

/** The line under the toolbar: the two passes, the switch between them, and what is changed. */
export function ComparisonLine(props: { readonly page: Page }) {
  const { session, state } = props.page;
  const rows = () => rowsOf(state().changes, currentPass(state())?.stacks ?? {});
  const showList = (): void => session.dispatch({ type: "frame", frame: { at: "side", side: "effect" } });
  return (
    <section class="comparison" data-testid="comparison" aria-label="Compared passes">
      <Show
        when={state().comparison}
        fallback={
          <>
            <BaselineMenu page={props.page} face={<>Compare with ▾</>} class="ghost" />
            <Show when={rows().length === 0}>
              <span class="quiet" data-testid="comparison-hint">
                <Show when={session.canChange()} fallback="One pass. It cannot be changed here.">
                  Point at a head, line, token or neuron and press <kbd>e</kbd>, or right-click it, to turn it
                  down or off.
                </Show>
              </span>
            </Show>
          </>
        }
      >
        {(both) => (
          <FieldSwitch
            page={props.page}
            comparison={both()}
            menu={<BaselineMenu page={props.page} face={<>▾</>} class="caret" />}
          />
        )}
      </Show>
      <Show when={rows().length > 0}>
        <ul class="changes-short" data-testid="changes-short" aria-label="Changes">
          <For each={rows().slice(0, MOST_CHANGES).map(rowKey)}>
            {(_, at) => <ShortChange page={props.page} row={rows()[at()]} onGo={showList} />}
          </For>
          <Show when={rows().length > MOST_CHANGES}>
            <li>
              <button type="button" class="quiet" on:click={showList}>
                {rows().length - MOST_CHANGES} more
              </button>
            </li>
          </Show>
        </ul>
      </Show>
      <span class="grow" />
      <EffectNumber page={props.page} />
      <Show when={session.pending()}>
        <span class="quiet" data-testid="pending">
          running…
        </span>
      </Show>
    </section>
  );
}

/** A change in short; a click leads to the list. */
function ShortChange(props: {
  readonly page: Page;
  readonly row: ChangeRow | undefined;
  readonly onGo: () => void;
}) {
  return (
    <Show when={props.row}>
      {(row) => {
        const first = () => row().changes[0];
        const words = () =>
          changePhrase(first().edit, currentPass(props.page.state()) ?? undefined, row().over);
        return (
          <li classList={{ muted: first().muted }}>
            <button
              type="button"
              title={
                first().muted
                  ? "Muted: not in the pass. Show the list of changes"
                  : "Show the list of changes"
              }
              on:click={props.onGo}
            >
              <span class="change-dot" aria-hidden="true" />
              <span class="num">{words()}</span>
              <Show when={first().muted}>
                <span class="hidden-word">, muted</span>
              </Show>
            </button>
          </li>
        );
      }}
    </Show>
  );
}
