import { Show } from "solid-js";
import { ChangeList } from "../changes/ChangeList";
import type { Page } from "../page/page";
import { Continuation } from "./Continuation";
import { Control } from "./Control";
import { HeadContrast } from "./HeadContrast";
import { NextToken } from "./NextToken";
import { NothingCompared } from "./NothingCompared";
import { WhatDiffers } from "./WhatDiffers";

/** What the changes, or another input, do to the prediction of the model. */
export function EffectPanel(props: { readonly page: Page }) {
  const { session, state, effects } = props.page;
  return (
    <div class="effect" data-testid="effect" role="group" aria-label="Changes and their effect" tabindex="0">
      <ChangeList page={props.page} />
      <Show when={state().comparison !== null} fallback={<NothingCompared page={props.page} />}>
        <Show when={effects.failure()}>
          {(sentence) => (
            <div class="part failed" role="alert" data-testid="effect-failed">
              <p>{sentence()}</p>
              <button type="button" class="ghost small" on:click={effects.retry}>
                Try again
              </button>
            </div>
          )}
        </Show>
        <WhatDiffers page={props.page} />
        <HeadContrast page={props.page} />
        <NextToken page={props.page} />
        <Continuation page={props.page} />
        <Control page={props.page} />
        <Show when={!session.can("effect")}>
          <p class="quiet">This file has no effect of these passes.</p>
        </Show>
      </Show>
    </div>
  );
}
