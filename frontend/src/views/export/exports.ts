/** What the export menus do: save figures and tables, print, write the offline page, copy code and links. */

import { csvOf } from "../../figures/csv";
import { fileName } from "../../figures/fileName";
import { pythonOf } from "../../figures/python";
import { headName } from "../../marks/format";
import { sentenceOf } from "../../state/failure";
import type { PanelName } from "../../state/state";
import type { Surroundings } from "../page/context";
import { type FigureKind, figureOf, obstacle } from "./figures";
import { printFigure } from "./printFigure";
import { download, type Format, saveFigure } from "./saveFigure";
import { type TableKind, tableOf } from "./tables";

export type Exports = ReturnType<typeof createExports>;

export function createExports(context: Surroundings) {
  const { page } = context;
  const { session } = page;

  /** Runs an export: says what it does, then what it did or why it failed. */
  async function attempt(doing: string, action: () => Promise<string | null>): Promise<void> {
    page.notify(doing);
    try {
      page.notify(await action());
    } catch (error) {
      page.notify(null);
      session.fail(sentenceOf(error));
    }
  }

  const figure = (kind: FigureKind, format: Format, dark: boolean): Promise<void> =>
    attempt("Drawing the figure…", async () => {
      return `Saved ${await saveFigure(await figureOf(context, kind, dark), format)}`;
    });

  const print = (kind: FigureKind, dark: boolean): Promise<void> =>
    attempt("Drawing the figure…", async () => {
      await printFigure(await figureOf(context, kind, dark));
      return null;
    });

  const allFigures = (kinds: readonly FigureKind[], format: Format): Promise<void> =>
    attempt("Drawing the figures…", async () => {
      let count = 0;
      for (const kind of kinds) {
        if (obstacle(context, kind) !== null) continue;
        await saveFigure(await figureOf(context, kind, false), format);
        count += 1;
      }
      return `Saved ${count} figures`;
    });

  const table = (kind: TableKind): Promise<void> =>
    attempt("Writing the table…", async () => {
      const made = await tableOf(context, kind);
      const name = `${made.name}.csv`;
      download(new Blob([csvOf(made)], { type: "text/csv" }), name);
      return `Saved ${name}, ${made.rows.length.toLocaleString("en")} rows`;
    });

  const offlinePage = async (): Promise<void> => {
    page.notify("Writing the file…");
    const html = await session.exportPage(() => void offlinePage());
    if (html === null) return page.notify(null);
    const name = `${pageName()}.html`;
    download(new Blob([html], { type: "text/html" }), name);
    page.notify(`Saved ${name}, ${(html.byteLength / 1e6).toFixed(1)} MB`);
  };

  function pageName(): string {
    const { trace, selection } = page.state();
    const { heads } = page.shown();
    const several = Object.keys(trace?.stacks ?? {}).length > 1;
    const head = heads.length === 1 ? headName(selection.layer, heads[0]) : `layer-${selection.layer}`;
    const view = several ? `${selection.stack}-${head}` : head;
    return fileName(trace?.model.name ?? trace?.model.title ?? "trace", view, trace?.input.text ?? null);
  }

  const python = (panel: PanelName): Promise<void> => page.copy("Python code", pythonOf(page.state(), panel));

  /** Where a link to this view works: an app’s only in the browser that opened the app, and not after it has ended. */
  const linkReach = (): string =>
    session.hello()?.file ? "to this view of this file" : "works in this browser, while this app runs";
  const link = (): Promise<void> => page.copy("Link", location.href, `Link copied: ${linkReach()}`);

  const canWritePage = (): boolean => session.hello()?.can.includes("export") ?? false;

  return { figure, print, allFigures, table, offlinePage, canWritePage, python, link, linkReach };
}
