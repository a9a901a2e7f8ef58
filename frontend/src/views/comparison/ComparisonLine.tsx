import { For, Show } from "solid-js";
import { editWords } from "../../figures/edits";
import { fieldNames } from "../../state/fieldNames";
import { type Change, type Comparison, FIELDS, type Field } from "../../state/state";
import { EffectNumber } from "../effect/EffectNumber";
import type { Page } from "../page/page";
import { SegmentedControl } from "../shared/SegmentedControl";
import { BaselineMenu } from "./BaselineMenu";

/** Changes that the line names; the others are counted. */
const MOST_CHANGES = 3;

/** The line under the toolbar: the two passes, the switch between them, and what is changed. */
export function ComparisonLine(props: { readonly page: Page }) {
  const { session, state } = props.page;
  const comparison = () => state().comparison;
  const made = () => state().changes;
  const options = (both: Comparison): readonly (readonly [Field, string, string])[] => {
    const words = fieldNames(both);
    return FIELDS.map((field) => [field, words[field], `${HINTS[field]} (d: next, hold b: before)`] as const);
  };
  return (
    <div class="comparison" data-testid="comparison" role="group" aria-label="Compared passes">
      <BaselineMenu page={props.page} />
      <Show
        when={comparison()}
        fallback={
          <span class="quiet" data-testid="comparison-hint">
            <Show when={session.canChange()} fallback="One pass. It cannot be changed here.">
              Change a head, a line or a neuron with <kbd>e</kbd> or a right click, and see what the model
              answers.
            </Show>
          </span>
        }
      >
        {(both) => (
          <SegmentedControl
            label="Field"
            options={options(both())}
            value={state().field}
            onChange={(field) => session.dispatch({ type: "field", field })}
          />
        )}
      </Show>
      <Show when={made().length > 0}>
        <ul class="changes-short" data-testid="changes-short" aria-label="Changes">
          <For each={made().slice(0, MOST_CHANGES)}>
            {(one) => <ShortChange page={props.page} change={one} />}
          </For>
          <Show when={made().length > MOST_CHANGES}>
            <li class="quiet">{made().length - MOST_CHANGES} more</li>
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
    </div>
  );
}

const HINTS: Readonly<Record<Field, string>> = {
  before: "Show the baseline",
  after: "Show the current pass",
  difference: "Show the current pass minus the baseline",
};

function ShortChange(props: { readonly page: Page; readonly change: Change }) {
  const words = () => editWords(props.change.edit, props.page.trace() ?? undefined);
  return (
    <li classList={{ muted: props.change.muted }} title={props.change.muted ? `${words()} (muted)` : words()}>
      <span class="change-dot" aria-hidden="true" />
      {words()}
    </li>
  );
}
