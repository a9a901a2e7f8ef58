import { Match, Show, Switch } from "solid-js";
import type { Session } from "../../state/session";
import { kindOf } from "./Status";

/** Shown instead of the views while there is no trace: explains why, and what to do. */
export function Welcome(props: {
  readonly session: Session;
  readonly onPrompt: () => void;
  readonly onImage: () => void;
}) {
  const { session } = props;
  const canRun = () => session.hello()?.can.includes("run") ?? false;
  /** The kinds of input that the session's model accepts. */
  const takes = () => {
    const hello = session.hello();
    return hello?.models.find(({ name }) => name === hello.model)?.takes ?? ["text"];
  };
  const reads = () => takes().includes("text");
  const sees = () => takes().includes("image");
  const invitation = () =>
    !sees() ? "Type a sentence" : reads() ? "Type a sentence or choose an image" : "Choose an image";
  const share = () => {
    const work = session.work();
    return work === null || work.total === 0 ? "" : ` ${Math.round((100 * work.done) / work.total)}%`;
  };
  return (
    <main class="alone">
      <section class="panel welcome" data-testid="welcome" aria-label="Nothing to show yet">
        <Switch
          fallback={
            <>
              <h2>Nothing to show</h2>
              <p>This page was opened with neither a model nor a saved trace.</p>
            </>
          }
        >
          <Match when={session.work()}>
            {(work) => (
              <>
                <span class="spinner" aria-hidden="true" />
                <h2>{work().what === "hello" ? "Connecting to attnscope…" : "Running the model…"}</h2>
                <p>
                  {work().waiting ?? (work().what === "hello" ? "Waiting for a response." : work().text)}
                  {share()}
                </p>
                <Show when={work().what !== "hello"}>
                  <button type="button" class="ghost" on:click={session.cancel}>
                    Cancel
                  </button>
                </Show>
              </>
            )}
          </Match>
          <Match when={session.failure()}>
            {(failure) => (
              <>
                <h2>{failure().disconnected ? "Cannot reach attnscope" : "No result to show"}</h2>
                <p>{failure().sentence}</p>
                <Show when={kindOf(failure()).again}>
                  <button type="button" class="ghost" on:click={session.retry}>
                    Try again
                  </button>
                </Show>
              </>
            )}
          </Match>
          <Match when={canRun()}>
            <h2>{invitation()}</h2>
            <p>You can then explore its attention: all heads of the model, a single head, single neurons.</p>
            <Show when={reads()}>
              <button type="button" class="ghost" on:click={props.onPrompt}>
                Go to the prompt <kbd>/</kbd>
              </button>
            </Show>
            <Show when={sees()}>
              <button type="button" class="ghost" data-testid="welcome-image" on:click={props.onImage}>
                Choose an image
              </button>
              <p class="quiet">You can also drop an image anywhere on this page, or paste one.</p>
            </Show>
          </Match>
        </Switch>
      </section>
    </main>
  );
}
