import { createSignal, Show } from "solid-js";
import { metricWords } from "../../marks/effect";
import type { Effects, MetricName } from "../../state/effect";
import { Popover } from "../shared/Popover";

const KINDS: readonly (readonly [MetricName, string])[] = [
  ["logit", "Logit"],
  ["log_probability", "Log probability"],
  ["probability", "Probability"],
];

/** What is measured of the prediction, and the form that chooses it. */
export function MetricMenu(props: { readonly effects: Effects }) {
  const { effects } = props;
  const metric = () => effects.effect()?.metric ?? null;
  const labels = () => effects.effect()?.of !== "token";
  return (
    <Show when={metric()}>
      {(now) => (
        <Popover
          kind="dialog"
          label={`Measured: ${metricWords(now())}. Measure something else`}
          face={<>{metricWords(now())} ▾</>}
          class="link"
          testid="metric"
        >
          {(close) => {
            let answer!: HTMLInputElement;
            let foil!: HTMLInputElement;
            const [kind, setKind] = createSignal<MetricName | null>(effects.question()?.metric ?? null);
            const measure = (event: SubmitEvent): void => {
              event.preventDefault();
              effects.ask({
                answer: answer.value,
                foil: foil.value === "" ? null : foil.value,
                metric: kind(),
              });
              close();
            };
            return (
              <form class="effect-form" on:submit={measure}>
                <label>
                  <span>Measure</span>
                  <select
                    data-testid="metric-kind"
                    on:change={(event) => setKind((event.currentTarget.value || null) as MetricName | null)}
                  >
                    <option value="" selected={kind() === null}>
                      Logit, or log probability of several tokens
                    </option>
                    {KINDS.map(([name, title]) => (
                      <option value={name} selected={kind() === name}>
                        {title}
                      </option>
                    ))}
                  </select>
                </label>
                <label>
                  <span>Answer</span>
                  <input
                    ref={answer}
                    data-first
                    data-testid="metric-answer"
                    required
                    autocomplete="off"
                    spellcheck={false}
                    value={now().answer.text}
                  />
                </label>
                <label>
                  <span>Minus</span>
                  <input
                    ref={foil}
                    data-testid="metric-foil"
                    autocomplete="off"
                    spellcheck={false}
                    placeholder="nothing"
                    value={now().foil?.text ?? ""}
                  />
                </label>
                <Show when={!labels()}>
                  <p>Most tokenizers put the space before a word into its token: “ Mary”.</p>
                </Show>
                <div class="form-buttons">
                  <button type="submit" class="ghost small" data-testid="measure">
                    Measure
                  </button>
                  <Show when={effects.question() !== null}>
                    <button
                      type="button"
                      class="ghost small"
                      data-testid="metric-default"
                      on:click={() => {
                        effects.ask(null);
                        close();
                      }}
                    >
                      The two most probable
                    </button>
                  </Show>
                </div>
              </form>
            );
          }}
        </Popover>
      )}
    </Show>
  );
}
