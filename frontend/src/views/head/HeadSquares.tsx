import { For } from "solid-js";
import { css, headColor, headDash, inkOn } from "../../marks/palette";

export interface HeadSquaresProps {
  readonly layer: number;
  readonly count: number;
  readonly on: readonly number[];
  readonly dark: boolean;
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
    }
  };

  return (
    <div class="heads" role="group" aria-label="Heads" on:keydown={key}>
      <For each={Array.from({ length: props.count }, (_, head) => head)}>
        {(head) => {
          const color = () => headColor(head, props.dark);
          return (
            <button
              type="button"
              class="square"
              classList={{ on: props.on.includes(head), dashed: headDash(head).length > 0 }}
              style={{ "--head": css(color()), "--on-head": inkOn(color()) }}
              aria-label={`Head ${head}`}
              aria-pressed={props.on.includes(head)}
              data-testid={`head-${head}`}
              title={`Head ${props.layer}.${head}. Click: turn on or off. Double-click: show only this head, or all heads again.`}
              on:click={(event) => click(event, head)}
            >
              {head}
            </button>
          );
        }}
      </For>
    </div>
  );
}
