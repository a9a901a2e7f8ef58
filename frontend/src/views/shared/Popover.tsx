import { createSignal, type JSX, onCleanup, Show } from "solid-js";

/** Smallest gap between a box and the edge of the page. */
const EDGE = 8;
const LEAST_HEIGHT = 120;

export interface PopoverProps {
  readonly label: string;
  /** The tooltip of the button; the label if it is missing. */
  readonly title?: string;
  readonly face: JSX.Element;
  readonly class?: string;
  readonly testid?: string;
  /** The edge of the button that the box is aligned with. */
  readonly align?: "start" | "end";
  readonly kind: "menu" | "dialog";
  readonly children: (close: () => void) => JSX.Element;
}

/**
 * A button that opens a box under it and moves keyboard focus to the element marked `data-first`, else to the first control.
 * Escape, a click elsewhere, or leaving with Tab closes it.
 */
export function Popover(props: PopoverProps) {
  const [open, setOpen] = createSignal(false);
  let frame!: HTMLSpanElement;
  let button!: HTMLButtonElement;

  const outside = (event: Event): void => {
    if (!event.composedPath().includes(frame)) close();
  };
  const close = (): void => {
    setOpen(false);
    document.removeEventListener("pointerdown", outside, true);
  };
  const toggle = (): void => {
    if (open()) {
      close();
      return;
    }
    setOpen(true);
    document.addEventListener("pointerdown", outside, true);
    queueMicrotask(() => {
      keepInside(frame);
      const box = frame.querySelector<HTMLElement>(".box");
      const first = box?.querySelector<HTMLElement>("[data-first]");
      (first ?? items()[0])?.focus({ preventScroll: true });
      if (box && first) box.scrollTop = first.offsetTop + first.offsetHeight - box.clientHeight / 2;
    });
  };
  onCleanup(() => document.removeEventListener("pointerdown", outside, true));

  const items = (): HTMLElement[] => [
    ...frame.querySelectorAll<HTMLElement>(".box button:enabled, .box select, .box [tabindex]"),
  ];

  const key = (event: KeyboardEvent): void => {
    if (!open()) return;
    if (event.key === "Escape") {
      close();
      button.focus();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const all = items();
      const at = all.indexOf(event.target as HTMLElement);
      all[(at + (event.key === "ArrowDown" ? 1 : -1) + all.length) % all.length]?.focus();
      event.preventDefault();
    } else {
      return;
    }
    event.stopPropagation();
  };

  const leave = (event: FocusEvent): void => {
    if (event.relatedTarget instanceof Node && !frame.contains(event.relatedTarget)) close();
  };

  return (
    <span class="popover" ref={frame} on:keydown={key} on:focusout={leave}>
      <button
        ref={button}
        type="button"
        class={props.class ?? "ghost"}
        aria-label={props.label}
        title={open() ? undefined : (props.title ?? props.label)}
        aria-haspopup={props.kind}
        aria-expanded={open()}
        data-testid={props.testid}
        on:click={toggle}
      >
        {props.face}
      </button>
      <Show when={open()}>
        <div
          class="box"
          classList={{ menu: props.kind === "menu", end: props.align === "end" }}
          role={props.kind}
          aria-label={props.label}
        >
          {props.children(() => {
            close();
            button.focus();
          })}
        </div>
      </Show>
    </span>
  );
}

/** Shifts an open box sideways to fit the page, and makes it scroll if it is too tall. */
function keepInside(frame: HTMLElement): void {
  const box = frame.querySelector<HTMLElement>(".box");
  const page = frame.closest(".app")?.getBoundingClientRect();
  if (box === null || page === undefined) return;
  const { left, right, top } = box.getBoundingClientRect();
  box.style.maxHeight = `${Math.max(LEAST_HEIGHT, page.bottom - EDGE - top)}px`;
  const over = Math.max(0, right - (page.right - EDGE));
  const short = Math.max(0, page.left + EDGE - (left - over));
  if (over !== short) box.style.translate = `${short - over}px`;
}
