import { createEffect, createMemo, createSignal, Index, on, onCleanup, onMount, Show } from "solid-js";
import { changeOf, type EdgeRow } from "../../compute/edgeRows";
import { differenceText, scoreText, weightText } from "../../marks/format";
import { signColor } from "../../marks/neuron";
import { css, headColor } from "../../marks/palette";
import type { HeadPlace } from "../../state/state";
import type { EdgeProps } from "./EdgeHeading";

const ROW = 26;
const MORE = 6;

/** All heads sorted by the weight of one edge, largest first. One focusable grid; arrow keys move between heads. */
export function EdgeTable(props: EdgeProps) {
  const { session, state } = props.page;
  const rows = () => props.now.rows() ?? [];
  /** Whether the rows are differences from a baseline. */
  const compared = () => rows()[0]?.before != null;
  /** The head under the cursor. It keeps the cursor when the rows are computed or sorted again. */
  const [cursor, setCursor] = createSignal<HeadPlace | null>(null);
  createEffect(on(props.now.edge, () => setCursor(null), { defer: true }));
  const active = createMemo(() => {
    const now = cursor();
    return now === null
      ? 0
      : Math.max(
          0,
          rows().findIndex(({ layer, head }) => layer === now.layer && head === now.head),
        );
  });
  const pinned = (side: "query" | "key") => state().pins.some((pin) => pin.side === side);
  const can = () => session.hello()?.can.includes("edge") ?? false;
  const hint = () => {
    if (!can()) return "Heads cannot be ranked for a pair here: the host does not support it.";
    if (pinned("query"))
      return "Now pin a token on the right. All heads are then ranked by how much the token on the left attends to it.";
    if (pinned("key"))
      return "Now pin a token on the left. All heads are then ranked by how much it attends to the token on the right.";
    return "Pin a token on each side of the head view, or click a cell of a head that fills the model view. All heads are then ranked by how much the first token attends to the second.";
  };

  let scroller: HTMLDivElement | undefined;
  const [scroll, setScroll] = createSignal(0);
  const [height, setHeight] = createSignal(600);
  const first = () => Math.max(0, Math.floor(scroll() / ROW) - MORE);
  const seen = createMemo(() => rows().slice(first(), first() + Math.ceil(height() / ROW) + 2 * MORE));
  const isOn = ({ layer, head }: EdgeRow) =>
    state().selection.layer === layer &&
    props.page.shown().heads.length === 1 &&
    props.page.shown().heads[0] === head;

  const go = (at: number): void => {
    const next = Math.max(0, Math.min(rows().length - 1, at));
    const row = rows()[next];
    if (row !== undefined) {
      const place = { layer: row.layer, head: row.head };
      setCursor(place);
      props.page.setOverHead(place);
    }
    if (scroller === undefined) return;
    const room = scroller.clientHeight - ROW;
    if (next * ROW < scroller.scrollTop) scroller.scrollTop = next * ROW;
    else if ((next + 1) * ROW > scroller.scrollTop + room) scroller.scrollTop = (next + 1) * ROW - room;
  };
  const choose = (row: EdgeRow | undefined): void => {
    if (row !== undefined) session.dispatch({ type: "head", layer: row.layer, head: row.head });
  };
  const onKey = (event: KeyboardEvent): void => {
    const page = Math.max(1, Math.floor(height() / ROW) - 2);
    const moves: Readonly<Record<string, () => void>> = {
      ArrowDown: () => go(active() + 1),
      ArrowUp: () => go(active() - 1),
      PageDown: () => go(active() + page),
      PageUp: () => go(active() - page),
      Home: () => go(0),
      End: () => go(rows().length - 1),
      Enter: () => choose(rows()[active()]),
      " ": () => choose(rows()[active()]),
    };
    const move = moves[event.key];
    if (move === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    move();
    event.preventDefault();
    event.stopPropagation();
  };
  onCleanup(() => props.page.setOverHead(null));

  return (
    <Show
      when={props.now.edge() !== null && can()}
      fallback={
        <p class="hint" tabindex="0" data-testid="edges-hint">
          {hint()}
        </p>
      }
    >
      <Show when={props.now.rows()} fallback={<p class="hint">Ranking all heads…</p>}>
        <div
          class="edges"
          ref={(element) => {
            scroller = element;
            onMount(() => {
              const watch = new ResizeObserver(() => setHeight(element.clientHeight));
              watch.observe(element);
              onCleanup(() => watch.disconnect());
            });
          }}
          role="grid"
          tabindex="0"
          aria-label={`Heads for this pair, largest ${compared() ? "change" : "weight"} first`}
          aria-rowcount={rows().length + 1}
          aria-activedescendant="edge-active"
          data-testid="edges"
          on:scroll={(event) => setScroll(event.currentTarget.scrollTop)}
          on:keydown={onKey}
          on:blur={() => props.page.setOverHead(null)}
          on:pointerleave={() => props.page.setOverHead(null)}
        >
          <div class="edge-row edge-head" role="row">
            <span role="columnheader">#</span>
            <span role="columnheader" class="left">
              head
            </span>
            <span role="columnheader">
              <span class="heard">{compared() ? "change as a bar" : "weight as a bar"}</span>
            </span>
            <span role="columnheader">{compared() ? "change" : "weight"}</span>
            <span role="columnheader">{compared() ? "before → after" : "rank"}</span>
            <span role="columnheader">score</span>
          </div>
          <div class="edge-body" style={{ height: `${rows().length * ROW}px` }}>
            <Index each={seen()}>
              {(row, at) => {
                const index = () => first() + at;
                const change = () => changeOf(row());
                const text = () => {
                  if (Number.isNaN(change())) return "–";
                  return (row().before === null ? weightText : differenceText)(change(), 4);
                };
                const passes = () => {
                  const { before, rank, among, weight } = row();
                  if (before === null) return rank === 0 ? "–" : `${rank} of ${among}`;
                  return [before, weight]
                    .map((one) => (Number.isNaN(one) ? "–" : weightText(one, 2)))
                    .join(" → ");
                };
                const color = () =>
                  row().before === null
                    ? headColor(row().head, props.page.dark())
                    : signColor(Math.sign(change()), props.page.dark());
                return (
                  <div
                    class="edge-row num"
                    classList={{ now: index() === active(), on: isOn(row()) }}
                    id={index() === active() ? "edge-active" : undefined}
                    role="row"
                    aria-rowindex={index() + 2}
                    aria-selected={isOn(row())}
                    data-testid={`edge-${index()}`}
                    data-head={`${row().layer}.${row().head}`}
                    style={{ transform: `translateY(${index() * ROW}px)` }}
                    on:click={() => {
                      setCursor({ layer: row().layer, head: row().head });
                      choose(row());
                    }}
                    on:pointerenter={() => props.page.setOverHead({ layer: row().layer, head: row().head })}
                  >
                    <span role="gridcell" class="quiet">
                      {index() + 1}
                    </span>
                    <span role="gridcell" class="left">
                      <i class="dot" style={{ background: css(headColor(row().head, props.page.dark())) }} />
                      {row().layer}.{row().head}
                    </span>
                    <span role="gridcell" aria-hidden="true" class="edge-bar">
                      <i
                        class="weight-bar"
                        style={{
                          width: `${Number.isNaN(change()) ? 0 : Math.max(0.5, Math.abs(change()) * 100)}%`,
                          background: css(color()),
                        }}
                      />
                    </span>
                    <span role="gridcell">{text()}</span>
                    <span role="gridcell" class="quiet">
                      {passes()}
                    </span>
                    <span role="gridcell" class="quiet">
                      {Number.isNaN(row().score) ? "–" : scoreText(row().score)}
                    </span>
                  </div>
                );
              }}
            </Index>
          </div>
        </div>
        <p class="legend">
          {compared() ? "Change of the attention weight" : "Attention weight"} of this pair in each of the{" "}
          {rows().length} heads
          {props.now.offSink() ? `, renormalized without the ${props.now.sinkName()}` : ""}.{" "}
          {compared()
            ? "Blue is more than before, orange less; scores are those of the current pass."
            : "Ranks are among the keys that the query can attend to."}
        </p>
      </Show>
    </Show>
  );
}
