/**
 * Keeps the URL hash in sync with the shown state, and reads it when the user edits it or goes back or forward. Every input has
 * an entry in the browser's history; a mere selection changes the current one.
 */

import { createEffect, createRoot, on } from "solid-js";
import { writeHash } from "../state/hash";
import type { Session } from "../state/session";

/** Writes in a burst. Browsers block an address that changes too often (100 times in 30 s), as when dragging a divider. */
const BURST = 40;
const REFILL_MS = 600;

/** Syncs the hash with the session and starts the session from it. Returns a function that ends the sync. */
export function followAddress(session: Session): () => void {
  let written = location.hash;
  let next = written;
  let entry = session.entry();
  let allowance = BURST;
  let counted = performance.now();
  let timer: ReturnType<typeof setTimeout> | undefined;

  const write = (): void => {
    clearTimeout(timer);
    if (next === written) return;
    written = next;
    allowance -= 1;
    history.replaceState(null, "", written);
  };
  const push = (hash: string): void => {
    write();
    if (hash === written) return;
    next = hash;
    written = hash;
    allowance -= 1;
    history.pushState(null, "", hash);
  };
  const visit = (): void => {
    if (location.hash === written) return;
    clearTimeout(timer);
    written = location.hash;
    next = written;
    void session.visit(location.hash);
  };
  const end = createRoot((dispose) => {
    createEffect(
      on(
        [() => writeHash(session.state()), session.entry],
        ([hash, now]) => {
          if (session.state().trace === null) return;
          if (now !== entry) {
            entry = now;
            push(`#${hash}`);
            return;
          }
          next = `#${hash}`;
          clearTimeout(timer);
          const time = performance.now();
          allowance = Math.min(BURST, allowance + (time - counted) / REFILL_MS);
          counted = time;
          if (allowance >= 1) write();
          else timer = setTimeout(write, REFILL_MS);
        },
        { defer: true },
      ),
    );
    return dispose;
  });
  addEventListener("hashchange", visit);
  void session.start(location.hash);
  return () => {
    removeEventListener("hashchange", visit);
    clearTimeout(timer);
    end();
  };
}
