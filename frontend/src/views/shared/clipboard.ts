/** Clipboard access. */

/** Copies text and returns whether that worked. Browsers may block it in frames and on pages without HTTPS. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Blocked or unsupported: the caller shows the text to be copied by hand.
    return false;
  }
}
