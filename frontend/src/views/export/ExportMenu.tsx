import { createSignal, For, Show } from "solid-js";
import type { Frame, PanelName } from "../../state/state";
import { usePage } from "../page/context";
import { Popover } from "../shared/Popover";
import { ExportIcon } from "./ExportIcon";
import { createExports } from "./exports";
import { type FigureKind, obstacle } from "./figures";
import { MenuItem } from "./MenuItem";
import { ShareItems } from "./ShareItems";
import type { Format } from "./saveFigure";
import { type TableKind, tableObstacle } from "./tables";

const FORMATS: readonly (readonly [Format, string, string])[] = [
  ["svg", "SVG", "editable text"],
  ["png", "PNG", "2× resolution"],
];
const TABLES: Readonly<Record<Frame["side"], TableKind | null>> = {
  neurons: "neurons",
  weights: "weights",
  edges: "edges",
  effect: null,
};

/** The export menu of a view: its figure, its numbers, the Python code that makes it, the offline page, and a link. */
export function ExportMenu(props: { readonly panel: PanelName; readonly name: string }) {
  const context = usePage();
  const { page } = context;
  const exports = createExports(context);
  const side = () => page.state().frame.side;
  const kinds = (): readonly (readonly [FigureKind, string])[] => {
    if (props.panel === "model") return [["model", "Figure"]];
    if (props.panel === "side")
      return side() === "weights" || side() === "effect" ? [] : [[side() as FigureKind, "Figure"]];
    return [
      ["head", "Figure"],
      ["matrix", "Matrix"],
    ];
  };
  const table = (): TableKind | null => (props.panel === "side" ? TABLES[side()] : null);
  const [dark, setDark] = createSignal(false);

  return (
    <Popover
      kind="menu"
      label={`Export: ${props.name}`}
      title={`Export the ${props.name}: figure, numbers, code, link`}
      class="tool"
      testid={`export-${props.panel}`}
      align="end"
      face={<ExportIcon />}
    >
      {(close) => {
        const choose = (action: () => void) => () => {
          close();
          action();
        };
        return (
          <>
            <For each={kinds()}>
              {([kind, title]) => (
                <>
                  <For each={FORMATS}>
                    {([format, ending, hint]) => (
                      <MenuItem
                        hint={hint}
                        obstacle={obstacle(context, kind)}
                        testid={`save-${kind}-${format}`}
                        onChoose={choose(() => void exports.figure(kind, format, dark()))}
                      >
                        {`${title} as ${ending}`}
                      </MenuItem>
                    )}
                  </For>
                  <MenuItem
                    hint="print dialog"
                    obstacle={obstacle(context, kind)}
                    testid={`save-${kind}-pdf`}
                    onChoose={choose(() => void exports.print(kind, dark()))}
                  >
                    {`${title} as PDF`}
                  </MenuItem>
                </>
              )}
            </For>
            <Show when={kinds().length > 0}>
              <button
                type="button"
                role="menuitemcheckbox"
                aria-checked={dark()}
                on:click={() => setDark(!dark())}
              >
                Dark background
                <span class="quiet">{dark() ? "✓" : ""}</span>
              </button>
              <hr />
            </Show>
            <Show when={table()}>
              {(kind) => (
                <MenuItem
                  hint="numbers"
                  obstacle={tableObstacle(context, kind())}
                  testid={`save-${kind()}-csv`}
                  onChoose={choose(() => void exports.table(kind()))}
                >
                  Table as CSV
                </MenuItem>
              )}
            </Show>
            <MenuItem
              testid={`python-${props.panel}`}
              onChoose={choose(() => void exports.python(props.panel))}
            >
              Copy as Python
            </MenuItem>
            <ShareItems exports={exports} close={close} />
          </>
        );
      }}
    </Popover>
  );
}
