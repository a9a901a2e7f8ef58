import { For, Show } from "solid-js";
import { counted } from "../../marks/format";
import type { Page } from "../page/page";
import { Popover } from "../shared/Popover";
import { CertificateBadge } from "./Certificate";
import type { PromptState } from "./createPrompt";
import { firstModel, modelTitle } from "./modelTitle";

/** The model with its facts, a menu to switch models, and the exactness badge. */
export function ModelMenu({ page, prompt }: { readonly page: Page; readonly prompt: PromptState }) {
  const { session, trace } = page;
  const title = () => modelTitle(trace(), session.hello(), session.lastInput()?.model ?? null);
  const chosen = () => prompt.model() ?? firstModel(session.hello())?.name;
  const quantization = () => trace()?.model.quantization;
  const choice = () => prompt.canRun() && (session.hello()?.models.length ?? 0) > 0;
  return (
    <span class="model">
      <Show when={choice()} fallback={<b class="name">{title()}</b>}>
        <Popover
          kind="menu"
          label={`Model: ${title()}`}
          class="plain"
          testid="model-menu"
          face={
            <>
              <b>{title()}</b> <span class="caret">▾</span>
            </>
          }
        >
          {(close) => (
            <For each={session.hello()?.models ?? []}>
              {(entry) => (
                <button
                  type="button"
                  role="menuitemradio"
                  aria-checked={entry.name === chosen()}
                  on:click={() => {
                    close();
                    prompt.run({
                      model: entry.name,
                      ...(entry.kind === "encoder-decoder" ? {} : { target: null }),
                    });
                  }}
                >
                  <b>{entry.title}</b>
                  <span class="quiet">{entry.kind}</span>
                </button>
              )}
            </For>
          )}
        </Popover>
      </Show>
      <Show when={page.stack()}>
        {(stack) => (
          <span class="quiet facts num">
            {stack().layers}
            <span class="unit">{stack().layers === 1 ? " layer" : " layers"}</span> ×{" "}
            {counted(stack().heads, "head")}
            {quantization() ? ` · ${quantization()}` : ""}
          </span>
        )}
      </Show>
      <Show when={trace()}>
        {(now) => (
          <CertificateBadge
            certificate={now().certificate}
            canCheck={session.hello()?.can.includes("check") ?? false}
            checking={session.work()?.what === "check"}
            rounding={session.hello()?.file?.error ?? 0}
            onCheck={() => void session.check()}
          />
        )}
      </Show>
    </span>
  );
}
