import { createMemo, createSignal, For, Show } from "solid-js";
import { changePhrase } from "../../figures/changeWords";
import {
  inOrder,
  movable,
  moveChange,
  muteChanges,
  type ChangeRow as Row,
  removeChanges,
  rowKey,
  rowsOf,
} from "../../state/changes";
import { type Change, currentPass } from "../../state/state";
import type { Page } from "../page/page";
import { ChangeRow } from "./ChangeRow";
import { ListTools } from "./ListTools";

/** A removed row, which stays until the pointer leaves it. */
interface Removed {
  readonly key: string;
  /** Where it was among the rows. */
  readonly at: number;
  readonly changes: readonly Change[];
  readonly words: string;
}

/** The changes in the order of the computation, each with its fader, and what can be done with all of them. */
export function ChangeList(props: { readonly page: Page }) {
  const { page } = props;
  const { session, state } = page;
  const [removed, setRemoved] = createSignal<readonly Removed[]>([]);
  const [entry, setEntry] = createSignal<string | null>(null);
  let list!: HTMLDivElement;

  const rows = createMemo(() => rowsOf(state().changes, currentPass(state())?.stacks ?? {}));
  const byKey = createMemo(() => new Map(rows().map((row, at) => [rowKey(row), { row, at }])));
  const shown = createMemo((): readonly string[] => {
    const keys: string[] = rows().map(rowKey);
    for (const { key, at } of removed()) keys.splice(Math.min(at, keys.length), 0, `removed ${key}`);
    return keys;
  });
  const entryKey = () => (byKey().has(entry() ?? "") ? entry() : (shown()[0] ?? null));
  const anyMovable = () => rows().some((_, at) => movable(rows(), at));
  const words = ({ changes, over }: Row): string =>
    changePhrase(changes[0].edit, currentPass(state()) ?? undefined, over);
  const editsOf = (row: Row) => row.changes.map(({ edit }) => edit);

  const mute = (row: Row): void => {
    const { muted } = row.changes[0];
    session.change(
      muteChanges(state().changes, editsOf(row), !muted),
      `${muted ? "unmute" : "mute"} ${words(row)}`,
    );
  };
  const remove = (key: string, row: Row, at: number): void => {
    setRemoved([...removed(), { key, at, changes: row.changes, words: words(row) }]);
    session.change(removeChanges(state().changes, editsOf(row)), `remove ${words(row)}`);
  };
  const forget = (key: string): void => void setRemoved(removed().filter((one) => one.key !== key));
  const restore = (one: Removed): void => {
    forget(one.key);
    const before = rows()
      .slice(0, one.at)
      .flatMap(({ changes }) => changes);
    const after = state().changes.filter((change) => !before.includes(change));
    session.change(inOrder([...before, ...one.changes, ...after]), `put back ${one.words}`);
  };
  const move = (row: Row, step: number): void => {
    const { changes } = state();
    const from = changes.indexOf(row.changes[0]);
    const moved = moveChange(changes, from, from + step);
    if (moved !== changes) session.change(moved, `move ${words(row)}`);
  };
  /** Moves a row towards the height of the pointer, past one neighbor at a time. */
  const drag = (key: string, y: number): void => {
    const found = byKey().get(key);
    const own = elementOf(key)?.getBoundingClientRect();
    if (found === undefined || own === undefined) return;
    if (y < own.top) move(found.row, -1);
    else if (y > own.bottom) move(found.row, 1);
  };
  const elementOf = (key: string) => list.children[shown().indexOf(key)] as HTMLElement | undefined;

  const keyed = (event: KeyboardEvent): void => {
    const at = [...list.children].indexOf(event.target as Element);
    const key = shown()[at];
    const found = byKey().get(key ?? "");
    if (found === undefined) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const focusAt = (index: number): void => {
      const next = Math.max(0, Math.min(list.children.length - 1, index));
      (list.children[next] as HTMLElement | undefined)?.focus();
    };
    if (step !== undefined && event.altKey) {
      move(found.row, step);
      queueMicrotask(() => elementOf(key)?.focus());
    } else if (step !== undefined) focusAt(at + step);
    else if (event.key === " ") mute(found.row);
    else if (event.key === "Delete" || event.key === "Backspace") {
      remove(key, found.row, found.at);
      queueMicrotask(() => list.querySelector<HTMLElement>(".removed button")?.focus());
    } else if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      const fader = elementOf(key)?.querySelector("input[type=range]");
      fader?.dispatchEvent(new KeyboardEvent("keydown", { key: event.key, shiftKey: event.shiftKey }));
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <section class="changes" aria-label="Changes" data-testid="changes">
      <h2 class="part-title">
        Changes{" "}
        <Show
          when={rows().length > 0}
          fallback={
            <span class="quiet">
              none yet: press <kbd>e</kbd> on a head, a line, a token or a neuron, or right-click it
            </span>
          }
        >
          <span class="quiet">in the order of the computation</span>
        </Show>
        <Show when={anyMovable()}>
          <span class="quiet">
            {" · "}
            <i class="grip-sign" aria-hidden="true" /> drag, or <kbd>Alt ↑ ↓</kbd>, where order counts
          </span>
        </Show>
      </h2>
      <div
        class="change-rows"
        role="list"
        aria-label="Changes"
        ref={list}
        on:keydown={keyed}
        on:focusin={(event) => {
          const at = [...list.children].findIndex((row) => row.contains(event.target as Node));
          setEntry(shown()[at] ?? null);
        }}
      >
        <For each={shown()}>
          {(key) => (
            <Show
              when={byKey().get(key)}
              fallback={
                <Show when={removed().find((one) => `removed ${one.key}` === key)}>
                  {(one) => (
                    <div
                      class="change removed"
                      role="listitem"
                      data-testid="removed"
                      on:pointerleave={() => forget(one().key)}
                      on:focusout={() => forget(one().key)}
                    >
                      <span class="quiet">{one().words}</span>
                      <span class="quiet">removed ·</span>
                      <button
                        type="button"
                        class="link"
                        data-testid="put-back"
                        on:pointerdown={(event) => event.preventDefault()}
                        on:click={() => restore(one())}
                      >
                        Undo
                      </button>
                    </div>
                  )}
                </Show>
              }
            >
              {(found) => (
                <ChangeRow
                  page={page}
                  row={found().row}
                  movable={movable(rows(), found().at)}
                  entry={entryKey() === key}
                  onMute={() => mute(found().row)}
                  onRemove={() => remove(key, found().row, found().at)}
                  onDrag={(y) => drag(key, y)}
                />
              )}
            </Show>
          )}
        </For>
      </div>
      <ListTools page={page} />
    </section>
  );
}
