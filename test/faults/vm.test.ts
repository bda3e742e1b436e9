// A virtual machine as the monitor sees it: memory in a file, a byte channel as the bell. The hypervisor is a stand-in;
// real ones are in test/vm.

import { once } from "node:events";
import { mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { HostState, layout, Violation } from "@ringway/control";
import { Guest } from "@ringway/guest";
import { closeFd, listenUnix, SharedMemory } from "@ringway/linux";
import { Monitor } from "@ringway/monitor";
import { describe, expect, it } from "vitest";
import { MiB, pattern } from "../support/bytes.ts";
import { Hypervisor, place } from "../support/hypervisor.ts";
import { guestsAre, LOOPBACK, policyOf, startMonitor, streamsAre } from "../support/monitor.ts";
import { echoServer, howItEnds, readAll, tcpClient, tcpServer } from "../support/tcp.ts";
import { until } from "../support/wait.ts";

/** Bytes there and back through a server of the host's. */
async function echoes(guest: Guest, bytes = 3 * MiB): Promise<void> {
  await using server = await echoServer();
  const sent = pattern(bytes);
  const stream = await guest.connect({ port: server.port, host: "127.0.0.1" });
  stream.end(sent);
  expect((await readAll(stream)).equals(sent)).toBe(true);
}

describe("a VM", () => {
  it.each(["the monitor", "the hypervisor"])("is served, whoever starts first: %s", async (first) => {
    using at = place();
    const early = first === "the hypervisor" ? new Hypervisor(at) : undefined;
    await using served = await startMonitor(LOOPBACK, { vms: [at.vm] });
    using hypervisor = early ?? new Hypervisor(at);
    const guest = await hypervisor.boot();
    await echoes(guest);
    expect(served.lines.filter(({ msg }) => msg === "guest attached").map(({ guest: name }) => name)).toEqual(
      ["vm"],
    );
    await guest.close();
  });

  it("goes on after its monitor was replaced, with streams that ended", async () => {
    using at = place();
    using hypervisor = new Hypervisor(at);
    await using server = await echoServer();
    await using before = await startMonitor(LOOPBACK, { vms: [at.vm] });
    const guest = await hypervisor.boot();
    const stream = await guest.connect({ port: server.port, host: "127.0.0.1" });
    const ended = howItEnds(stream);
    await before[Symbol.asyncDispose]();
    expect(await ended).toBe("ECONNRESET");
    await until("the channel to be free", () => !hypervisor.hasHost);

    await using _after = await startMonitor(LOOPBACK, { vms: [at.vm] });
    await echoes(await hypervisor.boot());
  });

  it("is waited for while no monitor is there, and attaches when one comes", async () => {
    using at = place();
    using hypervisor = new Hypervisor(at);
    await (await startMonitor(LOOPBACK, { vms: [at.vm] }))[Symbol.asyncDispose]();
    await until("the channel to be free", () => !hypervisor.hasHost);
    const booting = hypervisor.boot();
    await using _served = await startMonitor(LOOPBACK, { vms: [at.vm] });
    await echoes(await booting);
  });

  it("gives everything back when it boots again, though nobody said goodbye", async () => {
    using at = place();
    using hypervisor = new Hypervisor(at);
    await using server = await tcpServer();
    await using served = await startMonitor(LOOPBACK, { vms: [at.vm] });
    const guest = await hypervisor.boot();
    (await guest.connect({ port: server.port, host: "127.0.0.1" })).on("error", () => {});
    const listening = await guest.listen({ port: 0, host: "127.0.0.1" });
    const { port } = listening.address() as { port: number };
    await until("the connection", () => server.sockets.length === 1);
    const ended = howItEnds(server.sockets[0]!);

    guest.on("detach", () => {});
    listening.on("error", () => {});
    const reset = await hypervisor.boot();
    expect(await ended).toBe("ECONNRESET");
    // Its port is free again.
    const again = await reset.listen({ port, host: "127.0.0.1" });
    const client = await tcpClient(port);
    const [socket] = await once(again, "connection");
    socket.end("hello");
    expect(String(await readAll(client))).toBe("hello");
    client.destroy();
    await echoes(reset);
    expect(served.violations).toEqual([]);
    expect(served.monitor.counters().guests).toBe(1);
    await reset.close();
  });

  it("gives everything back when its hypervisor quits, and is served again by the next", async () => {
    using at = place();
    await using server = await tcpServer();
    await using served = await startMonitor(LOOPBACK, { vms: [at.vm] });
    const first = new Hypervisor(at);
    const guest = await first.boot();
    (await guest.connect({ port: server.port, host: "127.0.0.1" })).on("error", () => {});
    await until("the connection", () => server.sockets.length === 1);
    const ended = howItEnds(server.sockets[0]!);
    first.quit();
    expect(await ended).toBe("ECONNRESET");
    await streamsAre(served.monitor, 0);
    await until("the guest's end", () => served.gone.length === 1);

    using second = new Hypervisor(at);
    await echoes(await second.boot());
  });

  it("sends what it ended in order before its hypervisor quit", async () => {
    using at = place();
    await using server = await tcpServer();
    await using _served = await startMonitor(LOOPBACK, { vms: [at.vm] });
    const hypervisor = new Hypervisor(at);
    const guest = await hypervisor.boot();
    const sent = pattern(200_000);
    const stream = await guest.connect({ port: server.port, host: "127.0.0.1" });
    stream.on("error", () => {});
    await until("the connection", () => server.sockets.length === 1);
    const received = readAll(server.sockets[0]!);
    stream.end(sent);
    await once(stream, "finish");
    hypervisor.quit();
    expect((await received).equals(sent)).toBe(true);
  });

  it("may leave and come back on the same channel, and its quota of bytes goes on", async () => {
    using at = place();
    mkdirSync(join(at.memory, "..", "files"));
    const policy = `version: 1
files: [{ guest: /data, host: ${join(at.memory, "..", "files")}, access: rw }]
limits: { fileBytesWritten: 100KiB }
`;
    using hypervisor = new Hypervisor(at);
    await using served = await startMonitor(policy, { vms: [at.vm] });
    for (let i = 0; i < 2; i++) {
      const guest = await hypervisor.boot();
      const written = guest.writeFile("/data/x", Buffer.alloc(60 * 1024));
      if (i === 0) await written;
      else await expect(written).rejects.toMatchObject({ code: "EDQUOT" });
      await guest.close();
      await until("its end", () => served.gone.length === i + 1);
    }
  });

  it("that broke the protocol sees why, until it asks to attach again", async () => {
    using at = place();
    using hypervisor = new Hypervisor(at);
    await using served = await startMonitor(LOOPBACK, { vms: [at.vm] });
    const guest = await hypervisor.boot();
    const lost = once(guest, "detach");
    const words = await hypervisor.words();
    const guestState = layout.SB_GUEST_STATE >> 2;
    const kept = Atomics.exchange(words, guestState, 77);
    hypervisor.ring();
    const [error] = await lost;
    expect(error.code).toBe("ERR_RINGWAY_VIOLATION");
    Atomics.store(words, guestState, kept);
    // Ringing alone changes nothing, for much longer than a guest takes to begin anew.
    for (let i = 0; i < 50; i++) {
      hypervisor.ring();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(Atomics.load(words, layout.SB_HOST_STATE >> 2)).toBe(HostState.FAILED);
    expect(Atomics.load(words, layout.SB_VIOLATION >> 2)).toBe(Violation.SUPERBLOCK);
    expect(served.monitor.counters().guests).toBe(0);
    await echoes(await hypervisor.boot());
  });

  it("that broke the protocol and rings on costs next to nothing", async () => {
    using at = place();
    using hypervisor = new Hypervisor(at);
    await using served = await startMonitor(LOOPBACK, { vms: [at.vm] });
    await using other = await Guest.attach(served.path);
    const guest = await hypervisor.boot();
    guest.on("detach", () => {});
    const words = await hypervisor.words();
    Atomics.store(words, layout.SB_GUEST_STATE >> 2, 77);
    hypervisor.ring();
    await guestsAre(served.monitor, 1);
    const { sleeps } = served.monitor.counters();
    let rings = 0;
    const startMs = performance.now();
    while (performance.now() < startMs + 1000) {
      hypervisor.ring();
      rings++;
      await new Promise((resolve) => setImmediate(resolve));
    }
    const seconds = (performance.now() - startMs) / 1000;
    expect(rings / seconds).toBeGreaterThan(1000);
    expect((served.monitor.counters().sleeps - sleeps) / seconds).toBeLessThan(100);
    await echoes(other);
  });

  it("that leaves and attaches anew does not begin its lines to the log anew", async () => {
    using at = place();
    using hypervisor = new Hypervisor(at);
    await using served = await startMonitor(`${LOOPBACK}limits: { logLines: 20 }\n`, { vms: [at.vm] });
    const startMs = performance.now();
    for (let i = 0; i < 3; i++) {
      const guest = await hypervisor.boot();
      for (let line = 0; line < 15; line++) await guest.log("a line");
      await guest.close();
      await until("its end", () => served.gone.length === i + 1);
    }
    const seconds = (performance.now() - startMs) / 1000;
    const said = served.lines.filter(({ msg }) => msg === "a line").length;
    expect(said).toBe(45);
    // Anew each time, it would be over 100.
    expect(said / seconds).toBeLessThan(70);
    expect(served.monitor.counters().quotaLines).toBeGreaterThan(0);
  });

  it("that is paused costs nothing, and goes on", async () => {
    using at = place();
    using hypervisor = new Hypervisor(at);
    const sent = pattern(8 * MiB);
    await using server = await tcpServer((socket) => void socket.end(sent));
    await using served = await startMonitor(LOOPBACK, { vms: [at.vm] });
    const guest = await hypervisor.boot();
    const stream = await guest.connect({ port: server.port, host: "127.0.0.1" });
    hypervisor.pause();
    const { monitor } = served;
    // The relay fills the ring and the channel, and then has nothing to do: two looks apart find it asleep.
    await until("the relay to rest", async () => {
      const { sleeps, bytesToGuest } = monitor.counters();
      await new Promise((resolve) => setTimeout(resolve, 100));
      return monitor.counters().sleeps - sleeps <= 2 && monitor.counters().bytesToGuest === bytesToGuest;
    });
    const { sleeps, polls } = monitor.counters();
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect(monitor.counters().sleeps - sleeps).toBeLessThan(10);
    expect(monitor.counters().polls - polls).toBeLessThan(10);
    hypervisor.resume();
    expect((await readAll(stream)).equals(sent)).toBe(true);
  });

  it("that rings without end is looked at less, beside others that are not", async () => {
    using at = place();
    using hypervisor = new Hypervisor(at);
    await using served = await startMonitor(`${LOOPBACK}limits: { bells: 100 }\n`, { vms: [at.vm] });
    const guest = await hypervisor.boot();
    const flood = setInterval(() => hypervisor.ring(1), 0);
    await using other = await Guest.attach(served.path);
    await until("the quota", () => served.monitor.counters().quotaBells > 3, 20_000);
    await echoes(other);
    await echoes(guest);
    clearInterval(flood);
    // Its end is heard though it was not listened to.
    hypervisor.quit();
    await guestsAre(served.monitor, 1);
  });

  it("is one of many on a monitor", async () => {
    const places = Array.from({ length: 8 }, (_, i) => place(`vm${i}`));
    await using served = await startMonitor(LOOPBACK, { vms: places.map(({ vm }) => vm) });
    const hypervisors = places.map((each) => new Hypervisor(each));
    const guests = await Promise.all(hypervisors.map((each) => each.boot()));
    await Promise.all(guests.map((guest) => echoes(guest, MiB)));
    hypervisors[3]!.quit();
    await guestsAre(served.monitor, 7);
    await echoes(guests[4]!, MiB);
    for (const each of hypervisors) each.quit();
    await guestsAre(served.monitor, 0);
    for (const each of places) each[Symbol.dispose]();
  });
});

it("is not taken up, nor a policy, by a monitor that is closed", async () => {
  using at = place();
  await using served = await startMonitor();
  await served[Symbol.asyncDispose]();
  await expect(served.monitor.addVm(at.vm)).rejects.toThrow("closed");
  await expect(served.monitor.reload(policyOf(LOOPBACK))).rejects.toThrow("closed");
});

describe("a VM's memory", () => {
  const refused = (vm: object): Promise<unknown> =>
    Monitor.start({ policy: policyOf(LOOPBACK), vms: [vm as never] }).then(
      () => "started",
      (error: Error) => `${error.name}: ${error.message}`,
    );

  it("is made with the size asked for, for this user alone", async () => {
    using at = place("vm", 8 * MiB);
    await using _served = await startMonitor(LOOPBACK, { vms: [at.vm] });
    const { size, mode } = statSync(at.memory);
    expect([size, mode & 0o777]).toEqual([8 * MiB, 0o600]);
  });

  it("keeps the size that it has", async () => {
    using at = place("vm", 8 * MiB);
    writeFileSync(at.memory, "");
    truncateSync(at.memory, 2 * MiB);
    using hypervisor = new Hypervisor(at);
    await using _served = await startMonitor(LOOPBACK, { vms: [at.vm] });
    await echoes(await hypervisor.boot(), 100_000);
    expect(statSync(at.memory).size).toBe(2 * MiB);
  });

  it("may be a descriptor, of a memfd that is sealed from then on", async () => {
    using at = place();
    using memory = SharedMemory.create("vm", 4 * MiB);
    await using served = await startMonitor(LOOPBACK, { vms: [{ ...at.vm, memory: memory.fd }] });
    using hypervisor = new Hypervisor({ ...at, memory: `/proc/self/fd/${memory.fd}` });
    await echoes(await hypervisor.boot());
    expect(served.monitor.counters().guests).toBe(1);
  });

  it("is refused where another monitor serves it", async () => {
    using at = place();
    await using _served = await startMonitor(LOOPBACK, { vms: [at.vm] });
    expect(await refused(at.vm)).toBe(
      `VmMemoryError: ${at.memory} is served already, by this monitor or another`,
    );
  });

  it("is free again when its monitor is gone, or serves it no more", async () => {
    using at = place();
    await (await startMonitor(LOOPBACK, { vms: [at.vm] }))[Symbol.asyncDispose]();
    await using served = await startMonitor(LOOPBACK, { vms: [at.vm] });
    await served.monitor.removeVm("vm");
    await served.monitor.removeVm("nobody");
    await served.monitor.addVm({ ...at.vm, name: "again" });
    using hypervisor = new Hypervisor(at);
    await echoes(await hypervisor.boot());
  });

  it("is never written to where it holds something else; a monitor that starts leaves that VM out", async () => {
    using at = place();
    using other = place("other");
    const image = Buffer.alloc(MiB);
    image.write("QFI an image");
    writeFileSync(at.memory, image);
    const problem = `${at.memory} holds something else already: it is not used`;
    await using served = await startMonitor(LOOPBACK, { vms: [at.vm, other.vm] });
    expect(served.lines.map(({ msg }) => msg)).toContain(`the VM is not served: ${problem}`);
    await expect(served.monitor.addVm(at.vm)).rejects.toThrow(problem);
    using hypervisor = new Hypervisor(other);
    await echoes(await hypervisor.boot());
    expect(readFileSync(at.memory).equals(image)).toBe(true);
  });

  it("is nobody else's problem where its guest has written over the superblock", async () => {
    using hostile = place("hostile");
    using other = place("other");
    const vms = [hostile.vm, other.vm];
    {
      using hypervisor = new Hypervisor(hostile);
      await using _served = await startMonitor(LOOPBACK, { vms });
      await hypervisor.boot();
      (await hypervisor.words()).fill(0x12345678, 0, 1024);
    }
    await using _served = await startMonitor(LOOPBACK, { vms });
    using hypervisor = new Hypervisor(other);
    await echoes(await hypervisor.boot());
  });

  it("by descriptor is served once, and free again while the caller still has it", async () => {
    using at = place();
    using memory = SharedMemory.create("vm", 4 * MiB);
    await using served = await startMonitor(LOOPBACK, { vms: [{ ...at.vm, memory: memory.fd }] });
    await using other = await startMonitor();
    const again = { ...at.vm, name: "again", memory: memory.fd };
    for (const { monitor } of [served, other])
      await expect(monitor.addVm(again)).rejects.toThrow("served already");
    await served.monitor.removeVm("vm");
    await other.monitor.addVm(again);
  });

  it("is there as a whole from the start: a file system that fills up later can kill nobody", async () => {
    using at = place("vm", 4 * MiB);
    writeFileSync(at.memory, "");
    truncateSync(at.memory, 4 * MiB);
    expect(statSync(at.memory).blocks).toBe(0);
    await using _served = await startMonitor(LOOPBACK, { vms: [at.vm] });
    expect(statSync(at.memory).blocks * 512).toBeGreaterThanOrEqual(4 * MiB);
  });

  it.each([
    ["that is no power of two", 3 * MiB],
    ["that is too small", 4096],
  ])("is refused with a size %s", async (_name, bytes) => {
    using at = place();
    writeFileSync(at.memory, Buffer.alloc(bytes));
    expect(await refused(at.vm)).toContain(
      `VmMemoryError: ${at.memory} has ${bytes} bytes: expected a power of two`,
    );
    expect(await refused({ ...at.vm, memory: `${at.memory}2`, memoryBytes: bytes })).toContain(
      `${bytes} bytes asked for: expected a power of two`,
    );
  });

  it("is refused where it is a folder, or cannot be made", async () => {
    using at = place();
    expect(await refused({ ...at.vm, memory: join(at.memory, "..") })).toContain("EISDIR");
    expect(await refused({ ...at.vm, memory: join(at.memory, "nowhere") })).toContain("ENOENT");
  });
});

describe("a VM's doorbell", () => {
  it("with a path that no socket can have is refused", async () => {
    using at = place();
    await using served = await startMonitor();
    const vm = { ...at.vm, doorbell: `/tmp/${"x".repeat(110)}` };
    await expect(served.monitor.addVm(vm)).rejects.toThrow("at most 107 bytes");
    await served.monitor.addVm(at.vm);
  });

  it("that can never answer is complained of once", async () => {
    using at = place();
    const fd = listenUnix(`${at.doorbell}2`);
    await using served = await startMonitor(LOOPBACK, { vms: [{ ...at.vm, doorbell: `${at.doorbell}2` }] });
    const complaints = (): string[] =>
      served.lines.map(({ msg }) => msg).filter((msg) => msg.startsWith("cannot reach"));
    await until("a complaint", () => complaints().length > 0);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(complaints()).toEqual([`cannot reach the doorbell ${at.doorbell}2, trying again: EPROTOTYPE`]);
    closeFd(fd);
  });
});

describe("VMs of the policy", () => {
  const vms = (...list: { vm: { name: string }; memory: string; doorbell: string }[]): string =>
    `${LOOPBACK}vms:\n${list.map((at) => `  - { name: ${at.vm.name}, memory: ${at.memory}, doorbell: ${at.doorbell}, size: 4MiB }\n`).join("")}`;

  it("are served, and come and go with a reload", async () => {
    using one = place("one");
    using two = place("two");
    using hypervisorOne = new Hypervisor(one);
    using hypervisorTwo = new Hypervisor(two);
    await using served = await startMonitor(vms(one));
    const first = await hypervisorOne.boot();
    await echoes(first);
    await served.monitor.reload(policyOf(vms(one, two)));
    await echoes(await hypervisorTwo.boot());
    await echoes(first);
    const lost = once(first, "detach");
    await served.monitor.reload(policyOf(vms(two)));
    await lost;
    await until("the end of one", () => served.gone.length === 1);
    expect(served.gone).toEqual([{ guest: "one", reason: "the VM was removed" }]);
  });

  it("keep a reload from happening where one cannot be served", async () => {
    using one = place("one");
    using two = place("two");
    await using served = await startMonitor(vms(one));
    writeFileSync(two.memory, "not a VM's memory");
    await expect(served.monitor.reload(policyOf(`${vms(one, two)}refusals: hide\n`))).rejects.toThrow(
      "not a VM's memory".length.toString(),
    );
    await expect(served.monitor.reload(policyOf(vms({ ...one, doorbell: two.doorbell })))).rejects.toThrow(
      "another memory or doorbell",
    );
    expect(served.monitor.policy.refusals).toBe("explain");
  });
});
