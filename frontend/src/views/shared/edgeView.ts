/** The ranking of all heads for a pinned pair, for the views that show or export it. */

import type { Accessor } from "solid-js";
import type { EdgeRow } from "../../compute/edgeRows";

export interface EdgeView {
  /** The pinned edge; null unless both a query and a key are pinned. */
  readonly edge: Accessor<{ readonly query: number; readonly key: number } | null>;
  /** All heads, sorted by the weight of the edge; null until they are loaded. */
  readonly rows: Accessor<readonly EdgeRow[] | null>;
  /** Whether weights are renormalized without the sinks. */
  readonly offSink: Accessor<boolean>;
  /** What the sinks are, as `first token`. */
  readonly sinkName: Accessor<string>;
}
