import { createMemo, createSignal, Show } from "solid-js";
import { shortNumber } from "../../figures/changeWords";
import { word } from "../../marks/format";
import type { LineSubject } from "../../state/changeSubject";
import { currentPass } from "../../state/state";
import type { Page } from "../page/page";
import { BoxTitle } from "./BoxTitle";
import { Fader } from "./Fader";
import { HideToken } from "./HideToken";
import { lineWeight, type Scope } from "./lineWeight";

/** Sets or cuts the weight of a key for a query, in one head or in all heads of the layer. */
export function LineBox(props: { readonly page: Page; readonly subject: LineSubject }) {
  const { page } = props;
  const { session } = page;
  const { stack, layer, head, query, key } = props.subject;
  const [scope, setScope] = createSignal<Scope>("head");
  const line = createMemo(() => lineWeight(page, props.subject, scope()));
  const pass = () => currentPass(session.state());
  const name = (side: "query" | "key", index: number): string => {
    const token = pass()?.tokens[pass()?.stacks[stack]?.[side] ?? ""]?.[index];
    return token === undefined ? `token ${index}` : word(token).trim();
  };
  const value = (): string => {
    const now = line().weight();
    if (line().cut()) return "cut";
    return now === null ? "…" : shortNumber(now);
  };
  const reason = () => {
    const changes = pass()?.stacks[stack]?.changes;
    return changes?.line ?? null;
  };
  const noWeight = () => pass()?.stacks[stack]?.changes?.weight ?? null;
  return (
    <>
      <BoxTitle
        layer={layer}
        head={head}
        dark={page.dark()}
        value={value()}
        changed={line().change() !== null}
      >
        {name("query", query)} → {name("key", key)}
      </BoxTitle>
      <Show when={reason() === null} fallback={<p class="why">{reason()}</p>}>
        <Show when={noWeight() === null} fallback={<p class="why">{noWeight()}</p>}>
          <Fader
            label={`Weight of ${name("query", query)} to ${name("key", key)} in head ${layer}.${head}`}
            value={line().weight() ?? 0}
            most={1}
            asItIs={line().asItIs()}
            text={value()}
            changed={line().change() !== null}
            testid="change-fader"
            onTurn={(weight) => line().set(weight)}
            onRest={() => line().rest()}
          />
          <p class="ends" aria-hidden="true">
            <span>0 cut</span>
            <Show when={line().asItIs()}>
              {(own) => (
                <span style={{ "--at": Math.min(0.7, Math.max(0.3, own())) }} class="own">
                  as it is {shortNumber(own())}
                </span>
              )}
            </Show>
            <span>1</span>
          </p>
        </Show>
        <div class="buttons">
          <button
            type="button"
            class="ghost small"
            data-off=""
            data-testid="cut"
            aria-pressed={line().cut()}
            on:click={() => line().set(0)}
          >
            Cut
          </button>
          <button type="button" class="ghost small" data-testid="as-it-is" on:click={() => line().reset()}>
            As it is
          </button>
          <span class="space" />
          <select
            aria-label="Where"
            data-testid="scope"
            on:change={(event) => setScope(event.currentTarget.value as Scope)}
          >
            <option value="head">this line</option>
            <option value="layer">all heads of layer {layer}</option>
          </select>
        </div>
        <p class="says">{line().sentence()}</p>
        <HideToken page={page} subject={{ kind: "token", stack, layer, head, side: "key", index: key }} />
      </Show>
    </>
  );
}
