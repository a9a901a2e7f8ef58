import { createMemo, For } from "solid-js";
import { byContribution, contribution, type HeadVectors, type QueryTrace } from "../../compute/neuron";
import { word } from "../../marks/format";
import type { Token } from "../../wire/messages";
import { signed } from "./say";

const KEYS = 20;
const DIMENSIONS = 3;

export interface NeuronTableProps {
  readonly vectors: HeadVectors;
  readonly trace: QueryTrace;
  readonly weights: Float32Array;
  readonly queries: readonly Token[];
  readonly keys: readonly Token[];
}

/** The picture as text, for those who don't see it: the strongest keys and the dimensions that make them so. */
export function NeuronTable(props: NeuronTableProps) {
  const rows = createMemo(() => {
    const { trace, weights, vectors } = props;
    const keys = Array.from({ length: trace.keys }, (_, key) => key).filter(
      (key) => trace.allowed[key] === 1,
    );
    return keys
      .sort((a, b) => weights[b] - weights[a])
      .slice(0, KEYS)
      .map((key) => ({
        name: props.keys[key] ? word(props.keys[key]) : String(key),
        weight: weights[key].toFixed(3),
        score: signed(trace.scores[key], 2),
        dot: signed(trace.dots[key], 2),
        most: [...byContribution(trace, key).subarray(0, DIMENSIONS)]
          .map((n) => `${n} (${signed(contribution(vectors, trace, key, n).scaled, 2)})`)
          .join(", "),
      }));
  });
  const query = () => {
    const token = props.queries[props.trace.query];
    return token === undefined ? String(props.trace.query) : word(token);
  };
  return (
    <table class="unseen" data-testid="neuron-table">
      <caption>
        How {query()} attends: its {KEYS} strongest keys
      </caption>
      <thead>
        <tr>
          <th>key</th>
          <th>attention</th>
          <th>score</th>
          <th>q·k</th>
          <th>dimensions that add most to the score</th>
        </tr>
      </thead>
      <tbody>
        <For each={rows()}>
          {(row) => (
            <tr>
              <td>{row.name}</td>
              <td>{row.weight}</td>
              <td>{row.score}</td>
              <td>{row.dot}</td>
              <td>{row.most}</td>
            </tr>
          )}
        </For>
      </tbody>
    </table>
  );
}
