// Bad arguments fail as those of Node's own modules do: the same class, the same stable `code`, much the same words.

import { inspect } from "node:util";

export type ArgumentError = (TypeError | RangeError) & { readonly code: string };

function coded(error: TypeError | RangeError, code: string): ArgumentError {
  return Object.assign(error, { code });
}

/** ERR_INVALID_ARG_TYPE. `name` is the argument's, "options.host" for a property; `expected` ends "must be ...". */
export function invalidType(name: string, expected: string, value: unknown): ArgumentError {
  const kind = name.includes(".") ? "property" : "argument";
  const message = `The "${name}" ${kind} must be ${expected}. Received ${inspect(value, { depth: -1 })}`;
  return coded(new TypeError(message), "ERR_INVALID_ARG_TYPE");
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
