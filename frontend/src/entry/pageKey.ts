/**
 * The page key: a secret that the server gives the page in its address, and expects with every request.
 *
 * The cookie alone is not enough, because the browser sends it to other ports of this machine too, and so to servers of other
 * users. What the page stores belongs to its own port.
 */

const PARAMETER = "page-key";
const STORED = "attnscope page key";

/** The page key, from the address (from which it is removed) or stored by an earlier page of this server; null without one. */
export function takePageKey(): string | null {
  const address = new URL(location.href);
  const given = address.searchParams.get(PARAMETER);
  if (given === null) return stored();
  address.searchParams.delete(PARAMETER);
  history.replaceState(history.state, "", address);
  try {
    localStorage.setItem(STORED, given);
  } catch {
    // The browser stores nothing for this page. The key then lasts until the page is reloaded.
  }
  return given;
}

function stored(): string | null {
  try {
    return localStorage.getItem(STORED);
  } catch {
    return null;
  }
}
