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

/** Browsers refuse an address that changes too often (100 times in 30 s), as it would while a divider is dragged. */
const AT_ONCE = 40;
const REFILL_MS = 600;

let written = location.hash;
let next = written;
let allowance = AT_ONCE;
let counted = performance.now();
let timer: ReturnType<typeof setTimeout> | undefined;

function write(): void {
  clearTimeout(timer);
  if (next === written) return;
  written = next;
  allowance -= 1;
  history.replaceState(null, "", written);
}

createRoot(() => {
  createEffect(
    on(
      () => writeHash(session.state()),
      (hash) => {
        if (session.state().trace === null) return;
        next = `#${hash}`;
        clearTimeout(timer);
        const now = performance.now();
        allowance = Math.min(AT_ONCE, allowance + (now - counted) / REFILL_MS);
        counted = now;
        if (allowance >= 1) write();
        else timer = setTimeout(write, REFILL_MS);
      },
      { defer: true },
    ),
  );
});
addEventListener("hashchange", () => {
  if (location.hash === written) return;
  clearTimeout(timer);
  written = location.hash;
  next = written;
  void session.visit(location.hash);
});
void session.start(location.hash);
