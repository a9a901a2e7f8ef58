/** Text on the clipboard. */

/** Whether the text is on the clipboard: pages without HTTPS, and frames, may be kept from it. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Not allowed, or not there: whoever asked shows the text to be copyText by hand.
    return false;
  }
}
