import { For, Show } from "solid-js";
import type { Failure } from "../../state/failure";
import type { Session } from "../../state/session";
import type { Work } from "../../state/work";
import { Announcer } from "./Announcer";

/** The title of each error code, and whether trying again may help. */
const FAILURE_KINDS: Readonly<Record<string, { readonly title: string; readonly again: boolean }>> = {
  bad_request: { title: "Invalid request.", again: false },
  busy: { title: "Busy.", again: true },
  cancelled: { title: "Canceled.", again: true },
  forbidden: { title: "Permission denied.", again: false },
  internal: { title: "Internal error.", again: true },
  unsupported: { title: "Unsupported.", again: false },
  too_large: { title: "Too large.", again: false },
  unknown: { title: "Not found.", again: true },
  unreachable: { title: "Model hub unreachable.", again: true },
};
const OTHER = { title: "Something went wrong.", again: true };
const LOST = { title: "Disconnected.", again: true };

export function kindOf({ disconnected, code }: Failure) {
  if (disconnected) return LOST;
  return code === null ? OTHER : (FAILURE_KINDS[code] ?? OTHER);
}

export interface StatusProps {
  readonly session: Session;
  /** Moves to the prompt, so that the text can be changed. */
  readonly onPrompt: () => void;
}

/** The progress of work, remarks about an address, failures, and the warnings of the model. */
export function Status(props: StatusProps) {
  const { session } = props;
  const trace = () => session.state().trace;
  return (
    <div class="status">
      <Announcer session={session} />
      <Show when={session.work()}>{(work) => <Progress work={work()} />}</Show>
      <Show when={session.remark()}>
        {(remark) => (
          <div class="remark" role="status" data-testid="remark">
            <span>{remark().sentence}</span>
            <For each={remark().offers}>
              {(offer) => (
                <button type="button" class="ghost small" on:click={offer.run}>
                  {offer.title}
                </button>
              )}
            </For>
            <span class="space" />
            <button type="button" class="ghost small" aria-label="Dismiss" on:click={session.dismissRemark}>
              ×
            </button>
          </div>
        )}
      </Show>
      <Show when={session.failure()}>
        {(failure) => (
          <div class="failure" role="alert" data-testid="failure" data-code={failure().code ?? undefined}>
            <b>{kindOf(failure()).title}</b> <span>{failure().sentence}</span>{" "}
            <Show when={failure().disconnected && trace()}>
              <span>The results on this page stay available.</span>
            </Show>
            <Show when={kindOf(failure()).again}>
              <button type="button" class="ghost small" data-testid="retry" on:click={session.retry}>
                Try again
              </button>
            </Show>
            <Show when={failure().fits}>
              {(fits) => (
                <button type="button" class="ghost small" data-testid="cut" on:click={session.shorten}>
                  Truncate to {fits().toLocaleString("en")} tokens
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

/** A progress line along the toolbar. */
function Progress(props: { readonly work: Work }) {
  const share = () => (props.work.total === 0 ? null : props.work.done / props.work.total);
  return (
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
  );
}
