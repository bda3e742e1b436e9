// Numbers that a program gives to a monitor: what they may be. One out of its bounds is a mistake that would show much later, as guests that
// are turned away or as transfers that are cut off, so it is refused at once. Numbers of the policy are the schema's.

import { invalidType } from "@ringway/linux";

export type MonitorNumber = "busyPollUs" | "maxGuests" | "lingerMs" | "drainMs" | "ownPorts";

/** What start() takes. */
export const MONITOR_OPTIONS: readonly string[] = [
  "policy",
  "listen",
  "vms",
  "busyPollUs",
  "logger",
  "kept",
  "ownPorts",
  "audit",
  "maxGuests",
  "lingerMs",
  "lookup",
  "names",
  "signal",
];

/** Throws TypeError with Node's codes for what start() cannot take: it would show later as something else, or not at all. */
export function requireOptions(options: unknown): void {
  if (typeof options !== "object" || options === null) {
    throw invalidType("options", "an object such as { policy, listen }", options);
  }
  const unknown = Object.keys(options).find((name) => !MONITOR_OPTIONS.includes(name));
  if (unknown !== undefined) {
    const message = `unknown option ${JSON.stringify(unknown)}; expected one of ${MONITOR_OPTIONS.join(", ")}`;
    throw Object.assign(new TypeError(message), { code: "ERR_INVALID_ARG_VALUE" });
  }
  const { policy } = options as { policy?: unknown };
  const isPolicy = typeof policy === "object" && policy !== null;
  if (typeof policy !== "string" && !isPolicy) {
    throw invalidType("options.policy", "the path of a policy file, or what parsePolicy() gives", policy);
  }
  if (typeof policy === "string" && policy.includes("\n")) {
    const message =
      "options.policy: expected the path of a policy file, found its text: pass it through parsePolicy()";
    throw Object.assign(new TypeError(message), { code: "ERR_INVALID_ARG_VALUE" });
  }
}

/** Least and most of each, both allowed. */
export const MONITOR_BOUNDS: Readonly<Record<MonitorNumber, readonly [least: number, most: number]>> = {
  /** 0: never. Past a second a processor is given away. */
  busyPollUs: [0, 1_000_000],
  /** A monitor for nobody is a mistake. */
  maxGuests: [1, 100_000],
  /** 0: what a departed guest has ended is cut off. */
  lingerMs: [0, 3_600_000],
  /** 0: transfers are cut off. */
  drainMs: [0, 3_600_000],
  ownPorts: [1, 65_535],
};

/** Throws RangeError with Node's code for a number that is out of its bounds; undefined is the default. */
export function requireWithin(name: MonitorNumber, value: number | undefined): void {
  const [least, most] = MONITOR_BOUNDS[name];
  if (value === undefined || (Number.isInteger(value) && value >= least && value <= most)) return;
  throw Object.assign(
    new RangeError(`${name}: expected a whole number from ${least} to ${most}, found ${String(value)}`),
    { code: "ERR_OUT_OF_RANGE" as const },
  );
}
