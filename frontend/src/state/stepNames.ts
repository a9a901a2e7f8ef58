/** What a step did, in a few words: undo and redo say them. Pure. */

import type { Action } from "./reduce";
import type { ViewSettings } from "./state";

const SETTINGS: Readonly<Record<keyof ViewSettings, string>> = {
  filter: "sentence filter",
  scale: "scale",
  sinks: "sinks",
  palette: "palette",
  theme: "theme",
  thumbnails: "thumbnails",
  neurons: "neurons opened or closed",
  order: "order of dimensions",
  values: "value side",
  orientation: "orientation",
  pictures: "pictures",
  threshold: "threshold",
  top: "heaviest keys",
  measure: "measure",
  measured: "sinks of the measure",
  tint: "tint",
  sort: "order of heads",
  range: "range of the measure",
};

export function stepName(action: Action): string {
  switch (action.type) {
    case "layer":
      return `layer ${action.layer}`;
    case "stack":
      return `stack ${action.stack}`;
    case "head":
      return `head ${action.layer}.${action.head}`;
    case "add-head":
      return `head ${action.layer}.${action.head} added`;
    case "heads":
      return "heads";
    case "toggle-head":
      return `head ${action.head} on or off`;
    case "isolate-head":
      return `head ${action.head} alone`;
    case "neuron-head":
      return `neurons of head ${action.head}`;
    case "neuron":
      return action.neuron === null ? "mark taken off" : `dimension ${action.neuron}`;
    case "pin":
      return "pin";
    case "pins":
      return "pins";
    case "edge":
      return "edge";
    case "view": {
      const [first] = Object.keys(action.view) as (keyof ViewSettings)[];
      return first === undefined ? "view" : SETTINGS[first];
    }
    default:
      return action.type;
  }
}

/** Settings that are dragged: steps of one drag are taken back together. */
const DRAGGED: readonly (keyof ViewSettings)[] = ["threshold", "top", "range"];

/** What tells the steps of one drag from those of another; null for steps that stand alone. */
export function dragOf(action: Action): string | null {
  if (action.type !== "view") return null;
  const keys = Object.keys(action.view) as (keyof ViewSettings)[];
  return keys.length > 0 && keys.every((key) => DRAGGED.includes(key)) ? keys.join(" ") : null;
}
