/** Short names of actions, for the labels of undo and redo. */

import type { TraceMessage } from "../wire/messages";
import type { Action } from "./reduce";
import type { ViewSettings } from "./state";

const SETTINGS: Readonly<Record<keyof ViewSettings, string>> = {
  filter: "sentence filter",
  scale: "scale",
  sinks: "sinks",
  palette: "palette",
  theme: "theme",
  thumbnails: "thumbnails",
  neurons: "expand or collapse neurons",
  order: "order of dimensions",
  values: "value vectors",
  orientation: "orientation",
  pictures: "images",
  threshold: "threshold",
  top: "top keys per row",
  measure: "measure",
  measured: "measure with or without sinks",
  tint: "tint",
  sort: "order of heads",
  range: "measure range",
};

export function stepName(action: Action): string {
  switch (action.type) {
    case "traced":
      return `show ${inputName(action.trace.input)}`;
    case "compared":
      return action.comparison === null ? "end the comparison" : "compare";
    case "field":
      return `show ${action.field}`;
    case "changes":
      return action.name;
    case "layer":
      return `select layer ${action.layer}`;
    case "stack":
      return `select stack ${action.stack}`;
    case "head":
      return `select head ${action.layer}.${action.head}`;
    case "add-head":
      return `add head ${action.layer}.${action.head}`;
    case "heads":
      return "select heads";
    case "toggle-head":
      return `toggle head ${action.head}`;
    case "isolate-head":
      return `show only head ${action.head}`;
    case "neuron-head":
      return `show neurons of head ${action.head}`;
    case "neuron":
      return action.neuron === null ? "clear marked dimension" : `mark dimension ${action.neuron}`;
    case "pin":
      return "pin";
    case "pins":
      return "pins";
    case "edge":
      return "select pair";
    case "view": {
      const [first] = Object.keys(action.view) as (keyof ViewSettings)[];
      return first === undefined ? "view" : SETTINGS[first];
    }
    default:
      return action.type;
  }
}

/** Settings with sliders: all changes of one drag are undone together. */
const SLIDERS: readonly (keyof ViewSettings)[] = ["threshold", "top", "range"];

/** Identifies the slider that an action drags; null for other actions. */
export function dragOf(action: Action): string | null {
  if (action.type === "changes") return `changes ${action.name}`;
  if (action.type !== "view") return null;
  const keys = Object.keys(action.view) as (keyof ViewSettings)[];
  return keys.length > 0 && keys.every((key) => SLIDERS.includes(key)) ? keys.join(" ") : null;
}

const NAME_LETTERS = 32;

/** The first words of an input, in quotes. */
export function inputName({ text, messages }: TraceMessage["input"]): string {
  const words = (messages?.at(-1)?.content ?? text ?? "").replace(/\s+/g, " ").trim();
  if (words === "") return "input";
  const letters = [...words];
  return `“${letters.length > NAME_LETTERS ? `${letters.slice(0, NAME_LETTERS - 1).join("")}…` : words}”`;
}
