import { createMemo, Show } from "solid-js";
import { controlSentence, metricText, metricWords, rangeOf, shortMetric } from "../../marks/effect";
import { NEW_TOKENS } from "../../state/continuation";
import type { Page } from "../page/page";

/** The effect in one number beside its control, or the work that leads to it. */
export function EffectNumber(props: { readonly page: Page }) {
  const { effects, session } = props.page;
  const progress = createMemo(() => {
    const writing = effects.continuation();
    if (writing?.progress != null) {
      const { done, total } = writing.progress;
      return { text: "Writing on", done, total };
    }
    if (effects.stage() !== "control") return null;
    const runs = effects.controls();
    const done = runs.reduce((sum, { message }) => sum + (message?.values.length ?? 0), 0);
    const total = runs.reduce((sum, { asked, message }) => sum + (message?.total ?? asked), 0);
    return { text: "Control", done, total };
  });
  const named = createMemo(() => {
    const now = effects.effect();
    if (now === null || !effects.named()) return null;
    const { metric } = now;
    const values = effects.controls().flatMap(({ message }) => message?.values ?? []);
    const range = rangeOf(values);
    const { before = null, after = null } = effects.controls()[0]?.message ?? {};
    if (range === null || before === null || after === null) return null;
    const text = (value: number) => metricText(value, metric.name);
    return {
      what: shortMetric(metric),
      title: `${metricWords(metric)}: ${text(before)} before, ${text(after)} after; ${effects
        .controls()
        .map(({ kind }) => kind.words)
        .join(", ")}: ${text(range[0])} to ${text(range[1])}`,
      ...{ before: text(before), after: text(after), draws: values.length },
      others: `${text(range[0])} … ${text(range[1])}`,
    };
  });
  const without = () => {
    const now = effects.effect();
    const edited = (effects.passes()?.current.edits ?? []).length > 0;
    if (!edited || !effects.fresh() || now === null || effects.stage() === "control") return null;
    return effects.stage() === "stopped" || now.no_control !== null ? now.no_control : null;
  };
  const spoken = () => {
    if (named() !== null) return controlSentence(effects.controls()) ?? "";
    if (effects.stage() === "control") return "The prediction after the changes is there. The control is running.";
    return effects.fresh() && effects.stage() === "done" ? "The prediction of both passes is there." : "";
  };
  return (
    <span class="effect-number num" data-testid="effect-number">
      <span class="heard" role="status" data-testid="effect-spoken">
        {spoken()}
      </span>
      <Show when={named()}>
        {(now) => (
          <button
            type="button"
            class="effect-named"
            title={`${now().title}. Show the tab Effect`}
            on:click={() => session.dispatch({ type: "frame", frame: { side: "effect", at: "side" } })}
          >
            <span class="quiet">{now().what}</span> {now().before} → <b>{now().after}</b>{" "}
            <span class="quiet">
              others {now().others} (n = {now().draws})
            </span>
          </button>
        )}
      </Show>
      <Show when={progress() === null && named() === null && without()}>
        {(reason) => (
          <span class="quiet" title={reason()}>
            no control: no effect to name
          </span>
        )}
      </Show>
      <Show when={progress()}>
        {(now) => (
          <span class="effect-progress" data-testid="effect-progress">
            <span class="quiet">{now().text}</span>
            <progress aria-label={now().text} max={now().total || NEW_TOKENS} value={now().done} />
            <span class="quiet">
              {now().done} of {now().total}
            </span>
            <button type="button" class="ghost small" data-testid="effect-cancel" on:click={effects.stop}>
              Cancel
            </button>
          </span>
        )}
      </Show>
    </span>
  );
}
