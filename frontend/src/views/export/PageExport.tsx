import { For, Show } from "solid-js";
import { pythonOf } from "../../figures/python";
import { sentenceOf } from "../../state/failure";
import { usePage } from "../page/context";
import { type FigureKind, figureOf, nothingShown, obstacle } from "./figures";
import { download, type Format, saveFigure } from "./saveFigure";

const FIGURES: readonly (readonly [FigureKind, string])[] = [
  ["model", "Model view"],
  ["head", "Head view"],
  ["neurons", "Neuron view"],
];
const FORMATS: readonly Format[] = ["svg", "png"];

/** Menu items that export the whole page: all figures, a self-contained file, Python code, and a link. */
export function PageExport(props: { readonly close: () => void }) {
  const context = usePage();
  const { page } = context;
  const item = (text: string, action: () => void, obstacle: string | null = null) => (
    <button
      type="button"
      role="menuitem"
      disabled={obstacle !== null}
      title={obstacle ?? undefined}
      on:click={() => {
        props.close();
        action();
      }}
    >
      {text}
    </button>
  );
  const saveAll = async (format: Format): Promise<void> => {
    page.notify("Drawing the figures…");
    try {
      const names: string[] = [];
      for (const [kind] of FIGURES) {
        if (obstacle(context, kind) === null) {
          names.push(await saveFigure(await figureOf(context, kind, false), format));
        }
      }
      page.notify(`Saved ${names.length} figures`);
    } catch (error) {
      page.notify(null);
      page.session.fail(sentenceOf(error));
    }
  };
  const savePage = async (): Promise<void> => {
    page.notify("Writing the file…");
    const html = await page.session.exportPage(() => void savePage());
    if (html === null) return page.notify(null);
    download(new Blob([html], { type: "text/html" }), "attnscope.html");
    page.notify(`Saved attnscope.html, ${(html.byteLength / 1e6).toFixed(1)} MB`);
  };
  return (
    <>
      <For each={FORMATS}>
        {(format) =>
          item(`All views as ${format.toUpperCase()}`, () => void saveAll(format), nothingShown(page))
        }
      </For>
      <Show when={page.session.hello()?.can.includes("export")}>
        {item("Self-contained HTML", () => void savePage(), nothingShown(page))}
      </Show>
      <hr />
      {item(
        "Copy as Python",
        () => void page.copy("Python code", pythonOf(page.state(), page.state().frame.at)),
      )}
      <Show when={context.alone}>{item("Copy link", () => void page.copy("Link", location.href))}</Show>
    </>
  );
}
