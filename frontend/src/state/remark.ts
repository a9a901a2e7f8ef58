/** What the page has to say about an address or a link, without anything having failed. */

import type { ModelEntry } from "../wire/messages";

export interface Remark {
  readonly sentence: string;
  /** Offers: each runs something and takes the remark away. */
  readonly offers: readonly { readonly title: string; readonly run: () => void }[];
}

export function remarkOf(sentence: string): Remark {
  return { sentence, offers: [] };
}

/** Models that a remark offers. The others are in the model menu. */
const MOST_OFFERED = 6;

/** A link names a model that the host does not have. */
export function unknownModel(
  name: string,
  models: readonly ModelEntry[],
  runWith: (model: string) => void,
): Remark {
  return {
    sentence: `The link names the model “${name}”, which this app does not have. Run its text with one of these models, or start attnscope with that model.`,
    offers: models
      .slice(0, MOST_OFFERED)
      .map((model) => ({ title: model.title, run: () => runWith(model.name) })),
  };
}
