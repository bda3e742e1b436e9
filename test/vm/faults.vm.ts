// What happens to machines: paused, ended by force, started before their monitor is there.

import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeEach, describe, expect, test } from "vitest";
import { cpuSeconds } from "../hostile/world.ts";
import { sha256 } from "../support/bytes.ts";
import { tcpClient } from "../support/tcp.ts";
import { until } from "../support/wait.ts";
import { exercise } from "./exercise.ts";
import { Guest, startMachine } from "./guest.ts";
import { Host } from "./host/host.ts";
import { BLOB_SUM } from "./host/web.ts";
import { transfersUnderWay } from "./interrupt.ts";
import type { Bell } from "./machine/devices.ts";

const PAUSE_MS = 2000;
/** Of the monitor's in that time: a wake-up now and then. */
const PAUSED_CPU_SECONDS_MAX = 0.05;

let report = (): string => "";
beforeEach(({ onTestFailed }) => onTestFailed(() => console.error(report())));

/** A busybox guest on `host`, with its programs started. */
async function guestOn(host: Host, bell: Bell = "virtio port"): Promise<Guest> {
  const guest = new Guest("busybox", await startMachine("busybox", host, bell), host);
  report = () => guest.report();
  await guest.startPrograms(bell === "serial line" ? "--channel /dev/ttyS1" : "");
  return guest;
}

describe("a machine", () => {
  test("that is paused in mid-transfer costs nothing, and goes on where it was", async () => {
    await using host = await Host.start();
    await host.startMonitor();
    const guest = await guestOn(host);
    await using vm = guest.vm;
    await exercise(guest);
    using transfers = await transfersUnderWay(guest, "blob");
    await vm.pause();
    // What was already in rings and sockets runs out; the host's curl takes half a second for a megabyte.
    await sleep(1000);
    // Some seconds later V8 collects the garbage of all that, once in each thread.
    await until(
      "the monitor to rest",
      async () => {
        const before = cpuSeconds(host.monitor.pid);
        await sleep(PAUSE_MS);
        return cpuSeconds(host.monitor.pid) - before <= PAUSED_CPU_SECONDS_MAX;
      },
      20_000,
    );
    expect(transfers.inGuest.exitCode).toBeUndefined();
    expect(transfers.onHost.child.exitCode).toBeNull();
    await vm.proceed();
    expect((await transfers.inGuest.end()).exitCode).toBe(0);
    expect(await vm.output("sha256sum </tmp/partial")).toBe(`${BLOB_SUM}  -`);
    await transfers.onHost.succeeds(30_000);
    expect(sha256(readFileSync(transfers.file))).toBe(BLOB_SUM);
  });

  test("that is ended by force leaves nothing behind, and another takes its place", async () => {
    await using host = await Host.start();
    await host.startMonitor();
    {
      const guest = await guestOn(host);
      await using vm = guest.vm;
      await exercise(guest);
      const rested = host.descriptors;
      using transfers = await transfersUnderWay(guest);
      await vm.kill();
      await until("the web server to be rid of it", () => host.web.connections === 0);
      expect((await transfers.onHost.exit()).code).not.toBe(0);
      await expect(tcpClient(host.publishedPort)).rejects.toThrow();
      // The doorbell, the listener and what is kept for nobody are gone as well.
      await until("the monitor to close what it held", () => host.descriptors < rested);
      expect(host.lines.some(({ msg }) => msg === "guest is gone")).toBe(true);
    }
    const guest = await guestOn(host);
    await using _vm = guest.vm;
    await exercise(guest);
  });

  test("may start before its monitor, and its agent too", async () => {
    await using host = await Host.start();
    const guest = await guestOn(host);
    await using vm = guest.vm;
    // It asks before there is anybody to ask.
    const early = vm.start(`curl -sS -x http://127.0.0.1:3128 ${host.web.url}/hello`);
    await until("the agent to be asked", async () => (await vm.output("netstat -tn")).includes(":3128"));
    await host.startMonitor();
    await early.end();
    await exercise(guest);
  });

  test("may start after its monitor has waited for it, with memory that it finds", async () => {
    await using host = await Host.start();
    await host.startMonitor();
    // Longer than the first few calls of the monitor's at a doorbell that nobody serves.
    await sleep(1500);
    const guest = await guestOn(host);
    await using _vm = guest.vm;
    await exercise(guest);
  });

  test("may come back with its monitor gone meanwhile, on the same memory", async () => {
    await using host = await Host.start();
    await host.startMonitor();
    {
      const guest = await guestOn(host);
      await using _vm = guest.vm;
      await exercise(guest);
      await host.killMonitor();
    }
    const guest = await guestOn(host);
    await using _vm = guest.vm;
    await host.startMonitor();
    await exercise(guest);
  });

  test("may have a serial line as its doorbell, for want of modules", async () => {
    await using host = await Host.start();
    await host.startMonitor();
    const guest = await guestOn(host, "serial line");
    await using _vm = guest.vm;
    await exercise(guest);
    // Such a bell does not hang up: the next monitor is what the agent hears of.
    await host.killMonitor();
    await host.startMonitor();
    await exercise(guest);
  });
});
