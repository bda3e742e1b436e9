// A guest in a virtual machine: memory in a file, a byte channel as the bell, and a monitor that comes and goes. The
// machine is a stand-in; real ones are in test/vm.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, closeSync, constants, openSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type AttachOptions, Guest, type IvshmemPlaces } from "@ringway/guest";
import type { Monitor } from "@ringway/monitor";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeExclusive, openPty } from "../../linux/test/pty.ts";
import { Machine } from "./machine.ts";

let machine: Machine;
const guests: Guest[] = [];
const monitors: Monitor[] = [];

beforeEach(async () => {
  machine = await Machine.start();
});
afterEach(async () => {
  for (const guest of guests.splice(0)) await guest.close();
  for (const monitor of monitors.splice(0)) await monitor.close({ drainMs: 0 });
  machine.close();
});

async function startMonitor(): Promise<Monitor> {
  const monitor = await machine.monitor();
  monitors.push(monitor);
  return monitor;
}

async function attach(places: IvshmemPlaces = {}, options: AttachOptions = {}): Promise<Guest> {
  const { memory, channel } = machine;
  const guest = await Guest.attach({ ivshmem: { memory, channel, ...places } }, options);
  guests.push(guest);
  return guest;
}

/** Until a monitor has, or has not, the doorbell. */
async function hostIs(there: boolean): Promise<void> {
  await expect.poll(() => machine.hasHost, { timeout: 10_000 }).toBe(there);
}

/** A monitor begins on the memory, and leaves before anybody has attached. */
async function leaveRegion(): Promise<void> {
  const monitor = await machine.monitor();
  await expect.poll(() => monitor.counters().guests).toBe(1);
  await monitor.close();
  await hostIs(false);
}

async function failure(promise: Promise<unknown>): Promise<NodeJS.ErrnoException> {
  return await promise.then(
    () => expect.unreachable("it should have failed"),
    (error) => error,
  );
}

/** Bytes there and back through a server of the host's. */
async function echoes(guest: Guest, bytes: number): Promise<void> {
  const server = createServer((socket) => socket.pipe(socket)).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const sent = Buffer.alloc(bytes, "ringway");
  const socket = await guest.connect(port, "127.0.0.1");
  socket.end(sent);
  expect(Buffer.concat(await socket.toArray()).equals(sent)).toBe(true);
  server.close();
}

const descriptors = (): number => readdirSync("/proc/self/fd").length;
const mappings = (): number => readFileSync("/proc/self/maps", "utf8").split(machine.memory).length - 1;

