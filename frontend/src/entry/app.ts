/** The app that a local server hands out: the whole page, answered over HTTP, its address in the URL hash. */

import { createEffect, createRoot, on } from "solid-js";
import { HttpSource } from "../source/http";
import { writeHash } from "../state/hash";
import { createSession } from "../state/session";
import { mount } from "./mount";
import page from "./page.css?inline";

function adopt(target: Document, css: string): void {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  target.adoptedStyleSheets = [...target.adoptedStyleSheets, sheet];
}

adopt(document, page);

const session = createSession(new HttpSource(new URL("api", document.baseURI)));
const host = document.createElement("div");
document.body.append(host);
mount(host, session);

let written = location.hash;
createRoot(() => {
  createEffect(
    on(
      () => writeHash(session.state()),
      (hash) => {
        if (session.state().trace === null) return;
        written = `#${hash}`;
        history.replaceState(null, "", written);
      },
      { defer: true },
    ),
  );
});
addEventListener("hashchange", () => {
  if (location.hash !== written) void session.visit(location.hash);
});
void session.start(location.hash);
