import { Show } from "solid-js";
import { plusMinus } from "../../marks/format";
import type { HelloMessage, TraceMessage } from "../../wire/messages";

/** The input of a saved result, whose model is not loaded. */
export function SavedInput(props: {
  readonly input: TraceMessage["input"] | null;
  /** Whether the input has an image. */
  readonly image: boolean;
  /** The exported file that holds the result. */
  readonly file: HelloMessage["file"] | null;
}) {
  const limits = () => {
    if (!props.file) return "Saved result: no new text";
    const { error } = props.file;
    return `Offline copy; weights ${error > 0 ? `rounded to ${plusMinus(error)}` : "not rounded"}`;
  };
  const explanation = () =>
    props.file
      ? "This file contains a saved result but no model, so it cannot run other texts."
      : "The model is not loaded, so you cannot run other texts or check this result.";
  return (
    <div class="given" data-testid="given-text">
      <p class="said" tabindex="0">
        <bdi>{props.input?.text || (props.image ? "An image" : "(text not saved)")}</bdi>
        <Show when={props.input?.pair}>
          <span class="quiet"> / </span>
          <bdi>{props.input?.pair}</bdi>
        </Show>
        <Show when={props.input?.target}>
          <span class="quiet"> → </span>
          <bdi>{props.input?.target}</bdi>
        </Show>
      </p>
      <p class="quiet num" title={explanation()}>
        {limits()}
      </p>
    </div>
  );
}