describe("Guest.attach({ ivshmem })", () => {
  it("connects and uses files over the memory and the channel", async () => {
    await startMonitor();
    const guest = await attach();
    expect((await guest.args()).argv).toEqual(["in-a-vm"]);
    await echoes(guest, 3_000_000);
    await guest.writeFile("/data/note", "from the guest");
    expect(await guest.readFile("/data/note", "utf8")).toBe("from the guest");
    expect(await guest.ping()).toBeGreaterThan(0);
    expect(machine.rings).toBeGreaterThan(0);
  });

  it("rings no more than it must: an idle guest sends nothing", async () => {
    await startMonitor();
    const guest = await attach();
    await guest.ping();
    const { rings } = machine;
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(machine.rings - rings).toBeLessThanOrEqual(1);
  });

  it("waits for a monitor that is not there yet, on a memory that nobody has used", async () => {
    const attaching = attach();
    await expect(
      Promise.race([attaching, new Promise((resolve) => setTimeout(resolve, 150, "waits"))]),
    ).resolves.toBe("waits");
    await startMonitor();
    await echoes(await attaching, 100_000);
  });

  it("waits for the next monitor where the last has left a region", async () => {
    await leaveRegion();
    const attaching = attach();
    await expect(
      Promise.race([attaching, new Promise((resolve) => setTimeout(resolve, 150, "waits"))]),
    ).resolves.toBe("waits");
    await startMonitor();
    await echoes(await attaching, 100_000);
  });

  it("goes on to the next monitor where one leaves before it has answered", async () => {
    await leaveRegion();
    const mute = connect(machine.doorbell);
    await hostIs(true);
    const attaching = attach();
    await once(mute, "data");
    mute.destroy();
    await hostIs(false);
    await startMonitor();
    await echoes(await attaching, 100_000);
  });

  it("goes on to the monitor's successor: what was under way ends, a second attach works", async () => {
    const first = await startMonitor();
    const guest = await attach();
    const stream = await guest.echo();
    const reading = failure(stream.toArray());
    // A listener that nobody connects to: a call that has no end of its own.
    const server = await guest.listen({ port: 0, host: "127.0.0.1" });
    const serving = once(server, "error");
    const detached = once(guest, "detach");
    await first.close({ drainMs: 0 });
    const beganMs = performance.now();
    expect(await reading).toMatchObject({ code: "ECONNRESET" });
    expect((await detached)[0]).toMatchObject({ code: "ECONNRESET" });
    expect((await serving)[0]).toMatchObject({ code: "ECONNRESET" });
    expect(performance.now() - beganMs).toBeLessThan(10_000);
    expect(await failure(guest.ping())).toMatchObject({ code: "ERR_RINGWAY_DETACHED" });

    await startMonitor();
    await echoes(await attach(), 100_000);
  });

  it("attaches again at once after close(), and leaves nothing behind", async () => {
    const monitor = await startMonitor();
    const first = await attach();
    await first.ping();
    await first.close();
    const before = descriptors();
    const ofMonitor = 1;
    for (let i = 0; i < 3; i++) {
      const guest = await attach();
      await guest.ping();
      await guest.close();
      // The machine and the monitor, in this process too, learn of it later.
      await expect.poll(descriptors, { timeout: 10_000 }).toBe(before);
      expect(mappings()).toBe(ofMonitor);
    }
    expect(monitor.counters().guestsAttached).toBe(4);
  });

  it("finds the devices among others, and switches the memory's on", async () => {
    await startMonitor();
    const root = machine.root();
    const guest = await Guest.attach({ ivshmem: { root } });
    guests.push(guest);
    await echoes(guest, 1000);
    expect(machine.switchedOn(root)).toEqual(["0000:00:05.0"]);
  });

  it("takes a serial line for a channel: raw, every byte a ring", async () => {
    await startMonitor();
    await hostIs(true);
    const guest = await attach({ channel: machine.serialLine() });
    await echoes(guest, 1_000_000);
  });
});

