import { createEffect, createMemo, createSignal, on, onCleanup, onMount, Show, untrack } from "solid-js";
import { layerField } from "../compute/field";
import type { Session } from "../state/session";
import { currentTrace, headCount, headsOn, type PanelName, type Place } from "../state/state";
import { followExactRows } from "./exact";
import { Footer } from "./Footer";
import { HeadPanel } from "./head/HeadPanel";
import { globalKeys } from "./keys";
import { comfortableWidth } from "./model/grid";
import { ModelPanel } from "./model/ModelPanel";
import type { HeadPlace } from "./model/overlay";
import type { HeadReading } from "./model/reading";
import { NeuronBody } from "./neuron/NeuronBody";
import { NeuronHeading } from "./neuron/NeuronHeading";
import { type NeuronProps, readNeurons } from "./neuron/readNeurons";
import { type Edge, type Focus, heaviestEdges, type Shown, sinkKeys } from "./reading";
import { SidePanel, type SideView } from "./SidePanel";
import { StatusLine } from "./Status";
import { TopBar } from "./TopBar";
import { Workspace } from "./Workspace";
import { RowHeading, type RowProps, RowTable } from "./weights/RowPanel";

/** How long the pointer rests on a token before its numbers are listed. */
const REST_MS = 60;

/** The whole page: the bar, the panels, the readout. */
export function App(props: { readonly session: Session }) {
  const { session } = props;
  const state = session.state;
  const [focus, setFocus] = createSignal<Focus | null>(null);
  const [detail, setDetail] = createSignal<string | null>(null);
  const [version, setVersion] = createSignal(0);
  const known = (): void => void setVersion((count) => count + 1);
  const [overHead, setOverHead] = createSignal<HeadPlace | null>(null);
  const [headReading, setHeadReading] = createSignal<HeadReading | null>(null);
  let prompt!: HTMLTextAreaElement;
  let root!: HTMLDivElement;

  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  const [hostDark, setHostDark] = createSignal(prefersDark.matches);
  const follow = (): void => void setHostDark(prefersDark.matches);
  prefersDark.addEventListener("change", follow);
  onCleanup(() => prefersDark.removeEventListener("change", follow));
  const dark = () => (state().view.theme === "auto" ? hostDark() : state().view.theme === "dark");

  const trace = createMemo(() => currentTrace(state()));
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

  followExactRows(session, drawable, known);

  /** The view of a panel that the keyboard enters. */
  const ENTRIES: Readonly<Record<PanelName, string>> = {
    model: "[data-panel=model] [role=grid]",
    head: "[data-panel=head] .tokens.query",
    side: "[data-panel=side] .side-body [tabindex='0']",
  };
  const go = (panel: PanelName): void => {
    if (state().frame.at !== panel && !root.querySelector(`[data-panel=${panel}]:not([hidden])`)) {
      session.dispatch({ type: "frame", frame: { at: panel } });
    }
    root.querySelector<HTMLElement>(ENTRIES[panel])?.focus();
  };
  const panelOfKeyboard = (): PanelName | null => {
    const focused = (root.getRootNode() as ShadowRoot).activeElement;
    return (focused?.closest<HTMLElement>("[data-panel]")?.dataset.panel ?? null) as PanelName | null;
  };

  onMount(() => {
    const onKey = globalKeys(session, {
      prompt: () => prompt,
      help: () => root.querySelector<HTMLElement>("[data-testid=help]"),
      panel: panelOfKeyboard,
      go,
    });
    root.addEventListener("keydown", onKey);
    onCleanup(() => root.removeEventListener("keydown", onKey));
    root.focus({ preventScroll: true });
  });

  const rowProps: RowProps = {
    get field() {
      return drawable();
    },
    get version() {
      return version();
    },
    get shown() {
      return shown();
    },
    get dark() {
      return dark();
    },
    get place() {
      return listed();
    },
    get pins() {
      return state().pins;
    },
    get trace() {
      return trace();
    },
    onFocus: setFocus,
    onUnpin: (pin) => {
      session.dispatch({ type: "pin", place: pin });
      session.dispatch({ type: "token", token: null });
    },
  };
  const neuronProps: NeuronProps = {
    session,
    get field() {
      return drawable();
    },
    get version() {
      return version();
    },
    get shown() {
      return shown();
    },
    get dark() {
      return dark();
    },
    get focus() {
      return focus();
    },
    onFocus: setFocus,
    onDetail: setDetail,
  };
  const neurons = readNeurons(neuronProps);
  const sideViews: readonly SideView[] = [
    {
      name: "neurons",
      title: "Neurons",
      heading: () => <NeuronHeading {...neuronProps} now={neurons} />,
      body: () => <NeuronBody {...neuronProps} now={neurons} />,
    },
    {
      name: "weights",
      title: "Weights",
      heading: () => <RowHeading {...rowProps} />,
      body: () => <RowTable {...rowProps} />,
    },
  ];

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
      <Show when={trace()} fallback={<Welcome session={session} />}>
        <Workspace
          session={session}
          modelWidth={comfortableWidth(trace()?.stacks[state().selection.stack]?.heads ?? 1)}
          titles={{
            model: "Model",
            head: "Head",
            side: state().frame.side === "weights" ? "Weights" : "Neurons",
          }}
          model={(wide) => (
            <ModelPanel
              session={session}
              dark={dark()}
              wide={wide}
              over={overHead()}
              onOver={setOverHead}
              onReading={setHeadReading}
              onEnter={() => go("head")}
            />
          )}
          head={() => (
            <HeadPanel
              session={session}
              field={drawable()}
              shown={shown()}
              version={version()}
              onKnown={known}
              dark={dark()}
              focus={focus()}
              onFocus={setFocus}
              onEnter={() => go("side")}
            />
          )}
          side={() => <SidePanel session={session} views={sideViews} />}
        />
      </Show>
      <Footer
        field={drawable()}
        version={version()}
        shown={shown()}
        edge={edge()}
        detail={detail()}
        trace={trace()}
        head={headReading()}
      />
    </div>
  );
}

function Welcome(props: { readonly session: Session }) {
  return (
    <main class="alone">
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
    </main>
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
