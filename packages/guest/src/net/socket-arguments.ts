// What a program passes to sockets and servers, judged as node:net judges it: the same classes of error, codes and
// sentences.

import { inspect } from "node:util";
import { invalidType, isThenable, outOfRange } from "@ringway/linux";

/** The longest time that a timer of Node's takes. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/** An error as Node itself throws it: `code`, and its class for what it is. */
export function nodeError<E extends Error>(
  Kind: new (message: string) => E,
  code: string,
  message: string,
): E & { code: string } {
  return Object.assign(new Kind(message), { code });
}

/** A port as a number: 0 to 65535, or text that says such a number. */
export function portNumber(value: unknown, name: string): number {
  const isNumeric = typeof value === "number" || (typeof value === "string" && value.trim() !== "");
  const port = Number(isNumeric ? value : Number.NaN);
  if (Number.isInteger(port) && port >= 0 && port <= 65535) return port;
  const message = `${name} should be >= 0 and < 65536. Received type ${typeof value} (${inspect(value)}).`;
  throw nodeError(RangeError, "ERR_SOCKET_BAD_PORT", message);
}

export function requireNumber(value: unknown, name: string): asserts value is number {
  if (typeof value !== "number") throw invalidType(name, "of type number", value);
}

/** A time of any unit; Infinity is for ever. */
export function requireTime(value: unknown, name: string): void {
  requireNumber(value, name);
  if (!(value >= 0)) throw outOfRange(name, "a number that is not negative", value);
}

/** Milliseconds for a timer; more than it can take is shortened, with Node's warning. */
export function timerDuration(value: unknown, name: string): number {
  requireNumber(value, name);
  if (!(value >= 0 && Number.isFinite(value))) throw outOfRange(name, "a non-negative finite number", value);
  if (value <= TIMER_MAX_MS) return value;
  const tooLong = `${value} does not fit into a 32-bit signed integer.`;
  const message = `${tooLong}\nTimer duration was truncated to ${TIMER_MAX_MS}.`;
  process.emitWarning(message, "TimeoutOverflowWarning");
  return TIMER_MAX_MS;
}

/**
 * The options and the listener in any of net's forms: (options, listener), (port, host, listener), (path, listener).
 */
export function callArguments(args: readonly unknown[]): {
  options: Record<string, unknown>;
  listener: (() => void) | undefined;
} {
  const [first, second] = args;
  const last = args.at(-1);
  const listener = typeof last === "function" ? (last as () => void) : undefined;
  if (isThenable(first)) throw invalidType("options", "{ port, host }, or a port", first);
  if (typeof first === "object" && first !== null) return { options: { ...first }, listener };
  if (args.length === 0) return { options: {}, listener };
  if (isPath(first)) return { options: { path: first }, listener };
  const host = typeof second === "string" ? { host: second } : {};
  return { options: { port: first, ...host }, listener };
}

/** Text that says no number. */
export function isPath(value: unknown): value is string {
  return typeof value === "string" && !(Number(value) >= 0);
}
