import { createSignal } from "solid-js";
import type { HostTheme } from "../views/page/page";

/** The theme of the notebook; undefined if unknown. */
function themeOfNotebook(): HostTheme | undefined {
  const { body, documentElement: root } = document;
  const jupyter = body.dataset.jpThemeLight;
  if (jupyter !== undefined) return jupyter === "false" ? "dark" : "light";
  const code = body.dataset.vscodeThemeKind;
  if (code !== undefined) return code.includes("light") ? "light" : "dark";
  for (const part of [root, body]) {
    const named = part.dataset.theme ?? part.getAttribute("theme");
    if (part.classList.contains("dark") || named === "dark") return "dark";
    if (part.classList.contains("light") || named === "light") return "light";
  }
  return undefined;
}

/** Follows the notebook's theme (JupyterLab, VS Code, marimo, Colab) until `stop`. */
export function followNotebookTheme(): {
  readonly theme: () => HostTheme | undefined;
  readonly stop: () => void;
} {
  const [theme, setTheme] = createSignal(themeOfNotebook());
  const watch = new MutationObserver(() => setTheme(themeOfNotebook));
  for (const part of [document.documentElement, document.body]) watch.observe(part, { attributes: true });
  return { theme, stop: () => watch.disconnect() };
}
