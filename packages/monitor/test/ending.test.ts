// The end of a monitor where one of its steps fails: all others are taken, and who waits is told of the first failure.

import { pino } from "pino";
import { expect, test } from "vitest";
import { type Ending, end } from "../src/monitor/ending.ts";

const STEPS = [
  "socketFiles.remove",
  "reactor.stop",
  "follows.end",
  "admin",
  "names.end",
  "reactor.end",
  "disk.stop",
  "regions.stop",
  "loader.close",
  "vms.settle",
  "reactor.settle",
  "flows.close",
  "audit.close",
] as const;
type Step = (typeof STEPS)[number];

/** What is taken, with what settle() was told; `failing` are taken, and fail. */
function rig(...failing: readonly Step[]) {
  const taken: Step[] = [];
  const lines: string[] = [];
  const settled: boolean[] = [];
  const step =
    <T>(name: Step, value: T) =>
    (): T => {
      taken.push(name);
      if (failing.includes(name)) throw new Error(`injected: ${name}`);
      return value;
    };
  const settle = step("vms.settle", undefined);
  const stopped = { kind: "stopped", aborted: 0, stuck: 0 } as const;
  const ending: Ending = {
    log: pino({ level: "info" }, { write: (line) => void lines.push(JSON.parse(line).msg as string) }),
    socketFiles: { remove: async () => step("socketFiles.remove", undefined)() },
    reactor: {
      stop: async () => step("reactor.stop", stopped)(),
      end: async () => step("reactor.end", true)(),
      settle: step("reactor.settle", undefined),
    },
    follows: { end: async () => step("follows.end", undefined)() },
    admin: step("admin", undefined),
    names: { end: step("names.end", undefined) },
    disk: { stop: async () => step("disk.stop", 0)() },
    regions: { stop: async () => step("regions.stop", undefined)() },
    loader: { close: async () => step("loader.close", undefined)() },
    vms: {
      settle: (isOver) => {
        settled.push(isOver);
        settle();
      },
    },
    flows: { close: async () => step("flows.close", undefined)() },
    audit: { close: async () => step("audit.close", undefined)() },
    hasFailed: () => false,
  };
  return { ending, taken, lines, settled };
}

test("all steps are taken in their order, and the end is said", async () => {
  const { ending, taken, lines, settled } = rig();
  await end(ending, 0);
  expect(taken).toEqual(STEPS);
  expect(settled).toEqual([true]);
  expect(lines).toEqual(["monitor has stopped"]);
});

test.each(STEPS)("where %s fails, all others are taken, and the end rejects with that", async (name) => {
  const { ending, taken } = rig(name);
  await expect(end(ending, 0)).rejects.toThrow(`injected: ${name}`);
  expect(taken).toEqual(STEPS);
});

test("where all fail, all are taken, and the end rejects with the first", async () => {
  const { ending, taken } = rig(...STEPS);
  await expect(end(ending, 0)).rejects.toThrow("injected: socketFiles.remove");
  expect(taken).toEqual(STEPS);
});

test.each(["reactor.end", "disk.stop"] as const)(
  "where %s fails, nobody knows that a VM's memory is free",
  async (name) => {
    const { ending, settled } = rig(name);
    await expect(end(ending, 0)).rejects.toThrow();
    expect(settled).toEqual([false]);
  },
);
