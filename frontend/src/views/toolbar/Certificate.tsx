import { For, Show } from "solid-js";
import { plusMinus, roundedUp } from "../../marks/format";
import type { Certificate } from "../../wire/messages";
import { Popover } from "../shared/Popover";
import { badgeText, isCompared } from "./exactness";

export interface CertificateBadgeProps {
  readonly certificate: Certificate | null;
  readonly canCheck: boolean;
  readonly checking: boolean;
  /** Largest rounding error of the weights in an exported file; 0 if they are not rounded. */
  readonly rounding: number;
  readonly onCheck: () => void;
}

/** A badge that says how exact the shown attention is. It opens the comparison, layer by layer. */
export function CertificateBadge(props: CertificateBadgeProps) {
  const ok = () => props.certificate?.ok === true;
  const compared = () => isCompared(props.certificate);
  /** Whether attnscope made the comparison itself; a file could claim anything. */
  const measured = () => compared() && props.certificate?.recorded !== true;
  const sentence = () => badgeText(props.certificate);
  return (
    <Popover
      label={`Certificate: ${sentence()}`}
      kind="dialog"
      class="badge"
      testid="certificate"
      face={
        <span classList={{ good: measured() && ok(), bad: compared() && !ok() }}>
          {compared() && !ok() ? "✗ " : measured() ? "✓ " : ""}
          {sentence()}
        </span>
      }
    >
      {() => (
        <div class="certificate">
          <Show when={props.certificate} fallback={<p>This result was not checked against the model.</p>}>
            {(certificate) => (
              <>
                <p>{certificate().sentence}</p>
                <Show when={compared()}>
                  <p class="quiet num">
                    {certificate().scope === "full" ? "Full check" : "Spot check: a few rows of every head"} ·
                    largest difference {small(certificate().max_error)} · tolerance{" "}
                    {small(certificate().tolerance)}
                  </p>
                  <div class="scroller" tabindex="0" role="region" aria-label="Certificate by layer">
                    <table class="num">
                      <thead>
                        <tr>
                          <th>layer</th>
                          <th>weights × value vectors</th>
                          <th>hidden states</th>
                          <th>eager weights</th>
                          <th>exact</th>
                        </tr>
                      </thead>
                      <tbody>
                        <For each={Object.entries(certificate().stacks)}>
                          {([stack, layers]) => (
                            <For each={layers}>
                              {(layer) => (
                                <tr classList={{ bad: !layer.ok }} title={layer.note ?? undefined}>
                                  <td>
                                    <Show when={Object.keys(certificate().stacks).length > 1}>{stack} </Show>
                                    {layer.layer}
                                  </td>
                                  <td>{small(layer.weighted_values)}</td>
                                  <td>{small(layer.hidden_states)}</td>
                                  <td>{small(layer.eager_weights)}</td>
                                  <td>{layer.ok ? "✓" : "✗"}</td>
                                </tr>
                              )}
                            </For>
                          )}
                        </For>
                      </tbody>
                    </table>
                  </div>
                </Show>
              </>
            )}
          </Show>
          <Show when={props.rounding > 0}>
            <p class="num" data-testid="rounding">
              To keep this file small, its numbers are rounded: every attention weight is within{" "}
              {plusMinus(props.rounding)} of the exact weight.
            </p>
          </Show>
          <Show when={props.canCheck}>
            <button type="button" class="ghost" disabled={props.checking} on:click={props.onCheck}>
              {props.checking ? "Checking…" : "Run the full check"}
            </button>
          </Show>
        </div>
      )}
    </Popover>
  );
}

function small(error: number | null): string {
  if (error === null) return "–";
  return roundedUp(error);
}
