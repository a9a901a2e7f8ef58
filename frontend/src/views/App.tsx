import { createEffect, createMemo, createSignal, on, onCleanup, onMount, Show, untrack } from "solid-js";
import { layerField } from "../compute/field";
import type { Session } from "../state/session";
import { allHeads, currentTrace, headCount, headsOn, type Place } from "../state/state";
import { Footer } from "./Footer";
import { HeadPanel } from "./HeadPanel";
import { globalKeys } from "./keys";
import { RowPanel } from "./RowPanel";
import { type Edge, type Focus, heaviestEdges, type Shown, sinkKeys } from "./reading";
import { StatusLine } from "./Status";
import { TopBar } from "./TopBar";

/** How long the pointer rests on a token before its numbers are listed. */
const REST_MS = 60;

/** The whole page: the bar, the panels, the readout. */
export function App(props: { readonly session: Session }) {
  const { session } = props;
  const state = session.state;
  const [focus, setFocus] = createSignal<Focus | null>(null);
  const [version, setVersion] = createSignal(0);
  const known = (): void => void setVersion((count) => count + 1);
  let prompt!: HTMLTextAreaElement;
  let root!: HTMLDivElement;

  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  const [hostDark, setHostDark] = createSignal(prefersDark.matches);
  const follow = (): void => void setHostDark(prefersDark.matches);
  prefersDark.addEventListener("change", follow);
  onCleanup(() => prefersDark.removeEventListener("change", follow));
  const dark = () => (state().view.theme === "auto" ? hostDark() : state().view.theme === "dark");

  const trace = () => currentTrace(state());
  const field = createMemo(() => {
    const layer = session.layer();
    if (layer === null || trace() === null) return null;
    try {
      return layerField(layer);
    } catch (error) {
      session.fail(error instanceof Error ? error.message : String(error));
      return null;
    }
  });

  const shown = createMemo(
    (): Shown => {
      const now = field();
      const stack = trace()?.stacks[state().selection.stack];
      const keys = stack ? (trace()?.tokens[stack.key] ?? []) : [];
      return {
        heads: headsOn(state()).filter((head) => head < (now?.heads ?? 0)),
        filter: state().view.filter,
        hiddenKeys:
          state().view.sinks === "hidden" ? sinkKeys(keys, stack?.causal ?? false) : new Set<number>(),
        queries: stack ? (trace()?.tokens[stack.query] ?? []) : [],
        keys,
      };
    },
    undefined,
    { equals: sameShown },
  );

  // A layer of another trace is no picture of this one: until its own comes, nothing is drawn.
  const drawable = createMemo(() => {
    const now = field();
    const fits = now !== null && now.queries === shown().queries.length && now.keys === shown().keys.length;
    return fits && session.layer()?.trace === trace()?.trace ? now : null;
  });

  /** The token under the pointer or the keyboard, else the one pinned last. */
  const place = createMemo<Place | null>(() => {
    const now = focus();
    if (now?.kind === "token") return now.place;
    return state().selection.token ?? state().pins.at(-1) ?? null;
  });
  /** The token whose numbers the panel lists: it follows once the pointer rests; at first it is the last query. */
  const [listed, setListed] = createSignal<Place | null>(null);
  createEffect(
    on(
      createMemo(() => trace()?.trace),
      () => setListed(null),
    ),
  );
  createEffect(() => {
    const now = place();
    const { queries, keys } = shown();
    const count = (side: Place["side"]) => (side === "query" ? queries : keys).length;
    const settle = (): void => {
      const last: Place = { side: "query", index: count("query") - 1 };
      setListed((before) => {
        if (count("query") === 0) return null;
        return now ?? (before !== null && before.index < count(before.side) ? before : last);
      });
    };
    const timer = setTimeout(settle, untrack(listed) === null ? 0 : REST_MS);
    onCleanup(() => clearTimeout(timer));
  });
  /** The edge that the readout reads: the one under the pointer, else the heaviest of the token. */
  const edge = createMemo<Edge | null>(() => {
    void version();
    const now = focus();
    const layer = drawable();
    if (now?.kind === "edge") return now.edge;
    const at = place();
    return layer === null || at === null ? null : (heaviestEdges(layer, shown(), at, 1)[0] ?? null);
  });

  // Pinned and selected query rows become exact: the host is asked for them once for each layer.
  createEffect(() => {
    const layer = drawable();
    const places = [...state().pins, ...(state().selection.token ? [state().selection.token as Place] : [])];
    const { selection } = state();
    // While the next layer is on its way, the old one is still drawn: its rows are not the ones to ask for.
    const current = layer?.layer === selection.layer && layer.stack === selection.stack;
    if (layer === null || layer.error === 0 || !current) return;
    const rows = [...new Set(places.filter((at) => at.side === "query").map((at) => at.index))].filter(
      (row) => row < layer.queries && !layer.exact(0, row),
    );
    if (rows.length === 0) return;
    const heads = allHeads(state());
    void session.tile(heads, rows).then((tile) => {
      const weights = tile?.tensors.get("attention")?.data;
      const scores = tile?.tensors.get("scores")?.data;
      if (tile?.layer !== layer.layer || tile.stack !== layer.stack || !(weights instanceof Float32Array))
        return;
      tile.heads.forEach((head, h) => {
        tile.rows.forEach((row, r) => {
          const from = (h * tile.rows.length + r) * layer.keys;
          const cut = (all: Float32Array) => all.slice(from, from + layer.keys);
          layer.correct(head, row, cut(weights), scores instanceof Float32Array ? cut(scores) : null);
        });
      });
      known();
    });
  });

  onMount(() => {
    const onKey = globalKeys(session, {
      prompt: () => prompt,
      help: () => root.querySelector<HTMLElement>("[data-testid=help]"),
    });
    root.addEventListener("keydown", onKey);
    onCleanup(() => root.removeEventListener("keydown", onKey));
    root.focus({ preventScroll: true });
  });

  return (
    <div
      class="app"
      ref={root}
      tabindex="-1"
      data-theme={dark() ? "dark" : "light"}
      data-heads={headCount(state())}
    >
      <TopBar
        session={session}
        promptRef={(box) => {
          prompt = box;
        }}
      />
      <StatusLine session={session} />
      <main>
        <Show when={trace()} fallback={<Welcome session={session} />}>
          <HeadPanel
            session={session}
            field={drawable()}
            shown={shown()}
            version={version()}
            onKnown={known}
            dark={dark()}
            focus={focus()}
            onFocus={setFocus}
          />
          <RowPanel
            field={drawable()}
            version={version()}
            shown={shown()}
            dark={dark()}
            place={listed()}
            pins={state().pins}
            trace={trace()}
            onFocus={setFocus}
            onUnpin={(pin) => {
              session.dispatch({ type: "pin", place: pin });
              session.dispatch({ type: "token", token: null });
            }}
          />
        </Show>
      </main>
      <Footer field={drawable()} version={version()} shown={shown()} edge={edge()} trace={trace()} />
    </div>
  );
}

function Welcome(props: { readonly session: Session }) {
  return (
    <section class="panel welcome">
      <Show
        when={props.session.work()}
        fallback={<p>Type a sentence above and press Enter: its attention is drawn here.</p>}
      >
        {(work) => (
          <p>
            {work().what === "hello" ? "Connecting to attnscope…" : "Running the model for the first time…"}
          </p>
        )}
      </Show>
    </section>
  );
}

function sameShown(a: Shown, b: Shown): boolean {
  return (
    a.queries === b.queries &&
    a.keys === b.keys &&
    a.filter === b.filter &&
    String(a.heads) === String(b.heads) &&
    String([...a.hiddenKeys]) === String([...b.hiddenKeys])
  );
}
