import { createMemo, Index, Show } from "solid-js";
import { face, shortWeight, spoken } from "../marks/format";
import type { Place, Side } from "../state/state";
import type { Token } from "../wire/messages";
import { type Layout, rowY, visibleRows } from "./layout";
import type { Edge } from "./reading";

export interface TokenColumnProps {
  readonly side: Side;
  /** What tells the ids of this column from those of another view. */
  readonly prefix?: string;
  readonly tokens: readonly Token[];
  readonly layout: Layout;
  readonly scroll: number;
  readonly active: Place | null;
  readonly edge: Edge | null;
  readonly pins: readonly Place[];
  readonly muted: (index: number) => boolean;
  /** The weight written beside a token, where there is one. */
  readonly number: (index: number) => number | null;
  readonly onMove: (index: number) => void;
  readonly onPin: (index: number) => void;
  /** Into the neurons of the token. */
  readonly onEnter: () => void;
}

/** One column of tokens, of which only those in the window are in the page. */
export function TokenColumn(props: TokenColumnProps) {
  const inWindow = createMemo(() => {
    const [first, last] = visibleRows(props.layout, props.scroll, props.tokens.length, 1);
    return Array.from({ length: last - first }, (_, at) => first + at);
  });
  const activeIndex = () => (props.active?.side === props.side ? props.active.index : null);
  const pinned = (index: number) => props.pins.some((pin) => pin.side === props.side && pin.index === index);
  const onEdge = (index: number) => (props.side === "query" ? props.edge?.query : props.edge?.key) === index;

  const name = () => `${props.prefix ?? ""}${props.side}`;
  const onKey = (event: KeyboardEvent): void => {
    const now = activeIndex();
    const last = props.tokens.length - 1;
    const page = Math.max(1, Math.floor(props.layout.height / props.layout.rowHeight) - 1);
    const from = now ?? -1;
    const targets: Readonly<Record<string, number>> = {
      ArrowDown: from + 1,
      ArrowUp: now === null ? last : from - 1,
      Home: 0,
      End: last,
      PageDown: from + page,
      PageUp: from - page,
    };
    if (event.key in targets) {
      props.onMove(Math.max(0, Math.min(last, targets[event.key])));
    } else if (event.key === " " && now !== null) {
      props.onPin(now);
    } else if (event.key === "Enter" && now !== null) {
      props.onEnter();
    } else if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      const other = (event.currentTarget as HTMLElement).parentElement?.querySelector<HTMLElement>(
        `.tokens.${event.key === "ArrowLeft" ? "query" : "key"}`,
      );
      other?.focus();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <div
      class={`tokens ${props.side}`}
      role="listbox"
      tabindex="0"
      aria-label={props.side === "query" ? "Query tokens" : "Key tokens"}
      aria-multiselectable="true"
      aria-activedescendant={activeIndex() === null ? undefined : `${name()}-${activeIndex()}`}
      data-testid={`${name()}-tokens`}
      style={{
        left: `${props.side === "query" ? props.layout.queryX : props.layout.keyX}px`,
        width: `${props.layout.column}px`,
        "font-size": `${props.layout.fontSize}px`,
      }}
      on:keydown={onKey}
      on:focus={(event) => {
        // A pointer that focuses the list also chooses a token; the keyboard starts at the first one.
        if ((event.currentTarget as HTMLElement).matches(":focus-visible") && activeIndex() === null)
          props.onMove(0);
      }}
    >
      <Index each={inWindow()}>
        {(index) => {
          const token = () => props.tokens[index()];
          const look = createMemo(() => face(token()));
          const number = () => props.number(index());
          const opensB = () => token().sentence === "B" && props.tokens[index() - 1]?.sentence !== "B";
          return (
            <div
              id={`${name()}-${index()}`}
              role="option"
              class="token"
              classList={{
                active: activeIndex() === index() || onEdge(index()),
                pinned: pinned(index()),
                muted: props.muted(index()),
                [look().kind]: true,
                "opens-b": opensB(),
              }}
              aria-label={spoken(token(), index())}
              aria-selected={pinned(index())}
              aria-setsize={props.tokens.length}
              aria-posinset={index() + 1}
              data-testid={`${name()}-${index()}`}
              style={{
                height: `${props.layout.rowHeight}px`,
                transform: `translateY(${rowY(props.layout, index(), props.scroll) - props.layout.rowHeight / 2}px)`,
              }}
            >
              <span class="word">
                <Show when={look().before}>
                  <i class="mark">{look().before}</i>
                </Show>
                <bdi>{look().text}</bdi>
              </span>
              <Show when={number() !== null}>
                <span class="number">{shortWeight(number() as number)}</span>
              </Show>
            </div>
          );
        }}
      </Index>
    </div>
  );
}