describe("what it says when it cannot", () => {
  it.each([
    [{ memory: false }, "ENODEV", "no ivshmem device (PCI 1af4:1110)", "sys/bus/pci/devices"],
    [{ port: false }, "ENODEV", "no virtio port org.ringway.doorbell", "sys/class/virtio-ports"],
  ])("%j", async (has, code, sentence, where) => {
    const root = machine.root(has);
    const before = descriptors();
    const error = await failure(Guest.attach({ ivshmem: { root } }));
    expect(error).toMatchObject({ name: "RingwayError", code, syscall: "attach", path: join(root, where) });
    expect(error.message).toContain(sentence);
    expect(descriptors()).toBe(before);
  });

  it("of a place that is not there: ENOENT with its path", async () => {
    const path = join(machine.folder, "nothing");
    expect(await failure(attach({ memory: path }))).toMatchObject({ code: "ENOENT", path });
    expect(await failure(attach({ channel: path }))).toMatchObject({ code: "ENOENT", path });
  });

  it("of a file for a channel: EINVAL with its path, and nothing stays open", async () => {
    const before = descriptors();
    const error = await failure(attach({ channel: machine.memory }));
    expect(error).toMatchObject({ code: "EINVAL", path: machine.memory });
    expect(error.message).toContain("it is no channel");
    expect(descriptors()).toBe(before);
  });

  const isRoot = process.getuid?.() === 0;
  const asNobody = `${isRoot ? "" : " (skipped: only root can become somebody else)"}`;

  it.skipIf(!isRoot)(`to others than root: EACCES${asNobody}`, async () => {
    chmodSync(machine.folder, 0o755);
    const { memory, channel } = machine;
    const { message, code } = await attachAsNobody({ memory, channel });
    expect(code).toBe("EACCES");
    expect(message).toBe(`EACCES: only root may use the machine's devices, attach '${memory}'`);
  });

  it.skipIf(!isRoot)(`when another program has the port: EBUSY, after a second${asNobody}`, async () => {
    chmodSync(machine.folder, 0o755);
    chmodSync(machine.memory, 0o666);
    const pty = openPty();
    chmodSync(pty.path, 0o666);
    const holder = openSync(pty.path, constants.O_RDWR | constants.O_NOCTTY);
    makeExclusive(holder);
    const busy = await attachAsNobody({ memory: machine.memory, channel: pty.path });
    closeSync(holder);
    pty.close();
    expect(busy.code).toBe("EBUSY");
    expect(busy.message).toContain("another program has it: ringway-agent, or another guest");
    expect(busy.tookMs).toBeGreaterThan(950);
  });

  it("without a monitor: ETIMEDOUT that says what is missing, and nothing stays open", async () => {
    const before = descriptors();
    const error = await failure(attach({}, { timeoutMs: 100 }));
    expect(error).toMatchObject({ code: "ETIMEDOUT", syscall: "attach", path: machine.channel });
    expect(error.message).toContain("nobody listens at the channel (ECONNREFUSED)");
    expect(descriptors()).toBe(before);
    expect(mappings()).toBe(0);
  });

  it("for a monitor that serves another memory: ETIMEDOUT, the memory has no region", async () => {
    await startMonitor();
    await hostIs(true);
    const memory = join(machine.folder, "other");
    writeFileSync(memory, Buffer.alloc(1024 * 1024));
    const error = await failure(attach({ memory }, { timeoutMs: 100 }));
    expect(error.message).toContain("the memory has no region yet");
  });

  it("on an abort: AbortError, and nothing stays open", async () => {
    const before = descriptors();
    const error = await failure(attach({}, { signal: AbortSignal.timeout(50) }));
    expect(error).toMatchObject({ name: "AbortError" });
    expect(descriptors()).toBe(before);
    expect(mappings()).toBe(0);
  });
});

/** How an attach fails in a process that has given up root. */
async function attachAsNobody(
  places: IvshmemPlaces,
): Promise<{ code: string; message: string; tookMs: number }> {
  const { code, output } = await runProgram(`process.setuid(65534);
    const beganMs = performance.now();
    await Guest.attach({ ivshmem: ${JSON.stringify(places)} }).catch(({ code, message }) => {
      console.log(JSON.stringify({ code, message, tookMs: performance.now() - beganMs }));
    });`);
  expect(code).toBe(0);
  return JSON.parse(output);
}

async function runProgram(
  program: string,
): Promise<{ output: string; code: number | null; signal: NodeJS.Signals | null }> {
  const imports = 'import { Guest } from "@ringway/guest";';
  const child = spawn(process.execPath, ["--input-type=module", "-e", `${imports}\n${program}`], {
    cwd: fileURLToPath(new URL(".", import.meta.url)),
    stdio: ["ignore", "pipe", "inherit"],
    timeout: 10_000,
  });
  const [chunks, [code, signal]] = await Promise.all([child.stdout.toArray(), once(child, "exit")]);
  return { output: chunks.join(""), code, signal };
}

describe("a process with such a guest", () => {
  it.each([
    ["ends by itself while the guest is idle", ""],
    ["ends after close()", "await guest.close();"],
    ["ends by process.exit() with the guest attached", "process.exit(0);"],
  ])("%s", async (_, last) => {
    await startMonitor();
    const { memory, channel } = machine;
    const ended = await runProgram(`
      const guest = await Guest.attach({ ivshmem: ${JSON.stringify({ memory, channel })} });
      console.log((await guest.args()).argv[0]);
      ${last}`);
    expect(ended).toEqual({ output: "in-a-vm\n", code: 0, signal: null });
  });
});
