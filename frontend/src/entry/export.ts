/** The page inside an exported file. All its data are in blocks of the file; it makes no requests. */

import { EdgeTensors } from "../compute/edgeTensors";
import { EmbeddedSource } from "../source/embedded";
import { createSession } from "../state/session";
import { sinkKeys } from "../views/shared/weights";
import { mount } from "./mount";
import page from "./page.css?inline";

const sheet = new CSSStyleSheet();
sheet.replaceSync(page);
document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];

const source = new EmbeddedSource(
  (name) => document.querySelector(`script[data-block="${CSS.escape(name)}"]`)?.textContent ?? null,
  (query, key, trace, stack) => {
    const { key: side, causal } = trace.stacks[stack];
    return new EdgeTensors(query, key, sinkKeys(trace.tokens[side], causal));
  },
);
const session = createSession(source);
const host = document.createElement("div");
document.body.append(host);

const start = `#${document.documentElement.dataset.start ?? ""}`;
// A page embedded with srcdoc does not have an address that it could change.
const alone = location.protocol !== "about:";
if (alone && location.hash.length < 2) history.replaceState(null, "", start);
mount(host, session, { hash: alone });
if (!alone) void session.start(start);
