// A guest that attaches anew while disk workers still use memory of its old epoch: it may, at any time (ATT-2, ATT-3),
// and what lies in its old rings is then nobody's any more.

import {
  fileMessages,
  type GuestPipe,
  GuestState,
  layout,
  loadWord,
  Protocol,
  storeWord,
} from "@ringway/control";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { Hypervisor, place } from "../support/hypervisor.ts";
import { LOOPBACK, startMonitor, streamsAre, type TestMonitor } from "../support/monitor.ts";
import { RawGuest } from "../support/raw-guest.ts";
import { SlowDisk } from "../support/slow-disk.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { until } from "../support/wait.ts";

const { FileStreamOpen, FileFlags, FileDirection } = fileMessages;
const RING_BYTES = 64 * 1024;

async function openUpload(guest: RawGuest, path: string): Promise<GuestPipe> {
  const pipe = await guest.newStream(RING_BYTES);
  const open = { direction: FileDirection.WRITE, flags: FileFlags.WRITE | FileFlags.CREATE, mode: 0o600 };
  const all = { offset: 0, length: Number.MAX_SAFE_INTEGER };
  guest.sendOpen(pipe, Protocol.FILE_STREAM, FileStreamOpen.encode({ ...open, ...all, path }));
  await guest.opened(pipe);
  return pipe;
}

/** Bytes that make no frame, as many as the ring takes. */
function fillRing(guest: RawGuest, pipe: GuestPipe): void {
  const bytes = pipe.toHost.writable();
  pipe.toHost.put(new Uint8Array(bytes).fill(0xa5));
  pipe.toHost.advance(bytes);
  guest.signal(pipe);
}

/** Uploads under way, with full rings, and attaches anew in the midst of them. */
async function uploadAndReattach(guest: RawGuest, rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const pipes: GuestPipe[] = [];
    for (let i = 0; i < 20; i++) pipes.push(await openUpload(guest, `/d/${i}`));
    for (const pipe of pipes) fillRing(guest, pipe);
    for (const pipe of pipes) fillRing(guest, pipe);
    await guest.attach();
  }
}

describe("a guest that attaches anew amid its uploads", () => {
  let folder: string;
  let policy: string;
  beforeAll(() => {
    folder = temporaryFolder("reattach");
    policy = `${LOOPBACK}files: [{ guest: /d, host: ${folder}, access: rw }]\n`;
  });

  test("again and again breaks no clause, and is served each time", async () => {
    await using host = await startMonitor(policy);
    using guest = await RawGuest.attach(host.path);
    await uploadAndReattach(guest, 20);
    expect(host.violations).toEqual([]);
    expect(host.gone).toEqual([]);
    guest.finish(await guest.echo());
    await streamsAre(host.monitor, 0);
  });

  test("as a VM that reboots in mid-upload does, breaks no clause either", async () => {
    using at = place("vm", 16 * 1024 * 1024);
    await using host = await startMonitor(policy, { vms: [at.vm] });
    using hypervisor = new Hypervisor(at);
    const memory = await hypervisor.map();
    await until("the channel", () => hypervisor.hasHost);
    for (let boot = 0; boot < 10; boot++) {
      const guest = new RawGuest({
        memory,
        ...{ socketFd: -1, bellToHostFd: -1, bellToGuestFd: -1 },
        ring: () => hypervisor.ring(),
        hungUp: () => !hypervisor.hasHost,
        fillBell: () => {},
        vanish: () => {},
      });
      await guest.attach();
      await uploadAndReattach(guest, 2);
      const last = await openUpload(guest, "/d/last");
      fillRing(guest, last);
    }
    expect(host.violations).toEqual([]);
    expect(host.gone).toEqual([]);
  });
});

const slow = new SlowDisk();

