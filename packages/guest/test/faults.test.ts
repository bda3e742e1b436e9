// A host that is slow, gone, or hostile: every call and stream ends with an error that says so, and none hangs.

import { once } from "node:events";
import { rmSync } from "node:fs";
import { join } from "node:path";
import {
  ErrorReply,
  encodeFrame,
  encodeHello,
  encodeUtf8,
  fileMessages,
  type HostPipe,
  HostSession,
  Incoming,
  layout,
  loadWord,
  mountMessages as m,
  Opened,
  Pong,
  Protocol,
  type RegionMemory,
  RingProducer,
  regionMemory,
  StreamInfo,
  storeWord,
  toGuestRing,
  Violation,
} from "@ringway/control";
import { Guest, type GuestFile, type GuestSocket, ProtocolError } from "@ringway/guest";
import { acceptUnix, closeFd, createEventfd, listenUnix, SharedMemory, sendWithFds } from "@ringway/linux";
import { afterEach, describe, expect, it } from "vitest";
import { temporaryFolder } from "../../../test/support/temporary.ts";
import { FakeHost, Port, send } from "./fake-host.ts";

let guest: Guest | undefined;
afterEach(async () => {
  await guest?.close();
  guest = undefined;
});

async function attached(host: FakeHost): Promise<Guest> {
  guest = await Guest.attach({ memory: host.memory, doorbell: host.bell });
  return guest;
}

/** How everything that is under way ends once `fault` has happened. */
async function codesAfter(host: FakeHost, fault: (socket: GuestSocket) => void): Promise<Set<unknown>> {
  const guest = await attached(host);
  const code = (promise: Promise<unknown>): Promise<unknown> =>
    promise.then(
      () => "resolved",
      (error) => error.code,
    );
  const [reading, silent] = await Promise.all([guest.connect(Port.ECHO), guest.connect(Port.SILENT)]);
  reading.on("error", () => {});
  silent.on("error", () => {});
  host.alive = false;
  const pending = [
    code(once(reading, "data")),
    code(once(silent, "end")),
    code(guest.ping()),
    code(guest.connect(Port.ECHO)),
    code(guest.stat("/x")),
    code(guest.readFile("/x")),
    code(guest.open("/x")),
  ];
  fault(reading);
  host.ringGuest();
  const start = performance.now();
  const codes = new Set(await Promise.all(pending));
  expect(performance.now() - start).toBeLessThan(10_000);
  expect(guest.attached).toBe(false);
  return codes;
}

/** The pipe's header in the region, by its stream. */
function header(host: FakeHost, port: number): number {
  const pipes = [...host.streams.values()].map((stream) => stream.pipe);
  return pipes[port === Port.ECHO ? 0 : 1]!.place.page * layout.PAGE_BYTES;
}

/** Writes frames to the control pipe behind the host's back. */
function forge(host: FakeHost, ...frames: Uint8Array[]): void {
  const memory = regionMemory(host.memory);
  const place = {
    page: loadWord(memory, layout.SB_CONTROL_PAGE),
    toHostBytes: loadWord(memory, layout.SB_CONTROL_TO_HOST_BYTES),
    toGuestBytes: loadWord(memory, layout.SB_CONTROL_TO_GUEST_BYTES),
  };
  const ring = toGuestRing(place);
  const producer = new RingProducer(memory, ring, loadWord(memory, ring.producer));
  // The consumer's side is behind by nothing: all earlier replies were taken.
  for (const frame of frames) {
    producer.put(frame);
    producer.advance(frame.length);
  }
  host.session.bell.signal(0);
}

const PROTOCOL = new Set(["ERR_RINGWAY_PROTOCOL"]);

