import { computePosition, flip, offset, shift } from "@floating-ui/dom";
import { createEffect, createSignal, Match, on, onCleanup, Show, Switch } from "solid-js";
import type { ChangeSubject } from "../../state/changeSubject";
import type { Change } from "../../state/state";
import type { Page } from "../page/page";
import { HeadBox } from "./HeadBox";
import { LineBox } from "./LineBox";
import { NeuronBox } from "./NeuronBox";
import { inCurrentPass } from "./subject";
import { TokenBox } from "./TokenBox";

/** The box that changes one thing: a head, a line, a token or neurons. It stands beside what it is about. */
export function ChangeBox(props: { readonly page: Page }) {
  const { page } = props;
  const { session } = page;
  const [before, setBefore] = createSignal<readonly Change[]>([]);
  let box: HTMLDivElement | undefined;

  const close = (): void => {
    const from = page.changing()?.from;
    page.setChanging(null);
    from?.focus({ preventScroll: true });
  };
  const undo = (): void => {
    if (session.state().changes !== before()) session.change(before(), "undo the change");
    close();
  };
  const outside = (event: Event): void => {
    if (box !== undefined && !event.composedPath().includes(box)) page.setChanging(null);
  };

  const place = async (): Promise<void> => {
    const at = page.changing()?.at;
    if (box === undefined || at === undefined) return;
    const reference = { getBoundingClientRect: () => DOMRect.fromRect(at) };
    const { x, y } = await computePosition(reference, box, {
      strategy: "fixed",
      placement: "right-start",
      middleware: [
        offset(8),
        flip({ fallbackPlacements: ["left-start", "bottom-start", "top-start"], padding: 8 }),
        shift({ crossAxis: true, padding: 8 }),
      ],
    });
    Object.assign(box.style, { left: `${x}px`, top: `${y}px` });
  };
  const open = (element: HTMLDivElement): void => {
    box = element;
    queueMicrotask(() => {
      element.showPopover();
      void place();
      element.querySelector<HTMLElement>("input[type=range]:enabled, button:enabled")?.focus();
    });
    document.addEventListener("pointerdown", outside, true);
    const grown = new ResizeObserver(() => void place());
    grown.observe(element);
    onCleanup(() => {
      document.removeEventListener("pointerdown", outside, true);
      grown.disconnect();
      box = undefined;
    });
  };
  createEffect(
    on(page.changing, (now, last) => {
      if (now !== null && now !== last) setBefore(session.state().changes);
    }),
  );

  const key = (event: KeyboardEvent): void => {
    const fader = box?.querySelector<HTMLInputElement>("input[type=range]");
    const typing = event.target instanceof HTMLSelectElement || event.target instanceof HTMLTextAreaElement;
    if (event.key === "Escape") undo();
    else if (event.key === "Enter") close();
    else if (event.key === "0" && !typing) box?.querySelector<HTMLElement>("[data-off]")?.click();
    else if (event.key.startsWith("Arrow") && !typing && fader != null && event.target !== fader) {
      fader.focus();
      fader.dispatchEvent(new KeyboardEvent("keydown", { key: event.key, shiftKey: event.shiftKey }));
    } else {
      if (!["b", "d"].includes(event.key)) event.stopPropagation();
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <Show when={page.changing()} keyed>
      {({ subject }) => {
        const own = inCurrentPass(subject, session.state());
        return (
          <div
            class="change-box"
            popover="manual"
            role="dialog"
            aria-label={`Change ${nameOf(subject)}`}
            data-testid="change-box"
            ref={open}
            on:keydown={key}
          >
            <Show
              when={own}
              fallback={
                <p class="why">
                  This token has no counterpart in the current pass, which is the one that changes.
                </p>
              }
            >
              {(found) => <Content page={page} subject={found()} />}
            </Show>
            <p class="keys" aria-hidden="true">
              <Show when={subject.kind !== "token"}>
                <span>
                  <kbd>← →</kbd> turn
                </span>
              </Show>
              <span>
                <kbd>0</kbd> {OFF_WORDS[subject.kind]}
              </span>
              <span>
                <kbd>Enter</kbd> keep
              </span>
              <span>
                <kbd>Esc</kbd> undo
              </span>
            </p>
          </div>
        );
      }}
    </Show>
  );
}

const OFF_WORDS: Readonly<Record<ChangeSubject["kind"], string>> = {
  head: "off",
  line: "cut",
  neuron: "off",
  token: "hide",
};

function Content(props: { readonly page: Page; readonly subject: ChangeSubject }) {
  const of = <K extends ChangeSubject["kind"]>(kind: K) =>
    props.subject.kind === kind ? (props.subject as Extract<ChangeSubject, { kind: K }>) : undefined;
  return (
    <Switch>
      <Match when={of("head")}>{(head) => <HeadBox page={props.page} subject={head()} />}</Match>
      <Match when={of("line")}>{(line) => <LineBox page={props.page} subject={line()} />}</Match>
      <Match when={of("token")}>{(token) => <TokenBox page={props.page} subject={token()} />}</Match>
      <Match when={of("neuron")}>{(neuron) => <NeuronBox page={props.page} subject={neuron()} />}</Match>
    </Switch>
  );
}

function nameOf(subject: ChangeSubject): string {
  const head = `head ${subject.layer}.${subject.head}`;
  return subject.kind === "head" ? head : `${subject.kind} of ${head}`;
}
