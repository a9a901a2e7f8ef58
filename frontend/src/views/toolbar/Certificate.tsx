import { For, Show } from "solid-js";
import { roundedUp } from "../../marks/format";
import type { Certificate } from "../../wire/messages";
import { Popover } from "../shared/Popover";

export interface CertificateBadgeProps {
  readonly certificate: Certificate | null;
  readonly canCheck: boolean;
  readonly checking: boolean;
  /** How far weights shown here may be off because they were rounded to be kept; 0 where they were not. */
  readonly rounding: number;
  readonly onCheck: () => void;
}

/** The badge that says how exact the picture is; it opens what was compared, layer by layer. */
export function CertificateBadge(props: CertificateBadgeProps) {
  const ok = () => props.certificate?.ok === true;
  /** Attention that was given as it is comes with a certificate that compared nothing. */
  const compared = () => Object.values(props.certificate?.stacks ?? {}).some((layers) => layers.length > 0);
  const sentence = () => {
    const certificate = props.certificate;
    if (certificate === null || !compared()) return "not checked";
    if (!certificate.ok) return "not exact";
    return certificate.max_error === null ? "exact" : `exact to ${roundedUp(certificate.max_error)}`;
  };
  return (
    <Popover
      label={`Certificate: ${sentence()}`}
      kind="dialog"
      class="badge"
      testid="certificate"
      face={
        <span classList={{ good: ok() && compared(), bad: compared() && !ok() }}>
          {ok() && compared() ? "✓ " : compared() ? "✗ " : ""}
          {sentence()}
        </span>
      }
    >
      {() => (
        <div class="certificate">
          <Show when={props.certificate} fallback={<p>Nothing was compared for this trace.</p>}>
            {(certificate) => (
              <>
                <p>{certificate().sentence}</p>
                <Show when={compared()}>
                  <p class="quiet num">
                    {certificate().scope === "full" ? "Full check" : "A few rows of every head"} · largest
                    difference {small(certificate().max_error)} · tolerance {small(certificate().tolerance)}
                  </p>
                  <div class="scroller" tabindex="0" role="region" aria-label="Certificate by layer">
                    <table class="num">
                      <thead>
                        <tr>
                          <th>layer</th>
                          <th>weights × values</th>
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
              To keep this file small its numbers are rounded: no attention weight here is more than{" "}
              {roundedUp(props.rounding)} from the exact one.
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
  return error === 0 ? "0" : error.toExponential(1);
}
