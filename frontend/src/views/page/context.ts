/** Gives every component access to the page that it belongs to. */

import { createContext, useContext } from "solid-js";
import type { NeuronView } from "../neuron/createNeuronView";
import type { EdgeView } from "../shared/edgeView";
import type { Page } from "./page";

export interface Surroundings {
  readonly page: Page;
  readonly neurons: NeuronView;
  readonly edges: EdgeView;
  /** Whether the page fills the window, and so has its own address. */
  readonly alone: boolean;
}

export const PageContext = createContext<Surroundings>();

export function usePage(): Surroundings {
  const found = useContext(PageContext);
  if (found === undefined) throw new Error("This component must be inside a page.");
  return found;
}
