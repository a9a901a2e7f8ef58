import { createEffect, createMemo, createSignal, type JSX, onCleanup, Show } from "solid-js";
import { DifferenceLayer } from "../../compute/differenceLayer";
import type { LayerField } from "../../compute/layerField";
import { decimals, differenceText, weightText } from "../../marks/format";
import { SCALE_TITLES } from "../../marks/scale";
import type { ChangeSubject } from "../../state/changeSubject";
import type { Session } from "../../state/session";
import type { AppState, HeadPlace } from "../../state/state";
import { PanelActions } from "../shared/PanelActions";
import { SegmentedControl } from "../shared/SegmentedControl";
import { StackTabs } from "../shared/StackTabs";
import { absence, type Edge, rankWords, readEdge } from "../shared/weights";
import { createModelView } from "./createModelView";
import { Details, type OnShow } from "./details";
import type { DifferenceFacts } from "./differenceWords";
import { HeadCard } from "./HeadCard";
import { type HeadReadout, spokenHead } from "./headReadout";
import { MeasureLegend } from "./MeasureLegend";
import { MeasureMenu } from "./MeasureMenu";
import { ModelGrid } from "./ModelGrid";
import { ModelLegend } from "./ModelLegend";
import type { HeadCell } from "./matrixFrame";
import { edgeMeasure, tellingFacts, tokenName } from "./measures";
import type { ThumbnailStyle } from "./thumbnailStyle";

const LOOKS: readonly (readonly [ThumbnailStyle, string, string])[] = [
  ["lines", "lines", "Thumbnails as lines from queries to keys"],
  ["map", "map", "Thumbnails as heat maps: rows are queries, columns are keys"],
];

export interface ModelPanelProps {
  readonly session: Session;
  readonly dark: boolean;
  readonly wide: boolean;
  readonly over: HeadPlace | null;
  readonly onOver: (place: HeadPlace | null) => void;
  /** Sets the readout for the head under the pointer. */
  readonly onReadout: (reading: HeadReadout | null) => void;
  /** Sets the matrix cell under the pointer. */
  readonly onCell: (cell: { readonly field: LayerField; readonly edge: Edge } | null) => void;
  readonly onEnter: () => void;
  /** Opens the box that changes something, at a place in the window; `from` gets the focus back. */
  readonly onChange: (subject: ChangeSubject, at: DOMRect, from: HTMLElement) => void;
  /** The export menu in the panel's bar. */
  readonly exportMenu: JSX.Element;
}

