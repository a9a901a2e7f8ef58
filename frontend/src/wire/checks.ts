/** Checks of JSON values by type. A value that does not fit throws a `DamagedError` with its place: "`next[0].id` must be …". */

import { DamagedError } from "./safetensors";

/** Throws unless the value at `place` fits. */
export type Check = (value: unknown, place: string) => void;

/** Checks of the fields of an object. Other fields are allowed, since a newer host may send more. */
export type Fields = Readonly<Record<string, Check>>;

const LONGEST_PLACE = 80;

function fail(value: unknown, place: string, expected: string): never {
  throw new DamagedError(`\`${place.slice(0, LONGEST_PLACE)}\` must be ${expected}; got ${said(value)}.`);
}

function said(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null || typeof value === "number" || typeof value === "boolean") return String(value);
  return typeof value === "string" ? "text" : Array.isArray(value) ? "a list" : "an object";
}

export const text: Check = (value, place) => {
  if (typeof value !== "string") fail(value, place, "text");
};

export const truth: Check = (value, place) => {
  if (typeof value !== "boolean") fail(value, place, "true or false");
};

export const number: Check = (value, place) => {
  if (typeof value !== "number" || !Number.isFinite(value)) fail(value, place, "a number");
};

export const anything: Check = () => undefined;

/** An integer from `low` to `high`. */
export function integer(low: number, high: number = Number.MAX_SAFE_INTEGER): Check {
  return (value, place) => {
    if (!Number.isInteger(value) || (value as number) < low || (value as number) > high) {
      const to = high === Number.MAX_SAFE_INTEGER ? "" : ` to ${high}`;
      fail(value, place, `an integer from ${low}${to}`);
    }
  };
}

/** The number of tokens, heads, layers … of something that exists. */
export const size: Check = integer(1, 2 ** 31);
export const count: Check = integer(0, 2 ** 31);

export function oneOf(...words: readonly unknown[]): Check {
  return (value, place) => {
    if (!words.includes(value)) fail(value, place, `one of ${words.join(", ")}`);
  };
}

export function orNull(check: Check): Check {
  return (value, place) => {
    if (value !== null) check(value, place);
  };
}

/** A field that may be missing, but is not null. */
export function ifThere(check: Check): Check {
  return (value, place) => {
    if (value !== undefined) check(value, place);
  };
}

/** A field that may be missing or null. */
export function optional(check: Check): Check {
  return (value, place) => {
    if (value !== undefined && value !== null) check(value, place);
  };
}

export function list(check: Check, length?: number): Check {
  return (value, place) => {
    if (!Array.isArray(value)) fail(value, place, "a list");
    if (length !== undefined && value.length !== length)
      throw new DamagedError(`\`${place}\` must have ${length} elements; got ${value.length}.`);
    for (const [at, one] of value.entries()) check(one, `${place}[${at}]`);
  };
}

/** An object with any names, whose values all fit. */
export function record(check: Check): Check {
  return (value, place) => {
    for (const [name, one] of Object.entries(objectAt(value, place))) check(one, `${place}.${name}`);
  };
}

export function object(fields: Fields): Check {
  return (value, place) => {
    const found = objectAt(value, place);
    for (const [name, check] of Object.entries(fields))
      check(Object.hasOwn(found, name) ? found[name] : undefined, place === "" ? name : `${place}.${name}`);
  };
}

function objectAt(value: unknown, place: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) fail(value, place, "an object");
  return value as Readonly<Record<string, unknown>>;
}
