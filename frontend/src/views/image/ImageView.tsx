import { createMemo, createSignal, For, onCleanup, onMount, Show } from "solid-js";
import type { LayerField } from "../../compute/layerField";
import { face, word } from "../../marks/format";
import { arrange, imageQuery, patchesOf } from "../../marks/imagePatches";
import { SCALE_TITLES } from "../../marks/scale";
import type { Session } from "../../state/session";
import type { Pictures, Place } from "../../state/state";
import { SegmentedControl } from "../shared/SegmentedControl";
import type { Focus, Shown } from "../shared/weights";
import { bitmapOf } from "./bitmaps";
import { HeadImage } from "./HeadImage";

export interface ImageViewProps {
  readonly session: Session;
  readonly field: LayerField;
  readonly version: number;
  readonly shown: Shown;
  readonly dark: boolean;
  readonly focus: Focus | null;
  readonly onFocus: (focus: Focus | null) => void;
  /** Scrolls to a token in other views. */
  readonly onReveal: (place: Place) => void;
}

/** The most images side by side. Further heads are only counted in a note. */
const MOST = 12;
const GAP = 10;
const CAPTION = 22;
/** Special tokens that get a chip. */
const CHIPS = 8;

const CHOICES: readonly (readonly [Pictures, string])[] = [
  ["both", "Both"],
  ["alone", "Image"],
  ["hidden", "Lines"],
];

/** Whether the tokens of a stack include image patches. */
export function hasPatches(shown: Shown): boolean {
  return shown.keys.some((token) => token.box != null) || shown.queries.some((token) => token.box != null);
}

/** The input image once per shown head, with the patches that the selected token attends to highlighted. */
export function ImageView(props: ImageViewProps) {
  const { session } = props;
  const state = session.state;
  let area!: HTMLDivElement;
  const [size, setSize] = createSignal({ width: 0, height: 0 });
  const [chosen, setChosen] = createSignal<number | null>(null);
  const trace = () => state().trace;
  const choice = () => state().view.pictures;

  const images = createMemo(() => {
    const found = new Set<number>();
    for (const token of [...props.shown.keys, ...props.shown.queries]) {
      if (token.box != null) found.add(token.image ?? 0);
    }
    return [...found].sort((a, b) => a - b);
  });
  const place = createMemo<Place>(() => {
    const { focus } = props;
    if (focus?.kind === "token") return focus.place;
    if (focus?.kind === "edge") return { side: "query", index: focus.edge.query };
    const usual = imageQuery(props.shown.queries) ?? props.shown.queries.length - 1;
    return state().selection.token ?? state().pins.at(-1) ?? { side: "query", index: usual };
  });
  const image = createMemo(() => {
    const own = props.shown.queries[place().index];
    const at = chosen() ?? (own?.box != null ? (own.image ?? 0) : null);
    return at !== null && images().includes(at) ? at : (images()[0] ?? 0);
  });
  const patches = createMemo(() =>
    patchesOf(place().side === "query" ? props.shown.keys : props.shown.queries, image()),
  );
  const bitmap = () => bitmapOf(trace(), image());
  const heads = () => props.shown.heads.slice(0, MOST);
  const grid = createMemo(() => {
    const one = bitmap();
    return arrange(heads().length, size(), one === null ? 1 : one.width / one.height, GAP, CAPTION);
  });
  const specials = createMemo(() =>
    props.shown.queries.flatMap((token, index) => (token.special ? [index] : [])).slice(0, CHIPS),
  );
  /** The name of the tokens outside the image; null if there are none. */
  const rest = createMemo(() => {
    const others = props.shown.keys.filter((token) => token.box == null || (token.image ?? 0) !== image());
    if (others.length === 0) return null;
    return others.length === 1 ? face(others[0]).text : "other tokens";
  });
  const isPinned = (index: number) => state().pins.some((pin) => pin.side === "query" && pin.index === index);
  const token = (index: number): void => session.dispatch({ type: "token", token: { side: "query", index } });
  const pin = (index: number): void => {
    const was = isPinned(index);
    session.dispatch({ type: "pins", pins: was ? [] : [{ side: "query", index }] });
    session.dispatch({ type: "token", token: was ? null : { side: "query", index } });
    props.onReveal({ side: "query", index });
  };

  onMount(() => {
    const watch = new ResizeObserver(() => setSize({ width: area.clientWidth, height: area.clientHeight }));
    watch.observe(area);
    onCleanup(() => watch.disconnect());
  });

  const subject = () => {
    const now = place();
    const tokens = now.side === "query" ? props.shown.queries : props.shown.keys;
    const name = tokens[now.index] === undefined ? "" : word(tokens[now.index]);
    return { name, way: now.side === "query" ? "From" : "To" };
  };
  const more = () => props.shown.heads.length - heads().length;

  return (
    <section
      class="picture-view"
      classList={{ alone: choice() === "alone", hidden: choice() === "hidden" }}
      aria-label="Attention on the image"
      data-testid="picture-view"
    >
      <div class="picture-bar">
        <SegmentedControl
          label="Image and lines"
          options={CHOICES}
          value={choice()}
          onChange={(pictures) => session.dispatch({ type: "view", view: { pictures } })}
        />
        <Show when={choice() !== "hidden"}>
          <For each={specials()}>
            {(index) => (
              <button
                type="button"
                class="chip"
                classList={{ on: place().side === "query" && place().index === index }}
                aria-pressed={isPinned(index)}
                data-testid={`special-${index}`}
                on:pointerenter={() => props.onFocus({ kind: "token", place: { side: "query", index } })}
                on:pointerleave={() => props.onFocus(null)}
                on:click={() => pin(index)}
              >
                {face(props.shown.queries[index]).text}
              </button>
            )}
          </For>
          <Show when={images().length > 1}>
            <span class="images" role="group" aria-label="Images">
              <For each={images()}>
                {(one) => (
                  <button
                    type="button"
                    class="chip"
                    aria-pressed={image() === one}
                    classList={{ on: image() === one }}
                    on:click={() => setChosen(one)}
                  >
                    {one + 1}
                  </button>
                )}
              </For>
            </span>
          </Show>
        </Show>
      </div>
      <Show when={choice() !== "hidden"}>
        <div
          class="pictures"
          ref={area}
          style={{ "grid-template-columns": `repeat(${grid().columns}, ${grid().width}px)` }}
        >
          <Show when={bitmap()}>
            {(one) => (
              <For each={heads()}>
                {(head) => (
                  <HeadImage
                    head={head}
                    layer={props.field.layer}
                    bitmap={one()}
                    patches={patches()}
                    field={props.field}
                    version={props.version}
                    place={place()}
                    pins={state().pins}
                    focus={props.focus}
                    scale={state().view.scale}
                    dark={props.dark}
                    width={Math.max(40, grid().width)}
                    rest={rest()}
                    onFocus={props.onFocus}
                    onToken={token}
                    onPin={pin}
                    onIsolate={() => session.dispatch({ type: "isolate-head", head })}
                  />
                )}
              </For>
            )}
          </Show>
        </div>
        <p class="picture-note num">
          <span class="subject" title={subject().name}>
            {subject().way} <b>{subject().name}</b>
          </span>
          <span class="space" />
          <span title="The number below an image is the largest weight on any patch. Colors show weights relative to it.">
            number: largest patch weight
            {state().view.scale === "linear" ? "" : `, ${SCALE_TITLES[state().view.scale]} scale`}
            {more() > 0 ? ` · ${more()} more heads selected` : ""}
          </span>
        </p>
      </Show>
    </section>
  );
}
