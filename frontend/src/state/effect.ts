/** What changes do to a prediction: asks for the effect of the passes that are compared, then for its controls. */

import { createEffect, createMemo, createSignal, on, onCleanup, untrack } from "solid-js";
import type { ControlOver, EffectMessage, Request } from "../wire/messages";
import { controlled, createControls, hasMore, MOST_DRAWS } from "./controls";
import { sentenceOf } from "./failure";
import { RequestSlot, runRequest } from "./request";
import type { Session } from "./session";
import type { Comparison } from "./state";

/** The control of longer inputs runs only when the user asks for it, tokens. */
const AUTOMATIC_CONTROL = 1000;

export type MetricName = "logit" | "log_probability" | "probability";

/** What is measured: an answer, perhaps compared with a foil. */
export interface Question {
  readonly answer: string;
  readonly foil: string | null;
  /** Null for the one that fits the number of tokens. */
  readonly metric: MetricName | null;
}

/** What is being measured, or how that ended. Once it is "done", an effect may be named if it has a control. */
export type Stage = "idle" | "effect" | "control" | "done" | "stopped" | "failed";

export type Effects = ReturnType<typeof createEffects>;

/** Needs an owner: it follows the comparison of the session. */
export function createEffects(session: Session) {
  const { state, source, can } = session;
  const [effect, setEffect] = createSignal<EffectMessage | null>(null);
  const [stage, setStage] = createSignal<Stage>("idle");
  const [failure, setFailure] = createSignal<string | null>(null);
  const [question, setQuestion] = createSignal<Question | null>(null);
  const controls = createControls(source);
  const slot = new RequestSlot();

  const passes = createMemo((): Comparison | null => state().comparison, undefined, {
    equals: (a, b) =>
      a?.current.trace === b?.current.trace && a?.baseline.trace === b?.baseline.trace && a?.kind === b?.kind,
  });
  const model = createMemo(() => {
    const pass = passes()?.current;
    return pass === undefined ? null : (pass.model.name ?? pass.model.title);
  });

  /** Asks for the effect of the passes that are compared now, and then for its controls. */
  async function measure(): Promise<void> {
    const signal = slot.next();
    const both = passes();
    const asked = question();
    setFailure(null);
    controls.expect([]);
    if (both === null || !can("effect")) {
      setEffect(null);
      setStage("idle");
      return;
    }
    setStage("effect");
    const place = { trace: both.current.trace, baseline: both.baseline.trace };
    const request: Request = { type: "effect", ...place, ...questionFields(asked) };
    const ending = await runRequest(source, request, "effect", { signal });
    if (signal.aborted) return;
    if (ending.kind !== "answered" || ending.message === null) {
      setEffect(null);
      setStage(ending.kind === "cancelled" ? "stopped" : "failed");
      setFailure(ending.kind === "answered" ? "No answer arrived. Try again." : sentenceOf(ending.error));
      return;
    }
    setEffect(ending.message);
    controls.expect(can("control") ? ending.message.kinds : []);
    if (controls.runs().length === 0) setStage("done");
    else if (tokenCount(both) > AUTOMATIC_CONTROL) stop();
    else await control(signal);
  }

  /** Runs the controls that are not complete, or other numbers of draws. */
  async function control(
    signal: AbortSignal = slot.next(),
    draws?: ReadonlyMap<ControlOver, number>,
  ): Promise<void> {
    const now = effect();
    if (now === null) return;
    setStage("control");
    const ids = now.of === "token" ? now.tokens.map(({ id }) => id) : [];
    const whole = await controls.run(
      {
        ...{ trace: now.trace, ...measuredFields(now, question()) },
        ...(now.position === null ? {} : { position: now.position }),
        ...(ids.length > 0 ? { tokens: ids } : {}),
      },
      signal,
      draws,
    );
    if (!signal.aborted) setStage(whole ? "done" : "stopped");
  }

  /** Doubles the draws of the controls that have more alternatives. */
  function drawMore(): void {
    const more = controls.runs().filter(hasMore);
    if (more.length === 0) return;
    const draws = new Map(more.map(({ kind, asked }) => [kind.over, Math.min(2 * asked, MOST_DRAWS)]));
    void control(slot.next(), draws);
  }

  function stop(): void {
    slot.abort();
    controls.stop();
    setStage("stopped");
  }

  createEffect(on([passes, question], () => void untrack(measure)));
  // Answers are tokens of a model.
  createEffect(on(model, () => setQuestion(null), { defer: true }));
  onCleanup(() => slot.abort());

  return {
    /** What the compared passes predict; null until it is there, and where nothing is compared. */
    effect,
    stage,
    failure,
    passes,
    controls: controls.runs,
    /** Whether every control is there, so that the effect may be named. */
    named: () => stage() === "done" && controlled(controls.runs()),
    question,
    /** Measures something else; null for the default: the two most probable choices of the baseline. */
    ask: setQuestion,
    retry: () => void measure(),
    runControl: () => void control(),
    /** Doubles the draws; null where all alternatives have been drawn. */
    drawMore: () => (controls.runs().some(hasMore) ? drawMore : null),
    stop,
  };
}

function questionFields(question: Question | null): Omit<Request, "type"> {
  if (question === null) return {};
  const { answer, foil, metric } = question;
  return { answer, ...(foil === null ? {} : { foil }), ...(metric === null ? {} : { metric }) };
}

/** The question of a control: what its effect measured, by ids, since the default of a control is another one. */
function measuredFields({ metric }: EffectMessage, question: Question | null): Omit<Request, "type"> {
  if (question !== null || metric === null) return questionFields(question);
  const { name, answer, foil } = metric;
  return { metric: name, answer: answer.id, ...(foil === null ? {} : { foil: foil.id }) };
}

/** The number of tokens that the measured pass reads. */
function tokenCount({ current }: Comparison): number {
  return Object.values(current.tokens).reduce((sum, side) => sum + side.length, 0);
}
