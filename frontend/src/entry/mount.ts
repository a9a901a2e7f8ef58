import { createComponent, render } from "solid-js/web";
import type { Session } from "../state/session";
import { App } from "../views/App";
import type { HostTheme } from "../views/page/page";
import { styles } from "../views/styles";
import { followAddress } from "./address";

export interface MountOptions {
  /** CSS height of the page, as `600px`; undefined leaves it to the host's styles. */
  readonly height?: string;
  /**
   * Whether the page fills the window. If so, it keeps its address in the URL hash, starts the session from it, and takes
   * keyboard focus right away. Otherwise the caller starts the session.
   */
  readonly hash?: boolean;
  /** The theme of the host, which the page follows unless the user chooses one; a function is read reactively. */
  readonly theme?: HostTheme | (() => HostTheme | undefined);
}

let sheet: CSSStyleSheet | undefined;

/**
 * Renders the page for a session in a shadow root of `host`, and returns a function that removes it. A document may have any
 * number of pages, and a host can be reused after its page was removed.
 */
export function mount(host: HTMLElement, session: Session, options: MountOptions = {}): () => void {
  const { height, hash = false, theme } = options;
  // Keeps JupyterLab from handling the page’s shortcuts.
  host.dataset.lmSuppressShortcuts = "true";
  host.classList.add("attnscope");
  if (height !== undefined) host.style.height = height;
  if (sheet === undefined) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(styles);
  }
  const shadow = host.shadowRoot ?? host.attachShadow({ mode: "open" });
  shadow.adoptedStyleSheets = [sheet];
  const hostTheme = typeof theme === "function" ? theme : () => theme;
  const unmount = render(() => createComponent(App, { session, hostTheme, alone: hash }), shadow);
  const unfollow = hash ? followAddress(session) : () => undefined;
  return () => {
    unfollow();
    unmount();
  };
}
