import type { JSX } from "solid-js";
import type { Session } from "../../state/session";
import type { PanelName } from "../../state/state";

/** The end of a panel's bar: its export menu, and a button for the full width. */
export function PanelActions(props: {
  readonly session: Session;
  readonly panel: PanelName;
  readonly name: string;
  /** The export menu of the panel. */
  readonly exportMenu: JSX.Element;
}) {
  const on = () => {
    const { whole, at } = props.session.state().frame;
    return whole === "one" && at === props.panel;
  };
  return (
    <span class="panel-tools">
      {props.exportMenu}
      <button
        type="button"
        class="tool whole"
        aria-pressed={on()}
        aria-label={`${props.name}: full width`}
        title={on() ? "Show all views (Esc)" : "Full width"}
        data-testid={`whole-${props.panel}`}
        on:click={() =>
          props.session.dispatch({ type: "frame", frame: { at: props.panel, whole: on() ? "all" : "one" } })
        }
      >
        <svg width="14" height="14" viewBox="0 0 14 14" aria-hidden="true">
          {on() ? (
            <path d="M5.5 1.5V5.5H1.5M8.5 1.5V5.5H12.5M5.5 12.5V8.5H1.5M8.5 12.5V8.5H12.5" />
          ) : (
            <path d="M5 1.5H1.5V5M9 1.5H12.5V5M5 12.5H1.5V9M9 12.5H12.5V9" />
          )}
        </svg>
      </button>
    </span>
  );
}
