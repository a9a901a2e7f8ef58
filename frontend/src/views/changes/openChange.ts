/** Opens the change box for what is selected, where a view has not opened it for what has the keyboard cursor. */

import type { ChangeSubject } from "../../state/changeSubject";
import { neuronHead, selectedEdge } from "../../state/state";
import type { Page } from "../page/page";

/** Opens the box for the pinned pair, else for the selected token, else for the head that is looked at. */
export function openChange(page: Page, root: HTMLElement): void {
  const { session, state } = page;
  const { stack, layer, token } = state().selection;
  if (!session.canChange() || state().trace?.stacks[stack]?.shapes[layer] == null) return;
  const place = { stack, layer, head: neuronHead(state()) };
  const edge = selectedEdge(state());
  const subject: ChangeSubject =
    edge !== null
      ? { kind: "line", ...place, ...edge }
      : token !== null
        ? { kind: "token", ...place, side: token.side, index: token.index }
        : { kind: "head", ...place };
  const focused = (root.getRootNode() as ShadowRoot).activeElement;
  const from = focused instanceof HTMLElement ? focused : root;
  const anchor = root.querySelector<HTMLElement>("[data-testid=head-fader]") ?? from;
  page.setChanging({ subject, at: anchor.getBoundingClientRect(), from });
}
