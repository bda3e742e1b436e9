// What changes while guests with a name are there: machines of one name that come and go, policies, labels.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { RefusedError } from "@ringway/guest";
import { closeFd } from "@ringway/linux";
import { beforeAll, expect, test } from "vitest";
import { heldForAll } from "../support/held.ts";
import { Hypervisor, type Place, place } from "../support/hypervisor.ts";
import { type LogLine, policyOf, startMonitor } from "../support/monitor.ts";
import { descriptorsOf } from "../support/processes.ts";
import { echoServer } from "../support/tcp.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { until } from "../support/wait.ts";

const NOTHING = "version: 1\n";
const LOCAL = "version: 1\nconnect: [{ id: local, allow: 127.0.0.1 }]\n";
const INVALID_VALUE = { code: "ERR_INVALID_ARG_VALUE" };

const hold = heldForAll();
let folder: string;
let port: number;

beforeAll(async () => {
  folder = temporaryFolder("named-changes");
  ({ port } = hold(await echoServer()));
});

/** What refuses the guest of that machine a connection. */
async function refusedOn(machine: Place): Promise<string | undefined> {
  using hypervisor = new Hypervisor(machine);
  const guest = await hypervisor.boot();
  const stream = await guest.connect({ port, host: "127.0.0.1" }).catch((error: RefusedError) => error);
  await guest.close();
  return "rule" in stream ? stream.rule : undefined;
}

test("a policy for a machine that is being removed is refused, and judges no other of that name", async () => {
  using first = place();
  using second = place();
  using third = place();
  await using host = await startMonitor(NOTHING, { vms: [first.vm] });
  const { monitor } = host;
  const removing = monitor.removeVm("vm");
  await expect(monitor.reload(policyOf(LOCAL), { guest: "vm" })).rejects.toMatchObject(INVALID_VALUE);
  await removing;
  await monitor.addVm(second.vm);
  expect(await refusedOn(second)).toBe("default");
  // And one that is removed while the policy is loaded.
  const reloading = monitor.reload(policyOf(LOCAL), { guest: "vm" });
  const removed = monitor.removeVm("vm");
  await expect(reloading).rejects.toMatchObject(INVALID_VALUE);
  await removed;
  await monitor.addVm(third.vm);
  expect(await refusedOn(third)).toBe("default");
});

test("labels of a machine are in no line of another whose name is like its own", async () => {
  using first = place("db");
  using second = place("db-2");
  const labelled = { ...first.vm, labels: { team: "a" } };
  await using host = await startMonitor(NOTHING, { vms: [labelled, second.vm] });
  for (const each of [first, second]) expect(await refusedOn(each)).toBe("default");
  const refused = (): LogLine[] => host.lines.filter(({ audit }) => audit === "refused");
  await until("both lines", () => refused().length === 2);
  expect(refused().map(({ guest, labels }) => ({ guest, labels }))).toEqual([
    { guest: "db", labels: { team: "a" } },
    { guest: "db-2", labels: undefined },
  ]);
});

test("a program calls none of its guests as those are called that attach at a socket with a name", async () => {
  await using host = await startMonitor(NOTHING, { guests: [{ name: "web", listen: join(folder, "web") }] });
  for (const name of ["web", "web-1"]) {
    expect(() => host.monitor.attach({ name })).toThrow(expect.objectContaining(INVALID_VALUE));
  }
  closeFd(host.monitor.attach({ name: "web-a" }).fd);
});

test("labels of a machine that is added are judged as those of the start are", async () => {
  using machine = place();
  await using host = await startMonitor(NOTHING);
  for (const labels of [{ "a-b": "x" }, { a: "x".repeat(257) }]) {
    await expect(host.monitor.addVm({ ...machine.vm, labels })).rejects.toMatchObject(INVALID_VALUE);
  }
});

test("no guest has the file of a policy that is given later: by that policy, or by one before or after it", async () => {
  using machine = place();
  const shared = temporaryFolder("policies");
  const at = (name: string): string => join(shared, name);
  const allOf = (folder: string): string => `files: [{ guest: /, host: ${folder}, access: rw }]\n`;
  const files = allOf(shared);
  writeFileSync(at("open.yaml"), NOTHING + files);
  writeFileSync(at("nothing.yaml"), NOTHING);
  const guests = [{ name: "web", listen: join(folder, "kept") }];
  await using host = await startMonitor(NOTHING, { guests });
  const { monitor } = host;
  const refused = { code: "ERR_RINGWAY_POLICY", message: expect.stringMatching(/holds the policy/) };
  const ofWeb = { guest: "web" };
  // By itself.
  await expect(monitor.reload(at("open.yaml"))).rejects.toMatchObject(refused);
  await expect(monitor.reload(at("open.yaml"), ofWeb)).rejects.toMatchObject(refused);
  await expect(monitor.addVm({ ...machine.vm, policy: at("open.yaml") })).rejects.toMatchObject(refused);
  // By one after it.
  await monitor.reload(at("nothing.yaml"));
  await expect(monitor.reload(policyOf(NOTHING + files), ofWeb)).rejects.toMatchObject(refused);
  await monitor.reload(policyOf(NOTHING));
  await monitor.addVm({ ...machine.vm, policy: at("nothing.yaml") });
  await expect(monitor.reload(policyOf(NOTHING + files), ofWeb)).rejects.toMatchObject(refused);
  await monitor.removeVm("vm");
  // The monitor's is kept, though its policy came otherwise since: whoever reads the file again goes by it.
  await expect(monitor.reload(policyOf(NOTHING + files), ofWeb)).rejects.toMatchObject(refused);
  // By one before it.
  const later = temporaryFolder("later-policies");
  const nothing = join(later, "nothing.yaml");
  writeFileSync(nothing, NOTHING);
  await monitor.reload(policyOf(NOTHING + allOf(later)), ofWeb);
  await expect(monitor.reload(nothing)).rejects.toMatchObject(refused);
  await expect(monitor.addVm({ ...machine.vm, policy: nothing })).rejects.toMatchObject(refused);
});

test("of a machine that is left out at the start, its own policy keeps no folder open", async () => {
  using machine = place();
  const shared = temporaryFolder("left-out");
  writeFileSync(machine.memory, Buffer.alloc(1 << 20, 1));
  const policy = policyOf(`${NOTHING}files: [{ guest: /, host: ${shared}, access: ro }]\n`);
  await using host = await startMonitor(NOTHING, { vms: [{ ...machine.vm, policy }] });
  expect(host.lines.map(({ msg }) => msg)).toContainEqual(expect.stringContaining("the VM is not served"));
  expect(descriptorsOf(shared)).toBe(0);
});
