// Virtual machines that are removed, with real memory and sockets; calls to their doorbell end when the test says so.

import { existsSync } from "node:fs";
import { closeFd, SharedMemory, unixPair } from "@ringway/linux";
import { expect, onTestFinished, test } from "vitest";
import { Accounts } from "../src/accounts/accounts.ts";
import { Vm, type VmHost } from "../src/links/vm.ts";
import { Counters } from "../src/reactor/counters.ts";
import { Reactor } from "../src/reactor/reactor.ts";

/** `begun`: a call is under way at once, and cannot be taken back. */
function set({ begun = true } = {}) {
  const calls: ((fd: number) => void)[] = [];
  const ended: string[] = [];
  const host: VmHost = {
    reactor: new Reactor({ busyPollUs: 0, counters: new Counters() }),
    accounts: new Accounts(),
    begin: () => undefined,
    warn: () => {},
    call(_path, done) {
      calls.push(done);
      return () => !begun;
    },
    ended: ({ name }) => ended.push(name),
  };
  const memory = SharedMemory.create("vm", 65_536);
  onTestFinished(() => memory[Symbol.dispose]());
  return { vm: new Vm(host, "one", memory.place, "/doorbell"), calls, ended };
}

/** A descriptor of a channel, and its hypervisor's end. */
function channel(): [number, number] {
  const pair = unixPair();
  onTestFinished(() => void closeFd(pair[1]));
  return pair;
}

test("a VM that is removed amid a call to its doorbell is over when the call is, and its channel is closed", () => {
  const { vm, calls, ended } = set();
  vm.remove();
  expect(ended).toEqual([]);
  const [fd] = channel();
  calls[0]!(fd);
  expect(existsSync(`/proc/self/fd/${fd}`)).toBe(false);
  expect(ended).toEqual(["one"]);
});

test("a VM is removed at once whose call waits behind those of others", () => {
  const { vm, ended } = set({ begun: false });
  vm.remove();
  expect(ended).toEqual(["one"]);
});

test.each([
  ["that is not there", -2],
  ["whose file system has failed", -5],
])("a VM is removed amid a call to a doorbell %s", (_, errno) => {
  const { vm, calls, ended } = set();
  vm.remove();
  calls[0]!(errno);
  expect(ended).toEqual(["one"]);
  expect(calls).toHaveLength(1);
});

test("a VM that is retired and then removed ends once", () => {
  const { vm, calls, ended } = set();
  calls[0]!(-2);
  vm.retire();
  vm.remove();
  vm.retire();
  expect(ended).toEqual(["one"]);
});
