import { createMemo, createSignal, For, onCleanup, onMount, Show } from "solid-js";
import type { PassName } from "../../state/continuation";
import { context2d } from "../shared/canvas";

/** One token of a row. */
export interface PairedToken {
  /** As it is displayed, with the mark of a leading space. */
  readonly text: string;
  /** For screen readers and as a tooltip. */
  readonly label: string;
  /** The length of the bar under it, from 0 to 1; null for no bar. */
  readonly share: number | null;
}

/** Two tokens beside each other. */
export interface TokenPair {
  readonly before: PairedToken | null;
  readonly after: PairedToken | null;
  readonly look: "same" | "different" | "boxed" | "gap";
}

export interface PairedTokensProps {
  readonly label: string;
  readonly names: Readonly<Record<PassName, string>>;
  readonly pairs: readonly TokenPair[];
  /** The token that is selected. */
  readonly selected?: { readonly pass: PassName; readonly pair: number } | null;
  /** The row that is being written: a caret follows its last token. */
  readonly writing?: PassName | null;
  readonly onChoose?: (pass: PassName, pair: number) => void;
}

const PASSES: readonly PassName[] = ["before", "after"];
/** Padding of a token, and the space after it, CSS pixels. */
const PADDING = 12;
const SPACE = 2;
const LEAST = 8;
/** Rows keep this width where they are not measured yet. */
const FIRST_WIDTH = 400;

/** Two rows of aligned tokens, wrapped together. With `onChoose`, tokens are buttons: arrow keys move between them. */
export function PairedTokens(props: PairedTokensProps) {
  const [room, setRoom] = createSignal(FIRST_WIDTH);
  const [cursor, setCursor] = createSignal<{ readonly pass: PassName; readonly pair: number } | null>(null);
  let frame!: HTMLDivElement;
  onMount(() => {
    const watch = new ResizeObserver(() => setRoom(frame.clientWidth));
    watch.observe(frame);
    onCleanup(() => watch.disconnect());
  });
  const labelWidth = createMemo(
    () => Math.min(110, Math.max(...PASSES.map((pass) => textWidth(props.names[pass])))) + 10,
  );
  const lines = createMemo(() => linesOf(props.pairs, room() - labelWidth()));
  const at = (): { readonly pass: PassName; readonly pair: number } => {
    const now = cursor() ?? props.selected ?? null;
    const found = now !== null && props.pairs[now.pair]?.[now.pass] != null ? now : null;
    return found ?? firstToken(props.pairs);
  };
  const move = (event: KeyboardEvent): void => {
    const now = at();
    const target = targetOf(event.key, now, props.pairs);
    if (target === null || event.altKey || event.ctrlKey || event.metaKey) return;
    setCursor(target);
    frame.querySelector<HTMLElement>(`[data-token="${target.pass}-${target.pair}"]`)?.focus();
    event.preventDefault();
    event.stopPropagation();
  };
  const token = (pass: PassName, pair: number) => {
    const one = () => props.pairs[pair]?.[pass] ?? null;
    const isSelected = () => props.selected?.pass === pass && props.selected.pair === pair;
    const style = () => ({ "--share": String(one()?.share ?? 0) });
    const classes = () => ({
      bar: one()?.share != null,
      selected: isSelected(),
      [props.pairs[pair]?.look ?? "gap"]: true,
    });
    return (
      <Show
        when={one()}
        fallback={
          <span class="paired-token none" aria-hidden="true">
            –
          </span>
        }
      >
        {(shown) => (
          <Show
            when={props.onChoose}
            fallback={
              <span class="paired-token" classList={classes()} style={style()} title={shown().label}>
                {shown().text}
              </span>
            }
          >
            <button
              type="button"
              class="paired-token"
              classList={classes()}
              style={style()}
              title={shown().label}
              aria-label={`${props.names[pass]}: ${shown().label}`}
              aria-pressed={isSelected()}
              tabindex={at().pass === pass && at().pair === pair ? 0 : -1}
              data-token={`${pass}-${pair}`}
              data-testid={`written-${pass}-${pair}`}
              on:focus={() => setCursor({ pass, pair })}
              on:click={() => props.onChoose?.(pass, pair)}
            >
              {shown().text}
            </button>
          </Show>
        )}
      </Show>
    );
  };
  return (
    <div class="paired" ref={frame} role="group" aria-label={props.label} on:keydown={move}>
      <For each={lines()}>
        {(line, number) => (
          <div class="paired-line" style={{ "--label": `${labelWidth()}px` }}>
            <For each={PASSES}>
              {(pass) => (
                <div class="paired-row">
                  <span class="paired-label">{props.names[pass]}</span>
                  <For each={line}>
                    {({ pair, width }) => (
                      <span class="paired-cell" style={{ width: `${width}px` }}>
                        {token(pass, pair)}
                      </span>
                    )}
                  </For>
                  <Show when={props.writing === pass && number() === lines().length - 1}>
                    <i class="writing-caret" aria-hidden="true" />
                  </Show>
                </div>
              )}
            </For>
          </div>
        )}
      </For>
    </div>
  );
}

interface Placed {
  readonly pair: number;
  readonly width: number;
}

/** Pairs side by side as far as there is room, then on a new line. */
function linesOf(pairs: readonly TokenPair[], room: number): readonly (readonly Placed[])[] {
  const lines: Placed[][] = [[]];
  let used = 0;
  for (const [pair, { before, after }] of pairs.entries()) {
    const texts = [before, after].map((one) => (one === null ? LEAST : textWidth(one.text)));
    const width = Math.min(Math.ceil(Math.max(LEAST, ...texts)) + PADDING, Math.max(40, room));
    if (used > 0 && used + width > room) {
      lines.push([]);
      used = 0;
    }
    lines.at(-1)?.push({ pair, width });
    used += width + SPACE;
  }
  return lines;
}

/** Where a key leads from a token: along its row, to the other row, or to an end. */
function targetOf(
  key: string,
  { pass, pair }: { readonly pass: PassName; readonly pair: number },
  pairs: readonly TokenPair[],
): { readonly pass: PassName; readonly pair: number } | null {
  const along = (from: number, step: number): number | null => {
    for (let next = from; next >= 0 && next < pairs.length; next += step)
      if (pairs[next][pass] !== null) return next;
    return null;
  };
  const moves: Readonly<Record<string, () => number | null>> = {
    ArrowRight: () => along(pair + 1, 1),
    ArrowLeft: () => along(pair - 1, -1),
    Home: () => along(0, 1),
    End: () => along(pairs.length - 1, -1),
  };
  const found = moves[key]?.();
  if (found !== undefined) return found === null ? null : { pass, pair: found };
  const rows: Readonly<Record<string, PassName>> = { ArrowUp: "before", ArrowDown: "after" };
  const other = rows[key];
  return other !== undefined && pairs[pair]?.[other] != null ? { pass: other, pair } : null;
}

function firstToken(pairs: readonly TokenPair[]): { readonly pass: PassName; readonly pair: number } {
  return { pass: pairs[0]?.before == null ? "after" : "before", pair: 0 };
}

let ruler: CanvasRenderingContext2D | null = null;

/** The width of a text in the font of the page, bold, CSS pixels. */
function textWidth(text: string): number {
  ruler ??= context2d(document.createElement("canvas"));
  ruler.font = '600 13px system-ui, "Segoe UI", "Helvetica Neue", sans-serif';
  return ruler.measureText(text).width;
}
