import { createSignal, For, Show } from "solid-js";
import { pythonOf } from "../../figures/python";
import { sentenceOf } from "../../state/failure";
import type { PanelName } from "../../state/state";
import { usePage } from "../page/context";
import { Popover } from "../shared/Popover";
import { ExportIcon } from "./ExportIcon";
import { type FigureKind, figureOf, obstacle } from "./figures";
import { type Format, saveFigure } from "./saveFigure";

const FORMATS: readonly (readonly [Format, string, string])[] = [
  ["svg", "SVG", "editable text"],
  ["png", "PNG", "2× resolution"],
];

/** The export menu of a view: its figure, the Python code that makes it, and a link. */
export function ExportMenu(props: { readonly panel: PanelName; readonly name: string }) {
  const context = usePage();
  const { page } = context;
  const kinds = (): readonly (readonly [FigureKind, string])[] => {
    if (props.panel === "model") return [["model", "Figure"]];
    if (props.panel === "side") return page.state().frame.side === "neurons" ? [["neurons", "Figure"]] : [];
    return [
      ["head", "Figure"],
      ["matrix", "Matrix"],
    ];
  };
  const [dark, setDark] = createSignal(false);

  const save = async (kind: FigureKind, format: Format): Promise<void> => {
    page.notify("Drawing the figure…");
    try {
      page.notify(`Saved ${await saveFigure(await figureOf(context, kind, dark()), format)}`);
    } catch (error) {
      page.notify(null);
      page.session.fail(sentenceOf(error));
    }
  };

  return (
    <Popover
      kind="menu"
      label={`Export: ${props.name}`}
      class="tool"
      testid={`export-${props.panel}`}
      align="end"
      face={<ExportIcon />}
    >
      {(close) => (
        <>
          <For each={kinds()}>
            {([kind, title]) => (
              <For each={FORMATS}>
                {([format, ending, hint]) => (
                  <button
                    type="button"
                    role="menuitem"
                    disabled={obstacle(context, kind) !== null}
                    title={obstacle(context, kind) ?? undefined}
                    data-testid={`save-${kind}-${format}`}
                    on:click={() => {
                      close();
                      void save(kind, format);
                    }}
                  >
                    {`${title} as ${ending}`}
                    <span class="quiet">{hint}</span>
                  </button>
                )}
              </For>
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
          <button
            type="button"
            role="menuitem"
            data-testid={`python-${props.panel}`}
            on:click={() => {
              close();
              void page.copy("Python code", pythonOf(page.state(), props.panel));
            }}
          >
            Copy as Python
          </button>
          <Show when={context.alone}>
            <button
              type="button"
              role="menuitem"
              on:click={() => {
                close();
                void page.copy("Link", location.href);
              }}
            >
              Copy link
            </button>
          </Show>
        </>
      )}
    </Popover>
  );
}
