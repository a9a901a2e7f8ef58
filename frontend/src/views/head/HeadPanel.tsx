import { createMemo, createSignal, type JSX, Show } from "solid-js";
import type { ComparedLayer } from "../../compute/differenceLayer";
import type { LayerField } from "../../compute/layerField";
import type { ChangeSubject } from "../../state/changeSubject";
import { type EditMarks, headsOff } from "../../state/editMarks";
import { differenceName } from "../../state/fieldNames";
import type { Session } from "../../state/session";
import {
  chosenPlace,
  headCount,
  headsOn,
  neuronHead,
  type Place,
  type SentenceFilter,
} from "../../state/state";
import { bitmapOf } from "../image/bitmaps";
import { hasPatches, ImageView } from "../image/ImageView";
import { PatchThumbnail } from "../image/PatchThumbnail";
import type { GesturePoint } from "../shared/changeGesture";
import { PanelActions } from "../shared/PanelActions";
import { SegmentedControl } from "../shared/SegmentedControl";
import { StackTabs } from "../shared/StackTabs";
import { type Edge, type Focus, pairEdge, type Shown, sinkName } from "../shared/weights";
import type { Match } from "./findText";
import { HeadControls } from "./HeadControls";
import { HeadLegend } from "./HeadLegend";
import { HeadLines } from "./HeadLines";
import { HeadSquares } from "./HeadSquares";
import { LayerStepper } from "./LayerStepper";
import type { RasterSummary } from "./lineRaster";
import { SearchBox } from "./SearchBox";
import { SideNames } from "./SideNames";

const FILTERS: readonly (readonly [SentenceFilter, string])[] = [
  ["all", "All"],
  ["AA", "A → A"],
  ["AB", "A → B"],
  ["BA", "B → A"],
  ["BB", "B → B"],
];

export interface HeadPanelProps {
  readonly session: Session;
  readonly field: LayerField | null;
  readonly shown: Shown;
  readonly version: number;
  readonly onKnown: () => void;
  /** Both passes, if weights before and after are written beside the tokens. */
  readonly readings: ComparedLayer | null;
  /** What edits do to the layer. */
  readonly marks: EditMarks;
  /** Opens a change of something at a point of the window; absent where nothing can be changed. */
  readonly onChange?: (subject: ChangeSubject, at: GesturePoint, from: HTMLElement) => void;
  readonly dark: boolean;
  readonly focus: Focus | null;
  readonly onFocus: (focus: Focus | null) => void;
  /** Opens the neurons of the token with keyboard focus. */
  readonly onEnter: () => void;
  /** What turns the selected head up, down or off. */
  readonly fader: JSX.Element;
  /** The export menu in the panel's bar. */
  readonly exportMenu: JSX.Element;
}

