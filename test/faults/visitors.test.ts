// Guests that come and go, many in a second: each has a region of its own, made and unmade beside the reactor, and
// nothing of it is left.

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { type Compiled, compilePrograms } from "../../packages/bench/src/programs.ts";
import type { Declined } from "../support/declined.ts";
import { heldForEach } from "../support/held.ts";
import { LOOPBACK, startMonitor } from "../support/monitor.ts";
import { MonitorProgram, Program, regionMappings } from "../support/processes.ts";
import { RawGuest } from "../support/raw-guest.ts";
import { Home } from "../support/ringway.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { until } from "../support/wait.ts";

const ENOMEM = 12;
const KiB = 1024;
/** Of a policy that does not say. */
const REGION_KIB = 256 * KiB;

let scratch: string;
let compiled: Compiled;
const hold = heldForEach();

beforeAll(() => {
  scratch = temporaryFolder("visitors-c");
  compiled = compilePrograms(scratch);
});

/** A process that attaches and leaves so many times, as often in a second as it is let. */
function visitor(path: string, times: number, touchedBytes: number): Program {
  const options = [
    "--iterations",
    times,
    "--bytes",
    touchedBytes,
    "--per-second",
    1000,
    "--milliseconds",
    60_000,
  ];
  return hold(new Program(compiled.programs!.guest, ["--attach", path, ...options.map(String), "visit"]));
}

async function countOf(program: Program): Promise<number> {
  await program.succeeds(30_000);
  return (JSON.parse(program.output) as { count: number }).count;
}

/** Mappings of a process, all of them and those of regions, and its address space in KiB. */
function spaceOf(pid: number): { mappings: number; regions: number; space: number } {
  const maps = readFileSync(`/proc/${pid}/maps`, "utf8");
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return {
    mappings: maps.split("\n").length,
    regions: maps.split("memfd:ringway:").length - 1,
    space: Number(/^VmSize:\s+(\d+)/m.exec(status)![1]),
  };
}

test("a thousand guests that come and go leave no descriptor, no mapping and no memory", async () => {
  const path = join(temporaryFolder("visitors"), "attach.sock");
  using monitor = await MonitorProgram.start(path, LOOPBACK);
  const memory = async (): Promise<number> => (await monitor.ask<{ rss: number }>("memory")).rss;
  // Code that is compiled, and tables that have grown, stay.
  expect(await countOf(visitor(path, 300, 64 * KiB))).toBe(300);
  const areUnmade = (): Promise<unknown> =>
    until("the regions to be unmade", () => spaceOf(monitor.pid).regions === 0);
  await areUnmade();
  const before = { descriptors: monitor.descriptors, rss: await memory(), ...spaceOf(monitor.pid) };
  // At five in a second these would take two minutes.
  const counts = await Promise.all(Array.from({ length: 4 }, () => countOf(visitor(path, 250, 64 * KiB))));
  expect(counts).toEqual([250, 250, 250, 250]);
  await areUnmade();
  expect(monitor.descriptors).toBe(before.descriptors);
  // By finalizers: after a collection, in a turn that comes when a guest has gone.
  await until("the addresses to be free", async () => {
    (await RawGuest.attach(path)).vanish();
    await memory();
    return spaceOf(monitor.pid).space < before.space + 8 * 2 * REGION_KIB;
  });
  // Some of V8's heap; these guests had two each.
  expect(spaceOf(monitor.pid).mappings).toBeLessThan(before.mappings + 500);
  // 64 MiB were touched.
  expect((await memory()) - before.rss).toBeLessThan(32 * KiB * KiB);
}, 60_000);

test("a monitor that is ended while guests come and go ends with 0, and takes the socket along", async () => {
  await using home = new Home(LOOPBACK);
  const monitor = await home.ready();
  const visitors = Array.from({ length: 3 }, () => visitor(home.path, 100_000, 1024 * KiB));
  await until("some guests", () => monitor.errors.split("guest is gone").length > 100, 20_000);
  monitor.child.kill("SIGTERM");
  expect(await monitor.exit()).toEqual({ code: 0, signal: null });
  expect(existsSync(home.path)).toBe(false);
  for (const each of visitors) expect((await each.exit()).code).toBe(1);
});

test("regions that were touched as a whole are free when the monitor has closed, in the program that goes on", async () => {
  await using host = await startMonitor(`${LOOPBACK}limits: { regionBytes: 64MiB }\n`);
  const before = regionMappings();
  const guests = await Promise.all(Array.from({ length: 4 }, () => RawGuest.attach(host.path)));
  for (const guest of guests) new Uint8Array(guest.memory.buffer).fill(1, 32 * KiB * KiB);
  // What the guest has mapped stays until it lets go itself.
  expect(regionMappings()).toBe(before + 4 * 3);
  await host[Symbol.asyncDispose]();
  expect(regionMappings()).toBe(before + 4);
  for (const guest of guests) guest.vanish();
  expect(regionMappings()).toBe(before);
});

test("where the process has no address space left a guest is told ENOMEM, the log says why, and others come later", async () => {
  await using home = new Home(LOOPBACK);
  const monitor = await home.ready();
  const limit = (bytes: number | "unlimited"): void => {
    execFileSync("prlimit", [`--pid=${monitor.pid}`, `--as=${bytes}:unlimited`]);
  };
  // Room for some of its own needs, and for no region.
  limit((spaceOf(monitor.pid).space + REGION_KIB / 2) * KiB);
  const declined = await RawGuest.attach(home.path).catch((error: Declined) => error);
  expect(declined).toMatchObject({ errno: ENOMEM });
  await until("the line", () => monitor.errors.includes("turned away: mmap: "));
  limit("unlimited");
  using _guest = await RawGuest.attach(home.path);
  expect(spaceOf(monitor.pid).regions).toBe(2);
});
