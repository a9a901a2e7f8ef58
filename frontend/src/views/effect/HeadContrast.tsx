import { createEffect, createMemo, createSignal, For, on, onCleanup, Show } from "solid-js";
import { type ContrastRow, contrastRows } from "../../compute/headContrast";
import { axisOf, placeOn, tickText } from "../../marks/axis";
import { changeText } from "../../marks/effect";
import { face, headName, word } from "../../marks/format";
import { signColor } from "../../marks/neuron";
import { css, headColor } from "../../marks/palette";
import { fieldNames } from "../../state/fieldNames";
import { type ContrastPlace, createHeadContrast } from "../../state/headContrast";
import { headsOn } from "../../state/state";
import type { Token } from "../../wire/messages";
import { replacementsOf } from "../changes/replacements";
import type { Page } from "../page/page";
import { AxisNumbers } from "./DotPair";

const MOST = 8;
const ALL = 40;
/** Contrasts above this count as turned around by the order. */
const TURNED = 0.05;

/** For two prompts: the heads whose preference between two keys differs most. */
export function HeadContrast(props: { readonly page: Page }) {
  const { session, state, effects, dark, compared } = props.page;
  const own = createHeadContrast(session);
  onCleanup(own.close);
  const [chosen, setChosen] = createSignal<Partial<ContrastPlace>>({});
  const [all, setAll] = createSignal(false);
  const passes = () => {
    const { comparison } = state();
    const apart = comparison?.alignment != null && !comparison.alignment.identical;
    return apart && comparison.kind !== "kept" ? comparison : null;
  };
  const stackName = () => state().selection.stack;
  const tokens = () => passes()?.current.tokens[passes()?.current.stacks[stackName()]?.key ?? ""] ?? [];
  const queries = () => passes()?.current.tokens[passes()?.current.stacks[stackName()]?.query ?? ""] ?? [];
  const query = () => {
    const { token } = state().selection;
    const selected = token?.side === "query" && state().field !== "before" ? token.index : null;
    return selected ?? queries().findLastIndex(({ special }) => !special);
  };
  /** The two keys whose weights differ most in opposite directions, in the selected head. */
  const suggested = createMemo((): readonly [number, number] | null => {
    const both = compared();
    const head = headsOn(state())[0] ?? 0;
    if (both === null || passes() === null) return null;
    const differences = tokens().map((_, key) => {
      const { before, after } = both.read(head, query(), key);
      return before === null || after === null ? Number.NaN : after - before;
    });
    const known = differences.flatMap((value, key) =>
      Number.isNaN(value) || key === query() ? [] : [{ value, key }],
    );
    known.sort((a, b) => b.value - a.value);
    const [most, least] = [known[0], known.at(-1)];
    return most === undefined || least === undefined || most === least ? null : [most.key, least.key];
  });
  const place = createMemo(
    (): ContrastPlace | null => {
      const [one, other] = [chosen().one ?? suggested()?.[0], chosen().other ?? suggested()?.[1]];
      if (passes() === null || one === undefined || other === undefined || one === other) return null;
      return { stack: stackName(), query: query(), one, other };
    },
    undefined,
    { equals: (a, b) => JSON.stringify(a) === JSON.stringify(b) },
  );
  const pair = createMemo(() => passes(), undefined, {
    equals: (a, b) => a?.current.trace === b?.current.trace && a?.baseline.trace === b?.baseline.trace,
  });
  createEffect(on(pair, () => setChosen({}), { defer: true }));
  // Keep the contrast while other heads are looked at: only a chosen pair or another query changes it.
  createEffect(
    on([pair, place], ([both, at]) => {
      const now = own.contrast();
      if (
        now !== null &&
        at !== null &&
        now.trace === both?.current.trace &&
        now.place.query === at.query &&
        !isChosen()
      )
        return;
      void own.show(both, at);
    }),
  );
  const isChosen = () => chosen().one !== undefined || chosen().other !== undefined;
  const now = own.contrast;
  const rows = createMemo(() => {
    const found = now();
    return found === null ? [] : contrastRows(found.first, found.second);
  });
  const listed = () => rows().slice(0, all() ? ALL : MOST);
  const axis = createMemo(() =>
    axisOf([0, ...listed().flatMap(({ first, second }) => [first, second ?? first])], 3),
  );
  const both = () => now()?.second !== null && now() !== null;
  const turned = () =>
    rows().filter(
      (row) => row.kept === 0 && Math.max(Math.abs(row.first), Math.abs(row.second ?? 0)) > TURNED,
    );
  const free = () =>
    effects.continuation()?.state !== "writing" && !["effect", "control"].includes(effects.stage());
  const named = (all: readonly Token[], index: number) => (all[index] === undefined ? "" : word(all[index]));
  const patch = () =>
    replacementsOf(props.page, {
      ...{ kind: "head", stack: stackName(), layer: state().selection.layer, head: headsOn(state())[0] ?? 0 },
    })[0];
  const selectedName = () => headName(state().selection.layer, headsOn(state())[0] ?? 0);
  const names = () => {
    const now = passes();
    return now === null ? { before: "before", after: "after" } : fieldNames(now);
  };
  const isOn = ({ layer, head }: ContrastRow) =>
    state().selection.layer === layer && headsOn(state()).length === 1 && headsOn(state())[0] === head;
  return (
    <Show when={passes() !== null && session.can("edge")}>
      <section class="part" data-testid="head-contrast" aria-label="Heads">
        <div class="part-head">
          <h3>Heads</h3>
          <span class="quiet contrast-words">
            <TokenSelect
              label="One key"
              tokens={tokens()}
              value={place()?.one}
              testid="contrast-one"
              onChange={(one) => setChosen({ ...chosen(), one })}
            />
            {" − "}
            <TokenSelect
              label="The other key"
              tokens={tokens()}
              value={place()?.other}
              testid="contrast-other"
              onChange={(other) => setChosen({ ...chosen(), other })}
            />
            {` where ${named(queries(), query())} attends, minus the same ${names().before === "before" ? "" : "for "}${names().before}`}
          </span>
          <span class="space" />
          <Show when={now() !== null && !both() && session.can("run")}>
            <button
              type="button"
              class="ghost small"
              data-testid="both-orders"
              disabled={!free() || own.busy() !== null}
              title={`Run both inputs with “${named(tokens(), now()?.place.one ?? -1)}” and “${named(tokens(), now()?.place.other ?? -1)}” swapped`}
              on:click={() => {
                const two = passes();
                if (two !== null) void own.swap(two);
              }}
            >
              Both orders
            </button>
          </Show>
        </div>
        <Show when={own.failure()}>{(sentence) => <p role="alert">{sentence()}</p>}</Show>
        <Show when={own.busy() !== null}>
          <p class="say">{own.busy() === "first" ? "Comparing all heads…" : "Running the other order…"}</p>
        </Show>
        <Show when={rows().length > 0}>
          <table class="prediction contrast num">
            <thead>
              <tr>
                <th scope="col">head</th>
                <td class="chart">
                  <AxisNumbers axis={axis()} text={tickText} />
                </td>
                <th scope="col" title={both() ? "The order of the text" : "The contrast"}>
                  {both() ? "○" : "contrast"}
                </th>
                <Show when={both()}>
                  <th scope="col" title="The two words swapped">
                    ■
                  </th>
                  <th scope="col">kept</th>
                </Show>
              </tr>
            </thead>
            <tbody>
              <For each={listed()}>
                {(row) => (
                  <tr classList={{ on: isOn(row) }} data-testid="contrast-row">
                    <th scope="row">
                      <button
                        type="button"
                        class="head-link"
                        on:click={() => session.dispatch({ type: "head", layer: row.layer, head: row.head })}
                      >
                        <i class="dot" style={{ background: css(headColor(row.head, dark())) }} />
                        {headName(row.layer, row.head)}
                      </button>
                    </th>
                    <td class="chart">
                      <svg class="dot-pair" aria-hidden="true">
                        <line class="rail" x1="0" x2="100%" y1="11" y2="11" />
                        <line class="zero" x1={at(0)} x2={at(0)} y1="1" y2="21" />
                        <Show when={row.kept !== 0}>
                          <line
                            x1={at(0)}
                            x2={at(row.kept)}
                            y1="11"
                            y2="11"
                            stroke-width="7"
                            stroke={css(signColor(row.kept > 0 ? 0.75 : -0.75, dark()))}
                          />
                        </Show>
                        <circle class="hollow" cx={at(row.first)} cy="11" r="3.5" />
                        <Show when={row.second !== null}>
                          <svg x={at(row.second ?? 0)} y="11" overflow="visible" aria-hidden="true">
                            <rect class="filled" x="-3.2" y="-3.2" width="6.4" height="6.4" />
                          </svg>
                        </Show>
                      </svg>
                    </td>
                    <td classList={both() ? {} : { up: row.first > 0, down: row.first < 0 }}>
                      {changeText(row.first)}
                    </td>
                    <Show when={row.second !== null}>
                      <td>{changeText(row.second ?? 0)}</td>
                      <td classList={{ up: row.kept > 0, down: row.kept < 0 }}>
                        {row.kept === 0 ? "0" : changeText(row.kept)}
                      </td>
                    </Show>
                  </tr>
                )}
              </For>
            </tbody>
          </table>
          <button type="button" class="link" aria-expanded={all()} on:click={() => setAll(!all())}>
            {all() ? "Fewer heads" : "More heads"}
          </button>
          <p class="say" data-testid="contrast-note">
            <Show
              when={both()}
              fallback="One order of the two words in one text. This is where heads attend, not an effect."
            >
              Kept is the smaller of the two orders, 0 where they disagree: in {turned().length} heads, the
              order of the words turns a contrast above .05 around. This is where heads attend, in one text,
              not an effect.
            </Show>{" "}
            <Show when={session.canChange()}>
              <button
                type="button"
                class="link"
                data-testid="patch-head"
                disabled={patch().edit === null}
                title={
                  patch().edit === null
                    ? patch().note
                    : "Activation patching: give this head the output that it has in the baseline"
                }
                on:click={() => {
                  const { edit } = patch();
                  if (edit !== null)
                    session.change(
                      [...state().changes, { edit, muted: false }],
                      `patch head ${selectedName()}`,
                    );
                }}
              >
                Patch {selectedName()} from {names().before} into {names().after}
              </button>
            </Show>
          </p>
        </Show>
      </section>
    </Show>
  );

  function at(value: number): string {
    return `${placeOn(axis(), value).toFixed(2)}%`;
  }
}

interface TokenSelectProps {
  readonly label: string;
  readonly tokens: readonly Token[];
  readonly value: number | undefined;
  readonly testid: string;
  readonly onChange: (index: number) => void;
}

function TokenSelect(props: TokenSelectProps) {
  return (
    <select
      aria-label={props.label}
      data-testid={props.testid}
      on:change={(event) => props.onChange(Number(event.currentTarget.value))}
    >
      <For each={props.tokens}>
        {(token, index) => (
          <option value={index()} selected={index() === props.value}>
            {`${face(token).before}${face(token).text} ${index()}`}
          </option>
        )}
      </For>
    </select>
  );
}
