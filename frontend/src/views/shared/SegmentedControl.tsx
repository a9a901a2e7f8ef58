import { For } from "solid-js";

export interface SegmentedControlProps<T extends string> {
  readonly label: string;
  /** Value, text, and a tooltip; without one, the tooltip is the label with the text. */
  readonly options: readonly (readonly [value: T, text: string, title?: string])[];
  readonly value: T;
  readonly onChange: (value: T) => void;
}

/** A radio group of a few options side by side. */
export function SegmentedControl<T extends string>(props: SegmentedControlProps<T>) {
  const key = (event: KeyboardEvent): void => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    const values = props.options.map(([value]) => value);
    const next = (values.indexOf(props.value) + step + values.length) % values.length;
    props.onChange(values[next]);
    (event.currentTarget as HTMLElement).querySelectorAll<HTMLElement>("button")[next]?.focus();
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div class="segments" role="radiogroup" aria-label={props.label} on:keydown={key}>
      <For each={props.options}>
        {([value, text, title]) => (
          <button
            type="button"
            role="radio"
            aria-checked={props.value === value}
            tabindex={props.value === value ? 0 : -1}
            classList={{ on: props.value === value }}
            title={title ?? `${props.label}: ${text}`}
            on:click={() => props.onChange(value)}
          >
            {text}
          </button>
        )}
      </For>
    </div>
  );
}
