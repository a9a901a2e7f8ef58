/** The URL hash as the address of what is shown: written as one goes, read when somebody changes it. */

import { createEffect, createRoot, on } from "solid-js";
import { writeHash } from "../state/hash";
import type { Session } from "../state/session";

/** Browsers refuse an address that changes too often (100 times in 30 s), as it would while a divider is dragged. */
const AT_ONCE = 40;
const REFILL_MS = 600;

/** Keeps the window's hash and the session together, and starts the session there; gives the function that ends it. */
export function followAddress(session: Session): () => void {
  let written = location.hash;
  let next = written;
  let allowance = AT_ONCE;
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
          allowance = Math.min(AT_ONCE, allowance + (now - counted) / REFILL_MS);
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
