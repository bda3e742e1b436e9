// Guests that the host has named: each attaches on a socket of its own, or is a virtual machine, and may have a policy
// of its own, and labels.

import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { Errno } from "@ringway/linux";
import { VmMemoryError } from "@ringway/monitor";
import { beforeAll, expect, test } from "vitest";
import { failureOf } from "../support/declined.ts";
import { heldForAll } from "../support/held.ts";
import { Hypervisor, place } from "../support/hypervisor.ts";
import { type LogLine, policyOf, startMonitor, type TestMonitor } from "../support/monitor.ts";
import { RawGuest } from "../support/raw-guest.ts";
import { echoServer } from "../support/tcp.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { until } from "../support/wait.ts";

const NOTHING = "version: 1\n";
const LOCAL = "version: 1\nconnect: [{ id: local, allow: 127.0.0.1 }]\n";

const hold = heldForAll();
let folder: string;
let port: number;
let host: TestMonitor;

const at = (name: string): string => join(folder, name);

/** Those that the tests of one monitor share: each test attaches its own. */
beforeAll(async () => {
  folder = temporaryFolder("named");
  ({ port } = hold(await echoServer()));
  writeFileSync(at("web.yaml"), LOCAL);
  const one = policyOf(`${NOTHING}limits: { guests: 1 }\n`);
  const guests = [
    { name: "web", listen: at("web"), policy: at("web.yaml"), labels: { team: "a" } },
    { name: "spare", listen: at("spare") },
    { name: "late", listen: at("late") },
    { name: "swap", listen: at("swap"), policy: policyOf(LOCAL) },
    { name: "one", listen: at("one"), policy: one, labels: { kind: "one" } },
    { name: "two", listen: at("two"), policy: one },
  ];
  host = hold(await startMonitor(NOTHING, { guests }));
});

const attach = async (path: string): Promise<RawGuest> => hold(await RawGuest.attach(path));

/** The rule that refuses a connection; "" where it is allowed. */
async function refusedBy(guest: RawGuest): Promise<string> {
  return (await failureOf(guest.connect("127.0.0.1", port)))?.rule ?? "";
}

test("each is judged by its own policy, or by the monitor's where it has none", async () => {
  const attached = (): LogLine[] => host.lines.filter(({ msg }) => msg === "guest attached");
  const before = attached().length;
  expect(await refusedBy(await attach(at("web")))).toBe("");
  expect(await refusedBy(await attach(at("spare")))).toBe("default");
  expect(await refusedBy(await attach(host.path))).toBe("default");
  expect(await refusedBy(await attach(at("web")))).toBe("");
  const names = (): string[] =>
    attached()
      .slice(before)
      .map(({ guest = "" }) => guest.replace(/-\d+$/, "-N"));
  await until("their lines", () => names().length === 4);
  expect(names()).toEqual(["web-N", "spare-N", "guest-N", "web-N"]);
});

test("a reload of the monitor's policy is nothing to one that has its own", async () => {
  const [web, spare] = [await attach(at("web")), await attach(at("spare"))];
  await host.monitor.reload(policyOf(LOCAL));
  expect(await refusedBy(spare)).toBe("");
  await host.monitor.reload(policyOf(NOTHING));
  expect(await refusedBy(spare)).toBe("default");
  expect(await refusedBy(web)).toBe("");
});

test("its own is reloaded by its name: for those that are there, and those that come", async () => {
  const [swap, late] = [await attach(at("swap")), await attach(at("late"))];
  writeFileSync(at("swap.yaml"), NOTHING);
  await host.monitor.reload(at("swap.yaml"), { guest: "swap" });
  expect(await refusedBy(swap)).toBe("default");
  expect(await refusedBy(await attach(at("swap")))).toBe("default");
  // One that had none has its own from then on.
  await host.monitor.reload(policyOf(LOCAL), { guest: "late" });
  await host.monitor.reload(policyOf(NOTHING));
  expect(await refusedBy(late)).toBe("");
  expect(await refusedBy(await attach(at("late")))).toBe("");
});

