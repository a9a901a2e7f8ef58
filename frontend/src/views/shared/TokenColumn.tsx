import { createMemo, For, type JSX, Show } from "solid-js";
import { face, givenText, spoken, word } from "../../marks/format";
import type { Place, Side } from "../../state/state";
import { type ByteCharacter, byteCharacters } from "../../state/words";
import type { Token } from "../../wire/messages";
import { isUnaligned, substituteOf } from "./counterparts";
import { rowSize, rowY, type TokenLayout, visibleRows } from "./tokenLayout";
import type { Edge } from "./weights";

export interface TokenColumnProps {
  readonly side: Side;
  /** Prefix that keeps the ids of this column distinct from those of another view. */
  readonly prefix?: string;
  readonly tokens: readonly Token[];
  readonly layout: TokenLayout;
  readonly scroll: number;
  /** Whether the column itself scrolls, so that its tokens do not move within it. */
  readonly scrolled?: boolean;
  readonly active: Place | null;
  readonly edge: Edge | null;
  readonly pins: readonly Place[];
  readonly muted: (index: number) => boolean;
  /** Whether a token matches the search. */
  readonly found?: (index: number) => boolean;
  /** Text added to the accessible name of a token. */
  readonly remark?: (index: number) => string | null;
  /** Drawn before the text of a token. */
  readonly before?: (token: Token) => JSX.Element;
  readonly onMove: (index: number) => void;
  readonly onPin: (index: number) => void;
  /** Before the keyboard moves from a token of this column to the other column. */
  readonly onCross: (index: number) => void;
  /** Opens the neurons of the token. */
  readonly onEnter: () => void;
  /** The tokens of the baseline that these correspond to, if differences are shown. */
  readonly counterparts?: readonly (Token | null)[];
  /** Opens a change of the token; absent where nothing can be changed. */
  readonly onChange?: (index: number, column: HTMLElement) => void;
}

/** Which end of a bracket around the parts of a character a token has. */
function partEnd(whole: ByteCharacter | null, index: number): "first" | "inner" | "last" | undefined {
  if (whole === null) return undefined;
  return index === whole.first ? "first" : index === whole.last ? "last" : "inner";
}

function plainKey({ ctrlKey, metaKey, altKey }: KeyboardEvent): boolean {
  return !ctrlKey && !metaKey && !altKey;
}

/** Tokens rendered beyond each end of the visible window. */
const MARGIN = 4;

/** `part 2 of 3 of 漢`: a token may hold several bytes. */
function partWords(whole: ByteCharacter, index: number): string {
  return `part ${index - whole.first + 1} of ${whole.last - whole.first + 1} of ${whole.char}`;
}

/** Tooltip of a token: the text it stands for, the character that it is a part of, and its chat role, if any. */
function hint(token: Token | undefined, part: string | null): string | undefined {
  const parts =
    token === undefined ? [] : [givenText(token), part, token.role ? `role: ${token.role}` : null];
  return parts.filter((part) => part !== null).join(", ") || undefined;
}