describe.skipIf(slow.missing !== "")(`a guest whose attach waits for a slow disk ${slow.missing}`, () => {
  let host: TestMonitor;
  let guest: RawGuest;
  /** Those of the old epoch, with bytes in their rings that no worker has taken. */
  let old: GuestPipe[];
  afterAll(() => slow.remove());

  /** Returns once the host has taken notice of the attach request, and waits. */
  async function waiting(): Promise<void> {
    host = await startMonitor(`${LOOPBACK}files: [{ guest: /d, host: ${slow.folder}, access: rw }]\n`);
    guest = await RawGuest.attach(host.path);
    old = [];
    for (const name of ["a", "b", "c", "d"]) old.push(await openUpload(guest, `/d/${name}`));
    slow.freeze();
    for (const pipe of old) fillRing(guest, pipe);
    await until("the workers to be busy", () => host.monitor.counters().fileOperations >= 8);
    guest.session.attach();
    await streamsAre(host.monitor, 0);
    expect(guest.session.poll()).toBe("waiting");
  }

  afterEach(async () => {
    slow.thaw();
    guest.vanish();
    await host[Symbol.asyncDispose]();
  });

  async function served(): Promise<void> {
    await until("the new epoch", () => guest.session.poll() === "attached");
    const echo = await guest.echo();
    await guest.write(echo, Buffer.from("again"));
    expect(String(await guest.readExactly(echo, 5))).toBe("again");
    expect(host.violations).toEqual([]);
  }

  test("is served nothing of the old epoch meanwhile, whatever it signals", async () => {
    await waiting();
    const { streamsOpened } = host.monitor.counters();
    for (let i = 0; i < 50; i++) {
      for (const pipe of old) guest.signal(pipe);
      guest.session.bell.signal(0);
      guest.ring();
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect(host.monitor.counters()).toMatchObject({ streamsOpened, streams: 0 });
    expect(guest.session.poll()).toBe("waiting");
    slow.thaw();
    await served();
  });

  test("and that asks again is answered the last time it asked, with one epoch", async () => {
    await waiting();
    const epoch = loadWord(guest.region, layout.SB_EPOCH);
    for (let i = 0; i < 10; i++) guest.session.attach();
    slow.thaw();
    await served();
    expect(loadWord(guest.region, layout.SB_ATTACH_REPLY)).toBe(
      loadWord(guest.region, layout.SB_ATTACH_REQUEST),
    );
    expect(loadWord(guest.region, layout.SB_EPOCH)).toBe(epoch + 1);
  });

  test("and that takes its request back has lost the old epoch all the same", async () => {
    await waiting();
    const epoch = loadWord(guest.region, layout.SB_EPOCH);
    guest.scribbleSuperblock(layout.SB_ATTACH_REQUEST, loadWord(guest.region, layout.SB_ATTACH_REPLY));
    for (const pipe of old) guest.signal(pipe);
    slow.thaw();
    await until("the new epoch", () => loadWord(guest.region, layout.SB_EPOCH) === epoch + 1);
    expect(host.violations).toEqual([]);
    await guest.attach();
    await served();
  });

  test("and that detaches is over once the disk is through", async () => {
    await waiting();
    guest.session.detach();
    await new Promise((resolve) => setTimeout(resolve, 50));
    slow.thaw();
    await until("its end", () => host.gone.length === 1);
    expect(host.gone[0]!.reason).toBe("the guest detached");
    expect(loadWord(guest.region, layout.SB_GUEST_STATE)).toBe(GuestState.DETACHED);
    expect(host.violations).toEqual([]);
  });

  test("and that hangs up is over at once", async () => {
    await waiting();
    for (const pipe of old) guest.signal(pipe);
    guest.vanish();
    await until("its end", () => host.gone.length === 1);
    expect(host.gone[0]!.reason).toBe("the guest hung up");
    expect(host.violations).toEqual([]);
  });
});

test("a guest that breaks a clause 60 times and attaches anew, again and again, gets around nothing", async () => {
  // 64 looks each: ten in a second.
  await using host = await startMonitor(`${LOOPBACK}limits: { bells: 640 }\n`);
  using guest = await RawGuest.attach(host.path);
  const endMs = performance.now() + 2000;
  while (performance.now() < endMs) {
    for (let i = 0; i < 60 && performance.now() < endMs; i++) {
      const pipe = await guest.newStream(4096);
      guest.sendOpen(pipe, 0, new Uint8Array(0));
      storeWord(guest.region, pipe.place.page * layout.PAGE_BYTES + layout.PIPE_TO_HOST_PRODUCER, 0x7fffffff);
      guest.signal(pipe);
    }
    await guest.attach();
  }
  expect(host.violations.length).toBeGreaterThan(0);
  expect(host.violations.length).toBeLessThan(60);
  expect(host.monitor.counters().quotaBells).toBeGreaterThan(0);
});
