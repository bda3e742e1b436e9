// What is tested in each guest alike, on one machine from its first boot on.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { until } from "../support/wait.ts";
import { exercise } from "./exercise.ts";
import { Guest, startMachine } from "./guest.ts";
import { Host } from "./host/host.ts";
import type { GuestName } from "./images/setup.ts";
import { transfersUnderWay } from "./interrupt.ts";
import type { Machine } from "./machine/machine.ts";

const BOOT_MS_MAX = 10_000;

/** `more` are tests of this guest alone, after the others. */
export function testGuest(name: GuestName, more: (guest: () => Guest) => void = () => {}): void {
  describe(`the ${name} guest`, () => {
    let host: Host;
    let vm: Machine;
    let guest: Guest;

    beforeAll(async () => {
      host = await Host.start();
      await host.startMonitor();
      vm = await startMachine(name, host);
      guest = new Guest(name, vm, host);
      await guest.startPrograms();
    });
    afterAll(async () => {
      await vm?.[Symbol.asyncDispose]();
      await host?.[Symbol.asyncDispose]();
    });
    beforeEach(({ onTestFailed }) => onTestFailed(() => console.error(guest?.report())));

    test("boots in seconds", () => {
      process.stdout.write(`${name}: ${Math.round(vm.bootMs)} ms to the first command\n`);
      expect(vm.bootMs).toBeLessThan(BOOT_MS_MAX);
    });

    test("reaches what it may, serves, moves files, and is refused the rest", () => exercise(guest));

    test("does so again after its monitor was killed in mid-transfer and started anew", async () => {
      using transfers = await transfersUnderWay(guest);
      await host.killMonitor();
      const { exitCode } = await transfers.inGuest.end(10_000);
      expect(exitCode).not.toBe(0);
      expect((await transfers.onHost.exit()).code).not.toBe(0);
      await until("the web server to be rid of it", () => host.web.connections === 0);
      await host.startMonitor();
      await exercise(guest);
    });

    test("does so again after a reset in mid-transfer", async () => {
      using transfers = await transfersUnderWay(guest);
      const { connections } = host.web;
      expect(connections).toBeGreaterThan(0);
      await vm.reset();
      await guest.startPrograms();
      // The agent of the new boot attaches: the old one's streams are over.
      await until("the old boot's connections to end", () => host.web.connections === 0, 20_000);
      expect((await transfers.onHost.exit()).code).not.toBe(0);
      await exercise(guest);
    });

    more(() => guest);
  });
}
