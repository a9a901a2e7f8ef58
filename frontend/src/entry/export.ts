/** The page inside an exported file: what it shows lies in blocks of the file itself; nothing is asked of anybody. */

import { EmbeddedSource } from "../source/embedded";
import { createSession } from "../state/session";
import { followAddress } from "./address";
import { mount } from "./mount";
import page from "./page.css?inline";

const sheet = new CSSStyleSheet();
sheet.replaceSync(page);
document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];

const block = (name: string): string | null =>
  document.querySelector(`script[data-block="${CSS.escape(name)}"]`)?.textContent ?? null;

const session = createSession(new EmbeddedSource(block));
const host = document.createElement("div");
document.body.append(host);
mount(host, session);

const start = `#${document.documentElement.dataset.start ?? ""}`;
// A page inside another one (srcdoc) has no address of its own to write to.
if (location.protocol === "about:") {
  void session.start(start);
} else {
  if (location.hash.length < 2) history.replaceState(null, "", start);
  followAddress(session);
}
