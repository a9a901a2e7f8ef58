import { For } from "solid-js";
import { usePage } from "../page/context";
import { createExports } from "./exports";
import { type FigureKind, nothingShown } from "./figures";
import { MenuItem } from "./MenuItem";
import { ShareItems } from "./ShareItems";
import type { Format } from "./saveFigure";

const FIGURES: readonly FigureKind[] = ["model", "head", "neurons", "edges"];
const FORMATS: readonly Format[] = ["svg", "png"];

/** Menu items that export the whole page: all figures, the offline page, Python code, and a link. */
export function PageExport(props: { readonly close: () => void }) {
  const context = usePage();
  const { page } = context;
  const exports = createExports(context);
  const choose = (action: () => void) => () => {
    props.close();
    action();
  };
  return (
    <>
      <For each={FORMATS}>
        {(format) => (
          <MenuItem
            obstacle={nothingShown(page)}
            testid={`save-all-${format}`}
            onChoose={choose(() => void exports.allFigures(FIGURES, format))}
          >
            {`All views as ${format.toUpperCase()}`}
          </MenuItem>
        )}
      </For>
      <hr />
      <MenuItem onChoose={choose(() => void exports.python(page.state().frame.at))}>Copy as Python</MenuItem>
      <ShareItems exports={exports} close={props.close} />
    </>
  );
}
