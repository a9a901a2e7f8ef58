import { createMemo, createSignal, For, Show } from "solid-js";
import { tickText } from "../../marks/axis";
import { changeText, probabilityText } from "../../marks/effect";
import { signed, word } from "../../marks/format";
import { baselineChart, chartOf, type PredictionRow } from "../../marks/predictionRows";
import { markedWord } from "../../marks/tokenWord";
import { fieldNames } from "../../state/fieldNames";
import type { EffectMessage } from "../../wire/messages";
import type { Page } from "../page/page";
import { AxisNumbers, DotPair } from "./DotPair";

const MOST_ROWS = 5;
const ALL_ROWS = 40;

/** The prediction before and after: a chart that is also a table. */
export function NextToken(props: { readonly page: Page }) {
  const { effects, dark } = props.page;
  const { fresh } = effects;
  const [all, setAll] = createSignal(false);
  const run = () => effects.controls().find(({ kind }) => kind.over !== "keys") ?? effects.controls()[0];
  const chart = createMemo(() => {
    const [now, both] = [effects.effect(), effects.passes()];
    const most = all() ? ALL_ROWS : MOST_ROWS;
    if (both === null) return null;
    return now !== null && now.baseline === both.baseline.trace
      ? chartOf(now, run()?.message ?? null, most, fresh())
      : baselineChart(both.baseline, most);
  });
  const share = (row: PredictionRow, which: "before" | "after") => {
    const value = row[which];
    if (value === null) return "…";
    return chart()?.shares ? probabilityText(value) : signed(value, 2);
  };
  const change = ({ before, after }: PredictionRow) => {
    if (before === null || after === null) return "…";
    return chart()?.shares ? changeText(after - before) : signed(after - before, 2);
  };
  const names = () => {
    const { comparison } = props.page.state();
    return comparison === null ? { before: "before", after: "after" } : fieldNames(comparison);
  };
  const moved = () => (fresh() ? (effects.effect()?.moved ?? null) : null);
  return (
    <Show when={(chart()?.rows.length ?? 0) > 0 && chart()}>
      {(drawn) => (
        <section class="part" data-testid="next-token" aria-label="Prediction before and after">
          <div class="part-head">
            <h3>{titleOf(effects.effect(), props.page)}</h3>
            <Key
              names={names()}
              elsewhere={
                run() === undefined ? null : elsewhereWords(run().kind.words, run().message === null)
              }
            />
            <span class="space" />
            <Show when={moved() !== null}>
              <span
                class="quiet num"
                data-testid="moved"
                title="The share of the probability that moved from some tokens to others (total variation distance)"
              >
                {Math.round(100 * (moved() ?? 0))} % moved
              </span>
            </Show>
          </div>
          <table class="prediction num" aria-busy={!fresh()}>
            <thead>
              <tr>
                <th scope="col">
                  <span class="heard">token</span>
                </th>
                <th scope="col" class="rank">
                  rank
                </th>
                <td class="chart">
                  <AxisNumbers axis={drawn().axis} text={tickText} />
                </td>
                <th scope="col" title={names().before}>
                  {names().before}
                </th>
                <th scope="col" title={names().after}>
                  {names().after}
                </th>
                <th scope="col">change</th>
              </tr>
            </thead>
            <tbody>
              <For each={drawn().rows}>
                {(row) => (
                  <tr classList={{ rest: row.text === null }} data-testid="prediction-row">
                    <th scope="row">
                      <bdi title={row.text ?? undefined}>
                        {row.text === null ? "all others" : markedWord(row.text)}
                      </bdi>
                    </th>
                    <td class="rank">{rankText(row)}</td>
                    <td class="chart">
                      <DotPair {...row} axis={drawn().axis} dark={dark()} />
                    </td>
                    <td class="quiet">{share(row, "before")}</td>
                    <td>{share(row, "after")}</td>
                    <td classList={signClass(row)}>{change(row)}</td>
                  </tr>
                )}
              </For>
            </tbody>
          </table>
          <Show when={drawn().more > 0 || all()}>
            <button
              type="button"
              class="link"
              data-testid="more-tokens"
              aria-expanded={all()}
              on:click={() => setAll(!all())}
            >
              {all() ? "Fewer" : `${drawn().more} more`}
            </button>
          </Show>
        </section>
      )}
    </Show>
  );
}

/** What the marks of the chart mean. */
function Key(props: {
  readonly names: { readonly before: string; readonly after: string };
  readonly elsewhere: string | null;
}) {
  return (
    <span class="chart-key quiet">
      <span>
        <i class="hollow-dot" />
        {props.names.before}
      </span>
      <span>
        <i class="filled-dot" />
        {props.names.after}
      </span>
      <Show when={props.elsewhere}>
        <span title={props.elsewhere ?? undefined} class="elsewhere-key">
          <i class="ticks-mark" />
          {props.elsewhere}
        </span>
      </Show>
    </span>
  );
}

function elsewhereWords(words: string, toCome: boolean): string {
  const same = /vector/.test(words) ? "the same with" : "the same at";
  return `${same} ${words}${toCome ? ": to come" : ""}`;
}

/** What is predicted: the next token, a masked one, a label. */
function titleOf(effect: EffectMessage | null, { state, stack }: Page): string {
  const current = state().comparison?.current;
  const position = effect?.position ?? null;
  if (effect === null || current === undefined || position === null) {
    return effect === null || effect.of === "token" ? "Next token" : "Label";
  }
  const tokens = current.tokens[stack()?.query ?? ""] ?? Object.values(current.tokens)[0] ?? [];
  const token = tokens[position];
  const named = token === undefined ? `token ${position}` : `${word(token)} ${position}`;
  if (effect.of === "token_label") return `Label of ${named}`;
  if (current.next === null) return `Prediction for ${named}`;
  return position === tokens.length - 1 ? "Next token" : `Next token after ${named}`;
}

function rankText({ ranks }: PredictionRow): string {
  if (ranks === null) return "";
  const { before, after } = ranks;
  return before === after
    ? before.toLocaleString("en")
    : `${before.toLocaleString("en")} → ${after.toLocaleString("en")}`;
}

function signClass({ before, after }: PredictionRow): Record<string, boolean> {
  const known = before !== null && after !== null;
  return { up: known && after > before, down: known && after < before, quiet: !known };
}
