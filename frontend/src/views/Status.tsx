import { For, Show } from "solid-js";
import type { Session } from "../state/session";
import { currentTrace } from "../state/state";

/** What is under way, what went wrong, and what the model wants said. */
export function StatusLine(props: {
  readonly session: Session;
  /** What was just done. */
  readonly said: string | null;
}) {
  const { session } = props;
  const share = () => {
    const work = session.work();
    return work === null || work.total === 0 ? null : work.done / work.total;
  };
  return (
    <div class="status">
      <output class="said-line" data-testid="said">
        <Show when={props.said}>{(sentence) => <span class="working">{sentence()}</span>}</Show>
      </output>
      <Show when={session.work()}>
        {(work) => (
          <div
            class="progress"
            role="progressbar"
            aria-label={work().text}
            aria-valuenow={Math.round((share() ?? 0) * 100)}
          >
            <i
              classList={{ unknown: share() === null }}
              style={{ width: share() === null ? undefined : `${(share() ?? 0) * 100}%` }}
            />
            <Show when={work().what === "run" || work().what === "check" || work().waiting}>
              <span class="working" data-testid="working">
                {work().waiting ?? work().text}
                <button type="button" class="ghost small" data-testid="cancel" on:click={session.cancel}>
                  Cancel
                </button>
              </span>
            </Show>
          </div>
        )}
      </Show>
      <Show when={session.failure()}>
        {(failure) => (
          <div class="failure" role="alert" data-testid="failure">
            <b>{failure().disconnected ? "Disconnected." : "That did not work."}</b>{" "}
            <span>{failure().sentence}</span>
            <Show when={failure().disconnected && currentTrace(session.state())}>
              <span>What is shown stays.</span>
            </Show>
            <button type="button" class="ghost small" on:click={session.retry}>
              Try again
            </button>
            <button type="button" class="ghost small" aria-label="Dismiss" on:click={session.dismiss}>
              ×
            </button>
          </div>
        )}
      </Show>
      <For each={currentTrace(session.state())?.warnings ?? []}>
        {(warning) => <p class="warning">{warning}</p>}
      </For>
    </div>
  );
}