describe("a host that breaks the protocol", () => {
  const info = { id: 9, generation: 1, page: 100, toHostBytes: 4096, toGuestBytes: 4096 };
  const streamInfo = (change: object): Uint8Array =>
    encodeFrame(StreamInfo.type, 0, StreamInfo.encode({ ...info, ...change }));

  it.each<[string, (host: FakeHost, memory: RegionMemory) => void]>([
    [
      "a write position past the ring",
      (host, memory) => {
        storeWord(memory, header(host, Port.ECHO) + layout.PIPE_TO_GUEST_PRODUCER, 0x7fffffff);
        host.session.bell.signal(1);
        host.session.bell.signal(2);
      },
    ],
    [
      "a closed word that is none",
      (host, memory) => {
        storeWord(
          memory,
          header(host, Port.ECHO) + layout.PIPE_TO_GUEST_PRODUCER + layout.PRODUCER_CLOSED,
          7,
        );
        host.session.bell.signal(1);
        host.session.bell.signal(2);
      },
    ],
    [
      "a frame that is too long",
      (host) => forge(host, Uint8Array.of(255, 255, 255, 127, 0, 0, 0, 0, 0, 0, 0, 0)),
    ],
    ["a reply to no request", (host) => forge(host, encodeFrame(Pong.type, 4711, new Uint8Array()))],
    ["a host state that is none", (_host, memory) => storeWord(memory, layout.SB_HOST_STATE, 99)],
  ])("with %s", async (_name, fault) => {
    const host = new FakeHost();
    expect(await codesAfter(host, () => fault(host, regionMemory(host.memory)))).toEqual(PROTOCOL);
  });

  it.each([
    ["page 0", { page: 0 }],
    ["a page past the region", { page: 2 ** 31 }],
    ["id 0", { id: 0 }],
    ["an id past the largest", { id: 40_000 }],
    ["the id of an open stream", { id: 1 }],
    ["a capacity that is no power of two", { toHostBytes: 5000 }],
    ["a capacity of nothing", { toGuestBytes: 0 }],
    ["a capacity past the region", { toGuestBytes: 2 ** 31 }],
  ])("with a StreamInfo of %s", async (_name, change) => {
    const host = new FakeHost();
    const guest = await attached(host);
    const first = await guest.connect(Port.SILENT);
    const failed = once(first, "error").catch((error) => [error]);
    host.alive = false;
    const connecting = guest.connect(Port.ECHO).catch((error) => error);
    // One request was made before: its id is 1; so this is 2.
    const frame = streamInfo(change);
    new DataView(frame.buffer).setUint32(8, 2, true);
    forge(host, frame);
    host.ringGuest();
    expect(await connecting).toBeInstanceOf(ProtocolError);
    expect((await failed)[0]).toBeInstanceOf(ProtocolError);
    await expect(guest.ping()).rejects.toBeInstanceOf(ProtocolError);
  });

  it.each<[string, (pipe: HostPipe) => Uint8Array]>([
    ["a frame of another protocol", () => encodeFrame(Incoming.type, 1, new Uint8Array())],
    ["a short Opened", () => encodeFrame(Opened.type, 1, new Uint8Array(5))],
    [
      "an Opened that is cut off within an address",
      () => encodeFrame(Opened.type, 1, Uint8Array.of(9, 0, 0, 0)),
    ],
    ["a frame longer than the ring", () => Uint8Array.of(0, 0, 2, 0, 1, 130, 0, 0, 1, 0, 0, 0)],
  ])("answering an Open with %s", async (_name, answer) => {
    const host = new FakeHost();
    host.onOpen = (pipe) => {
      const bytes = answer(pipe);
      pipe.toGuest.put(bytes);
      if (pipe.toGuest.advance(bytes.length)) host.session.bell.signal(pipe.id);
      return true;
    };
    const guest = await attached(host);
    await expect(guest.connect({ port: 1, ringBytes: 4096 })).rejects.toBeInstanceOf(ProtocolError);
    expect(guest.attached).toBe(false);
  });

  it("by an end amid a frame, is a violation", async () => {
    const host = new FakeHost();
    host.onOpen = (pipe) => {
      pipe.toGuest.put(encodeFrame(Opened.type, 1, new Uint8Array()).subarray(0, 11));
      pipe.toGuest.advance(11);
      pipe.toGuest.end();
      host.session.bell.signal(pipe.id);
      return true;
    };
    const guest = await attached(host);
    await expect(guest.connect(1)).rejects.toBeInstanceOf(ProtocolError);
  });

  it("by an end amid a reply, is a violation", async () => {
    const host = new FakeHost();
    host.onOpen = (pipe, open, frame) => {
      if (open.protocol !== Protocol.FS) return false;
      const bytes = [
        ...encodeFrame(Opened.type, frame.requestId, new Uint8Array()),
        ...encodeFrame(0x8003, 2, new Uint8Array(40)).subarray(0, 20),
      ];
      pipe.toGuest.put(Uint8Array.from(bytes));
      pipe.toGuest.advance(bytes.length);
      pipe.toGuest.end();
      host.session.bell.signal(pipe.id);
      return true;
    };
    const guest = await attached(host);
    await expect(guest.stat("/x")).rejects.toBeInstanceOf(ProtocolError);
  });

  it("by more bytes than a read asked for, is a violation", async () => {
    const host = new FakeHost();
    const time = { seconds: 0, nanoseconds: 0 };
    const owner = { kind: 1, mode: 0o644, links: 1, uid: 0, gid: 0, device: 1, inodeLow: 1, inodeHigh: 0 };
    const times = { accessed: time, modified: time, changed: time, created: time };
    const attributes = { ...owner, size: 9, blocks: 1, ...times };
    host.onOpen = (pipe, _open, { requestId }) => {
      const body = m.MountReply.encode({ handles: 9, requests: 9, ...attributes });
      send(host, pipe, encodeFrame(Opened.type, requestId, Opened.encode({ body })));
      const stream = host.streams.get(pipe.id)!;
      stream.relay = (_, signal) => {
        for (;;) {
          const asked = stream.reader.next(signal);
          if (asked === undefined) break;
          const [type, payload] =
            asked.type === m.MountRead.type
              ? [fileMessages.Data.type, new Uint8Array(m.MountRead.decode(asked.payload).bytes + 1)]
              : [m.MountHandle.type, m.MountHandle.encode({ handle: 1, ...attributes })];
          send(host, pipe, encodeFrame(type, asked.requestId, payload));
        }
        pipe.toHost.wantData();
      };
      return true;
    };
    const file = await (await attached(host)).fs.open("/x");
    await expect(file.read(Buffer.alloc(3))).rejects.toBeInstanceOf(ProtocolError);
  });

  it.each<[string, (file: GuestFile) => Promise<unknown>]>([
    ["bytes than a file's read asked for", (file) => file.read(Buffer.alloc(3))],
    ["bytes than one at a place asked for", (file) => file.read(Buffer.alloc(3), 0, 3, 5)],
    ["bytes written than were given", (file) => file.write(Buffer.alloc(3))],
  ])("by more %s, is a violation", async (_what, work) => {
    const host = new FakeHost();
    host.onOpen = (pipe, _open, { requestId }) => {
      const time = { seconds: 0, nanoseconds: 0 };
      const times = { modified: time, accessed: time, changed: time };
      const found = { kind: 1, mode: 0o644, size: 9, links: 1, uid: 0, gid: 0, inode: 1, blocks: 1 };
      const body = fileMessages.FileOpened.encode({ ...found, ...times });
      send(host, pipe, encodeFrame(Opened.type, requestId, Opened.encode({ body })));
      const stream = host.streams.get(pipe.id)!;
      stream.relay = (_, signal) => {
        const asked = stream.reader.next(signal);
        if (asked !== undefined) {
          const [type, payload] =
            asked.type === fileMessages.Write.type
              ? [fileMessages.Written.type, fileMessages.Written.encode({ bytes: 4 })]
              : [fileMessages.Data.type, new Uint8Array(4)];
          send(host, pipe, encodeFrame(type, asked.requestId, payload));
        }
        pipe.toHost.wantData();
      };
      return true;
    };
    const file = await (await attached(host)).open("/x", "r+");
    await expect(work(file)).rejects.toBeInstanceOf(ProtocolError);
  });

  it("by a reset or an end instead of an answer, fails that stream only", async () => {
    const host = new FakeHost();
    const guest = await attached(host);
    for (const how of ["reset", "end"] as const) {
      host.onOpen = (pipe) => {
        pipe.toGuest[how]();
        pipe.toHost.close();
        host.session.bell.signal(pipe.id);
        return true;
      };
      await expect(guest.connect(1)).rejects.toMatchObject({ code: "ECONNRESET", syscall: "connect" });
    }
    host.onOpen = undefined;
    expect(await guest.ping()).toBeGreaterThan(0);
  });

  it("by an error reply of unknown numbers, fails that call only", async () => {
    const host = new FakeHost();
    const guest = await attached(host);
    await guest.ping();
    host.alive = false;
    const pending = guest.ping();
    forge(host, encodeFrame(ErrorReply.type, 2, ErrorReply.encode({ errno: 4000, rule: "", reason: "?" })));
    host.ringGuest();
    await expect(pending).rejects.toMatchObject({ code: "E4000", errno: -4000 });
  });
});

