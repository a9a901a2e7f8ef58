import { createMemo, Index, Show } from "solid-js";
import { type HeadVectors, type QueryTrace, together } from "../../compute/neuron";
import { byContribution, type Pairing, unitOf } from "../../compute/rotaryPairs";
import { differenceText, scoreText, signed, word } from "../../marks/format";
import type { Token } from "../../wire/messages";

import type { ValueSide } from "./scene";

const KEYS = 20;
const DIMENSIONS = 3;

export interface NeuronTableProps {
  readonly vectors: HeadVectors;
  readonly trace: QueryTrace;
  readonly weights: Float32Array;
  readonly pairing: Pairing | null;
  readonly side: ValueSide | null;
  readonly queries: readonly Token[];
  readonly keys: readonly Token[];
}

/** A text alternative to the canvas: the keys with the largest weights, and the dimensions that contribute most. */
export function NeuronTable(props: NeuronTableProps) {
  const rows = createMemo(() => {
    const { trace, weights, vectors, pairing, side } = props;
    const keys = Array.from({ length: trace.keys }, (_, key) => key).filter(
      (key) => trace.allowed[key] === 1,
    );
    const most = (key: number): string => {
      const units: string[] = [];
      const seen = new Set<number>();
      for (const n of byContribution(trace, key, pairing)) {
        const unit = unitOf(pairing, n);
        if (seen.has(unit[0])) continue;
        seen.add(unit[0]);
        units.push(`${unit.join(" + ")} (${signed(together(vectors, trace, key, unit).scaled, 2)})`);
        if (units.length === DIMENSIONS) break;
      }
      return units.join(", ");
    };
    return keys
      .sort((a, b) => Math.abs(weights[b]) - Math.abs(weights[a]))
      .slice(0, KEYS)
      .map((key) => ({
        name: props.keys[key] ? word(props.keys[key]) : String(key),
        weight: trace.signed ? differenceText(weights[key], 3) : weights[key].toFixed(3),
        score: Number.isNaN(trace.scores[key]) ? "–" : scoreText(trace.scores[key]),
        dot: scoreText(trace.dots[key]),
        most: most(key),
        transformed: side?.values.transformed?.[key].toFixed(3) ?? "",
        adds: side?.weighted?.[key].toFixed(3) ?? "",
      }));
  });
  const query = () => {
    const token = props.queries[props.trace.query];
    return token === undefined ? String(props.trace.query) : word(token);
  };
  return (
    <table class="unseen" data-testid="neuron-table">
      <caption>
        {props.trace.signed
          ? `After minus before, from ${query()}: the ${KEYS} keys whose attention changes most`
          : `Attention from ${query()}: the ${KEYS} keys with the largest weights`}
      </caption>
      <thead>
        <tr>
          <th>key</th>
          <th>attention</th>
          <th>score</th>
          <th>q·k</th>
          <th>dimensions that contribute most to the score</th>
          <Show when={props.side}>
            <th>‖f(x)‖</th>
            <th>α‖f(x)‖</th>
          </Show>
        </tr>
      </thead>
      <tbody>
        <Index each={rows()}>
          {(row) => (
            <tr>
              <td>{row().name}</td>
              <td>{row().weight}</td>
              <td>{row().score}</td>
              <td>{row().dot}</td>
              <td>{row().most}</td>
              <Show when={props.side}>
                <td>{row().transformed}</td>
                <td>{row().adds}</td>
              </Show>
            </tr>
          )}
        </Index>
      </tbody>
    </table>
  );
}
