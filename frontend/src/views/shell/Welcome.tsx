import { Match, Show, Switch } from "solid-js";
import type { Session } from "../../state/session";
import { kindOf } from "./Status";

/** What stands in place of the views while there is nothing to show: why, and what to do. */
export function Welcome(props: {
  readonly session: Session;
  readonly onPrompt: () => void;
  readonly onImage: () => void;
}) {
  const { session } = props;
  const canRun = () => session.hello()?.can.includes("run") ?? false;
  /** What the session's model reads. */
  const takes = () => {
    const hello = session.hello();
    return hello?.models.find(({ name }) => name === hello.model)?.takes ?? ["text"];
  };
  const reads = () => takes().includes("text");
  const sees = () => takes().includes("image");
  const invitation = () =>
    !sees() ? "Type a sentence" : reads() ? "Type a sentence, or choose a picture" : "Choose a picture";
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
              <h2>No trace to show</h2>
              <p>This page was opened without a model and without a saved trace.</p>
            </>
          }
        >
          <Match when={session.work()}>
            {(work) => (
              <>
                <span class="spinner" aria-hidden="true" />
                <h2>{work().what === "hello" ? "Connecting to attnscope…" : "Running the model"}</h2>
                <p>
                  {work().waiting ??
                    (work().what === "hello" ? "The first answer is on its way." : work().text)}
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
                <h2>{failure().disconnected ? "attnscope is not there" : "Nothing could be shown"}</h2>
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
            <p>Its attention is drawn here: every head of the model, one head, one neuron.</p>
            <Show when={reads()}>
              <button type="button" class="ghost" on:click={props.onPrompt}>
                Go to the prompt <kbd>/</kbd>
              </button>
            </Show>
            <Show when={sees()}>
              <button type="button" class="ghost" data-testid="welcome-image" on:click={props.onImage}>
                Choose a picture
              </button>
              <p class="quiet">or drop one anywhere on this page, or paste one</p>
            </Show>
          </Match>
        </Switch>
      </section>
    </main>
  );
}