describe("a monitor that goes", () => {
  it("by hanging up", async () => {
    const host = new FakeHost();
    expect(await codesAfter(host, () => host.die())).toEqual(new Set(["ECONNRESET"]));
    await expect(guest!.ping()).rejects.toMatchObject({ code: "ERR_RINGWAY_DETACHED" });
  });

  it("by leaving the region", async () => {
    const host = new FakeHost();
    expect(await codesAfter(host, () => host.session.leave())).toEqual(new Set(["ECONNRESET"]));
  });

  it("by starting anew", async () => {
    const host = new FakeHost();
    const memory = regionMemory(host.memory);
    const epoch = loadWord(memory, layout.SB_EPOCH) + 2;
    expect(await codesAfter(host, () => storeWord(memory, layout.SB_EPOCH, epoch))).toEqual(
      new Set(["ECONNRESET"]),
    );
  });

  it("because this guest broke the protocol, and says so", async () => {
    const host = new FakeHost();
    const detached = once(await attached(host), "detach");
    host.session.fail(Violation.RING_POSITION);
    expect((await detached)[0]).toMatchObject({ code: "ERR_RINGWAY_VIOLATION" });
    await expect(guest!.ping()).rejects.toMatchObject({
      code: "ERR_RINGWAY_DETACHED",
      cause: { code: "ERR_RINGWAY_VIOLATION" },
    });
  });

  it("because this guest broke the protocol, and hangs up before its ring was heard", async () => {
    const host = new FakeHost();
    const detached = once(await attached(host), "detach");
    host.session.fail(Violation.QUOTA);
    host.die();
    expect((await detached)[0]).toMatchObject({ code: "ERR_RINGWAY_VIOLATION" });
  });
});

