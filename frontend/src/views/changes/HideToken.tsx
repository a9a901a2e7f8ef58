import { For } from "solid-js";
import { counted, word } from "../../marks/format";
import type { TokenSubject } from "../../state/changeSubject";
import { findChange, putChanges, removeChanges } from "../../state/changes";
import { currentPass } from "../../state/state";
import type { Edit } from "../../wire/messages";
import type { Page } from "../page/page";
import { editPlace } from "./headFactor";
import { headsIn, type Scope } from "./lineWeight";

const SCOPES: readonly Scope[] = ["head", "layer", "all"];
/** Edits that a run takes, where the host does not say. */
const MOST_EDITS = 1000;

/** Hides a token: every other token that could attend to it no longer can, in one head, in a layer or everywhere. */
export function HideToken(props: { readonly page: Page; readonly subject: TokenSubject }) {
  const { page } = props;
  const { session } = page;
  const pass = () => currentPass(session.state());
  const { stack, layer, head, index } = props.subject;
  const named = () => pass()?.stacks[stack];
  const token = () => {
    const found = pass()?.tokens[named()?.key ?? ""]?.[index];
    return found === undefined ? `token ${index}` : word(found).trim();
  };
  /** The queries that it is hidden from. A token still sees itself, because a row needs a key. */
  const queries = (): readonly number[] => {
    const own = named();
    const count = pass()?.tokens[own?.query ?? ""]?.length ?? 0;
    const all = Array.from({ length: count }, (_, query) => query);
    if (own === undefined || own.query !== own.key) return all;
    return own.causal ? all.slice(index + 1) : all.filter((query) => query !== index);
  };
  const edits = (scope: Scope): readonly Edit[] =>
    headsIn(page, props.subject, scope).map(([at, each]) => ({
      type: "CutEdge",
      ...editPlace(session, { stack, layer: at, head: each }),
      ...{ query: queries(), key: index },
    }));
  const most = () => session.hello()?.limits.edits ?? MOST_EDITS;
  const hidden = (scope: Scope): boolean => {
    const all = edits(scope);
    return all.length > 0 && all.every((edit) => findChange(session.state().changes, edit) !== null);
  };
  const why = (scope: Scope): string | null => {
    if (queries().length === 0) return "No other token can attend to it.";
    const count = edits(scope).length;
    return count > most()
      ? `${counted(count, "head")} need ${counted(count, "edit")}, and one run takes ${most().toLocaleString("en")}.`
      : null;
  };
  const title = (scope: Scope): string =>
    scope === "head" ? `${layer}.${head}` : scope === "layer" ? `layer ${layer}` : "all";
  const toggle = (scope: Scope): void => {
    if (why(scope) !== null) return;
    const { changes } = session.state();
    const where =
      scope === "all" ? "every head" : scope === "layer" ? `layer ${layer}` : `head ${layer}.${head}`;
    if (hidden(scope)) session.change(removeChanges(changes, edits(scope)), `show ${token()} to ${where}`);
    else session.change(putChanges(changes, edits(scope)), `hide ${token()} from ${where}`);
  };
  const lines = (scope: Scope) => counted(edits(scope).length * queries().length, "line");
  return (
    <div class="hide-token">
      <span>Hide {token()} from</span>
      <span class="segments" role="group" aria-label={`Hide ${token()} from`}>
        <For each={SCOPES}>
          {(scope) => (
            <button
              type="button"
              classList={{ on: hidden(scope) }}
              aria-pressed={hidden(scope)}
              aria-disabled={why(scope) !== null}
              title={why(scope) ?? `Cuts ${lines(scope)}`}
              data-off={scope === "head" ? "" : undefined}
              data-testid={`hide-${scope}`}
              on:click={() => toggle(scope)}
            >
              {title(scope)}
            </button>
          )}
        </For>
      </span>
      <small class="says">
        {SCOPES.map(why).find((reason) => reason !== null) ??
          `${lines("head")} here, ${lines("layer")} in the layer, ${lines("all")} in all.`}
      </small>
    </div>
  );
}
