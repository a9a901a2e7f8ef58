/** What changes do to a prediction: the effect on the passes that are compared, its controls, and both passes continued. */

import { batch, createEffect, createMemo, createSignal, on, onCleanup, untrack } from "solid-js";
import type { ControlOver, EffectMessage, Request } from "../wire/messages";
import { createContinuation, GREEDY, isMadeOf, type PassName, type Sampling } from "./continuation";
import { controlled, createControls, hasMore, MOST_DRAWS } from "./controls";
import { sentenceOf } from "./failure";
import { RequestSlot, runRequest } from "./request";
import type { Session } from "./session";
import type { Comparison, Field } from "./state";

/** What longer inputs get only when the user asks for it, tokens. */
const AUTOMATIC = { control: 1000, continuation: 200 } as const;

export type MetricName = "logit" | "log_probability" | "probability";

/** What is measured: an answer, perhaps compared with a foil. */
export interface Question {
  readonly answer: string;
  readonly foil: string | null;
  /** Null for the one that fits the number of tokens. */
  readonly metric: MetricName | null;
}

/** A token of a continuation, and the one beside it in the other pass; null where the other pass has none. */
export interface Step {
  readonly pass: PassName;
  readonly before: number | null;
  readonly after: number | null;
}

/** What is being measured, or how that ended. */
export type Stage = "idle" | "effect" | "control" | "done" | "stopped" | "failed";

export type Effects = ReturnType<typeof createEffects>;

