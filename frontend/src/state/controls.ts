/** The changes made elsewhere: one control after another, each with what has arrived so far. */

import { createSignal } from "solid-js";
import type { Source } from "../source/source";
import type { ControlKind, ControlMessage, ControlOver, Request } from "../wire/messages";
import { sentenceOf } from "./failure";
import { runRequest } from "./request";

export interface ControlRun {
  readonly kind: ControlKind;
  /** How many draws were asked for. */
  readonly asked: number;
  /** Everything that has arrived; null before the first draw. */
  readonly message: ControlMessage | null;
  readonly state: "waiting" | "running" | "complete" | "stopped" | "failed";
  /** Why it failed, in a sentence. */
  readonly failure: string | null;
}

/** The fields of a control request besides its kind. */
export type ControlFields = Omit<Request, "type">;

export function createControls(source: Source) {
  const [runs, setRuns] = createSignal<readonly ControlRun[]>([]);

  function update(over: ControlOver, part: Partial<ControlRun>): void {
    setRuns(runs().map((run) => (run.kind.over === over ? { ...run, ...part } : run)));
  }

  /** Lists the controls that will run. */
  function expect(kinds: readonly ControlKind[]): void {
    setRuns(
      kinds.map((kind) => ({ kind, asked: kind.draws, message: null, state: "waiting", failure: null })),
    );
  }

  /** Runs the listed controls that are not complete. False if it was aborted. `draws` says how many draws, by kind. */
  async function run(
    fields: ControlFields,
    signal: AbortSignal,
    draws: ReadonlyMap<ControlOver, number> = new Map(),
  ): Promise<boolean> {
    for (const { kind, state, asked: before } of runs()) {
      const { over } = kind;
      if (state === "complete" && !draws.has(over)) continue;
      const asked = draws.get(over) ?? before;
      update(over, { asked, state: "running", failure: null });
      const request: Request = { type: "control", ...fields, over, draws: asked };
      const ending = await runRequest(source, request, "control", {
        signal,
        onAnswer: (message) => {
          if (!signal.aborted) update(over, { message });
        },
      });
      if (signal.aborted || ending.kind === "cancelled") {
        stop();
        return false;
      }
      if (ending.kind === "failed") update(over, { state: "failed", failure: sentenceOf(ending.error) });
      else update(over, { state: "complete" });
    }
    return true;
  }

  /** Marks what is not complete as stopped; what has arrived stays. */
  function stop(): void {
    setRuns(
      runs().map((run) =>
        run.state === "running" || run.state === "waiting" ? { ...run, state: "stopped" as const } : run,
      ),
    );
  }

  return { runs, expect, run, stop };
}

/** Draws of one control that a host makes at most. */
export const MOST_DRAWS = 1000;

/** Whether there are alternatives that were not drawn. */
export function hasMore({ kind, asked, message, state }: ControlRun): boolean {
  return state === "complete" && !kind.all && message?.total === asked && asked < MOST_DRAWS;
}

/** Whether all controls are complete, so that an effect may be named. */
export function controlled(runs: readonly ControlRun[]): boolean {
  return runs.length > 0 && runs.every(({ state, message }) => state === "complete" && message !== null);
}
