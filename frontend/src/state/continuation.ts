/** Both passes continued: first the baseline, then the current pass, token by token. */

import { createSignal } from "solid-js";
import type { Source } from "../source/source";
import type { GenerateStep, Request, TraceMessage } from "../wire/messages";
import { sentenceOf } from "./failure";
import { keepNewest } from "./keepNewest";
import { type Ending, RequestSlot, runRequest } from "./request";
import type { Comparison } from "./state";

/** Tokens that are written at once. */
export const NEW_TOKENS = 24;

/** Continuations in the cache, so that undo leads back to them. */
const CACHE_SIZE = 16;

export type PassName = "before" | "after";

export interface Sampling {
  /** Null for greedy decoding: always the most probable token. */
  readonly temperature: number | null;
  readonly seed: number;
}

export const GREEDY: Sampling = { temperature: null, seed: 0 };

/** What one pass has written. */
export interface Writing {
  readonly steps: readonly GenerateStep[];
  /** The pass over the input and the complete parts of what was written; null until there is one. */
  readonly trace: TraceMessage | null;
  /** How many of the steps are in `trace`. */
  readonly traced: number;
  /** The number of tokens before the continuation. */
  readonly prompt: number;
  /** Whether the model ended its text. */
  readonly ended: boolean;
}

const NOTHING: Writing = { steps: [], trace: null, traced: 0, prompt: 0, ended: false };

export interface Continuation {
  /** The ids of the passes that are continued. */
  readonly origins: Readonly<Record<PassName, string>>;
  readonly sampling: Sampling;
  readonly before: Writing;
  readonly after: Writing;
  readonly state: "writing" | "complete" | "stopped" | "failed";
  /** The part that is being written: in which pass, and how many of its tokens are there. */
  readonly progress: { readonly pass: PassName; readonly done: number; readonly total: number } | null;
  readonly failure: string | null;
}

export function createContinuation(source: Source) {
  const [continuation, setContinuation] = createSignal<Continuation | null>(null);
  const cache = new Map<string, Continuation>();
  const slot = new RequestSlot();

  function set(next: Continuation): void {
    keepNewest(cache, nameOf(next.origins), next, CACHE_SIZE);
    setContinuation(next);
  }

  /** Shows what was written for two passes: those that are continued, or those over the continued texts. */
  function show(passes: Comparison | null): void {
    const now = continuation();
    if (passes !== null && now !== null && belongs(now, passes)) return;
    stop();
    const found = passes === null ? undefined : [...cache.values()].findLast((one) => belongs(one, passes));
    setContinuation(found ?? null);
  }

  /** Writes the first part, or the next one if the sampling is the same. */
  async function write(passes: Comparison, sampling: Sampling): Promise<void> {
    const now = continuation();
    const own = now !== null && belongs(now, passes) ? now : null;
    const signal = slot.next();
    let made: Continuation = {
      origins: own?.origins ?? { before: passes.baseline.trace, after: passes.current.trace },
      sampling,
      ...(own !== null && sameSampling(own.sampling, sampling)
        ? { before: tracedPart(own.before), after: tracedPart(own.after) }
        : { before: NOTHING, after: NOTHING }),
      ...{ state: "writing", progress: null, failure: null },
    };
    const put = (part: Partial<Continuation>): void => {
      made = { ...made, ...part };
      set(made);
    };
    const lengths = [made.before.traced, made.after.traced];
    // A pass that was stopped first catches up with the other one.
    const goal =
      lengths[0] === lengths[1] || made.before.ended || made.after.ended
        ? Math.max(...lengths) + NEW_TOKENS
        : Math.max(...lengths);
    put({});
    for (const pass of ["before", "after"] as const) {
      const count = goal - made[pass].traced;
      if (made[pass].ended || count <= 0) continue;
      const ending = await extend(made, pass, count, signal, put);
      if (signal.aborted) return;
      if (ending.kind === "cancelled") return put({ state: "stopped", progress: null });
      const failure = ending.kind === "failed" ? sentenceOf(ending.error) : failureIn(ending.message);
      if (failure !== null) return put({ state: "failed", progress: null, failure });
    }
    put({ state: "complete", progress: null });
  }

  /** Writes one part of one pass. */
  async function extend(
    from: Continuation,
    pass: PassName,
    count: number,
    signal: AbortSignal,
    put: (part: Partial<Continuation>) => void,
  ): Promise<Ending<"trace">> {
    const written = from[pass];
    const { temperature, seed } = from.sampling;
    const request: Request = {
      ...{ type: "generate", trace: written.trace?.trace ?? from.origins[pass], max_new_tokens: count },
      ...(temperature === null ? {} : { temperature, seed: seed + written.traced }),
    };
    put({ progress: { pass, done: 0, total: count } });
    const { steps } = written;
    const fresh: GenerateStep[] = [];
    const ending = await runRequest(source, request, "trace", {
      signal,
      onPart: (message) => {
        if (message.type !== "token" || signal.aborted) return;
        fresh.push(message);
        const progress = { pass, done: fresh.length, total: count };
        put({ [pass]: { ...written, steps: [...steps, ...fresh] }, progress });
      },
    });
    const trace = ending.kind === "answered" ? ending.message : null;
    if (trace?.generation !== undefined && !signal.aborted) {
      const { generation } = trace;
      const all = [...steps, ...generation.steps];
      const prompt = written.trace === null ? generation.prompt : written.prompt;
      put({
        [pass]: { steps: all, trace, traced: all.length, prompt, ended: generation.stopped === "end" },
      });
    }
    return ending;
  }

  /** What was written so far stays. */
  function stop(): void {
    slot.abort();
    const now = continuation();
    if (now?.state === "writing") set({ ...now, state: "stopped", progress: null });
  }

  return { continuation, show, write, stop, close: () => slot.abort() };
}

function failureIn(trace: TraceMessage | null): string | null {
  return trace?.generation === undefined ? "No continuation arrived. Try again." : null;
}

/** What a later part can go on from. */
function tracedPart(written: Writing): Writing {
  return { ...written, steps: written.steps.slice(0, written.traced) };
}

function belongs(one: Continuation, passes: Comparison): boolean {
  const { baseline, current } = passes;
  return (
    (one.origins.before === baseline.trace && one.origins.after === current.trace) || isMadeOf(one, passes)
  );
}

/** Whether two passes are those over the continued texts. */
export function isMadeOf({ before, after }: Continuation, { baseline, current }: Comparison): boolean {
  return before.trace?.trace === baseline.trace && after.trace?.trace === current.trace;
}

export function sameSampling(a: Sampling, b: Sampling): boolean {
  return a.temperature === b.temperature && (a.temperature === null || a.seed === b.seed);
}

function nameOf({ before, after }: Continuation["origins"]): string {
  return `${before} ${after}`;
}
