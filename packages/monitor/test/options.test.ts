// Numbers that a program gives to a monitor are refused where they are out of their bounds, and not understood somehow.

import { createLogger, Monitor, parsePolicy } from "@ringway/monitor";
import { expect, it } from "vitest";
import { MONITOR_BOUNDS, type MonitorNumber, requireWithin } from "../src/monitor/options.ts";

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

it("Monitor.start() and parsePolicy() say what they cannot take, with a code", async () => {
  const policy = parsePolicy("version: 1", { file: "policy.yaml" });
  const rows: [options: unknown, code: string, says: string][] = [
    [undefined, "ERR_INVALID_ARG_TYPE", "{ policy, listen }"],
    [{}, "ERR_INVALID_ARG_TYPE", "options.policy"],
    [{ policy: 5 }, "ERR_INVALID_ARG_TYPE", "parsePolicy()"],
    [{ policy, lisen: "x" }, "ERR_INVALID_ARG_VALUE", 'unknown option "lisen"'],
    [{ policy: "version: 1\n" }, "ERR_INVALID_ARG_VALUE", "found its text"],
  ];
  for (const [options, code, says] of rows) {
    const wrong = expect.objectContaining({
      name: "TypeError",
      code,
      message: expect.stringContaining(says),
    });
    await expect(Monitor.start(options as { policy: string })).rejects.toEqual(wrong);
  }
  const parse = parsePolicy as (...args: unknown[]) => unknown;
  const code = "ERR_INVALID_ARG_TYPE";
  expect(() => parse("version: 1")).toThrow(expect.objectContaining({ code }));
  expect(() => parse(undefined, { file: "policy.yaml" })).toThrow(expect.objectContaining({ code }));
});

it("a monitor whose start somebody has given up does not say that it is ready", async () => {
  const policy = parsePolicy("version: 1", { file: "policy.yaml" });
  for (const [signal, says] of [
    [AbortSignal.abort(), false],
    [new AbortController().signal, true],
  ] as const) {
    const lines: string[] = [];
    const logger = createLogger("info", { write: (line) => lines.push(line) });
    await using _monitor = await Monitor.start({ policy, logger, signal });
    expect(lines.some((line) => line.includes("monitor is ready"))).toBe(says);
  }
});