/** One virtualized column of tokens: only the visible ones are rendered. */
export function TokenColumn(props: TokenColumnProps) {
  const turned = () => props.layout.cells !== undefined;
  const range = createMemo(
    () => visibleRows(props.layout, props.scroll, props.tokens.length, MARGIN, props.side),
    undefined,
    { equals: (a, b) => a[0] === b[0] && a[1] === b[1] },
  );
  // Slots are reused in a ring: scrolling by one token changes only one element.
  const slots = createMemo<readonly number[]>((before) => {
    const count = Math.min(range()[1] - range()[0], props.tokens.length);
    return count <= before.length && count > before.length - 12
      ? before
      : Array.from({ length: count + 4 }, (_, slot) => slot);
  }, []);
  const indexIn = (slot: number): number => {
    const [first, last] = range();
    const count = slots().length;
    const index = first + ((((slot - first) % count) + count) % count);
    return index < last ? index : -1;
  };
  const activeIndex = () => (props.active?.side === props.side ? props.active.index : null);
  const pinned = (index: number) => props.pins.some((pin) => pin.side === props.side && pin.index === index);
  const onEdge = (index: number) => (props.side === "query" ? props.edge?.query : props.edge?.key) === index;

  const wholes = createMemo(() => byteCharacters(props.tokens));
  const name = () => `${props.prefix ?? ""}${props.side}`;
  const onKey = (event: KeyboardEvent): void => {
    const now = activeIndex();
    const last = props.tokens.length - 1;
    const [first, end] = range();
    const page = Math.max(1, end - first - 2 * MARGIN - 1);
    const from = now ?? -1;
    const back = now === null ? last : from - 1;
    const mirrored = (props.layout.cells?.[props.side].mirror ?? 0) > 0;
    const [next, previous, toQueries, toKeys] = turned()
      ? [mirrored ? "ArrowLeft" : "ArrowRight", mirrored ? "ArrowRight" : "ArrowLeft", "ArrowUp", "ArrowDown"]
      : ["ArrowDown", "ArrowUp", "ArrowLeft", "ArrowRight"];
    const targets: Readonly<Record<string, number>> = {
      [next]: from + 1,
      [previous]: back,
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
    } else if (event.key === "e" && now !== null && props.onChange !== undefined && plainKey(event)) {
      props.onChange(now, event.currentTarget as HTMLElement);
    } else if (event.key === toQueries || event.key === toKeys) {
      const side = event.key === toQueries ? "query" : "key";
      const other = (event.currentTarget as HTMLElement).parentElement?.querySelector<HTMLElement>(
        `.tokens.${side}`,
      );
      if (side !== props.side && now !== null) props.onCross(now);
      other?.focus({ preventScroll: true });
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };

  /** Position of the column across the view. */
  const band = () => {
    const { layout, side } = props;
    const at = side === "query" ? layout.queryX : layout.keyX;
    return turned()
      ? { top: `${at}px`, height: `${layout.column}px`, left: "0", right: "0" }
      : { left: `${at}px`, width: `${layout.column}px` };
  };
  /** Position of a token along the column. */
  const spot = (index: number) => {
    const size = rowSize(props.layout, index, props.side);
    const from = rowY(props.layout, index, props.scrolled ? 0 : props.scroll, props.side) - size / 2;
    return turned()
      ? { width: `${size}px`, transform: `translateX(${from}px)` }
      : { height: `${size}px`, transform: `translateY(${from}px)` };
  };

  return (
    <div
      class={`tokens ${props.side}`}
      classList={{ turned: turned() }}
      role="listbox"
      tabindex="0"
      aria-label={props.side === "query" ? "Query tokens" : "Key tokens"}
      aria-multiselectable="true"
      aria-orientation={turned() ? "horizontal" : "vertical"}
      aria-activedescendant={activeIndex() === null ? undefined : `${name()}-${activeIndex()}`}
      data-testid={`${name()}-tokens`}
      style={{ ...band(), "font-size": `${props.layout.fontSize}px` }}
      on:keydown={onKey}
      on:focus={(event) => {
        // A pointer that focuses the list also selects a token; the keyboard starts at the first one.
        if ((event.currentTarget as HTMLElement).matches(":focus-visible") && activeIndex() === null)
          props.onMove(0);
      }}
    >
      <For each={slots()}>
        {(slot) => {
          const index = createMemo(() => indexIn(slot));
          const token = () => props.tokens[index()];
          const look = createMemo(() => {
            const now = token();
            return now === undefined ? null : face(now);
          });
          const substitute = createMemo(() => substituteOf(props.counterparts, token(), index()));
          const otherLook = createMemo(() => {
            const other = substitute();
            return other === null ? null : face(other);
          });
          const unaligned = () => isUnaligned(props.counterparts, index());
          const spokenName = () => {
            const other = substitute();
            const name =
              other === null ? spoken(token(), index()) : `${word(other)} / ${spoken(token(), index())}`;
            return unaligned() ? `${name}, not aligned` : name;
          };
          const whole = () => wholes().get(index()) ?? null;
          const part = () => {
            const now = whole();
            return now === null ? null : partWords(now, index());
          };
          const opensB = () => token()?.sentence === "B" && props.tokens[index() - 1]?.sentence !== "B";
          return (
            <Show when={look() !== null}>
              <div
                id={`${name()}-${index()}`}
                role="option"
                class="token"
                classList={{
                  active: activeIndex() === index() || onEdge(index()),
                  pinned: pinned(index()),
                  muted: props.muted(index()),
                  found: props.found?.(index()) ?? false,
                  special: look()?.kind === "special",
                  raw: look()?.kind === "raw",
                  space: look()?.kind === "space",
                  "opens-b": opensB(),
                  substituted: substitute() !== null,
                  unaligned: unaligned(),
                }}
                data-role={token()?.role ?? undefined}
                title={hint(token(), part())}
                data-part={partEnd(whole(), index())}
                aria-label={`${spokenName()}${part() === null ? "" : `, ${part()}`}${token()?.role ? `, ${token().role}` : ""}${props.remark?.(index()) ?? ""}`}
                aria-selected={pinned(index())}
                aria-setsize={props.tokens.length}
                aria-posinset={index() + 1}
                data-testid={`${name()}-${index()}`}
                style={spot(index())}
              >
                {props.before?.(token())}
                <span class="word">
                  <Show when={otherLook()}>
                    {(other) => (
                      <>
                        <i class="mark">{other().before}</i>
                        <bdi>{other().text}</bdi>
                        {" / "}
                      </>
                    )}
                  </Show>
                  <i class="mark">{look()?.before}</i>
                  <bdi>{look()?.text}</bdi>
                </span>
                <Show when={whole()?.first === index()}>
                  <bdi class="whole">{whole()?.char}</bdi>
                </Show>
              </div>
            </Show>
          );
        }}
      </For>
    </div>
  );
}
