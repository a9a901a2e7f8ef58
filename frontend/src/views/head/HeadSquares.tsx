import { createEffect, For, onCleanup } from "solid-js";
import { significant } from "../../marks/format";
import { css, headColor, headDash, inkOn } from "../../marks/palette";
import type { EditMarks } from "../../state/editMarks";
import { onChangeGesture } from "../shared/changeGesture";

export interface HeadSquaresProps {
  readonly layer: number;
  readonly count: number;
  readonly on: readonly number[];
  readonly dark: boolean;
  /** What edits do to the heads. */
  readonly marks: EditMarks;
  /** Opens a change of a head; absent where nothing can be changed. */
  readonly onChange?: (head: number, square: HTMLElement) => void;
  readonly onToggle: (head: number) => void;
  readonly onIsolate: (head: number) => void;
  readonly onSet: (heads: readonly number[]) => void;
}

/** One square per head: a click toggles the head, a double click shows only that head or all heads again. */
export function HeadSquares(props: HeadSquaresProps) {
  let before: readonly number[] = [];
  let clicked = -1;

  const click = (event: MouseEvent, head: number): void => {
    if (event.detail >= 2 && clicked === head) {
      // The first click of a double click has toggled the head. Undo that before isolating it.
      props.onSet(before);
      props.onIsolate(head);
      clicked = -1;
      return;
    }
    before = props.on;
    clicked = head;
    props.onToggle(head);
  };

  const key = (event: KeyboardEvent): void => {
    const steps: Readonly<Record<string, number>> = { ArrowRight: 1, ArrowLeft: -1 };
    const squares = [...(event.currentTarget as HTMLElement).querySelectorAll<HTMLElement>("button")];
    const at = squares.indexOf(event.target as HTMLElement);
    if (event.key in steps) {
      squares[(at + steps[event.key] + squares.length) % squares.length]?.focus();
      event.preventDefault();
    } else if (event.key === "Enter" && event.shiftKey) {
      props.onIsolate(at);
      event.preventDefault();
    } else if (event.key === "e" && at >= 0 && props.onChange && !event.ctrlKey && !event.metaKey) {
      props.onChange(at, squares[at]);
      event.preventDefault();
      event.stopPropagation();
    }
  };
  const listen = (element: HTMLElement): void => {
    createEffect(() => {
      const change = props.onChange;
      if (change === undefined) return;
      const stop = onChangeGesture(element, (_, target) => {
        const square = target.closest<HTMLElement>("button");
        if (square === null) return false;
        change([...element.querySelectorAll("button")].indexOf(square as HTMLButtonElement), square);
        return true;
      });
      onCleanup(stop);
    });
  };

  return (
    <div class="heads" role="group" aria-label="Heads" ref={listen} on:keydown={key}>
      <For each={Array.from({ length: props.count }, (_, head) => head)}>
        {(head) => {
          const color = () => headColor(head, props.dark);
          const mark = () => props.marks.heads.get(head);
          const factor = () => mark()?.factor ?? null;
          const state = () => {
            if (mark() === undefined) return "";
            if (factor() === 0) return ", off";
            return factor() === null ? ", changed" : `, output × ${significant(factor() as number, 3)}`;
          };
          return (
            <button
              type="button"
              class="square"
              classList={{
                on: props.on.includes(head),
                dashed: headDash(head).length > 0,
                changed: mark() !== undefined,
                filled: factor() !== null && factor() !== 1,
                off: factor() === 0,
              }}
              style={{
                "--head": css(color()),
                "--on-head": inkOn(color()),
                "--level": `${100 * Math.min(1, Math.max(0, factor() ?? 1))}%`,
              }}
              aria-label={`Head ${head}${state()}`}
              aria-pressed={props.on.includes(head)}
              data-testid={`head-${head}`}
              title={`Head ${props.layer}.${head}${state()}. Click: show or hide. Double-click: show only this head, or all heads again.${props.onChange ? " Right click or e: change its output." : ""}`}
              on:click={(event) => click(event, head)}
            >
              <span>{head}</span>
            </button>
          );
        }}
      </For>
    </div>
  );
}