describe("attaching by memory", () => {
  it("gives up after its time", async () => {
    const host = new FakeHost();
    host.alive = false;
    const pending = Guest.attach({ memory: host.memory, doorbell: host.bell }, { timeoutMs: 50 });
    await expect(pending).rejects.toMatchObject({ code: "ETIMEDOUT", syscall: "attach" });
  });

  it("is aborted", async () => {
    const host = new FakeHost();
    host.alive = false;
    const signal = AbortSignal.timeout(30);
    const pending = Guest.attach({ memory: host.memory, doorbell: host.bell }, { signal });
    await expect(pending).rejects.toMatchObject({ name: "AbortError", code: "ABORT_ERR" });
    await expect(Guest.attach("/nowhere", { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: "ABORT_ERR",
    });
  });

  it("refuses memory that is no region", async () => {
    const { bell } = new FakeHost();
    await expect(Guest.attach({ memory: new ArrayBuffer(65536), doorbell: bell })).rejects.toBeInstanceOf(
      ProtocolError,
    );
    const { memory } = new FakeHost();
    storeWord(regionMemory(memory), layout.SB_VERSION_MAJOR, 2);
    await expect(Guest.attach({ memory, doorbell: bell })).rejects.toThrow(/version 2/);
  });
});

describe("attaching by a socket", () => {
  const folder = temporaryFolder("attach");
  const path = join(folder, "s.sock");
  afterEach(() => rmSync(path, { force: true }));

  /** A monitor that only says `answer` to whoever connects, and then keeps or closes the connection. */
  function pretend(answer: (fd: number) => void, keep: boolean): () => void {
    const listener = listenUnix(path);
    const open: number[] = [];
    const timer = setInterval(() => {
      const fd = acceptUnix(listener);
      if (fd < 0) return;
      answer(fd);
      if (keep) open.push(fd);
      else closeFd(fd);
    }, 5);
    return () => {
      clearInterval(timer);
      for (const fd of open) closeFd(fd);
      closeFd(listener);
    };
  }

  it("fails as connect(2) does where nobody listens", async () => {
    await expect(Guest.attach(path)).rejects.toMatchObject({ code: "ENOENT", syscall: "connect", path });
    closeFd(listenUnix(path));
    await expect(Guest.attach(path)).rejects.toMatchObject({ code: "ECONNREFUSED", errno: -111 });
  });

  it.each<[string, (fd: number) => void, boolean, object]>([
    ["is silent", () => {}, true, { code: "ETIMEDOUT" }],
    ["hangs up", () => {}, false, { code: "ECONNRESET" }],
    [
      "turns it away",
      (fd) => sendWithFds(fd, encodeHello({ errno: 24, regionPages: 0 })),
      true,
      { code: "EMFILE" },
    ],
    [
      "is no monitor",
      (fd) => sendWithFds(fd, encodeUtf8("x".repeat(32))),
      true,
      { code: "ERR_RINGWAY_PROTOCOL" },
    ],
    ["says too much", (fd) => sendWithFds(fd, encodeUtf8("x".repeat(64))), true, { code: "EMSGSIZE" }],
    [
      "sends no descriptors",
      (fd) => sendWithFds(fd, encodeHello({ errno: 0, regionPages: 99 })),
      true,
      { code: "ECONNRESET" },
    ],
    [
      "sends what is no memory",
      (fd) => {
        const fds = [createEventfd(), createEventfd(), createEventfd()];
        sendWithFds(fd, encodeHello({ errno: 0, regionPages: 99 }), fds);
        for (const each of fds) closeFd(each);
      },
      true,
      { code: "ERR_RINGWAY_UNSAFE_MEMORY" },
    ],
    [
      "sends memory without a superblock",
      (fd) => {
        const memory = SharedMemory.create("test", 1 << 20);
        const fds = [memory.fd, createEventfd(), createEventfd()];
        sendWithFds(fd, encodeHello({ errno: 0, regionPages: 256 }), fds);
        for (const each of fds.slice(1)) closeFd(each);
        memory[Symbol.dispose]();
      },
      true,
      { code: "ERR_RINGWAY_PROTOCOL" },
    ],
    [
      "sends what is no doorbell",
      (fd) => {
        const memory = SharedMemory.create("test", 1 << 20);
        new HostSession(regionMemory(memory.buffer), { ring() {} }, { streams: 16, ringBytes: 4096 });
        sendWithFds(fd, encodeHello({ errno: 0, regionPages: 256 }), [memory.fd, memory.fd, memory.fd]);
        memory[Symbol.dispose]();
      },
      true,
      { code: "ECONNRESET", syscall: "attach" },
    ],
  ])("fails where the monitor %s", async (_name, answer, keep, error) => {
    const stop = pretend(answer, keep);
    await expect(Guest.attach(path, { timeoutMs: 200 })).rejects.toMatchObject(error);
    stop();
  });
});