/** Needs an owner: it follows the comparison of the session. */
export function createEffects(session: Session) {
  const { state, source, can } = session;
  const [effect, setEffect] = createSignal<EffectMessage | null>(null);
  const [stage, setStage] = createSignal<Stage>("idle");
  const [failure, setFailure] = createSignal<string | null>(null);
  const [question, setQuestion] = createSignal<Question | null>(null);
  const [sampling, setSampling] = createSignal<Sampling>(GREEDY);
  const [chosenStep, setChosenStep] = createSignal<Step | null>(null);
  const controls = createControls(source);
  const writing = createContinuation(source);
  const { continuation } = writing;
  const slot = new RequestSlot();

  const passes = createMemo((): Comparison | null => state().comparison, undefined, {
    equals: (a, b) =>
      a?.current.trace === b?.current.trace && a?.baseline.trace === b?.baseline.trace && a?.kind === b?.kind,
  });
  const model = createMemo(() => {
    const pass = passes()?.current;
    return pass === undefined ? null : (pass.model.name ?? pass.model.title);
  });
  /** The chosen token of the continuations, while these are the passes that are compared. */
  const step = createMemo((): Step | null => {
    const [now, both] = [continuation(), passes()];
    return now !== null && both !== null && isMadeOf(now, both) ? chosenStep() : null;
  });

  /** Whether the effect is that of the compared passes, and these have the changes that are wanted. */
  const fresh = (): boolean => {
    const [now, both] = [effect(), passes()];
    return (
      now !== null &&
      both !== null &&
      now.trace === both.current.trace &&
      now.baseline === both.baseline.trace &&
      stage() !== "effect" &&
      !session.pending() &&
      session.work()?.what !== "change"
    );
  };

  /** The positions that predict the tokens of the step; null where there is none. */
  function placesOf(at: Step): Omit<Request, "type"> | null {
    const now = continuation();
    if (now === null || at.before === null || at.after === null) return null;
    return {
      position: now.after.prompt + at.after - 1,
      baseline_position: now.before.prompt + at.before - 1,
    };
  }

  /** Asks for the effect of the passes that are compared now, and then for its controls. */
  async function measure(): Promise<void> {
    const signal = slot.next();
    const [both, asked, at] = [passes(), question(), step()];
    setFailure(null);
    controls.expect([]);
    const place = at === null ? {} : placesOf(at);
    if (both === null || place === null || !can("effect")) {
      setEffect(null);
      setStage("idle");
      return;
    }
    setStage("effect");
    const traces = { trace: both.current.trace, baseline: both.baseline.trace };
    const request: Request = { type: "effect", ...traces, ...place, ...questionFields(asked) };
    const ending = await runRequest(source, request, "effect", { signal });
    if (signal.aborted) return;
    if (ending.kind !== "answered" || ending.message === null) {
      setEffect(null);
      setStage(ending.kind === "cancelled" ? "stopped" : "failed");
      if (ending.kind !== "cancelled")
        setFailure(ending.kind === "answered" ? "No answer arrived. Try again." : sentenceOf(ending.error));
      return;
    }
    const { message } = ending;
    batch(() => {
      setEffect(message);
      controls.expect(can("control") ? message.kinds : []);
    });
    if (controls.runs().length === 0) setStage("done");
    else if (tokenCount(both) > AUTOMATIC.control) stopMeasuring();
    else await control(signal);
  }

  /** Runs the controls that are not complete, or those in `draws` with other numbers of draws. */
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
    const draws = new Map(more.map(({ kind, asked }) => [kind.over, Math.min(2 * asked, MOST_DRAWS)]));
    void control(slot.next(), draws);
  }

  function stopMeasuring(): void {
    slot.abort();
    controls.stop();
    setStage("stopped");
  }

  /** Whether the passes can be continued: models that predict a next token, on a host that generates. */
  const canWrite = (): boolean => {
    const both = passes();
    return both !== null && can("generate") && both.current.next !== null && both.current.model.name !== null;
  };

  function write(): void {
    const both = passes();
    if (both !== null) void writing.write(both, sampling());
  }

  /** Shows the step that wrote a token in all views: the passes over the continued texts, with the query that predicts it. */
  function showStep(at: Step): void {
    const now = continuation();
    const index = at[at.pass];
    const [before, after] = [now?.before.trace ?? null, now?.after.trace ?? null];
    if (now === null || index === null || before === null || after === null) return;
    const shown: Field =
      at.pass === "before" ? "before" : state().field === "before" ? "after" : state().field;
    batch(() => {
      setChosenStep(at);
      session.comparePasses({ baseline: before, current: after }, shown);
      session.dispatch({
        type: "token",
        token: { side: "query", index: now[at.pass].prompt + index - 1 },
      });
    });
  }

  createEffect(on(passes, (both) => untrack(() => writing.show(both))));
  createEffect(on([passes, question, step], () => void untrack(measure)));
  // Short inputs are continued without being asked for, once everything else is there.
  createEffect(
    on([stage, passes, () => state().frame.side], ([now, both, side]) => {
      if (now !== "done" || both === null || side !== "effect" || !canWrite()) return;
      if (continuation() === null && tokenCount(both) <= AUTOMATIC.continuation) untrack(write);
    }),
  );
  // Answers are tokens of a model.
  createEffect(on(model, () => setQuestion(null), { defer: true }));
  onCleanup(() => {
    slot.abort();
    writing.close();
  });

  return {
    /** What the compared passes predict; null until it is there, and where nothing is compared. */
    effect,
    fresh,
    stage,
    failure,
    passes,
    controls: controls.runs,
    /** Whether every control is there, so that the effect may be named. */
    named: () => fresh() && stage() === "done" && controlled(controls.runs()),
    question,
    /** Measures something else; null for the default: the two most probable choices of the baseline. */
    ask: setQuestion,
    retry: () => void measure(),
    runControl: () => void control(),
    /** Doubles the draws; null where all alternatives have been drawn. */
    drawMore: () => (controls.runs().some(hasMore) ? drawMore : null),
    continuation,
    canWrite,
    sampling,
    setSampling,
    write,
    step,
    showStep,
    /** Stops what is under way; what has arrived stays. */
    stop: () => {
      if (continuation()?.state === "writing") writing.stop();
      else stopMeasuring();
    },
  };
}

function questionFields(question: Question | null): Omit<Request, "type"> {
  if (question === null) return {};
  const { answer, foil, metric } = question;
  return { answer, ...(foil === null ? {} : { foil }), ...(metric === null ? {} : { metric }) };
}

/** The question of a control: what its effect measured, by ids, since the default of a control is another one. */
function measuredFields({ metric }: EffectMessage, question: Question | null): Omit<Request, "type"> {
  if (question !== null) return questionFields(question);
  const { name, answer, foil } = metric;
  return { metric: name, answer: answer.id, ...(foil === null ? {} : { foil: foil.id }) };
}

/** The number of tokens that the measured pass reads. */
function tokenCount({ current }: Comparison): number {
  return Object.values(current.tokens).reduce((sum, side) => sum + side.length, 0);
}
