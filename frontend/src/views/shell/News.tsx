import { createEffect, createSignal, onCleanup, Show } from "solid-js";
import type { Session } from "../../state/session";
import type { Work } from "../../state/work";

/** Work that takes longer than this is named, milliseconds. Layers usually load right away. */
const PATIENCE: Readonly<Record<Work["what"], number>> = {
  ...{ run: 250, change: 250, check: 250, export: 250, open: 250, hello: 250, layer: 700 },
};

export interface NewsProps {
  readonly session: Session;
  /** A short message about what was just done. */
  readonly notice: string | null;
}

/** What was just done, and the work in progress with a Cancel button, in the line at the foot of the page, where they cover nothing. */
export function News(props: NewsProps) {
  const { session } = props;
  const wanted = () => {
    const work = session.work();
    return work !== null && session.state().trace !== null && (work.what !== "hello" || work.waiting)
      ? work
      : null;
  };
  const [late, setLate] = createSignal<Work["what"] | null>(null);
  createEffect(() => {
    const what = wanted()?.what ?? null;
    if (what === late()) return;
    setLate(null);
    if (what === null) return;
    const timer = setTimeout(() => setLate(what), PATIENCE[what]);
    onCleanup(() => clearTimeout(timer));
  });
  const shown = () => (wanted()?.what === late() ? wanted() : null);
  const text = (work: Work) => work.waiting ?? work.text;
  const share = ({ done, total }: Work) => (total === 0 ? "" : ` ${Math.round((100 * done) / total)}%`);
  return (
    <>
      <output class="news said" data-testid="said" title={props.notice ?? undefined}>
        {props.notice ?? ""}
      </output>
      <Show when={shown()}>
        {(work) => (
          <span class="news working" data-testid="working">
            <span class="doing num" title={text(work())}>
              {text(work())}
              {share(work())}
            </span>
            <button type="button" class="ghost small" data-testid="cancel" on:click={session.cancel}>
              Cancel
            </button>
          </span>
        )}
      </Show>
    </>
  );
}
