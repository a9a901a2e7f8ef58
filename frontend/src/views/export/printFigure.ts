/** Prints a figure alone: the browser's print dialog saves it as a PDF whose page is as large as the figure. */

import type { Figure } from "../../figures/sheet";

/** How long the printed document stays in the page if the browser does not say that printing has ended. */
const KEPT_MS = 10 * 60_000;

/**
 * Opens the print dialog for a figure, in a frame of its own, so that nothing else of the page is printed. Text stays text and
 * lines stay lines. Resolves once the dialog is open, or closed in browsers where it blocks the page.
 */
export async function printFigure(figure: Figure): Promise<void> {
  const frame = document.createElement("iframe");
  frame.title = figure.name;
  frame.setAttribute("aria-hidden", "true");
  frame.dataset.attnscopePrint = figure.name;
  // Not `display: none`: Firefox prints nothing then.
  frame.style.cssText = "position: fixed; left: -1px; width: 0; height: 0; border: 0; visibility: hidden";
  document.body.append(frame);
  const view = frame.contentWindow as (Window & typeof globalThis) | null;
  const page = frame.contentDocument;
  if (view === null || page === null) {
    frame.remove();
    throw new Error("The browser did not allow printing. Save the figure as SVG instead.");
  }
  const { width, height } = figure;
  // One pixel more than the figure: with rounding, it could otherwise spill over to a second page.
  const sheet = new view.CSSStyleSheet();
  sheet.replaceSync(
    `@page { size: ${Math.ceil(width) + 1}px ${Math.ceil(height) + 1}px; margin: 0 }
     html, body { margin: 0; padding: 0; background: none }
     svg { display: block; -webkit-print-color-adjust: exact; print-color-adjust: exact }`,
  );
  page.adoptedStyleSheets = [sheet];
  page.title = figure.name;
  const drawn = new DOMParser().parseFromString(figure.svg, "image/svg+xml").documentElement;
  page.body.append(page.adoptNode(drawn));
  await Promise.all([...page.querySelectorAll("image")].map(loaded));
  const done = (): void => frame.remove();
  view.addEventListener("afterprint", done);
  setTimeout(done, KEPT_MS);
  view.focus();
  view.print();
}

/** Waits until an image in the figure can be painted. */
function loaded(image: SVGImageElement): Promise<void> {
  const source = new Image();
  source.src = image.getAttribute("href") ?? "";
  return source.decode();
}
