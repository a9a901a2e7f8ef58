import { createEffect, createMemo, createSignal, For, type JSX, Show } from "solid-js";
import { createVisibleRows } from "../shared/visibleRows";

export interface VirtualTableProps<T> {
  readonly label: string;
  readonly columns: readonly JSX.Element[];
  /** Widths of the columns, as CSS grid tracks. */
  readonly tracks: string;
  readonly rows: readonly T[];
  /** Identifies a row. The cursor stays on its row when the rows are computed again. */
  readonly keyOf: (row: T) => string;
  /** The cells of a row. */
  readonly cells: (row: () => T) => readonly JSX.Element[];
  /** The text if there are no rows. */
  readonly empty: string;
  readonly onPoint: (row: T | null) => void;
  readonly onChoose: (row: T) => void;
  /** Called when the last row becomes visible. */
  readonly onEnd: () => void;
}

const HEIGHT = 26;

/** A table that renders only visible rows. Arrow keys move between rows, Enter or Space selects one. */
export function VirtualTable<T>(props: VirtualTableProps<T>) {
  let box!: HTMLDivElement;
  const [cursor, setCursor] = createSignal<string | null>(null);
  const active = createMemo(() => {
    const at = cursor() === null ? -1 : props.rows.findIndex((row) => props.keyOf(row) === cursor());
    return at < 0 ? null : at;
  });
  const visible = createVisibleRows({
    ...{ scroller: () => box, count: () => props.rows.length, height: HEIGHT, beyond: 3 },
  });
  createEffect(() => {
    const last = visible().at(-1)?.index ?? -1;
    if (props.rows.length > 0 && last >= props.rows.length - 1) props.onEnd();
  });
  const go = (index: number): void => {
    const at = Math.max(0, Math.min(props.rows.length - 1, index));
    if (props.rows.length === 0) return;
    setCursor(props.keyOf(props.rows[at]));
    const top = at * HEIGHT;
    if (top < box.scrollTop) box.scrollTop = top;
    else if (top + 2 * HEIGHT > box.scrollTop + box.clientHeight)
      box.scrollTop = top + 2 * HEIGHT - box.clientHeight;
    props.onPoint(props.rows[at]);
  };
  const key = (event: KeyboardEvent): void => {
    const at = active() ?? -1;
    const page = Math.max(1, Math.floor(box.clientHeight / HEIGHT) - 2);
    const steps: Readonly<Record<string, number>> = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      Home: 0,
      End: props.rows.length - 1,
      PageDown: at + page,
      PageUp: at - page,
    };
    if (event.key in steps) go(steps[event.key]);
    else if ((event.key === "Enter" || event.key === " ") && at >= 0) props.onChoose(props.rows[at]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const rowAt = (event: Event): T | undefined => {
    const row = (event.target as HTMLElement).closest<HTMLElement>("[aria-rowindex]");
    return row === null ? undefined : props.rows[Number(row.getAttribute("aria-rowindex")) - 2];
  };

  return (
    <div
      class="rows num"
      role="grid"
      tabindex="0"
      ref={box}
      aria-label={props.label}
      aria-rowcount={props.rows.length + 1}
      aria-activedescendant={active() === null ? undefined : `weight-${active()}`}
      data-testid="weights"
      style={{ "--tracks": props.tracks }}
      on:keydown={key}
      on:blur={() => props.onPoint(null)}
      on:pointerover={(event) => props.onPoint(rowAt(event) ?? null)}
      on:pointerleave={() => props.onPoint(null)}
      on:click={(event) => {
        const row = rowAt(event);
        if (row === undefined) return;
        setCursor(props.keyOf(row));
        props.onChoose(row);
      }}
    >
      <div class="head" role="row" aria-rowindex="1">
        <For each={props.columns}>{(column) => <span role="columnheader">{column}</span>}</For>
      </div>
      <div class="body" style={{ height: `${props.rows.length * HEIGHT}px` }}>
        <Show when={props.rows.length > 0} fallback={<p class="hint">{props.empty}</p>}>
          <For each={visible()}>
            {(item) => (
              <Show when={props.rows[item.index]}>
                {(row) => (
                  <div
                    class="weight-row"
                    classList={{ active: active() === item.index }}
                    role="row"
                    id={`weight-${item.index}`}
                    aria-rowindex={item.index + 2}
                    aria-selected={active() === item.index}
                    style={{ transform: `translateY(${item.start}px)` }}
                  >
                    <For each={props.cells(row)}>{(cell) => <span role="gridcell">{cell}</span>}</For>
                  </div>
                )}
              </Show>
            )}
          </For>
        </Show>
      </div>
    </div>
  );
}
