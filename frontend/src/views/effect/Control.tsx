import { createMemo, Show } from "solid-js";
import { axisOf } from "../../marks/axis";
import { controlSentence, metricText } from "../../marks/effect";
import type { ControlRun } from "../../state/controls";
import type { Page } from "../page/page";
import { MetricMenu } from "./MetricMenu";
import { Strips } from "./Strips";

/** The same changes made elsewhere, on the axis of the metric. No effect is named before they are complete. */
export function Control(props: { readonly page: Page }) {
  const { effects, session } = props.page;
  const runs = effects.controls;
  const metric = () => effects.effect()?.metric ?? null;
  const ends = () => {
    const first = runs().find(({ message }) => message !== null)?.message;
    const { before = null, after = null } = first ?? metric() ?? {};
    return { before, after };
  };
  const axis = createMemo(() => {
    const values = runs().flatMap(({ message }) => message?.values ?? []);
    const { before, after } = ends();
    return axisOf([...values, before, after].filter((one) => one !== null));
  });
  const text = (value: number | null) => metricText(value, metric()?.name ?? "");
  const done = () => runs().reduce((sum, { message }) => sum + (message?.values.length ?? 0), 0);
  const total = () => runs().reduce((sum, { asked, message }) => sum + (message?.total ?? asked), 0);
  const failure = () => runs().find((run) => run.failure !== null)?.failure ?? null;
  const stopped = () => runs().some(({ state }) => state === "stopped");
  return (
    <Show when={metric()}>
      <section
        class="part"
        data-testid="control"
        aria-label="Control"
        aria-busy={effects.stage() === "control"}
      >
        <div class="part-head">
          <h3>Control</h3>
          <span class="quiet">measured on</span>
          <MetricMenu effects={effects} />
          <span class="space" />
          <Show when={effects.stage() === "control"}>
            <span class="quiet num" data-testid="control-progress">
              {done()} of {total()} passes
            </span>
            <button type="button" class="ghost small" data-testid="stop-control" on:click={effects.stop}>
              Stop
            </button>
          </Show>
          <Show when={effects.stage() !== "control" && (stopped() || failure() !== null)}>
            <button type="button" class="ghost small" data-testid="run-control" on:click={effects.runControl}>
              {failure() === null ? "Run the control" : "Try again"}
            </button>
          </Show>
          <Show when={effects.stage() === "done" && effects.drawMore()}>
            {(draw) => (
              <button type="button" class="ghost small" data-testid="more-draws" on:click={() => draw()()}>
                More draws
              </button>
            )}
          </Show>
        </div>
        <Show when={runs().length > 0} fallback={<NoControl page={props.page} />}>
          <Strips runs={runs()} axis={axis()} text={text} {...ends()} named={effects.named()} />
          <p class="say num" data-testid="control-sentence">
            <Show when={failure()} fallback={sentenceOf(runs(), effects.named(), stopped(), done(), total())}>
              {failure()}
            </Show>
          </p>
        </Show>
        <Show when={!session.can("control")}>
          <p class="say">This file has no control, so it names no effect.</p>
        </Show>
      </section>
    </Show>
  );
}

function NoControl(props: { readonly page: Page }) {
  return (
    <Show when={props.page.effects.effect()?.no_control}>
      {(reason) => (
        <p class="say" data-testid="no-control">
          {reason()}
        </p>
      )}
    </Show>
  );
}

/** What the controls say, or why they say nothing yet. */
function sentenceOf(
  runs: readonly ControlRun[],
  named: boolean,
  stopped: boolean,
  done: number,
  total: number,
): string {
  if (named) return controlSentence(runs) ?? "The metric is not finite, so no effect can be named.";
  if (stopped)
    return `Incomplete: ${done} of ${total} passes. No effect is named until the control is complete.`;
  return "The same changes made elsewhere show how much any such change does. Until they are here, no effect is named.";
}
