import { createMemo, For, type JSX, Show } from "solid-js";
import type { Session } from "../../state/session";
import type { Frame } from "../../state/state";
import { PanelActions } from "../shared/PanelActions";
import { StackTabs } from "../shared/StackTabs";

export interface SideView {
  readonly name: Frame["side"];
  readonly title: string;
  /** The tooltip of its tab. */
  readonly hint: string;
  /** Shown next to the tabs. */
  readonly heading: () => JSX.Element;
  readonly body: () => JSX.Element;
}

export interface SidePanelProps {
  readonly session: Session;
  readonly views: readonly SideView[];
  /** The export menu in the panel’s bar. */
  readonly exportMenu: JSX.Element;
}

/** The panel on the right: what a head computes for one token, in one of several views. */
export function SidePanel(props: SidePanelProps) {
  const requested = () => props.session.state().frame.side;
  // A memo, so that a view is not recreated on every state change.
  const now = createMemo(() => props.views.find((view) => view.name === requested()) ?? props.views[0]);
  const turn = (event: KeyboardEvent): void => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    const count = props.views.length;
    const next = props.views[(props.views.indexOf(now()) + step + count) % count];
    props.session.dispatch({ type: "frame", frame: { side: next.name } });
    const tabs = (event.currentTarget as HTMLElement).querySelectorAll<HTMLElement>("[role=tab]");
    tabs[props.views.indexOf(next)]?.focus();
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <section class="panel side" aria-label={now().title} data-testid="side-panel">
      <div class="bar">
        <Show when={props.views.length > 1} fallback={<h2>{now().title}</h2>}>
          <div class="segments" role="tablist" aria-label="Token details" on:keydown={turn}>
            <For each={props.views}>
              {(view) => (
                <button
                  type="button"
                  role="tab"
                  aria-selected={view === now()}
                  tabindex={view === now() ? 0 : -1}
                  classList={{ on: view === now() }}
                  title={view.hint}
                  data-testid={`side-${view.name}`}
                  on:click={() => props.session.dispatch({ type: "frame", frame: { side: view.name } })}
                >
                  {view.title}
                </button>
              )}
            </For>
          </div>
        </Show>
        {now().heading()}
        <PanelActions session={props.session} panel="side" name={now().title} exportMenu={props.exportMenu} />
      </div>
      <StackTabs session={props.session} />
      <div class="side-body">{now().body()}</div>
    </section>
  );
}
