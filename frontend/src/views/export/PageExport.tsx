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

/** Everything on the page as files, its Python and its address: the items of a menu. */
export function PageExport(props: { readonly close: () => void }) {
  const around = usePage();
  const { page } = around;
  const item = (text: string, does: () => void, off: string | null = null) => (
    <button
      type="button"
      role="menuitem"
      disabled={off !== null}
      title={off ?? undefined}
      on:click={() => {
        props.close();
        does();
      }}
    >
      {text}
    </button>
  );
  const saveAll = async (format: Format): Promise<void> => {
    page.say("Drawing the figures…");
    try {
      const names: string[] = [];
      for (const [kind] of FIGURES) {
        if (obstacle(around, kind) === null) {
          names.push(await saveFigure(await figureOf(around, kind, false), format));
        }
      }
      page.say(`Saved ${names.length} figures`);
    } catch (error) {
      page.say(null);
      page.session.fail(sentenceOf(error));
    }
  };
  const savePage = async (): Promise<void> => {
    page.say("Writing the file…");
    const html = await page.session.exportPage(() => void savePage());
    if (html === null) return page.say(null);
    download(new Blob([html], { type: "text/html" }), "attnscope.html");
    page.say(`Saved attnscope.html, ${(html.byteLength / 1e6).toFixed(1)} MB`);
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
      {item("Copy as Python", () => void page.copy("Python", pythonOf(page.state(), page.state().frame.at)))}
      <Show when={around.alone}>{item("Copy link", () => void page.copy("Link", location.href))}</Show>
    </>
  );
}
