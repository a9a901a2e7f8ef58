/** The app that a local server serves: the whole page, connected over HTTP, with its address in the URL hash. */

import { HttpSource } from "../source/http";
import { createSession } from "../state/session";
import { mount } from "./mount";
import page from "./page.css?inline";
import { takePageKey } from "./pageKey";

const sheet = new CSSStyleSheet();
sheet.replaceSync(page);
document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];

const session = createSession(new HttpSource(new URL("api", document.baseURI), takePageKey()));
const host = document.createElement("div");
document.body.append(host);
mount(host, session, { hash: true });
