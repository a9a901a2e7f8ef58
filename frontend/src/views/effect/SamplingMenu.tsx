import type { Sampling } from "../../state/continuation";
import type { Effects } from "../../state/effect";
import { Popover } from "../shared/Popover";

/** `greedy`, or the temperature and the seed. */
export function samplingWords({ temperature, seed }: Sampling): string {
  return temperature === null ? "greedy" : `temperature ${temperature}, seed ${seed}`;
}

const MOST_SEED = 2 ** 31 - 1;

/** How the next tokens are chosen: always the most probable one, or at random with a temperature. */
export function SamplingMenu(props: { readonly effects: Effects }) {
  const { sampling, setSampling } = props.effects;
  const face = () => `${samplingWords(sampling())} ▾`;
  return (
    <Popover
      kind="dialog"
      label="How tokens are chosen"
      face={face()}
      class="link"
      testid="sampling"
      align="end"
    >
      {(close) => {
        let temperature!: HTMLInputElement;
        let seed!: HTMLInputElement;
        const apply = (event: SubmitEvent): void => {
          event.preventDefault();
          const [heat, start] = [Number(temperature.value), Number(seed.value)];
          setSampling({ temperature: heat > 0 ? heat : null, seed: Math.round(start) });
          close();
          props.effects.write();
        };
        return (
          <form class="effect-form" on:submit={apply}>
            <label>
              <span>Temperature</span>
              <input
                ref={temperature}
                data-first
                data-testid="temperature"
                type="number"
                min="0"
                max="10"
                step="any"
                required
                value={sampling().temperature ?? 0}
              />
            </label>
            <p>0: always the most probable token (greedy).</p>
            <label>
              <span>Seed</span>
              <input
                ref={seed}
                data-testid="seed"
                type="number"
                min="0"
                max={MOST_SEED}
                step="1"
                required
                value={sampling().seed}
              />
            </label>
            <button type="submit" class="ghost small" data-testid="apply-sampling">
              Write with this
            </button>
          </form>
        );
      }}
    </Popover>
  );
}
