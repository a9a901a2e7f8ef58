import { Show } from "solid-js";
import { SCALE_TITLES } from "../../marks/scale";
import type { Theme } from "../../state/state";
import { ExportIcon } from "../export/ExportIcon";
import { PageExport } from "../export/PageExport";
import type { Page } from "../page/page";
import { Popover } from "../shared/Popover";
import { ExampleList, HistoryButtons, LookControls, THEMES } from "./controls";
import type { PromptState } from "./createPrompt";
import { RecentInputs, RecentList } from "./RecentInputs";
import { hasWorkspace, WorkspaceBox, WorkspaceMenu } from "./WorkspaceBox";

const THEME_SIGN: Readonly<Record<Theme, string>> = { auto: "◐", light: "○", dark: "●" };

interface ToolsProps {
  readonly page: Page;
  readonly prompt: PromptState;
}

/** The tools for the whole page: examples, display settings, undo, export, help. On a narrow page they are one menu. */
export function Tools(props: ToolsProps) {
  return (
    <div class="tools" role="group" aria-label="Page tools">
      <Show when={props.page.narrow()} fallback={<WideTools {...props} />}>
        <FoldedTools {...props} />
      </Show>
    </div>
  );
}

/** Whether the page can show another input than the present one. */
function hasRecent(page: Page): boolean {
  return (page.session.hello()?.can.includes("run") ?? false) || page.session.recentInputs().length > 1;
}

function WideTools({ page, prompt }: ToolsProps) {
  const { session, state } = page;
  const theme = () => state().view.theme;
  const nextTheme = () => THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length];
  const scale = () => (state().view.scale === "log" ? "log" : SCALE_TITLES[state().view.scale]);
  return (
    <>
      <Show when={prompt.canRun() && (session.hello()?.examples.length ?? 0) > 0}>
        <Popover
          kind="menu"
          label="Examples"
          title="Run an example"
          testid="examples"
          align="end"
          face={<>Examples ▾</>}
        >
          {(close) => <ExampleList page={page} prompt={prompt} close={close} />}
        </Popover>
      </Show>
      <Popover
        kind="dialog"
        label={`Display: ${scale()} scale`}
        title="Display: scale of weights (s), palette and theme"
        testid="look"
        align="end"
        face={<>{scale()} scale ▾</>}
      >
        {() => <LookControls page={page} />}
      </Popover>
      <Show when={hasRecent(page)}>
        <RecentInputs page={page} />
      </Show>
      <Show when={hasWorkspace(page)}>
        <WorkspaceMenu page={page} />
      </Show>
      <HistoryButtons page={page} />
      <button
        type="button"
        class="ghost icon"
        data-testid="theme"
        aria-label={`Theme: ${theme()}`}
        title={`Theme: ${theme()}. Click to switch to ${nextTheme()} (t)`}
        on:click={() => session.dispatch({ type: "view", view: { theme: nextTheme() } })}
      >
        {THEME_SIGN[theme()]}
      </button>
      <Popover
        kind="menu"
        label="Export"
        title="Export the page: all figures, offline page, code, link"
        class="ghost icon"
        testid="export-page"
        align="end"
        face={<ExportIcon />}
      >
        {(close) => <PageExport close={close} />}
      </Popover>
      <button
        type="button"
        class="ghost icon"
        data-testid="help"
        aria-label="Help"
        title="Help and keyboard shortcuts (?)"
        on:click={() => page.setHelp(true)}
      >
        ?
      </button>
    </>
  );
}

function FoldedTools({ page, prompt }: ToolsProps) {
  return (
    <Popover kind="dialog" label="Tools" class="ghost icon" testid="tools" align="end" face={<>⋯</>}>
      {(close) => (
        <div class="folded">
          <LookControls page={page} />
          <div class="folded-row">
            <HistoryButtons page={page} />
            <button
              type="button"
              class="ghost"
              on:click={() => {
                close();
                page.setHelp(true);
              }}
            >
              Help and shortcuts
            </button>
          </div>
          <Show when={prompt.canRun() && (page.session.hello()?.examples.length ?? 0) > 0}>
            <h2>Examples</h2>
            <div class="menu" role="menu" aria-label="Examples">
              <ExampleList page={page} prompt={prompt} close={close} />
            </div>
          </Show>
          <Show when={hasRecent(page)}>
            <h2>Recent inputs</h2>
            <div class="menu" role="menu" aria-label="Recent inputs">
              <RecentList page={page} close={close} />
            </div>
          </Show>
          <Show when={hasWorkspace(page)}>
            <h2>Workspace</h2>
            <WorkspaceBox page={page} close={close} />
          </Show>
          <h2>Export</h2>
          <div class="menu" role="menu" aria-label="Export">
            <PageExport close={close} />
          </div>
        </div>
      )}
    </Popover>
  );
}
