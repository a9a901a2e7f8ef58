import { onCleanup, onMount, Show } from "solid-js";
import { type ComparedLayer, DifferenceLayer } from "../compute/differenceLayer";
import { NO_MARKS } from "../state/editMarks";
import type { Session } from "../state/session";
import { type Frame, headCount, type PanelName } from "../state/state";
import { ChangeBox } from "./changes/ChangeBox";
import { HeadFader } from "./changes/HeadFader";
import { openChange } from "./changes/openChange";
import { ComparisonLine } from "./comparison/ComparisonLine";
import { CopyBox } from "./export/CopyBox";
import { ExportMenu } from "./export/ExportMenu";
import { HeadPanel } from "./head/HeadPanel";
import { comfortableWidth } from "./model/grid";
import { ModelPanel } from "./model/ModelPanel";
import { PageContext } from "./page/context";
import { createPage, type HostTheme, type Page } from "./page/page";
import { globalKeys } from "./shell/keyboard";
import { News } from "./shell/News";
import { Readout } from "./shell/Readout";
import { SidePanel } from "./shell/SidePanel";
import { Status } from "./shell/Status";
import { sideViews } from "./shell/sideViews";
import { Welcome } from "./shell/Welcome";
import { Workspace } from "./shell/Workspace";
import { Help } from "./toolbar/Help";
import { Toolbar } from "./toolbar/Toolbar";

export interface AppProps {
  readonly session: Session;
  /** The theme of the host, where it has one. */
  readonly hostTheme?: () => HostTheme | undefined;
  /** Whether the page fills the window. If so, it takes keyboard focus right away. */
  readonly alone: boolean;
}

const SIDE_TITLES: Readonly<Record<Frame["side"], string>> = {
  neurons: "Neurons",
  weights: "Weights",
  edges: "Heads for a pair",
  effect: "Effect",
};

/** The element of each panel that receives keyboard focus. */
const ENTRIES: Readonly<Record<PanelName, string>> = {
  model: "[data-panel=model] [role=grid]",
  head: "[data-panel=head] .tokens.query",
  side: "[data-panel=side] .side-body [tabindex='0']",
};

/** The whole page: toolbar, panels, readout. */
export function App(props: AppProps) {
  const { session } = props;
  const page = createPage(session, props.hostTheme);
  const { state } = page;
  const { views, neurons, edges } = sideViews(page);
  const sideTitle = () => SIDE_TITLES[state().frame.side];
  let prompt: HTMLTextAreaElement | undefined;
  let root!: HTMLDivElement;

  const go = (panel: PanelName): void => {
    if (state().frame.at !== panel && !root.querySelector(`[data-panel=${panel}]:not([hidden])`)) {
      session.dispatch({ type: "frame", frame: { at: panel } });
    }
    root.querySelector<HTMLElement>(ENTRIES[panel])?.focus();
  };
  const panelOfKeyboard = (): PanelName | null => {
    const focused = (root.getRootNode() as ShadowRoot).activeElement;
    return (focused?.closest<HTMLElement>("[data-panel]")?.dataset.panel ?? null) as PanelName | null;
  };
  onMount(() => {
    const onKey = globalKeys(session, {
      prompt: () => prompt,
      help: () => page.setHelp(true),
      find: () => root.querySelector<HTMLElement>("[data-testid=find]"),
      baseline: () => root.querySelector<HTMLElement>("[data-testid=baseline]"),
      change: () => openChange(page, root),
      panel: panelOfKeyboard,
      go,
    });
    root.addEventListener("keydown", onKey);
    onCleanup(() => root.removeEventListener("keydown", onKey));
    const measure = new ResizeObserver(() => page.setWidth(root.clientWidth));
    measure.observe(root);
    onCleanup(() => measure.disconnect());
    if (props.alone) root.focus({ preventScroll: true });
  });

  return (
    <PageContext.Provider value={{ page, neurons, edges, alone: props.alone }}>
      <div
        class="app"
        ref={root}
        tabindex="-1"
        data-theme={page.dark() ? "dark" : "light"}
        data-heads={headCount(state())}
      >
        <Toolbar
          page={page}
          promptRef={(box) => {
            prompt = box;
          }}
        />
        <Status session={session} onPrompt={() => prompt?.select()} />
        <Show
          when={page.trace()}
          fallback={
            <Welcome
              session={session}
              onPrompt={() => prompt?.focus()}
              onImage={() => root.querySelector<HTMLElement>("[data-testid=image]")?.click()}
            />
          }
        >
          <ComparisonLine page={page} />
          <Workspace
            session={session}
            modelWidth={comfortableWidth(page.stack()?.heads ?? 1)}
            titles={{
              model: "Model",
              head: "Head",
              side: sideTitle(),
            }}
            model={(wide) => (
              <ModelPanel
                session={session}
                dark={page.dark()}
                wide={wide}
                over={page.overHead()}
                onOver={page.setOverHead}
                onReadout={page.setHeadReadout}
                onCell={page.setOverCell}
                onEnter={() => go("head")}
                onChange={(subject, at, from) => page.setChanging({ subject, at, from })}
                exportMenu={<ExportMenu panel="model" name="model view" />}
              />
            )}
            head={() => (
              <HeadPanel
                session={session}
                field={page.field()}
                shown={page.shown()}
                version={page.version()}
                onKnown={page.rowsChanged}
                readings={state().field === "after" ? page.readings() : null}
                marks={page.marks()}
                onChange={session.canChange() ? page.openChange : undefined}
                dark={page.dark()}
                focus={page.focus()}
                onFocus={page.setFocus}
                onEnter={() => go("side")}
                fader={<HeadFader page={page} />}
                exportMenu={<ExportMenu panel="head" name="head view" />}
              />
            )}
            side={() => (
              <SidePanel
                session={session}
                views={views}
                exportMenu={<ExportMenu panel="side" name={sideTitle().toLowerCase()} />}
              />
            )}
          />
        </Show>
        <Readout
          field={page.overCell()?.field ?? page.field()}
          version={page.version()}
          shown={page.shown()}
          readings={page.overCell() === null ? page.readings() : cellReadings(page)}
          shownField={state().field}
          marks={page.overCell() === null ? page.marks() : NO_MARKS}
          edge={page.overCell()?.edge ?? page.edge()}
          detail={page.detail()}
          trace={page.trace()}
          effect={page.effects.fresh() ? page.effects.effect() : null}
          head={page.overCell() === null ? page.headReadout() : null}
          news={<News session={session} notice={page.notice()} />}
        />
        <ChangeBox page={page} />
        <CopyBox />
        <Help page={page} />
      </div>
    </PageContext.Provider>
  );
}

/** Both passes at the cell under the pointer in the model view, whose layer need not be the selected one; null without a cell. */
function cellReadings(page: Page): ComparedLayer | null {
  const field = page.overCell()?.field;
  return field instanceof DifferenceLayer ? field.compared : null;
}
