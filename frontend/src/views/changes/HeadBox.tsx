import { For, Show } from "solid-js";
import { changeWords } from "../../figures/changeWords";
import { counted } from "../../marks/format";
import type { HeadSubject } from "../../state/changeSubject";
import { putChanges } from "../../state/changes";
import type { Page } from "../page/page";
import { BoxTitle } from "./BoxTitle";
import { Fader } from "./Fader";
import { editPlace, headFactor, MOST_FACTOR } from "./headFactor";
import { headsIn } from "./lineWeight";
import { replacementsOf } from "./replacements";

const FACTORS = [
  [0, "Off"],
  [0.5, "½"],
  [2, "Double"],
] as const;

/** Scales the output of a head, or replaces it. */
export function HeadBox(props: { readonly page: Page; readonly subject: HeadSubject }) {
  const { page } = props;
  const { session } = page;
  const { layer, head, stack } = props.subject;
  const scaled = headFactor(session, props.subject);
  const changed = () => scaled.change() !== null;
  const value = (): string => {
    const change = scaled.change();
    return change === null ? "× 1" : changeWords(change.edit).value;
  };
  const others = () => headsIn(page, props.subject, "layer").filter(([, other]) => other !== head);
  const othersOff = (): void => {
    const edits = others().map(([, other]) => ({
      type: "ScaleHead",
      ...editPlace(session, { stack, layer, head: other }),
      factor: 0,
    }));
    session.change(
      putChanges(session.state().changes, edits),
      `turn off all heads of layer ${layer} but ${head}`,
    );
  };
  const reason = () => session.state().trace?.stacks[stack]?.changes?.head ?? null;
  return (
    <>
      <BoxTitle layer={layer} head={head} dark={page.dark()} value={value()} changed={changed()}>
        output
      </BoxTitle>
      <Show when={reason() === null} fallback={<p class="why">{reason()}</p>}>
        <Fader
          label={`Output of head ${layer}.${head}`}
          value={scaled.factor()}
          most={MOST_FACTOR}
          asItIs={1}
          text={value()}
          changed={changed()}
          testid="change-fader"
          onTurn={scaled.set}
          onRest={(factor) => {
            if (factor === 1) scaled.reset();
          }}
        />
        <p class="ends" aria-hidden="true">
          <span>0 off</span>
          <span>as it is</span>
          <span>2</span>
        </p>
        <div class="buttons">
          <For each={FACTORS}>
            {([factor, name]) => (
              <button
                type="button"
                class="ghost small"
                data-off={factor === 0 ? "" : undefined}
                data-testid={`change-${factor}`}
                aria-pressed={changed() && scaled.factor() === factor}
                on:click={() => scaled.set(factor)}
              >
                {name}
              </button>
            )}
          </For>
          <button type="button" class="ghost small" data-testid="as-it-is" on:click={scaled.reset}>
            As it is
          </button>
        </div>
        <div class="more">
          <button type="button" data-testid="others-off" on:click={othersOff}>
            <span>Turn off all others of layer {layer}</span>
            <small>{counted(others().length, "head")}</small>
          </button>
          <For each={replacementsOf(page, props.subject)}>
            {({ name, title, note, edit }) => (
              <button
                type="button"
                title={title}
                aria-disabled={edit === null}
                data-testid={`replace-${name.replaceAll(" ", "-")}`}
                on:click={() => {
                  if (edit !== null) scaled.put(edit, "replace");
                }}
              >
                <span>Replace by {name}</span>
                <small>{note}</small>
              </button>
            )}
          </For>
        </div>
      </Show>
    </>
  );
}
