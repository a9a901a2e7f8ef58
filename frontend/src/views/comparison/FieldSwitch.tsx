import { For, type JSX, onMount, Show } from "solid-js";
import { fieldDetails, fieldNames } from "../../state/fieldNames";
import { type Comparison, FIELDS, type Field } from "../../state/state";
import type { Page } from "../page/page";

const HINTS: Readonly<Record<Field, string>> = {
  before: "Show the baseline (hold b)",
  after: "Show the current pass (d: next)",
  difference: "Show the current pass minus the baseline (d: next)",
};

/** The switch between the two passes and their difference; the menu of baselines is part of its first segment. */
export function FieldSwitch(props: {
  readonly page: Page;
  readonly comparison: Comparison;
  readonly menu: JSX.Element;
}) {
  const { session, state } = props.page;
  const names = () => fieldNames(props.comparison);
  const details = () => fieldDetails(props.comparison, state().changes);
  const choose = (field: Field): void => session.dispatch({ type: "field", field });
  const key = (event: KeyboardEvent): void => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    const next = (FIELDS.indexOf(state().field) + step + FIELDS.length) % FIELDS.length;
    choose(FIELDS[next]);
    (event.currentTarget as HTMLElement).querySelectorAll<HTMLElement>("button")[next]?.focus();
    event.preventDefault();
    event.stopPropagation();
  };
  let fields!: HTMLDivElement;
  // The menu that chose the baseline is gone; without this, keyboard focus would be lost.
  onMount(() => {
    if ((fields.getRootNode() as ShadowRoot).activeElement === null)
      fields.querySelector<HTMLElement>("[aria-checked=true]")?.focus({ preventScroll: true });
  });
  const detail = (field: Field) => (field === "difference" ? "" : details()[field]);
  return (
    <div class="switch" data-testid="field-switch">
      <div class="fields" ref={fields} role="radiogroup" aria-label="Field" on:keydown={key}>
        <For each={FIELDS}>
          {(field) => (
            <button
              type="button"
              role="radio"
              aria-checked={state().field === field}
              aria-label={names()[field]}
              tabindex={state().field === field ? 0 : -1}
              class={field}
              classList={{ on: state().field === field }}
              title={detail(field) === "" ? HINTS[field] : `${HINTS[field]}: ${detail(field)}`}
              data-testid={`field-${field}`}
              on:click={() => choose(field)}
            >
              <b>{names()[field]}</b>
              <Show when={detail(field) !== ""}>
                <span class="of num">{detail(field)}</span>
              </Show>
            </button>
          )}
        </For>
      </div>
      {props.menu}
    </div>
  );
}
