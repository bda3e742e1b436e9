// Bad arguments fail as those of Node's own modules do: the same class, the same stable `code`, much the same words.

import { inspect } from "node:util";
import { nearest } from "./nearest.ts";

export type ArgumentError = (TypeError | RangeError) & { readonly code: string };

/** Made here, and not by Node. */
const made: WeakSet<object> = new WeakSet();

function coded(error: TypeError | RangeError, code: string): ArgumentError {
  made.add(error);
  return Object.assign(error, { code });
}

/** A bad argument that was found on purpose: Node's own errors may come of any mistake. */
export function isArgumentError(error: unknown): error is ArgumentError {
  return typeof error === "object" && error !== null && made.has(error);
}

/** A promise, of any kind: where a value is wanted, somebody has forgotten to await it. */
export function isThenable(value: unknown): boolean {
  return (
    typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function"
  );
}

/**
 * ERR_INVALID_ARG_TYPE. `name` is the argument's, "options.host" for a property; `expected` ends "must be ...". One who
 * passes a promise is told to await it.
 */
export function invalidType(name: string, expected: string, value: unknown): ArgumentError {
  const kind = name.includes(".") ? "property" : "argument";
  const hint = isThenable(value) ? ": await it first" : "";
  const received = `${inspect(value, { depth: -1 })}${hint}`;
  const message = `The "${name}" ${kind} must be ${expected}. Received ${received}`;
  return coded(new TypeError(message), "ERR_INVALID_ARG_TYPE");
}

/** Throws unless it is an object that may hold options: no array, and no promise. */
export function requireObject(value: unknown, name: string, expected: string = "of type object"): void {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  if (!isObject || isThenable(value)) throw invalidType(name, expected, value);
}

/**
 * Throws for a key that is none of `known`, of an object that Node has no like of: passed over, it would be a wish that
 * nobody hears. `what` is a word for a key: "option", "key of target".
 */
export function requireKeys(given: object, what: string, known: readonly string[]): void {
  const unknown = Object.keys(given).find((key) => !known.includes(key));
  if (unknown === undefined) return;
  const meant = nearest(unknown, known);
  const hint = meant === undefined ? "" : `; did you mean ${JSON.stringify(meant)}?`;
  const message = `unknown ${what} ${JSON.stringify(unknown)}; expected one of ${known.join(", ")}${hint}`;
  throw coded(new TypeError(message), "ERR_INVALID_ARG_VALUE");
}

/** ERR_INVALID_ARG_VALUE. */
export function invalidValue(name: string, value: unknown, reason = "is invalid"): ArgumentError {
  const kind = name.includes(".") ? "property" : "argument";
  const message = `The ${kind} '${name}' ${reason}. Received ${inspect(value, { depth: -1 })}`;
  return coded(new TypeError(message), "ERR_INVALID_ARG_VALUE");
}

/** ERR_OUT_OF_RANGE. `range` ends "It must be ...". */
export function outOfRange(name: string, range: string, value: unknown): ArgumentError {
  const message = `The value of "${name}" is out of range. It must be ${range}. Received ${String(value)}`;
  return coded(new RangeError(message), "ERR_OUT_OF_RANGE");
}

export function requireText(value: unknown, name: string): asserts value is string {
  if (typeof value !== "string") throw invalidType(name, "of type string", value);
  if (value.includes("\0")) throw invalidValue(name, value, "must be a string without null bytes");
}

export function requireFunction(value: unknown, name: string): void {
  if (typeof value !== "function") throw invalidType(name, "of type function", value);
}

/** As Node has it: whatever says whether it has aborted. */
export function requireSignal(value: unknown, name: string): asserts value is AbortSignal {
  if (typeof value === "object" && value !== null && "aborted" in value) return;
  throw invalidType(name, "an instance of AbortSignal", value);
}

/** An array; `entry` looks at each, which it is told as `name[0]` and so on. */
export function requireList(
  value: unknown,
  name: string,
  entry: (value: unknown, name: string) => void,
): void {
  if (!Array.isArray(value)) throw invalidType(name, "an instance of Array", value);
  for (const [i, each] of value.entries()) entry(each, `${name}[${i}]`);
}
