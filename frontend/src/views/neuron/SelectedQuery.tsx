import { Show } from "solid-js";
import type { Token } from "../../wire/messages";
import { TokenText } from "../shared/TokenText";
import { rowY, type TokenLayout } from "../shared/tokenLayout";
import type { Columns } from "./columns";

export interface SelectedQueryProps {
  readonly tokens: readonly Token[];
  readonly index: number;
  readonly columns: Columns;
  readonly layout: TokenLayout;
  readonly scroll: number;
  /** Center of its vector, which stays in the window. */
  readonly y: number;
  readonly onCollapse: () => void;
}

/** The collapse button beside the selected query vector, and the query's token when its row is scrolled out of view. */
export function SelectedQuery(props: SelectedQueryProps) {
  const outOfSight = () => Math.abs(rowY(props.layout, props.index, props.scroll) - props.y) > 1;
  return (
    <>
      <Show when={outOfSight()}>
        <div
          class="kept-query"
          style={{
            left: `${props.columns.queryX}px`,
            width: `${props.columns.token}px`,
            height: `${props.layout.rowHeight}px`,
            "font-size": `${props.layout.fontSize}px`,
            transform: `translateY(${props.y - props.layout.rowHeight / 2}px)`,
          }}
        >
          <TokenText tokens={props.tokens} index={props.index} />
        </div>
      </Show>
      <button
        type="button"
        class="fold"
        title="Collapse the neurons and show only lines"
        aria-label="Collapse neurons"
        data-testid="neuron-collapse"
        style={{ left: `${props.columns.queryX - 24}px`, transform: `translateY(${props.y - 10}px)` }}
        on:click={(event) => {
          event.stopPropagation();
          props.onCollapse();
        }}
      >
        −
      </button>
    </>
  );
}
