import { Show } from "solid-js";
import { roundedUp } from "../../marks/format";
import type { HelloMessage, TraceMessage } from "../../wire/messages";

/** The text of a trace that no model is there for. */
export function SavedInput(props: {
  readonly input: TraceMessage["input"] | null;
  /** Whether the input was a picture. */
  readonly image: boolean;
  /** The exported file that it is in. */
  readonly file: HelloMessage["file"] | null;
}) {
  const without = () =>
    props.file
      ? `A file by itself: no other text can be run here. Its weights are right to ${roundedUp(props.file.error)}.`
      : "A trace without its model: no other text can be run here, and no check.";
  return (
    <div class="given" data-testid="given-text">
      <p class="said" tabindex="0">
        <bdi>{props.input?.text || (props.image ? "A picture" : "(its text was not kept)")}</bdi>
        <Show when={props.input?.pair}>
          <span class="quiet"> / </span>
          <bdi>{props.input?.pair}</bdi>
        </Show>
        <Show when={props.input?.target}>
          <span class="quiet"> → </span>
          <bdi>{props.input?.target}</bdi>
        </Show>
      </p>
      <p class="quiet num">{without()}</p>
    </div>
  );
}