/** The head view with its controls and legend. */
export function HeadPanel(props: HeadPanelProps) {
  const { session } = props;
  const state = session.state;
  const trace = () => state().trace;
  const stack = () => trace()?.stacks[state().selection.stack];
  const heads = () => headsOn(state());
  const [drawn, setDrawn] = createSignal<RasterSummary | null>(null);
  const [finding, setFinding] = createSignal(false);
  const [matches, setMatches] = createSignal<readonly Match[]>([]);
  let panel!: HTMLElement;
  let reveal: (place: Place) => void = () => undefined;

  const sinkTitle = createMemo(() => sinkName(props.shown.keys, stack()?.causal ?? false));
  const hasPair = () => props.shown.keys.some((token) => token.sentence === "B");
  const turned = () => state().view.orientation === "rows";
  const imageAlone = () => hasPatches(props.shown) && state().view.pictures === "alone";
  const found = createMemo(() => {
    const places = new Set<string>();
    const both = !matches().some((match) => match.side === "key");
    for (const { side, from, to } of matches()) {
      for (let index = from; index < to; index++) {
        places.add(`${side} ${index}`);
        if (both && props.shown.keys.length === props.shown.queries.length) places.add(`key ${index}`);
      }
    }
    return places;
  });
  /** The edge between the current token and the one pinned on the other side. */
  const paired = createMemo<Edge | null>(() => {
    void props.version;
    const { field, focus } = props;
    const place = focus?.kind === "token" ? focus.place : chosenPlace(state());
    return field === null || place === null ? null : pairEdge(field, props.shown.heads, state().pins, place);
  });
  const layer = () => state().selection.layer;
  const off = createMemo(() => headsOff(props.marks), undefined, {
    equals: (a, b) => String(a) === String(b),
  });
  const difference = () => {
    const { comparison } = state();
    return comparison === null ? "" : differenceName(comparison);
  };
  const subjectOf = (what: Focus): ChangeSubject => {
    const place = { stack: state().selection.stack, layer: layer() };
    if (what.kind === "edge") return { kind: "line", ...place, ...what.edge };
    return { kind: "token", ...place, head: neuronHead(state()), ...what.place };
  };
  const leaveSearch = (): void => {
    setFinding(false);
    setMatches([]);
    const side = state().selection.token?.side ?? "query";
    panel.querySelector<HTMLElement>(`.tokens.${side}`)?.focus({ preventScroll: true });
  };

  return (
    <section class="panel head" aria-label="Head view" data-testid="head-view" ref={panel}>
      <div class="bar">
        <h2>Head</h2>
        <LayerStepper session={session} />
        <Show when={hasPair()}>
          <div class="filter">
            <SegmentedControl
              label="Sentence filter"
              options={FILTERS}
              value={state().view.filter}
              onChange={(filter) => session.dispatch({ type: "view", view: { filter } })}
            />
          </div>
        </Show>
        <span class="space" />
        <button
          type="button"
          class="tool"
          aria-pressed={finding()}
          aria-label="Find tokens"
          title="Find tokens (f)"
          data-testid="find"
          on:click={() => (finding() ? leaveSearch() : setFinding(true))}
        >
          <svg width="14" height="14" viewBox="0 0 14 14" aria-hidden="true">
            <path d="M9.2 9.2L12.5 12.5M10.5 6A4.5 4.5 0 1 1 1.5 6A4.5 4.5 0 0 1 10.5 6Z" />
          </svg>
        </button>
        <button
          type="button"
          class="tool"
          aria-pressed={turned()}
          aria-label="Arrange tokens in rows"
          title={turned() ? "Arrange tokens in columns" : "Arrange tokens in rows, like running text"}
          data-testid="turn"
          on:click={() =>
            session.dispatch({ type: "view", view: { orientation: turned() ? "columns" : "rows" } })
          }
        >
          <svg width="14" height="14" viewBox="0 0 14 14" aria-hidden="true">
            {turned() ? (
              <path d="M1.5 2.5H12.5M1.5 11.5H12.5M4 4.5L7 9.5L10 4.5" />
            ) : (
              <path d="M2.5 1.5V12.5M11.5 1.5V12.5M4.5 4L9.5 7L4.5 10" />
            )}
          </svg>
        </button>
        <PanelActions session={session} panel="head" name="Head view" exportMenu={props.exportMenu} />
      </div>
      <StackTabs session={session} />
      <HeadSquares
        layer={layer()}
        count={headCount(state())}
        on={heads()}
        dark={props.dark}
        marks={props.marks}
        onChange={
          props.onChange &&
          ((head, square) => {
            const { left, bottom } = square.getBoundingClientRect();
            const subject = { kind: "head", stack: state().selection.stack, layer: layer(), head } as const;
            props.onChange?.(subject, { clientX: left, clientY: bottom }, square);
          })
        }
        onToggle={(head) => session.dispatch({ type: "toggle-head", head })}
        onIsolate={(head) => session.dispatch({ type: "isolate-head", head })}
        onSet={(all) => session.dispatch({ type: "heads", heads: all })}
      />
      {props.fader}
      <HeadControls session={session} sinkTitle={sinkTitle()} />
      <Show when={finding()}>
        <SearchBox
          queries={props.shown.queries}
          keys={props.shown.keys}
          onMatches={setMatches}
          onGo={(token) => {
            session.dispatch({ type: "token", token });
            reveal(token);
          }}
          onClose={leaveSearch}
        />
      </Show>
      <Show when={hasPatches(props.shown) && props.field}>
        {(field) => (
          <ImageView
            session={session}
            field={field()}
            version={props.version}
            shown={props.shown}
            dark={props.dark}
            focus={props.focus}
            onFocus={props.onFocus}
            onReveal={(place) => reveal(place)}
          />
        )}
      </Show>
      <Show when={!imageAlone()}>
        <SideNames
          stack={state().trace?.stacks[state().selection.stack]}
          queries={props.shown.queries.length}
          keys={props.shown.keys.length}
        />
      </Show>
      <Show
        when={!imageAlone() && props.field}
        fallback={
          <Show when={!imageAlone()}>
            <div class="stage empty" />
          </Show>
        }
      >
        {(field) => (
          <HeadLines
            field={field()}
            version={props.version}
            shown={props.shown}
            scale={state().view.scale}
            dark={props.dark}
            pins={state().pins}
            token={state().selection.token}
            focus={props.focus}
            paired={paired()}
            turned={turned()}
            readings={props.readings}
            changed={props.marks.lines}
            off={off()}
            onChange={props.onChange && ((what, at, from) => props.onChange?.(subjectOf(what), at, from))}
            found={({ side, index }) => found().has(`${side} ${index}`)}
            before={
              hasPatches(props.shown)
                ? (token) => (
                    <PatchThumbnail token={token} bitmap={bitmapOf(trace(), token.image ?? 0)} size={16} />
                  )
                : undefined
            }
            onFocus={props.onFocus}
            onToken={(token) => session.dispatch({ type: "token", token })}
            onPin={(place) => {
              session.dispatch({ type: "pin", place });
              const pinned = state().pins.some((pin) => pin.side === place.side && pin.index === place.index);
              session.dispatch({ type: "token", token: pinned ? place : null });
            }}
            onEdge={({ query, key }) => session.dispatch({ type: "edge", query, key })}
            onDrawn={setDrawn}
            onKnown={props.onKnown}
            onFailure={session.fail}
            onEnter={props.onEnter}
            toReveal={session.tokenToReveal()}
            onRevealed={session.tokenRevealed}
            reveal={(way) => {
              reveal = way;
            }}
          />
        )}
      </Show>
      <Show when={!imageAlone()}>
        <HeadLegend
          field={props.field}
          layer={state().selection.layer}
          shown={props.shown}
          view={state().view}
          dark={props.dark}
          drawn={drawn()}
          sinkTitle={sinkTitle()}
          difference={difference()}
          marks={props.marks}
          numbers={props.focus !== null || state().pins.length > 0}
        />
      </Show>
    </section>
  );
}