test("what cannot be its own is refused, and the one before stays", async () => {
  const web = await attach(at("web"));
  const { monitor } = host;
  await expect(monitor.reload(policyOf(NOTHING), { guest: "nobody" })).rejects.toMatchObject({
    code: "ERR_INVALID_ARG_VALUE",
  });
  const vms = `vms: [{ name: vm, memory: ${at("m")}, doorbell: ${at("d")} }]\n`;
  await expect(monitor.reload(policyOf(NOTHING + vms), { guest: "web" })).rejects.toThrow(/has no vms/);
  const strict = policyOf(`${NOTHING}audit: required\n`);
  await expect(monitor.reload(strict, { guest: "web" })).rejects.toMatchObject({ code: "ERR_RINGWAY_AUDIT" });
  const socketInside = policyOf(`${NOTHING}files: [{ guest: /, host: ${folder}, access: ro }]\n`);
  await expect(monitor.reload(socketInside, { guest: "web" })).rejects.toThrow(/the attach socket of web/);
  expect(await refusedBy(web)).toBe("");
});

test("its labels are in each line about it, in the log and in the audit", async () => {
  const web = await RawGuest.attach(at("web"));
  const spare = await RawGuest.attach(at("spare"));
  await failureOf(web.connect("192.0.2.1", 80));
  await failureOf(spare.connect("192.0.2.1", 80));
  web.vanish();
  spare.vanish();
  const isGone = (name: RegExp): boolean =>
    host.lines.some(({ guest, msg }) => name.test(guest ?? "") && msg === "guest is gone");
  await until("both to be gone", () => isGone(/^web-/) && isGone(/^spare-/));
  const about = (name: RegExp): LogLine[] => host.lines.filter(({ guest = "" }) => name.test(guest));
  expect(about(/^web-/).every(({ labels }) => isDeepStrictEqual(labels, { team: "a" }))).toBe(true);
  expect(about(/^web-/).some(({ audit }) => audit === "refused")).toBe(true);
  expect(about(/^spare-/).some((line) => "labels" in line)).toBe(false);
});

test("its budgets are its own, whoever attaches: those of one user at another socket have theirs", async () => {
  await attach(at("one"));
  await attach(at("two"));
  expect((await failureOf(RawGuest.attach(at("one"))))?.errno).toBe(Errno.EMFILE);
  const isSaid = ({ msg = "" }: LogLine): boolean => msg.includes("guest:one was turned away");
  await until("that to be said", () => host.lines.some(isSaid));
  expect(host.lines.find(isSaid)).toMatchObject({ guest: "one", labels: { kind: "one" } });
});

test("a virtual machine has its own policy and labels, from the start or when it is added", async () => {
  using first = place();
  using second = place();
  const own = { policy: policyOf(LOCAL), labels: { kind: "vm" } };
  await using served = await startMonitor(NOTHING, { vms: [{ ...first.vm, ...own }] });
  await served.monitor.addVm({ ...second.vm, name: "added", ...own });
  for (const each of [first, second]) {
    using hypervisor = new Hypervisor(each);
    const guest = await hypervisor.boot();
    const stream = await guest.connect({ port, host: "127.0.0.1" });
    stream.destroy();
    await guest.close();
  }
  const attached = (): LogLine[] => served.lines.filter(({ msg }) => msg === "guest attached");
  await until("their lines", () => attached().length === 2);
  expect(attached().map(({ guest, labels }) => ({ guest, labels }))).toEqual([
    { guest: "vm", labels: own.labels },
    { guest: "added", labels: own.labels },
  ]);
  const taken = { ...second.vm, name: "added" };
  await expect(served.monitor.addVm(taken)).rejects.toThrow(VmMemoryError);
});

test("its socket is removed at the end of the monitor, and where that does not start", async () => {
  const web = { name: "web", listen: at("web.sock") };
  const served = await startMonitor(NOTHING, { guests: [web] });
  expect(existsSync(web.listen)).toBe(true);
  await served[Symbol.asyncDispose]();
  expect(existsSync(web.listen)).toBe(false);
  const lost = { name: "lost", listen: at("nowhere/lost.sock") };
  await expect(startMonitor(NOTHING, { guests: [web, lost] })).rejects.toMatchObject({ code: "ENOENT" });
  expect(existsSync(web.listen)).toBe(false);
});
