/** The page that a component stands in, for what every panel has. */

import { createContext, useContext } from "solid-js";
import type { NeuronView } from "../neuron/createNeuronView";
import type { Page } from "./page";

export interface Surroundings {
  readonly page: Page;
  readonly neurons: NeuronView;
  /** Whether the page has the window, and with it an address, to itself. */
  readonly alone: boolean;
}

export const PageContext = createContext<Surroundings>();

export function usePage(): Surroundings {
  const found = useContext(PageContext);
  if (found === undefined) throw new Error("This component stands in no page.");
  return found;
}
