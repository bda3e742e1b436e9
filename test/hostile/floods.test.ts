// One thing without end, as fast as a thread can: the monitor's time for it is bounded, and a guest beside it notices
// nothing.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { type GuestPipe, Log, Protocol } from "@ringway/control";
import { Guest, type GuestSocket } from "@ringway/guest";
import { duplicateFd } from "@ringway/linux";
import { DEFAULT_LIMITS } from "@ringway/monitor";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { heldForAll, heldForEach } from "../support/held.ts";
import { Incoming } from "../support/incoming.ts";
import { MonitorProgram } from "../support/processes.ts";
import { RawGuest } from "../support/raw-guest.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { connectAs, noUsers, openToAll } from "../support/users.ts";
import { until, within } from "../support/wait.ts";
import { cpuSeconds } from "./world.ts";

/** What spinner.mjs does, from the regressions of this kind. */
const kept = new URL("./regressions/", import.meta.url);
const floods = readdirSync(kept)
  .map((name) => JSON.parse(readFileSync(new URL(name, kept), "utf8")) as { flood?: string })
  .flatMap(({ flood }) => flood ?? []);

const path = join(temporaryFolder("flood"), "attach.sock");
let monitor: MonitorProgram;
let wicked: RawGuest;
let good: Guest;
let echo: GuestSocket;
let answers: Incoming;

// One monitor for all floods: it has what each leaves behind.
const holdForAll = heldForAll();
beforeAll(async () => {
  monitor = holdForAll(await MonitorProgram.start(path, "version: 1"));
  openToAll(path);
});

const hold = heldForEach();
beforeEach(async () => {
  await until("the last guests to be gone", async () => (await counters()).guests === 0);
  // Another user than the one beside it, where that can be: budgets belong to users.
  wicked = hold(await RawGuest.attach(noUsers === "" ? connectAs(65534, path) : path));
  good = hold(await Guest.attach(path));
  echo = await good.echo();
  answers = new Incoming(echo);
});

type Counted = Record<"bells" | "quotaBells" | "quotaLines" | "guests", number>;
const counters = (): Promise<Counted> => monitor.ask("counters");

/** Median round trip of the guest beside it, in milliseconds. */
async function roundTripMs(): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < 50; i++) {
    const startMs = performance.now();
    echo.write(Buffer.alloc(64, i));
    await within("an echo", answers.take(64));
    times.push(performance.now() - startMs);
  }
  return times.sort((a, b) => a - b)[25]!;
}

async function spin(what: string): Promise<Worker> {
  const workerData = { what, region: duplicateFd(wicked.memory.fd), bell: duplicateFd(wicked.bellToHostFd) };
  const worker = new Worker(new URL("./spinner.mjs", import.meta.url), { workerData });
  await new Promise((resolve) => worker.once("message", resolve));
  return worker;
}

describe("a guest that has no end of", () => {
  test.each(floods)("%s", async (what) => {
    const calm = await counters();
    // Beside a thread that is as busy, and with nothing of the monitor's.
    const idle = await spin("nothing");
    await roundTripMs();
    const calmMs = await roundTripMs();
    await idle.terminate();
    const worker = await spin(what);
    await roundTripMs();
    const disturbedMs = await roundTripMs();
    const before = await counters();
    const [from, startMs] = [cpuSeconds(monitor.pid), performance.now()];
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const seconds = (performance.now() - startMs) / 1000;
    const share = (cpuSeconds(monitor.pid) - from) / seconds;
    const after = await counters();
    if (after.quotaBells === calm.quotaBells) {
      // The machine is too busy for a flood that is more than a guest may: it is one where a guest may less.
      expect((after.bells - before.bells) / seconds).toBeLessThan(DEFAULT_LIMITS.bells);
      await monitor.ask("bells 20");
      await until("the quota", async () => (await counters()).quotaBells > calm.quotaBells, 20_000);
      await monitor.ask(`bells ${DEFAULT_LIMITS.bells}`);
    }
    await worker.terminate();
    expect(share).toBeLessThan(0.4);
    expect(disturbedMs).toBeLessThan(10 * Math.max(calmMs, 1));
    // It is held back, not cut off.
    await within("a new attachment", wicked.attach());
    await within("an echo of its own", wicked.echo(4096));
  });

  test("streams that are all ready: the guest beside it has its half", async () => {
    const pipes: GuestPipe[] = [];
    for (let i = 0; i < 500; i++) pipes.push(await wicked.echo(16 * 1024));
    const calmMs = await roundTripMs();
    let spinning = true;
    const flood = (async () => {
      while (spinning) {
        for (const pipe of pipes) {
          const { toHost, toGuest } = pipe;
          toGuest.advance(toGuest.readable());
          toHost.advance(toHost.writable());
          wicked.signal(pipe);
        }
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    const disturbedMs = await roundTripMs();
    spinning = false;
    await flood;
    // Both guests are in this process here, and its own turn with 500 streams takes some of this.
    expect(disturbedMs).toBeLessThan(20 * Math.max(calmMs, 1));
  });

  test("a bell that is full and waits: the monitor rings it and goes on", async () => {
    const pipe = await wicked.echo(4096);
    const { setNonBlocking } = await import("@ringway/linux");
    // The host rings when the guest says that it sleeps.
    const page = Atomics.load(wicked.region.words, 0x18 / 4);
    for (let i = 0; i < 20; i++) {
      wicked.fillBell();
      setNonBlocking(wicked.bellToGuestFd, false);
      Atomics.store(wicked.region.words, ((page + 2) * 4096) / 4, 1);
      await wicked.write(pipe, Buffer.alloc(100, i));
      await wicked.readExactly(pipe, 100);
      await roundTripMs();
    }
  });

  test("refused requests: the audit log takes so many lines a second and no more", async () => {
    const calm = await counters();
    const spoken = (async () => {
      const endMs = performance.now() + 2000;
      let refused = 0;
      while (performance.now() < endMs) {
        const pipe = await wicked.newStream(4096);
        wicked.sendOpen(pipe, Protocol.TCP_LISTEN, listenBody());
        await wicked.opened(pipe).catch(() => refused++);
      }
      return refused;
    })();
    const disturbedMs = await roundTripMs();
    const refused = await spoken;
    expect(refused).toBeLessThan(3500);
    if (refused > 1500) expect((await counters()).quotaLines).toBeGreaterThan(calm.quotaLines);
    expect(disturbedMs).toBeLessThan(50);
  });

  test("log lines: they wait for the next second", async () => {
    const calm = await counters();
    for (let i = 0; i < 2500; i++) await wicked.send(Log, { level: 20, text: "again" });
    await until("the quota", async () => (await counters()).quotaLines > calm.quotaLines);
    await roundTripMs();
  });
});

function listenBody(): Uint8Array {
  const body = new Uint8Array(28);
  const view = new DataView(body.buffer);
  view.setUint32(4, 4, true);
  view.setUint32(8, 80, true);
  body.set([127, 0, 0, 1], 12);
  return body;
}
