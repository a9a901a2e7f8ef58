import { createComponent, render } from "solid-js/web";
import type { Session } from "../state/session";
import { App } from "../views/App";
import { styles } from "../views/styles";

/** Draws the page for a session inside `host`, in a shadow root; gives the function that takes it away again. */
export function mount(host: HTMLElement, session: Session): () => void {
  // Notebooks otherwise take the keys for themselves.
  host.dataset.lmSuppressShortcuts = "true";
  host.classList.add("attnscope");
  const shadow = host.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(styles);
  shadow.adoptedStyleSheets = [sheet];
  return render(() => createComponent(App, { session }), shadow);
}
