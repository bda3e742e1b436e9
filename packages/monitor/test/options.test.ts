// Numbers that a program gives to a monitor are refused where they are out of their bounds, and not understood somehow.

import { Monitor, parsePolicy } from "@ringway/monitor";
import { expect, it } from "vitest";
import { MONITOR_BOUNDS, type MonitorNumber, requireWithin } from "../src/options.ts";

it.each(Object.entries(MONITOR_BOUNDS))("%s takes %j and what is between", (key, [least, most]) => {
  const name = key as MonitorNumber;
  for (const value of [undefined, least, most, least + 1])
    expect(() => requireWithin(name, value)).not.toThrow();
  const wrong: unknown[] = [
    least - 1,
    most + 1,
    least + 0.5,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    "1",
    null,
  ];
  for (const value of wrong) {
    expect(() => requireWithin(name, value as number), String(value)).toThrow(
      expect.objectContaining({
        name: "RangeError",
        code: "ERR_OUT_OF_RANGE",
        message: `${key}: expected a whole number from ${least} to ${most}, found ${value}`,
      }),
    );
  }
});

it("Monitor.start(), close() and reservePort() refuse them", async () => {
  const policy = parsePolicy("version: 1", { file: "policy.yaml" });
  const outOfRange = expect.objectContaining({ code: "ERR_OUT_OF_RANGE" });
  for (const options of [{ maxGuests: 0 }, { busyPollUs: -1 }, { lingerMs: Number.NaN }, { ownPorts: [0] }]) {
    await expect(Monitor.start({ policy, ...options }), JSON.stringify(options)).rejects.toEqual(outOfRange);
  }
  await using monitor = await Monitor.start({ policy });
  await expect(monitor.close({ drainMs: -1 })).rejects.toEqual(outOfRange);
  expect(() => monitor.reservePort(65_536)).toThrow(outOfRange);
  // It goes on.
  expect(monitor.attach().fd).toBeGreaterThan(0);
});
