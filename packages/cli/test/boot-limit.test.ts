// The time limit of a boot, without a machine: what a guest's coming does to it.

import { EventEmitter } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import type { MonitorEvents } from "@ringway/monitor";
import { expect, it } from "vitest";
import { until } from "../../../test/support/wait.ts";
import { BootLimit } from "../src/vm/boot-limit.ts";

const LIMIT_MS = 60;
const LONGER_MS = 250;

function begin(): { monitor: EventEmitter<MonitorEvents>; limit: BootLimit; said: string[] } {
  const monitor = new EventEmitter<MonitorEvents>();
  const said: string[] = [];
  const limit = new BootLimit(monitor as never, LIMIT_MS, (problem) => said.push(problem));
  return { monitor, limit, said };
}

it("what is late is said once: the machine, or the guest in it", async () => {
  const [none, machine] = [begin(), begin()];
  machine.monitor.emit("guest", { guest: "vm", pid: 1 });
  // Each of the limit's steps may be late.
  await until("both limits", () => none.said.length > 0 && machine.said.length > 0);
  await sleep(LONGER_MS);
  expect(none.said).toEqual([expect.stringMatching(/^QEMU has not opened its doorbell within 60 ms/)]);
  expect(machine.said).toEqual([expect.stringMatching(/^no guest has attached within 60 ms/)]);
});

it("a guest that has attached has all the time after that, also over a reset", async () => {
  const { monitor, said } = begin();
  monitor.emit("guest", { guest: "vm", pid: 1 });
  monitor.emit("attached", { guest: "vm" });
  monitor.emit("detached", { guest: "vm", reason: "reset" });
  monitor.emit("guest", { guest: "vm", pid: 1 });
  await sleep(LONGER_MS);
  expect(said).toEqual([]);
});

it("a run that is over says nothing later", async () => {
  const { limit, said } = begin();
  limit.cancel();
  await sleep(LONGER_MS);
  expect(said).toEqual([]);
});
