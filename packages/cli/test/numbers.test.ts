// Numbers and times of the command line.

import { MONITOR_BOUNDS } from "@ringway/monitor";
import { InvalidArgumentError } from "commander";
import { expect, it } from "vitest";
import { BOUNDS, time, whole } from "../src/numbers.ts";

it.each(Object.entries(BOUNDS))("%s is a whole number within %j", (_, bounds) => {
  const [least, most] = bounds;
  for (const value of [least, least + 1, most]) expect(whole(bounds)(`${value}`)).toBe(value);
  for (const text of [`${least - 1}`, `${most + 1}`, "1.5", "1e3", "0x10", " 1", "", "NaN", "x"]) {
    expect(() => whole(bounds)(text), text).toThrow(InvalidArgumentError);
  }
});

it("numbers of ringway monitor have the library's bounds", () => {
  for (const name of ["busyPollUs", "drainMs", "maxGuests"] as const)
    expect(BOUNDS[name], name).toEqual(MONITOR_BOUNDS[name]);
});

it("a time has a unit, or is in seconds", () => {
  const times = { "90": 90_000, "90s": 90_000, "1500ms": 1500, "2m": 120_000, "24h": 86_400_000, "1ms": 1 };
  for (const [text, ms] of Object.entries(times)) expect(time(text), text).toBe(ms);
  for (const text of ["0", "0s", "25h", "2d", "1.5s", "-1", "1 s", "s", ""]) {
    expect(() => time(text), text).toThrow(InvalidArgumentError);
  }
});
