// The hostile guest of test/hostile inside of a machine, for a minute, while a well-behaved process is a guest of the
// same monitor.

import { writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, inject, test } from "vitest";
import { cpuSeconds, holdings, makeWorld, residentMib } from "../hostile/world.ts";
import { until } from "../support/wait.ts";
import { FuzzedMonitor, Hostile, WellBehaved } from "./hostile/parties.ts";
import { devices } from "./machine/devices.ts";
import { Machine } from "./machine/machine.ts";

const SEED = Number(process.env.RINGWAY_FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 31));
const SECONDS = Number(process.env.RINGWAY_FUZZ_SECONDS ?? 60);
/** Of the well-behaved guest's throughput, as it is promised beside hostile processes: test/hostile. */
const THROUGHPUT_SHARE_MIN = 0.5;
const RESIDENT_GROWTH_MIB = 160;
const IDLE_CORE_SHARE_MAX = 0.3;
/** While the hostile guest rests, and while it is at work. */
const REST_MS = 800;
const WORK_MS = 5000;
/** The last in line for a processor: a machine's hunger for time is the host's to share out, not the monitor's. */
const NICE = 19;

const title = `a hostile machine harms nobody in ${SECONDS} s`;
test(title, { timeout: (SECONDS + 120) * 1000 }, async () => {
  process.stdout.write(`RINGWAY_FUZZ_SEED=${SEED}\n`);
  await using world = await makeWorld();
  using monitor = await FuzzedMonitor.start(world);
  const image = inject("images").node;
  await using vm = await Machine.start({ image, devices: devices(monitor.places), nice: NICE });
  using good = await WellBehaved.start(world);
  using hostile = await Hostile.start(vm, { seed: SEED, targets: world.targets });
  const residentBefore = residentMib(monitor.pid);
  const descriptorsBefore = holdings(monitor.pid, world).descriptors;

  const shares: number[] = [];
  await good.measure(REST_MS);
  for (const startMs = performance.now(); performance.now() - startMs < SECONDS * 1000; ) {
    const alone = await good.measure(REST_MS);
    hostile.go();
    const beside = await good.measure(WORK_MS);
    await hostile.pause();
    // Against the moment before: what else this host does changes meanwhile.
    shares.push(beside.mibPerS / alone.mibPerS);
    expect(beside.mibPerS).toBeGreaterThan(0);
    expect(monitor.alive, monitor.text.slice(-2000)).toBe(true);
    expect([...world.harm(), ...holdings(monitor.pid, world).wrong]).toEqual([]);
  }
  const { tally } = hostile;
  const rounded = shares.map((share) => Number(share.toFixed(2)));
  process.stdout.write(`${JSON.stringify({ ...tally, shares: rounded })}\n`);
  expect(shares.toSorted((a, b) => a - b)[shares.length >> 1]).toBeGreaterThan(THROUGHPUT_SHARE_MIN);
  expect(residentMib(monitor.pid) - residentBefore).toBeLessThan(RESIDENT_GROWTH_MIB);

  // It got somewhere, and was told so; nothing that it did was a bug of the monitor's.
  const { lines } = monitor;
  const violated = lines.filter(({ audit }) => audit === "violation").map(({ clause }) => clause);
  expect(tally.attaches).toBeGreaterThan(5);
  expect(tally.streams).toBeGreaterThan(100);
  expect(new Set(violated).size).toBeGreaterThan(5);
  expect(lines.filter(({ stack }) => stack !== undefined)).toEqual([]);

  // With the machine gone, all that it held is gone; the well-behaved guest goes on.
  await vm.kill();
  const released = (): boolean => holdings(monitor.pid, world).descriptors <= descriptorsBefore;
  await until("its descriptors to be closed", released, 10_000);
  expect((await good.measure(REST_MS)).mibPerS).toBeGreaterThan(0);
  await good.quit();
  await sleep(500);
  const idleFrom = cpuSeconds(monitor.pid);
  await sleep(1000);
  expect(cpuSeconds(monitor.pid) - idleFrom).toBeLessThan(IDLE_CORE_SHARE_MAX);
  expect(world.harm()).toEqual([]);

  // Whatever a guest leaves in its memory keeps no monitor from serving others.
  writeFileSync(monitor.places.memory, Buffer.alloc(4096, 0xff), { flag: "r+" });
  await monitor.restart();
  using another = await WellBehaved.start(world);
  expect((await another.measure(REST_MS)).mibPerS).toBeGreaterThan(0);
  await another.quit();
});
