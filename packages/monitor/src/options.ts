// Numbers that a program gives to a monitor: what they may be. One out of its bounds is a mistake that would show much later, as guests that
// are turned away or as transfers that are cut off, so it is refused at once. Numbers of the policy are the schema's.

export type MonitorNumber = "busyPollUs" | "maxGuests" | "lingerMs" | "drainMs" | "ownPorts";

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
