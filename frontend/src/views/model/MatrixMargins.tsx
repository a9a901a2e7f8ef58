import { createMemo, Index, Show } from "solid-js";
import type { Side } from "../../state/state";
import type { Token } from "../../wire/messages";
import { type Counterparts, isUnaligned, pairedWord, substituteOf } from "../shared/counterparts";
import type { Filling } from "./camera";
import type { Grid } from "./grid";
import { type CellPlace, type MatrixFrame, marginLabels } from "./matrixFrame";

export interface MarginsProps {
  readonly frame: MatrixFrame;
  readonly grid: Grid;
  readonly filling: Filling;
  readonly queries: readonly Token[];
  readonly keys: readonly Token[];
  /** The tokens of the baseline, if differences are drawn. */
  readonly counterparts: Counterparts | null;
  /** Whether the head was changed. */
  readonly changed: boolean;
  readonly pointed: CellPlace | null;
}

/** The visible tokens beside a matrix: queries on the left, keys above. */
export function MatrixMargins(props: MarginsProps) {
  const rows = createMemo(() => {
    const { rect, part, cellHeight } = props.frame;
    return marginLabels(part.queries, rect.y, cellHeight, props.filling.top, props.grid.height);
  });
  const columns = createMemo(() => {
    const { rect, part, cellWidth } = props.frame;
    return marginLabels(part.keys, rect.x, cellWidth, props.filling.left, props.grid.width);
  });
  /** Words are rotated if they are longer than the columns are wide. */
  const level = () => columns()[0]?.kind !== "token" || props.frame.cellWidth >= props.filling.left - 8;
  const text = (side: Side, index: number, kind: "token" | "position") => {
    const tokens = side === "query" ? props.queries : props.keys;
    return kind === "token" ? pairedWord(tokens, index, props.counterparts?.[side]) : String(index);
  };
  const unaligned = (side: Side, index: number) => isUnaligned(props.counterparts?.[side], index);
  const substituted = (side: Side, index: number, tokens: readonly Token[]) =>
    substituteOf(props.counterparts?.[side], tokens[index], index) !== null;
  return (
    <div class="margins" aria-hidden="true" data-testid="matrix-margins">
      <div class="rows-margin" style={{ width: `${props.filling.left}px`, top: `${props.filling.top}px` }}>
        <Index each={rows()}>
          {(label) => (
            <bdi
              class="margin-label"
              classList={{
                now: props.pointed?.query === label().index,
                unaligned: unaligned("query", label().index),
                substituted: substituted("query", label().index, props.queries),
                position: label().kind === "position",
              }}
              data-query={label().index}
              style={{ transform: `translate(0, ${label().at - props.filling.top}px) translate(0, -50%)` }}
            >
              {text("query", label().index, label().kind)}
            </bdi>
          )}
        </Index>
      </div>
      <div
        class="columns-margin"
        style={{ height: `${props.filling.top}px`, left: `${props.filling.left}px` }}
      >
        <Index each={columns()}>
          {(label) => (
            <bdi
              class="margin-label"
              classList={{
                now: props.pointed?.key === label().index,
                unaligned: unaligned("key", label().index),
                substituted: substituted("key", label().index, props.keys),
                position: label().kind === "position",
                level: level(),
              }}
              data-key={label().index}
              style={{
                "max-width": level() ? undefined : `${props.filling.top - 10}px`,
                transform: level()
                  ? `translate(${label().at - props.filling.left}px, ${props.filling.top - 20}px) translate(-50%, 0)`
                  : `translate(${label().at - props.filling.left}px, ${props.filling.top - 5}px) rotate(-90deg) translate(0, -50%)`,
              }}
            >
              {text("key", label().index, label().kind)}
            </bdi>
          )}
        </Index>
      </div>
      <div
        class="margin-corner num"
        style={{ width: `${props.filling.left}px`, height: `${props.filling.top}px` }}
      >
        <span class="keys-name">keys →</span>
        <b>
          <Show when={props.changed}>
            <i class="changed-corner" />
          </Show>
          {props.frame.slot.layer}.{props.frame.slot.head}
        </b>
        <span>queries ↓</span>
      </div>
    </div>
  );
}
