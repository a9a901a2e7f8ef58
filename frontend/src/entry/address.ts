/** Keeps the URL hash in sync with the shown state: writes it on changes, and reads it when the user edits it. */

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
        () => writeHash(session.state()),
        (hash) => {
          if (session.state().trace === null) return;
          next = `#${hash}`;
          clearTimeout(timer);
          const now = performance.now();
          allowance = Math.min(BURST, allowance + (now - counted) / REFILL_MS);
          counted = now;
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
