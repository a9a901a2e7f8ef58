import { Show } from "solid-js";
import { changePhrase, changeWords, overPlace, shortNumber } from "../../figures/changeWords";
import { css, headColor } from "../../marks/palette";
import type { ChangeRow as Row } from "../../state/changes";
import { currentPass } from "../../state/state";
import type { Page } from "../page/page";
import { Fader } from "./Fader";
import { rowFader, settleRow, turnRow } from "./rowValue";

export interface ChangeRowProps {
  readonly page: Page;
  readonly row: Row;
  readonly movable: boolean;
  /** Whether the keyboard enters the list here. */
  readonly entry: boolean;
  readonly onMute: () => void;
  readonly onRemove: () => void;
  /** The grip was dragged to this height of the window. */
  readonly onDrag: (y: number) => void;
}

/** One change: its mute, what it is, its fader, what the number was, and its removal. */
export function ChangeRow(props: ChangeRowProps) {
  const { page } = props;
  const { session } = page;
  const edit = () => props.row.changes[0].edit;
  const muted = () => props.row.changes[0].muted;
  const pass = () => currentPass(page.state()) ?? undefined;
  const words = () => changeWords(edit(), pass());
  const phrase = () => changePhrase(edit(), pass(), props.row.over);
  const fader = () => rowFader(page, props.row);
  const was = (): string => {
    const now = fader();
    if (now === null || now.asItIs === null) return "";
    return now.most === 1 ? `was ${shortNumber(now.asItIs)}` : "of 1";
  };
  /** Shows the head, and the line if there is one. */
  const go = (): void => {
    const { layer, head, stack, query, key } = edit();
    if (head == null) return;
    if (stack != null && stack !== page.state().selection.stack)
      session.dispatch({ type: "stack", stack: String(stack) });
    session.dispatch({ type: "head", layer: Number(layer), head: Number(head) });
    if (typeof query === "number" && typeof key === "number") session.dispatch({ type: "edge", query, key });
  };
  return (
    <div
      class="change"
      classList={{ muted: muted() }}
      role="listitem"
      tabindex={props.entry ? 0 : -1}
      aria-label={muted() ? `${phrase()}, muted` : phrase()}
      data-testid="change"
    >
      <Show when={props.movable} fallback={<span />}>
        <span
          class="grip"
          title="Drag, or Alt ↑ ↓: the later of two changes of the same row counts"
          on:pointerdown={(event) => {
            event.currentTarget.setPointerCapture(event.pointerId);
            event.preventDefault();
          }}
          on:pointermove={(event) => {
            if (event.currentTarget.hasPointerCapture(event.pointerId)) props.onDrag(event.clientY);
          }}
          data-testid="grip"
        >
          <i aria-hidden="true" />
        </span>
      </Show>
      <button
        type="button"
        class="mute"
        aria-pressed={muted()}
        aria-label={muted() ? `Make ${phrase()} again` : `Mute ${phrase()}`}
        title={muted() ? "Muted: not made. Click: make it again (Space)" : "Made. Click: mute it (Space)"}
        data-testid="mute"
        tabindex="-1"
        on:click={props.onMute}
      >
        <span class="change-dot" aria-hidden="true" />
      </button>
      <button type="button" class="subject" tabindex="-1" title={`Show ${phrase()}`} on:click={go}>
        <Show when={props.row.over === "head" && edit().head != null}>
          <i
            class="swatch"
            style={{ background: css(headColor(Number(edit().head), page.dark())) }}
            aria-hidden="true"
          />
        </Show>
        <span class="num">{overPlace(edit(), props.row.over)}</span> <b>{words().what}</b>{" "}
        <span class="quiet">{words().kind}</span>
      </button>
      <Show when={fader()} fallback={<span />}>
        {(now) => (
          <Fader
            label={phrase()}
            value={now().value}
            most={now().most}
            asItIs={now().asItIs}
            text={words().value}
            changed={true}
            muted={muted()}
            testid="row-fader"
            onTurn={(value) => turnRow(session, now(), value)}
            onRest={() => settleRow(session, props.row)}
          />
        )}
      </Show>
      <output class="num value" classList={{ is: !muted() }}>
        {words().value.replace("= ", "")}
      </output>
      <span class="num was">{was()}</span>
      <button
        type="button"
        class="remove"
        tabindex="-1"
        aria-label={`Remove ${phrase()}`}
        title="Remove (Delete)"
        data-testid="remove"
        on:click={props.onRemove}
      >
        ×
      </button>
    </div>
  );
}
