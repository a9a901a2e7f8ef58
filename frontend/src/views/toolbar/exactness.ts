/** Short texts about how exact the shown weights are. */

import { roundedUp } from "../../marks/format";
import type { Certificate } from "../../wire/messages";

/** Whether a certificate compared anything; for attention that came without a model, it did not. */
export function isCompared(certificate: Certificate | null): boolean {
  return Object.values(certificate?.stacks ?? {}).some((layers) => layers.length > 0);
}

/** The text of the badge: `exact to 2e-6`, `exact`, `not exact`, or `not checked`; with `recorded: ` if a file says so. */
export function badgeText(certificate: Certificate | null): string {
  if (certificate === null || !isCompared(certificate)) return "not checked";
  const { ok, max_error: error, recorded } = certificate;
  const verdict = !ok ? "not exact" : error === null ? "exact" : `exact to ${roundedUp(error)}`;
  return recorded === true ? `recorded: ${verdict}` : verdict;
}
