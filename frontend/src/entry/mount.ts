import { createComponent, render } from "solid-js/web";
import type { Session } from "../state/session";
import { App } from "../views/App";
import type { HostTheme } from "../views/page/page";
import { styles } from "../views/styles";
import { followAddress } from "./address";

export interface MountOptions {
  /** CSS height of the page, as `600px`; undefined leaves it to the host's own styles. */
  readonly height?: string;
  /**
   * Whether the page has the window to itself: it keeps its address in the URL hash, starts the session from there,
   * and takes the keyboard at once. Otherwise whoever mounts it starts the session.
   */
  readonly hash?: boolean;
  /** The theme around the page, which it follows unless a person chooses another; a function is asked reactively. */
  readonly theme?: HostTheme | (() => HostTheme | undefined);
}

let sheet: CSSStyleSheet | undefined;

/**
 * Draws the page for a session inside `host`, in a shadow root; gives the function that takes it away again. Any number
 * of pages may stand in one document, and one may be mounted where another was taken away.
 */
export function mount(host: HTMLElement, session: Session, options: MountOptions = {}): () => void {
  const { height, hash = false, theme } = options;
  // Notebooks otherwise take the keys for themselves.
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
  const leave = hash ? followAddress(session) : () => undefined;
  return () => {
    leave();
    unmount();
  };
}