/** The model view: all heads at a glance, with zoom down to single weights. */
export function ModelPanel(props: ModelPanelProps) {
  const { session } = props;
  const state = session.state;
  const model = createModelView(session);
  const { layers, heads, rules, queries, keys, look, measure, reading } = model;
  let section!: HTMLElement;
  const [spot, setSpot] = createSignal<{ readonly x: number; readonly y: number } | null>(null);
  const [version, setVersion] = createSignal(0);
  const details = new Details(session, () => setVersion((count) => count + 1));
  onCleanup(() => details.close());

  createEffect(() => props.onReadout(props.over === null ? null : reading(props.over)));
  const over = (place: HeadPlace | null, at: { readonly x: number; readonly y: number } | null): void => {
    const box = section.getBoundingClientRect();
    setSpot(at === null ? null : { x: at.x - box.x, y: at.y - box.y });
    props.onOver(place);
  };

  const { difference } = model;
  const onShow = createMemo((): OnShow | null => {
    const trace = model.trace();
    const { stack } = state().selection;
    return trace === null ? null : { trace, stack, difference: difference.comparison() };
  });
  const fieldOf = (layer: number): LayerField | null => {
    void version();
    const now = onShow();
    return now && details.field(now, layer);
  };
  const [cell, setCell] = createSignal<HeadCell | null>(null);
  const [matrix, setMatrix] = createSignal<HeadPlace | null>(null);
  const drawn = (): ThumbnailStyle => (matrix() === null ? look() : "map");
  createEffect(() => {
    const now = cell();
    const field = now === null ? null : fieldOf(now.layer);
    props.onCell(now === null || field === null ? null : { field, edge: now });
  });
  onCleanup(() => props.onCell(null));
  const spokenCell = (now: HeadCell): string => {
    const from = tokenName(queries(), now.query, difference.counterparts()?.query);
    const to = tokenName(keys(), now.key, difference.counterparts()?.key);
    const field = fieldOf(now.layer);
    if (field === null) return `Head ${now.layer}.${now.head}: ${from} to ${to}`;
    if (!field.allowed(now.head, now.query, now.key)) return `${from} to ${to}: ${absence(field, now)}`;
    const read = readEdge(field, now);
    if (field instanceof DifferenceLayer) {
      const { before, after } = field.compared.read(now.head, now.query, now.key);
      const [one, two] = [before, after].map((weight) => weightText(weight ?? 0, decimals(field.error)));
      return `${from} to ${to}: ${differenceText(read.weight, decimals(field.error))}, from ${one} to ${two}`;
    }
    return `${from} to ${to}: ${weightText(read.weight, decimals(field.error))}, ${rankWords(read)}`;
  };

  /** The pins before the last click on a cell. A second click restores them. */
  let before: Pick<AppState, "pins" | "selection" | "frame"> | null = null;
  const chooseEdge = ({ layer, head, query, key }: HeadCell): void => {
    const { pins, selection, frame } = state();
    before = { pins, selection, frame };
    const on = model.selected();
    if (on.layer !== layer || !on.heads.includes(head)) session.dispatch({ type: "head", layer, head });
    session.dispatch({ type: "edge", query, key });
    session.dispatch({ type: "frame", frame: { side: "edges" } });
  };
  const takeBack = (): void => {
    if (before === null) return;
    session.dispatch({ type: "pins", pins: before.pins });
    session.dispatch({ type: "token", token: before.selection.token });
    session.dispatch({ type: "frame", frame: { side: before.frame.side } });
    before = null;
  };

  const pooled = () => layers().values().next().value?.pooled ?? [1, 1];
  /** Whether weights are drawn in one color on tinted backgrounds. */
  const tinted = () => matrix() === null && measure() !== null && state().view.tint === "on";
  /** What the settings leave out. */
  const omitted = (): readonly string[] => {
    void version();
    const { filter } = rules();
    const parts = filter === "all" ? [] : [`only ${filter[0]} → ${filter[1]}`];
    if (pooled()[0] > 1 || pooled()[1] > 1) {
      const missing = state().frame.camera === null || details.missing > 0;
      if (missing) parts.push(`max\u00a0of\u00a0${pooled()[0]}\u00a0×\u00a0${pooled()[1]}`);
    }
    return parts;
  };
  const sinkLook = () => (rules().sinksHidden ? " (hidden)" : drawn() === "lines" ? " (faint)" : "");
  const notes = () => {
    const now = matrix();
    const what = now === null ? "each thumbnail" : `head ${now.layer}.${now.head}`;
    const scaled = `${what} scaled to ${now === null ? "its own" : "its"} maximum`;
    const without = rules().sinks.size > 0 ? ` without the ${model.sinkName()}${sinkLook()}` : "";
    return [`${SCALE_TITLES[state().view.scale]} scale`, `${scaled}${without}`, ...omitted()].join(" · ");
  };
  const differenceFacts = (): DifferenceFacts | null => {
    const full = difference.full();
    if (full === null) return null;
    const unaligned = [...(difference.counterparts()?.query ?? [])].includes(null);
    const notes = difference.comparison()?.alignment?.notes ?? [];
    return {
      full,
      name: difference.name(),
      scale: state().view.scale,
      over: matrix() === null ? "heads" : "head",
      unchanged: difference.unchanged().layers,
      layers: difference.unchanged().known,
      coming: session.overview()?.arrival === "coming",
      note: difference.aligned()?.note ?? (unaligned ? (notes[0] ?? null) : null),
      omitted: [
        ...(rules().sinks.size > 0 && sinkLook() !== "" ? [`${model.sinkName()}${sinkLook()}`] : []),
        ...omitted(),
      ],
      tinted: tinted(),
    };
  };
  const arrival = () => {
    const now = model.overview();
    if (!session.hello()?.can.includes("overview")) return "No thumbnails are available.";
    if (now?.arrival === "broken") return "Some thumbnails could not be loaded.";
    const all = heads().filter((count) => count > 0).length;
    const here = difference.comparison() === null ? (now?.layers.size ?? 0) : difference.unchanged().known;
    return now?.arrival === "whole" ? "" : `${here} of ${all} layers loaded`;
  };
  const edgeAs = createMemo(() => {
    const edge = model.edge();
    return edge === null ? null : edgeMeasure(edge, queries(), keys());
  });
  const facts = createMemo(() => {
    const values = model.measured()?.values;
    if (props.over === null || values === undefined || values.names.length === 0) return [];
    const { measure } = state().view;
    const before = difference.measured();
    return tellingFacts(props.over, model.measures(), values, model.offSink(), measure, before);
  });
  const room = () => {
    const page = (section.getRootNode() as ShadowRoot).host.getBoundingClientRect();
    const box = section.getBoundingClientRect();
    return { width: page.right - box.x, height: box.height };
  };
  const cardAt = () => (props.over !== null && matrix() === null && facts().length > 0 ? spot() : null);
  const canRank = () => session.hello()?.can.includes("edge") && state().frame.side !== "edges" && edgeAs();

  return (
    <section class="panel model-view" aria-label="Model view" data-testid="model-view" ref={section}>
      <div class="bar">
        <h2>Model</h2>
        <SegmentedControl
          label="Thumbnails"
          options={LOOKS}
          value={look()}
          onChange={(thumbnails) => session.dispatch({ type: "view", view: { thumbnails } })}
        />
        <Show when={model.measures().length > 0 || edgeAs() !== null}>
          <MeasureMenu
            session={session}
            measures={model.offered().some}
            missing={model.offered().none}
            edge={edgeAs()}
            chosen={measure()}
          />
        </Show>
        <span class="space" />
        <PanelActions session={session} panel="model" name="Model view" exportMenu={props.exportMenu} />
      </div>
      <StackTabs session={session} />
      <ModelGrid
        layers={layers()}
        heads={heads()}
        leftOut={model.stack()?.left_out ?? []}
        rules={rules()}
        look={look()}
        palette={state().view.palette}
        scale={state().view.scale}
        dark={props.dark}
        causal={model.causal()}
        sort={measure() === null ? "none" : state().view.sort}
        value={measure()?.value ?? null}
        tint={model.tint()}
        tintSigned={model.tintSigned()}
        differenceFull={difference.full()}
        counterparts={difference.counterparts()}
        changed={difference.changed()}
        within={model.within()}
        selected={model.selected()}
        edge={model.edge()}
        camera={state().frame.camera}
        version={version()}
        field={fieldOf}
        matrix={(closeness, place) => {
          const now = onShow();
          return now && details.matrix(now, closeness, place);
        }}
        onCloseness={(closeness) => {
          const now = onShow();
          if (now !== null) details.ask(now, closeness);
        }}
        spoken={(place) => spokenHead(reading(place))}
        spokenCell={spokenCell}
        onCamera={(camera) => session.dispatch({ type: "frame", frame: { camera } })}
        onOver={over}
        onCell={setCell}
        onMatrix={setMatrix}
        onSelect={(place) => session.dispatch({ type: "head", ...place })}
        onAdd={(place) => session.dispatch({ type: "add-head", ...place })}
        onEdge={chooseEdge}
        onTakeBack={takeBack}
        onChange={(place, at, from) => {
          if (session.canChange()) props.onChange(subjectOf(place, state().selection.stack), at, from);
        }}
        onEnter={props.onEnter}
      />
      <span class="arrival num" data-testid="model-arrival">
        {arrival()}
      </span>
      <Show when={matrix() === null && measure()}>
        {(now) => <MeasureLegend session={session} measure={now()} dark={props.dark} count={model.count()} />}
      </Show>
      <Show when={canRank()}>
        {(now) => (
          <button
            type="button"
            class="offer"
            data-testid="rank-edge"
            on:click={() => session.dispatch({ type: "frame", frame: { side: "edges", at: "side" } })}
          >
            Rank all heads by <bdi>{now().title}</bdi>
          </button>
        )}
      </Show>
      <ModelLegend
        coloring={{
          look: drawn(),
          tint: tinted() ? 0 : null,
          tintSigned: false,
          palette: state().view.palette,
          dark: props.dark,
        }}
        notes={notes()}
        difference={differenceFacts()}
        changed={difference.changedHeads()}
      />
      <Show when={cardAt()}>
        {(at) => (
          <HeadCard
            reading={reading(props.over as HeadPlace)}
            facts={facts()}
            chosen={state().view.measure}
            offSink={model.offSink()}
            spot={at()}
            room={room()}
          />
        )}
      </Show>
    </section>
  );
}

/** What the user wants to change: the head, or the attention in a cell of its matrix. */
function subjectOf(place: HeadPlace | HeadCell, stack: string): ChangeSubject {
  const { layer, head } = place;
  if (!("query" in place)) return { kind: "head", stack, layer, head };
  return { kind: "line", stack, layer, head, query: place.query, key: place.key };
}
