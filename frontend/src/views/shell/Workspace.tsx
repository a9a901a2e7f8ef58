import { createMemo, createSignal, For, type JSX, onCleanup, onMount, Show } from "solid-js";
import type { Session } from "../../state/session";
import type { PanelName } from "../../state/state";
import { Divider } from "../shared/Divider";
import { DIVIDER, LEAST, shareWidth, TABS_BELOW, usualWidths } from "./panelWidths";

export interface WorkspaceProps {
  readonly session: Session;
  /** Default width of the model view. */
  readonly modelWidth: number;
  readonly titles: Readonly<Record<PanelName, string>>;
  readonly model: (wide: boolean) => JSX.Element;
  readonly head: () => JSX.Element;
  readonly side: () => JSX.Element;
}

const PANELS: readonly PanelName[] = ["model", "head", "side"];

/** The three panels side by side with dividers between them, or as tabs on a narrow page. */
export function Workspace(props: WorkspaceProps) {
  const { session } = props;
  const frame = () => session.state().frame;
  let row!: HTMLDivElement;
  const [width, setWidth] = createSignal(1400);
  onMount(() => {
    const watch = new ResizeObserver(() => setWidth(row.clientWidth));
    watch.observe(row);
    onCleanup(() => watch.disconnect());
  });
  const wide = createMemo(() => width() + 20 >= TABS_BELOW);
  const beside = () => wide() && frame().whole === "all";
  const visible = (panel: PanelName) => beside() || frame().at === panel;
  const widths = createMemo(() => {
    const usual = usualWidths(width(), props.modelWidth);
    const { model, head } = frame().widths;
    return shareWidth(width(), { model: model ?? usual.model, head: head ?? usual.head });
  });
  const resize = (part: Partial<{ model: number | null; head: number | null }>): void =>
    session.dispatch({ type: "frame", frame: { widths: { ...frame().widths, ...part } } });
  const columns = () =>
    beside()
      ? `${widths().model}px ${DIVIDER}px ${widths().head}px ${DIVIDER}px minmax(0, 1fr)`
      : "minmax(0, 1fr)";
  const room = () => width() - 2 * DIVIDER - LEAST.side;

  const turn = (event: KeyboardEvent): void => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    const at = (PANELS.indexOf(frame().at) + step + PANELS.length) % PANELS.length;
    session.dispatch({ type: "frame", frame: { at: PANELS[at] } });
    (event.currentTarget as HTMLElement).querySelectorAll<HTMLElement>("[role=tab]")[at]?.focus();
    event.preventDefault();
    event.stopPropagation();
  };
  const slot = (panel: PanelName, draw: () => JSX.Element) => (
    <div
      class="slot"
      id={`panel-${panel}`}
      data-panel={panel}
      hidden={!visible(panel)}
      role={wide() ? undefined : "tabpanel"}
      aria-labelledby={wide() ? undefined : `tab-${panel}`}
    >
      {draw()}
    </div>
  );

  return (
    <main>
      <Show when={!wide()}>
        <div class="tabs" role="tablist" aria-label="Views" on:keydown={turn}>
          <For each={PANELS}>
            {(panel) => (
              <button
                type="button"
                role="tab"
                id={`tab-${panel}`}
                data-testid={`tab-${panel}`}
                aria-selected={frame().at === panel}
                aria-controls={`panel-${panel}`}
                tabindex={frame().at === panel ? 0 : -1}
                on:click={() => session.dispatch({ type: "frame", frame: { at: panel } })}
              >
                {props.titles[panel]}
              </button>
            )}
          </For>
        </div>
      </Show>
      <div
        class="row"
        classList={{ narrow: !wide() }}
        ref={row}
        style={{ "grid-template-columns": columns() }}
      >
        {slot("model", () => props.model(wide()))}
        <Show when={beside()}>
          <Divider
            name="Width of the model view"
            testid="divider-model"
            value={widths().model}
            least={LEAST.model}
            most={room() - widths().head}
            onChange={(model) => resize({ model })}
            onReset={() => resize({ model: null })}
          />
        </Show>
        {slot("head", props.head)}
        <Show when={beside()}>
          <Divider
            name="Width of the head view"
            testid="divider-head"
            value={widths().head}
            least={LEAST.head}
            most={room() - widths().model}
            onChange={(head) => resize({ head })}
            onReset={() => resize({ head: null })}
          />
        </Show>
        {slot("side", props.side)}
      </div>
    </main>
  );
}
