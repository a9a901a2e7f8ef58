import { createMemo, Show } from "solid-js";
import { alignedColumns, sameCount } from "../../compute/tokenAlignment";
import { probabilityText } from "../../marks/effect";
import { face, word } from "../../marks/format";
import { NEW_TOKENS, type PassName, type Sampling, sameSampling } from "../../state/continuation";
import { fieldNames } from "../../state/fieldNames";
import type { GenerateStep } from "../../wire/messages";
import type { Page } from "../page/page";
import { type PairedToken, PairedTokens, type TokenPair } from "./PairedTokens";
import { SamplingMenu, samplingWords } from "./SamplingMenu";

/** Both passes continued: aligned tokens, each with a bar for its probability. */
export function Continuation(props: { readonly page: Page }) {
  const { effects } = props.page;
  const now = effects.continuation;
  const columns = createMemo(() => {
    const [before, after] = [now()?.before.steps ?? [], now()?.after.steps ?? []];
    const ids = (steps: readonly GenerateStep[]) => steps.map(({ token }) => token.id);
    // A row that is still short is compared with as much of the other one.
    const whole = after.length === 0 ? before.length : Math.max(before.length, after.length);
    const writing = now()?.progress?.pass === "after" && after.length < before.length;
    const seen = writing ? ids(before).slice(0, after.length) : ids(before);
    const aligned = alignedColumns(seen, ids(after));
    const rest = Array.from({ length: writing ? whole - after.length : 0 }, (_, at) => ({
      ...{ before: after.length + at, after: null, same: false },
    }));
    return { aligned, shown: [...aligned, ...rest], toCome: rest.length };
  });
  const pairs = createMemo((): readonly TokenPair[] =>
    columns().shown.map(({ before, after, same }, at) => ({
      before: before === null ? null : pairedToken(now()?.before.steps[before], before, same),
      after: after === null ? null : pairedToken(now()?.after.steps[after], after, same),
      look: same ? "same" : at >= columns().aligned.length ? "gap" : "different",
    })),
  );
  const names = () => {
    const { comparison } = props.page.state();
    return comparison === null ? { before: "before", after: "after" } : fieldNames(comparison);
  };
  const selected = () => {
    const step = effects.step();
    if (step === null) return null;
    const pair = columns().shown.findIndex((one) => one[step.pass] === step[step.pass]);
    return pair < 0 ? null : { pass: step.pass, pair };
  };
  const choose = (pass: PassName, pair: number): void => {
    const { before, after } = columns().shown[pair];
    effects.showStep({ pass, before, after });
  };
  const ended = () => now()?.before.ended === true && now()?.after.ended === true;
  const whole = () => now()?.before.trace != null && now()?.after.trace != null;
  return (
    <Show when={effects.canWrite() || now() !== null}>
      <section class="part" data-testid="continuation" aria-label="Continuation">
        <div class="part-head">
          <h3>Continuation</h3>
          <span class="quiet">bar: probability</span>
          <span class="space" />
          <span class="quiet num" data-testid="continuation-note">
            {noteOf(now(), sameCount(columns().aligned), effects.sampling())}
          </span>
          <SamplingMenu effects={effects} />
          <Show
            when={now()?.state === "writing"}
            fallback={
              <Show when={!ended()}>
                <button type="button" class="ghost small" data-testid="write" on:click={effects.write}>
                  {now() === null || !now()?.before.steps.length ? "Write on" : "Go on"}
                </button>
              </Show>
            }
          >
            <button type="button" class="ghost small" data-testid="stop-writing" on:click={effects.stop}>
              Stop
            </button>
          </Show>
        </div>
        <Show when={now()?.failure}>
          {(sentence) => (
            <p role="alert" data-testid="continuation-failed">
              {sentence()}
            </p>
          )}
        </Show>
        <Show when={pairs().length > 0} fallback={<Unwritten page={props.page} />}>
          <PairedTokens
            label="Both continuations, aligned"
            names={names()}
            pairs={pairs()}
            selected={selected()}
            writing={now()?.progress?.pass ?? null}
            onChoose={whole() ? choose : undefined}
          />
        </Show>
        <Show when={effects.step() !== null}>
          <p class="say" data-testid="step-note">
            The views show the step that wrote this token. Undo leads back.
          </p>
        </Show>
      </section>
    </Show>
  );
}

/** Before anything is written. */
function Unwritten(props: { readonly page: Page }) {
  const writing = () => props.page.effects.continuation()?.state === "writing";
  return (
    <p class="say">{writing() ? "Writing…" : `Lets both passes write on, ${NEW_TOKENS} tokens at a time.`}</p>
  );
}

function pairedToken(step: GenerateStep | undefined, index: number, same: boolean): PairedToken | null {
  if (step === undefined) return null;
  const { before, text } = face(step.token);
  const where = `token ${index + 1}, probability ${probabilityText(step.probability)}, rank ${step.rank}`;
  return {
    text: before + text,
    label: `${word(step.token)}, ${where}${same ? "" : ", differs"}`,
    share: step.probability,
  };
}

/** How much is there, and how it was chosen if the next tokens are chosen otherwise. */
function noteOf(now: ReturnType<Page["effects"]["continuation"]>, same: number, next: Sampling): string {
  if (now === null) return "";
  const { before, after, state, progress, sampling } = now;
  if (state === "writing" && progress !== null) return `${progress.done} of ${progress.total} tokens so far`;
  const [first, second] = [before.steps.length, after.steps.length];
  if (state === "stopped") return `stopped: ${first} and ${second} tokens`;
  const longest = Math.max(first, second);
  const how = sameSampling(sampling, next) ? "" : ` · ${samplingWords(sampling)}`;
  return longest === 0 ? "" : `${same} of ${longest} tokens the same${how}`;
}
