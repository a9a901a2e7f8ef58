import { Show } from "solid-js";
import { usePage } from "../page/context";
import type { Exports } from "./exports";
import { nothingShown } from "./figures";
import { MenuItem } from "./MenuItem";

/** Menu items that pass the view on: the offline page, which opens anywhere, and a link. */
export function ShareItems(props: { readonly exports: Exports; readonly close: () => void }) {
  const { page, alone } = usePage();
  const choose = (action: () => void) => () => {
    props.close();
    action();
  };
  return (
    <>
      <Show when={props.exports.canWritePage()}>
        <MenuItem
          explained
          hint="one HTML file with this view, to send to others"
          testid="save-page"
          obstacle={nothingShown(page)}
          onChoose={choose(() => void props.exports.offlinePage())}
        >
          Offline page
        </MenuItem>
      </Show>
      <Show when={alone}>
        <MenuItem
          explained
          hint={props.exports.linkReach()}
          testid="copy-link"
          onChoose={choose(() => void props.exports.link())}
        >
          Copy link
        </MenuItem>
      </Show>
    </>
  );
}
