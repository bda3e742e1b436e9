// ringway vm: with the QEMU that is installed, on machines without a system in them; and with a program that stands for
// QEMU and a guest. Real guests are in test/vm.

import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { describe, expect, it, onTestFinished } from "vitest";
import type { Program } from "../../../test/support/processes.ts";
import { RINGWAY, ringway, start } from "../../../test/support/ringway.ts";
import { temporaryFolder } from "../../../test/support/temporary.ts";
import { parseQemuOptions } from "../src/vm/qemu-options.ts";

const QEMU = "qemu-system-x86_64";
const has = (program: string, ...args: string[]): boolean => spawnSync(program, args).status === 0;
const hasQemu = has(QEMU, "--version");
const hasSetpriv = has("setpriv", "--pdeathsig", "TERM", "--", "true");
const withoutQemu = hasQemu ? "" : ` (skipped: no ${QEMU} in PATH)`;
const withoutSetpriv = hasSetpriv ? "" : " (skipped: no setpriv with --pdeathsig in PATH)";

const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}/cmdline`) && commandLine(pid).length > 0;
const commandLine = (pid: number): string => readFileSync(`/proc/${pid}/cmdline`, "utf8");

/** `ringway vm`, with a folder of its own for whatever it leaves behind. */
function startVm(options: readonly string[], command: readonly string[]): { vm: Program; folder: string } {
  const folder = temporaryFolder();
  const vm = start([process.execPath, RINGWAY, "vm", ...options, "--", ...command], {
    env: { TMPDIR: folder },
  });
  // Also where the test fails: it takes QEMU with it.
  onTestFinished(async () => {
    vm.kill("SIGTERM");
    await vm.ended;
  });
  return { vm, folder };
}

// ── With QEMU ─────────────────────────────────────────────────────────────────────────────────────────────────────

const IDLE = ["-display", "none", "-serial", "none", "-monitor", "none", "-m", "64"];

interface Machine {
  readonly vm: Program;
  readonly folder: string;
  readonly qemuPid: number;
  /** Asks QEMU. */
  query<T>(command: string): Promise<T>;
}

async function startMachine(options: readonly string[] = [], args: readonly string[] = []): Promise<Machine> {
  const qmp = join(temporaryFolder(), "qmp.sock");
  const command = [QEMU, ...IDLE, ...args, "-qmp", `unix:${qmp},server=on,wait=off`];
  const { vm, folder } = startVm(["--log-level", "debug", ...options], command);
  const { pid } = await vm.logged("guest connected");
  const socket = connect(qmp);
  const lines = createInterface({ input: socket })[Symbol.asyncIterator]();
  const answer = async (): Promise<{ return?: unknown; event?: string }> =>
    JSON.parse((await lines.next()).value as string);
  onTestFinished(() => void socket.destroy());
  socket.on("error", () => {});
  await answer();
  const query = async <T>(execute: string): Promise<T> => {
    socket.write(`${JSON.stringify({ execute })}\n`);
    for (;;) {
      const reply = await answer();
      if (reply.event === undefined) return reply.return as T;
    }
  };
  await query("qmp_capabilities");
  return { vm, folder, qemuPid: pid as number, query };
}

interface Pci {
  readonly devices: {
    id: { vendor: number; device: number };
    class_info: { class: number };
    regions: { size: number }[];
  }[];
}

const ETHERNET = 0x0200;

describe.skipIf(!hasQemu)(`ringway vm with QEMU${withoutQemu}`, () => {
  it("adds the devices, connects a monitor to them, and ends both on SIGTERM", async () => {
    const { vm, folder, qemuPid, query } = await startMachine(["--memory", "16M"]);
    const [bus] = await query<Pci[]>("query-pci");
    const memory = bus!.devices.find(({ id }) => id.vendor === 0x1af4 && id.device === 0x1110);
    expect(memory?.regions.map(({ size }) => size)).toContain(16 * 2 ** 20);
    expect(bus!.devices.filter(({ class_info }) => class_info.class === ETHERNET)).toEqual([]);
    expect((await query<unknown[]>("query-hotpluggable-cpus")).length).toBe(2);
    expect(await query("query-kvm")).toMatchObject({ enabled: false });
    expect(readFileSync(`/proc/${qemuPid}/maps`, "utf8")).toContain("memfd:ringway:vm");
    expect(vm.errors.split("\n").filter((line) => line.startsWith("ringway:"))).toEqual([
      "ringway: the guest attaches by PCI device 1af4:1110 (resource2, 16M) and virtio port org.ringway.doorbell:",
      "ringway:   ringway-agent                     for programs that know nothing of Ringway",
      "ringway:   Guest.attach({ ivshmem: true })   for Node",
    ]);
    vm.kill("SIGTERM");
    const { code, stdout } = await vm.ended;
    expect({ code, stdout }).toEqual({ code: 0, stdout: "" });
    expect(isAlive(qemuPid)).toBe(false);
    expect(readdirSync(folder)).toEqual([]);
  });

  it("has a folder that is nobody else's, for the doorbell's socket", async () => {
    const { folder } = await startMachine();
    const [own] = readdirSync(folder);
    expect(spawnSync("stat", ["-c", "%a", join(folder, own!)], { encoding: "utf8" }).stdout).toBe("700\n");
    expect(readdirSync(join(folder, own!))).toEqual(["doorbell"]);
  });

  it("leaves a network to the user who asks for one, and says so", async () => {
    const { vm, query } = await startMachine([], ["-nic", "user,model=e1000"]);
    const [bus] = await query<Pci[]>("query-pci");
    expect(bus!.devices.filter(({ class_info }) => class_info.class === ETHERNET)).toHaveLength(1);
    expect(vm.errors.split("\n")).toContain(
      "ringway: the guest has a network of its own, too, which the policy does not govern",
    );
  });

  it("ends with QEMU: 0 where that ended in order", async () => {
    const { vm, folder, query } = await startMachine();
    void query("quit").catch(() => {});
    expect((await vm.ended).code).toBe(0);
    expect(readdirSync(folder)).toEqual([]);
  });

  it("ends with QEMU: 128 and the signal where that was killed", async () => {
    const { vm, qemuPid } = await startMachine();
    process.kill(qemuPid, "SIGKILL");
    expect((await vm.ended).code).toBe(137);
  });

  it("passes on what QEMU says of wrong arguments, and its exit code", async () => {
    const { vm } = startVm([], [QEMU, ...IDLE, "-nonsense", "x"]);
    const { code, stderr } = await vm.ended;
    expect(code).toBe(1);
    expect(stderr).toContain("-nonsense: invalid option");
  });

  it.skipIf(!hasSetpriv)(`takes QEMU with it when it is killed itself${withoutSetpriv}`, async () => {
    const { vm, qemuPid } = await startMachine();
    vm.kill("SIGKILL");
    await vm.ended;
    await expect.poll(() => isAlive(qemuPid), { timeout: 5000 }).toBe(false);
  });

  it("ends a machine whose guest does not attach within --boot-timeout: 124, and a sentence", async () => {
    const { vm } = startVm(["--boot-timeout", "1s", "--grace-ms", "60000"], [QEMU, ...IDLE]);
    const { code, stderr } = await vm.ended;
    expect(stderr.split("\n")).toContain(
      "ringway: no guest has attached within 1 s (--boot-timeout): " +
        "does it start ringway-agent, or a program that attaches?",
    );
    expect(code).toBe(124);
  });

  it("knows every option of this QEMU that has no value", () => {
    const { stdout } = spawnSync(QEMU, ["-help"], { encoding: "utf8" });
    const names = [...stdout.matchAll(/^--?([A-Za-z][\w-]*)(?: {2,}|$)/gm)].map(([, name]) => name!);
    expect(names).toContain("nographic");
    // Padding that looks as if there were no value: two options that have one.
    const switches = names.filter((name) => name !== "dtb");
    for (const name of switches) {
      expect(parseQemuOptions([`-${name}`, "-smp", "2"]), name).toContainEqual({ name: "smp", value: "2" });
    }
  });
});

// ── With a stand-in ───────────────────────────────────────────────────────────────────────────────────────────────

const FAKE = [process.execPath, fileURLToPath(new URL("./fake-qemu.mjs", import.meta.url))];

describe("ringway vm", () => {
  it("allows nothing without a policy", async () => {
    const { vm } = startVm(["--grace-ms", "50"], [...FAKE, "exit-and-stay"]);
    const { stdout } = await vm.ended;
    expect(JSON.parse(stdout)).toEqual({
      argv: [],
      memory: "/proc/self/fd/3",
      code: "EACCES",
      rule: "default",
    });
  });

  it("holds the guest to its policy, whose own machines it leaves to others", async () => {
    const folder = temporaryFolder();
    const policy = join(folder, "policy.yaml");
    const vms = "vms: [{ name: other, memory: memory, doorbell: doorbell }]";
    writeFileSync(
      policy,
      `version: 1\nguest: { argv: [one] }\nconnect: [{ id: no, deny: 127.0.0.1 }, { allow: 0.0.0.0/0 }]\n${vms}\n`,
    );
    const { vm } = startVm(["--policy", policy, "--grace-ms", "50"], [...FAKE, "exit-and-stay"]);
    const { stdout, stderr } = await vm.ended;
    expect(JSON.parse(stdout)).toMatchObject({ argv: ["one"], code: "EACCES", rule: "no" });
    expect(stderr).toContain(`${policy}:3:49: connect[1].allow: allows 169.254.169.254`);
    expect(readdirSync(folder)).toEqual(["policy.yaml"]);
  });

  it("ends with the guest's exit code, also where QEMU ended right after it", async () => {
    const { vm, folder } = startVm(["--grace-ms", "60000"], [...FAKE, "exit-and-quit"]);
    expect((await vm.ended).code).toBe(7);
    expect(readdirSync(folder)).toEqual([]);
  });

  it("ends a QEMU that goes on after the guest's exit", async () => {
    const { vm } = startVm(["--grace-ms", "100"], [...FAKE, "exit-and-stay"]);
    expect((await vm.ended).code).toBe(8);
  });

  it("ends with QEMU's exit code where the guest told none", async () => {
    const { vm } = startVm([], [...FAKE, "quit"]);
    expect((await vm.ended).code).toBe(3);
  });

  it("kills a QEMU that does not heed SIGTERM in time", async () => {
    const { vm } = startVm(["--grace-ms", "100"], [...FAKE, "deaf"]);
    await expect.poll(() => vm.output, { timeout: 10_000 }).toBe("ready\n");
    vm.kill("SIGTERM");
    const { code, stdout } = await vm.ended;
    expect({ code, stdout }).toEqual({ code: 137, stdout: "ready\nheard SIGTERM\n" });
  });

  it("kills it at once on a second signal", async () => {
    const { vm } = startVm(["--grace-ms", "60000"], [...FAKE, "deaf"]);
    await expect.poll(() => vm.output, { timeout: 10_000 }).toBe("ready\n");
    vm.kill("SIGHUP");
    await expect.poll(() => vm.output, { timeout: 10_000 }).toContain("heard");
    vm.kill("SIGINT");
    expect((await vm.ended).code).toBe(137);
  });

  it("ends a QEMU that does not open its doorbell within --boot-timeout: 124, and a sentence", async () => {
    const { vm, folder } = startVm(["--boot-timeout", "500ms", "--grace-ms", "100"], [...FAKE, "deaf"]);
    const { code, stderr } = await vm.ended;
    expect(stderr).toContain(
      "\nringway: QEMU has not opened its doorbell within 500 ms (--boot-timeout): the machine has not started\n",
    );
    expect(code).toBe(124);
    // The stand-in's own folder is left, since it was killed.
    expect(readdirSync(folder).filter((name) => !name.startsWith("ringway-fake-"))).toEqual([]);
  });

  it("fails where QEMU ends well before its guest has attached, and the boot has a limit", async () => {
    const { vm } = startVm(["--boot-timeout", "1m"], [...FAKE, "panic"]);
    const { vm: unlimited } = startVm([], [...FAKE, "panic"]);
    const { code, stderr } = await vm.ended;
    expect(stderr).toContain("\nringway: QEMU has ended, and no guest has attached (--boot-timeout)\n");
    expect(code).toBe(1);
    expect((await unlimited.ended).code).toBe(0);
  });

  it(
    "leaves a guest alone that has attached within --boot-timeout, and a QEMU that ended in " +
      "it its own code",
    async () => {
      const { vm } = startVm(["--boot-timeout", "1m", "--grace-ms", "100"], [...FAKE, "exit-and-stay"]);
      const { vm: other } = startVm(["--boot-timeout", "1m"], [...FAKE, "quit"]);
      expect((await vm.ended).code).toBe(8);
      expect((await other.ended).code).toBe(3);
    },
  );

  it("says what is wrong before anything is started", async () => {
    const folder = temporaryFolder();
    const policy = join(folder, "policy.yaml");
    writeFileSync(policy, "version: 2\n");
    const vm = (...args: string[]) => ringway("vm", ...args);
    expect(await vm("--", "no-such-qemu")).toEqual({
      code: 127,
      stdout: "",
      stderr: "ringway: cannot start no-such-qemu: there is no such program in any folder of PATH\n",
    });
    expect(await vm("--", join(folder, "qemu"))).toMatchObject({ code: 127 });
    expect(await vm("--policy", policy, "--", ...FAKE)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`${policy}:1:10: `),
    });
    expect(await vm("--memory", "48M", "--", ...FAKE)).toEqual({
      code: 2,
      stdout: "",
      stderr:
        "ringway: --memory: a PCI device's memory is a power of two, here from 1M to 4G; found " +
        `"48M"\nTry 'ringway vm --help'.\n`,
    });
    expect(await vm("--", QEMU, "-smp", "1")).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(
        /^ringway: -smp: with a single possible virtual CPU.*\nTry 'ringway vm --help'\.\n$/,
      ),
    });
    expect(await vm()).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("missing required argument 'command'"),
    });
  });
});
