import { For, Show } from "solid-js";
import type { Failure } from "../../state/failure";
import type { Session } from "../../state/session";
import type { Work } from "../../state/work";

/** What a refusal is called, and whether asking again may help. */
const REFUSALS: Readonly<Record<string, { readonly title: string; readonly again: boolean }>> = {
  bad_request: { title: "Not understood.", again: false },
  busy: { title: "Busy.", again: true },
  cancelled: { title: "Stopped.", again: true },
  forbidden: { title: "Not let in.", again: false },
  internal: { title: "A fault of attnscope's.", again: true },
  unsupported: { title: "This cannot be shown.", again: false },
  too_large: { title: "Too large.", again: false },
  unknown: { title: "Not there any more.", again: true },
  unreachable: { title: "The model hub does not answer.", again: true },
};
const OTHER = { title: "That did not work.", again: true };
const LOST = { title: "Disconnected.", again: true };

export function kindOf({ disconnected, code }: Failure) {
  if (disconnected) return LOST;
  return code === null ? OTHER : (REFUSALS[code] ?? OTHER);
}

export interface StatusProps {
  readonly session: Session;
  /** What was just done. */
  readonly said: string | null;
  /** To the prompt, for another text. */
  readonly onPrompt: () => void;
}

/** What is under way, what went wrong, and what the model wants said. */
export function Status(props: StatusProps) {
  const { session } = props;
  const trace = () => session.state().trace;
  return (
    <div class="status">
      <output class="said-line" data-testid="said">
        <Show when={props.said}>{(sentence) => <span class="pill">{sentence()}</span>}</Show>
      </output>
      <Show when={session.work()}>
        {(work) => <Progress work={work()} told={trace() !== null} onCancel={session.cancel} />}
      </Show>
      <Show when={session.failure()}>
        {(failure) => (
          <div class="failure" role="alert" data-testid="failure" data-code={failure().code ?? undefined}>
            <b>{kindOf(failure()).title}</b> <span>{failure().sentence}</span>{" "}
            <Show when={failure().disconnected && trace()}>
              <span>What is shown stays.</span>
            </Show>
            <Show when={kindOf(failure()).again}>
              <button type="button" class="ghost small" data-testid="retry" on:click={session.retry}>
                Try again
              </button>
            </Show>
            <Show when={failure().fits}>
              {(fits) => (
                <button type="button" class="ghost small" data-testid="cut" on:click={session.shorten}>
                  Cut to {fits().toLocaleString("en")} tokens
                </button>
              )}
            </Show>
            <Show when={failure().code === "too_large"}>
              <button type="button" class="ghost small" on:click={props.onPrompt}>
                Shorten the text
              </button>
            </Show>
            <button type="button" class="ghost small" aria-label="Dismiss" on:click={session.dismiss}>
              ×
            </button>
          </div>
        )}
      </Show>
      <For each={trace()?.warnings ?? []}>{(warning) => <p class="warning">{warning}</p>}</For>
    </div>
  );
}

/** A line along the bar; beside it what is done and a way to stop it, where nothing else tells it, once it takes a while. */
function Progress(props: { readonly work: Work; readonly told: boolean; readonly onCancel: () => void }) {
  const share = () => (props.work.total === 0 ? null : props.work.done / props.work.total);
  return (
    <>
      <div
        class="progress"
        role="progressbar"
        aria-label={props.work.text}
        aria-valuenow={share() === null ? undefined : Math.round((share() ?? 0) * 100)}
      >
        <i
          classList={{ unknown: share() === null }}
          style={{ width: share() === null ? undefined : `${(share() ?? 0) * 100}%` }}
        />
      </div>
      <Show when={props.told && (props.work.what !== "hello" || props.work.waiting)}>
        <span class="working pill" classList={{ patient: props.work.what === "layer" }} data-testid="working">
          {props.work.waiting ?? props.work.text}
          <button type="button" class="ghost small" data-testid="cancel" on:click={props.onCancel}>
            Cancel
          </button>
        </span>
      </Show>
    </>
  );
}
