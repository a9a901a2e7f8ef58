import { createEffect, createMemo, createSignal, For, on, onCleanup, Show } from "solid-js";
import type { EdgeRow } from "../../compute/edgeRows";
import { differenceText, scoreText, weightText } from "../../marks/format";
import { css, headColor } from "../../marks/palette";
import type { HeadPlace } from "../../state/state";
import { SignedBar } from "../shared/SignedBar";
import { createVisibleRows } from "../shared/visibleRows";
import type { EdgeProps } from "./EdgeHeading";

const ROW = 26;
const MORE = 6;

/** All heads sorted by the weight of one edge, largest first. One focusable grid; arrow keys move between heads. */
export function EdgeTable(props: EdgeProps) {
  const { session, state } = props.page;
  const rows = () => props.now.rows() ?? [];
  /** The head under the cursor. It keeps the cursor when the rows are computed or sorted again. */
  const [cursor, setCursor] = createSignal<HeadPlace | null>(null);
  createEffect(on(props.now.edge, () => setCursor(null), { defer: true }));
  const compared = () => rows()[0]?.both !== undefined;
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

  const [scroller, setScroller] = createSignal<HTMLDivElement>();
  const visible = createVisibleRows({
    ...{ scroller: () => scroller() ?? null, count: () => rows().length, height: ROW, beyond: MORE },
  });
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
    const box = scroller();
    if (box === undefined) return;
    const room = box.clientHeight - ROW;
    if (next * ROW < box.scrollTop) box.scrollTop = next * ROW;
    else if ((next + 1) * ROW > box.scrollTop + room) box.scrollTop = (next + 1) * ROW - room;
  };
  const choose = (row: EdgeRow | undefined): void => {
    if (row !== undefined) session.dispatch({ type: "head", layer: row.layer, head: row.head });
  };
  const onKey = (event: KeyboardEvent): void => {
    const page = Math.max(1, Math.floor((scroller()?.clientHeight ?? 0) / ROW) - 2);
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
          classList={{ compared: compared() }}
          ref={setScroller}
          role="grid"
          tabindex="0"
          aria-label={`Heads for this pair, largest ${state().field === "difference" ? "difference" : "weight"} first`}
          aria-rowcount={rows().length + 1}
          aria-activedescendant="edge-active"
          data-testid="edges"
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
              <span class="heard">weight as a bar</span>
            </span>
            <For each={compared() ? ["before", "after", "difference", "rank"] : ["weight", "rank", "score"]}>
              {(name) => <span role="columnheader">{name}</span>}
            </For>
          </div>
          <div class="edge-body" style={{ height: `${rows().length * ROW}px` }}>
            <For each={visible()}>
              {(item) => {
                const index = () => item.index;
                // Rows may become fewer before the items do.
                const row = createMemo<EdgeRow>((before) => rows()[item.index] ?? before, rows()[item.index]);
                const text = () => (Number.isNaN(row().weight) ? "–" : weightText(row().weight, 4));
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
                      <Show
                        when={state().field === "difference" && row().both}
                        fallback={
                          <i
                            class="weight-bar"
                            style={{
                              width: `${Number.isNaN(row().weight) ? 0 : Math.max(0.5, row().weight * 100)}%`,
                              background: css(headColor(row().head, props.page.dark())),
                            }}
                          />
                        }
                      >
                        {(both) => <SignedBar value={both().difference ?? 0} dark={props.page.dark()} />}
                      </Show>
                    </span>
                    <Show
                      when={row().both}
                      fallback={
                        <>
                          <span role="gridcell">{text()}</span>
                          <span role="gridcell" class="quiet">
                            {row().rank === 0 ? "–" : `${row().rank} of ${row().among}`}
                          </span>
                          <span role="gridcell" class="quiet">
                            {Number.isNaN(row().score) ? "–" : scoreText(row().score)}
                          </span>
                        </>
                      }
                    >
                      {(both) => (
                        <>
                          <span role="gridcell">{weightOr(both().before?.weight)}</span>
                          <span role="gridcell">{weightOr(both().after?.weight)}</span>
                          <span role="gridcell">
                            {both().difference === null ? "–" : differenceText(both().difference ?? 0, 4)}
                          </span>
                          <span role="gridcell" class="quiet">
                            {rankOr(both().before?.rank)} → {rankOr(both().after?.rank)}
                          </span>
                        </>
                      )}
                    </Show>
                  </div>
                );
              }}
            </For>
          </div>
        </div>
        <p class="legend">
          {state().field === "difference"
            ? `Attention weight of this pair before and after in each of the ${rows().length} heads, largest difference first`
            : `Attention weight of this pair in each of the ${rows().length} heads`}
          {props.now.offSink() ? `, renormalized without the ${props.now.sinkName()}` : ""}. Ranks are among
          the keys that the query can attend to.
        </p>
      </Show>
    </Show>
  );
}

function weightOr(weight: number | undefined): string {
  return weight === undefined ? "–" : weightText(weight, 4);
}

function rankOr(rank: number | undefined): string {
  return rank === undefined || rank === 0 ? "–" : String(rank);
}
