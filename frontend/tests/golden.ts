import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const FOLDER = new URL("../../tests/golden/", import.meta.url);

/** What the golden JSON beside a message says is in it. */
export interface Golden {
  readonly fields: Record<string, unknown>;
  readonly tensors: Record<string, { readonly shape: number[]; readonly values: number[] }>;
  readonly attention?: number[][][];
  readonly scores?: (number | null)[][][];
}

export const NAMES = [
  "progress",
  "packed",
  "causal-gqa-half",
  "full-offset",
  "window-softcap",
  "softcap-half",
  "padding-relative",
  "dense-sinks",
  "key-bias",
  "dense-bias",
] as const;

export function goldenBytes(name: string): Uint8Array {
  return new Uint8Array(readFileSync(fileURLToPath(new URL(`${name}.safetensors`, FOLDER))));
}

export function golden(name: string): Golden {
  return JSON.parse(readFileSync(fileURLToPath(new URL(`${name}.json`, FOLDER)), "utf8")) as Golden;
}
