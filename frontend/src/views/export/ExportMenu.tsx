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
  ["svg", "SVG", "text stays text"],
  ["png", "PNG", "twice the size"],
];

/** What can be taken away of a view: its figure, the Python that makes it, its address. */
export function ExportMenu(props: { readonly panel: PanelName; readonly name: string }) {
  const around = usePage();
  const { page } = around;
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
    page.say("Drawing the figure…");
    try {
      page.say(`Saved ${await saveFigure(await figureOf(around, kind, dark()), format)}`);
    } catch (error) {
      page.say(null);
      page.session.fail(sentenceOf(error));
    }
  };

  return (
    <Popover
      kind="menu"
      label={`Export of the ${props.name}`}
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
                    disabled={obstacle(around, kind) !== null}
                    title={obstacle(around, kind) ?? undefined}
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
              Dark ground
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
              void page.copy("Python", pythonOf(page.state(), props.panel));
            }}
          >
            Copy as Python
          </button>
          <Show when={around.alone}>
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
