// The host's session: attach and epochs, streams and their limits, the control pipe, and guests that break the rules.

import { describe, expect, test, vi } from "vitest";
import {
  Args,
  Closed,
  Errno,
  ErrorReply,
  Exit,
  Explain,
  encodeFrame,
  type Frame,
  GetArgs,
  type GuestPipe,
  GuestState,
  HostSession,
  HostState,
  Log,
  layout,
  loadWord,
  MAX_RING_BYTES,
  MAX_STREAM_ID,
  MIN_REGION_BYTES,
  NewStream,
  PAGE_BYTES,
  Ping,
  Pong,
  pipePages,
  RingConsumer,
  RingProducer,
  regionMemory,
  StreamInfo,
  storeWord,
  toGuestRing,
  toHostRing,
  Verdict,
  Violation,
} from "../src/index.ts";
import {
  attachedRegion,
  CountingBell,
  defaultLimits,
  expectViolation,
  Region,
  recordingHandler,
} from "./helpers.ts";

const word = (region: Region, offset: number): number => loadWord(region.memory, offset);
const poke = (region: Region, offset: number, value: number): void => storeWord(region.memory, offset, value);
const controlPage = (region: Region): number => word(region, layout.SB_CONTROL_PAGE);

/** Serves whatever the guest sent, and returns the replies. */
function replies(region: Region, handler = recordingHandler()): Frame[] {
  while (region.host.stepControl(handler, 1000));
  const all: Frame[] = [];
  for (let frame = region.guest.nextReply(); frame !== undefined; frame = region.guest.nextReply())
    all.push(frame);
  return all;
}

/** A guest's own ends of the control pipe, without the session's manners. Only before the session has used it. */
function rawControl(region: Region): { toHost: RingProducer; toGuest: RingConsumer } {
  const place = {
    page: controlPage(region),
    toHostBytes: word(region, layout.SB_CONTROL_TO_HOST_BYTES),
    toGuestBytes: word(region, layout.SB_CONTROL_TO_GUEST_BYTES),
  };
  return {
    toHost: new RingProducer(region.memory, toHostRing(place)),
    toGuest: new RingConsumer(region.memory, toGuestRing(place)),
  };
}

function sendRaw(producer: RingProducer, type: number, payload: Uint8Array, requestId = 1): void {
  const bytes = encodeFrame(type, requestId, payload);
  expect(producer.writable()).toBeGreaterThanOrEqual(bytes.length);
  producer.put(bytes);
  producer.advance(bytes.length);
}

function open(region: Region, toHostBytes = 4096, toGuestBytes = 4096): GuestPipe {
  expect(region.guest.send(NewStream, { toHostBytes, toGuestBytes })).toBeDefined();
  const [reply] = replies(region);
  expect(reply!.type).toBe(StreamInfo.type);
  return region.guest.openPipe(StreamInfo.decode(reply!.payload));
}

/** Both sides set all four flags; the host takes the block back. */
function closeStream(region: Region, guestPipe: GuestPipe): void {
  const hostPipe = region.host.pipe(guestPipe.id)!;
  guestPipe.toHost.end();
  hostPipe.toGuest.end();
  hostPipe.toHost.close();
  expect(hostPipe.through()).toBe(false);
  guestPipe.toGuest.close();
  region.guest.forget(guestPipe);
  expect(hostPipe.through()).toBe(true);
  region.host.release(hostPipe);
}

describe("a new region", () => {
  test("has a superblock with the words of SB-1, and nothing else in its page", () => {
    const region = new Region();
    const expected: Record<number, number> = {
      0: 0x474e4952,
      4: 0x31594157,
      8: 1,
      12: 1,
      16: 1024,
      24: 1,
      28: 5,
      32: 65536,
      36: 65536,
      40: 32767,
      128: 1,
      132: HostState.RESETTING,
    };
    for (let offset = 0; offset < PAGE_BYTES; offset += 4) {
      expect([offset, word(region, offset)]).toEqual([offset, expected[offset] ?? 0]);
    }
    expect(String.fromCharCode(...region.memory.bytes.subarray(0, 8))).toBe("RINGWAY1");
  });

  test("rings once it is there, and is open to an attach", () => {
    const region = new Region();
    expect(region.guestBell.rings).toBe(1);
    expect(region.host.state).toBe(HostState.RESETTING);
    expect(region.host.attached).toBe(false);
    expect(region.host.checkGuest()).toBeUndefined();
  });

  test.each([0, PAGE_BYTES, MIN_REGION_BYTES - PAGE_BYTES, MIN_REGION_BYTES + 4])(
    "of %i bytes is a mistake",
    (bytes) => {
      const memory = regionMemory(new ArrayBuffer(bytes));
      expect(() => new HostSession(memory, new CountingBell(), defaultLimits)).toThrow(RangeError);
    },
  );

  test("of the smallest size has room for exactly one stream of the smallest rings", () => {
    const region = attachedRegion(MIN_REGION_BYTES);
    const pipe = open(region);
    expect(region.host.freePages).toBe(0);
    expect(region.host.openStream(4096, 4096)).toBe(Errno.ENOMEM);
    closeStream(region, pipe);
    open(region);
  });
});

describe("attach", () => {
  test("and leaving before the host looks are two events, and what was sent counts (ATT-7)", () => {
    const region = new Region();
    region.guest.attach();
    expect(region.host.checkGuest()).toBe("reset");
    expect(region.guest.poll()).toBe("attached");
    region.guest.send(Log, { level: 30, text: "last words" });
    region.guest.detach();
    expect(region.host.checkGuest()).toBe("attached");
    const handler = recordingHandler();
    region.host.stepControl(handler, 10);
    expect(handler.calls).toEqual([["log", 30, "last words"]]);
    expect(region.host.checkGuest()).toBe("detached");
    expect(region.host.checkGuest()).toBeUndefined();
  });

  test("is a request, a fresh epoch, and an acknowledgement", () => {
    const region = new Region();
    region.guest.attach();
    expect(region.hostBell.rings).toBe(1);
    expect(region.guest.poll()).toBe("waiting");
    // A monitor that may not have heard it is rung again.
    expect(region.hostBell.rings).toBe(2);
    const before = region.host.epoch;
    const rings = region.guestBell.rings;
    expect(region.host.checkGuest()).toBe("reset");
    expect(region.host.epoch).toBe(before + 1);
    expect(region.host.state).toBe(HostState.READY);
    expect(region.guestBell.rings).toBeGreaterThan(rings);
    expect(region.host.attached).toBe(false);
    expect(region.host.checkGuest()).toBeUndefined();
    expect(region.guest.poll()).toBe("attached");
    expect(region.hostBell.rings).toBe(3);
    expect(region.host.checkGuest()).toBe("attached");
    expect(region.host.attached).toBe(true);
    expect(region.host.checkGuest()).toBeUndefined();
  });

  test("clears doorbells and control pipe of whatever an old epoch, or a scribbler, left there", () => {
    const region = new Region();
    const heap = (controlPage(region) + pipePages(65536, 65536)) * PAGE_BYTES;
    region.memory.bytes.fill(0xff, PAGE_BYTES, heap);
    region.attach();
    expect(region.host.pending.pending()).toBe(false);
    expect(region.guest.pending.pending()).toBe(false);
    region.guest.send(Ping, { data: Uint8Array.of(1) });
    expect(replies(region)).toHaveLength(1);
  });

  test("by a rebooted guest voids every stream, and gives their pages back", () => {
    const region = attachedRegion();
    const all = region.host.freePages;
    open(region);
    const pipe = open(region);
    expect(region.host.openStreams).toBe(2);
    region.startGuest();
    region.attach();
    expect(region.host.openStreams).toBe(0);
    expect(region.host.freePages).toBe(all);
    expect(region.host.pipe(pipe.id)).toBeUndefined();
    expect(region.guest.send(Ping, { data: new Uint8Array(3) })).toBe(1);
    expect(replies(region)[0]!.type).toBe(Pong.type);
  });

  test("in the middle of another attach begins once more, for the latest request", () => {
    const region = new Region();
    region.guest.attach();
    region.startGuest().attach();
    expect(region.host.checkGuest()).toBe("reset");
    region.startGuest().attach();
    expect(region.guest.poll()).toBe("waiting");
    expect(region.host.checkGuest()).toBe("reset");
    expect(region.guest.poll()).toBe("attached");
    expect(region.host.checkGuest()).toBe("attached");
  });

  test("that waits for work on the old epoch's memory ends it: nothing is served between the two", () => {
    const region = attachedRegion();
    const all = region.host.freePages;
    const pipe = open(region);
    region.guest.send(Ping, { data: new Uint8Array(3) });
    const last = word(region, layout.SB_ATTACH_REPLY);
    region.startGuest().attach();
    expect(region.host.attachRequested).toBe(true);
    const looks: number[] = [];
    for (let look = 0; look < 2; look++) {
      expect(region.host.checkGuest(() => looks.push(look) === 0)).toBeUndefined();
    }
    expect(looks).toEqual([0, 1]);
    expect(region.host.pipe(pipe.id)).toBeUndefined();
    expect(region.host.openStreams).toBe(0);
    expect(region.host.openStream(0, 0)).toBe(Errno.ESHUTDOWN);
    expect(region.host.stepControl(recordingHandler(), 64)).toBe(false);
    expect(region.guest.poll()).toBe("waiting");
    // Once it is over, it is over: a guest that takes its request back gets a fresh epoch too.
    poke(region, layout.SB_ATTACH_REQUEST, last);
    expect(region.host.attachRequested).toBe(true);
    const { epoch } = region.host;
    expect(region.host.checkGuest()).toBe("reset");
    expect(region.host.epoch).toBe(epoch + 1);
    expect(region.host.attachRequested).toBe(false);
    expect(region.host.freePages).toBe(all);
    region.startGuest();
    region.attach();
    open(region);
  });

  test("begins one epoch, also where who lets go of the old one looks again meanwhile", () => {
    const region = attachedRegion();
    const { epoch } = region.host;
    region.startGuest().attach();
    const inner: unknown[] = [];
    const letGo = (): boolean => inner.push(region.host.checkGuest()) > 0;
    expect(region.host.checkGuest(letGo)).toBeUndefined();
    expect(inner).toEqual(["reset"]);
    expect(region.host.epoch).toBe(epoch + 1);
    expect(region.guest.poll()).toBe("attached");
    expect(region.host.checkGuest(letGo)).toBe("attached");
  });

  test("over and over costs an epoch each, and nothing that stays", () => {
    const region = new Region();
    const pages = region.attach().host.freePages;
    const epoch = region.host.epoch;
    for (let i = 1; i <= 2000; i++) {
      poke(region, layout.SB_ATTACH_REQUEST, word(region, layout.SB_ATTACH_REQUEST) + 1);
      expect(region.host.checkGuest()).toBe("reset");
      expect(region.host.checkGuest()).not.toBe("reset");
    }
    expect(region.host.epoch).toBe(epoch + 2000);
    expect(region.host.freePages).toBe(pages);
    expect(region.host.openStreams).toBe(0);
  });

  test.each([0, 1, 2 ** 31, 2 ** 32 - 1])("goes on from any epoch that it finds: %i", (epoch) => {
    const region = new Region();
    poke(region, layout.SB_EPOCH, epoch);
    region.startHost();
    expect(region.host.epoch).toBe((epoch + 1) % 2 ** 32);
    region.attach();
    expect(region.guest.epoch).toBe((epoch + 2) % 2 ** 32);
    expect(region.host.epoch).toBe(region.guest.epoch);
  });

  test("is over when the guest detaches", () => {
    const region = attachedRegion();
    region.guest.detach();
    expect(region.host.checkGuest()).toBe("detached");
    expect(region.host.checkGuest()).toBeUndefined();
    expect(region.host.attached).toBe(false);
    region.attach();
  });

  test("with a feature that was not offered is a violation", () => {
    const region = new Region();
    region.guest.attach();
    region.host.checkGuest();
    poke(region, layout.SB_FEATURES_ACCEPTED, 0x80000000);
    region.guest.poll();
    expectViolation(Violation.SUPERBLOCK, "VER-3", () => region.host.checkGuest());
    expect(region.host.attached).toBe(false);
  });

  test.each([3, 4, 2 ** 31, 2 ** 32 - 1])("in guest state %i is a violation", (state) => {
    const region = attachedRegion();
    poke(region, layout.SB_GUEST_STATE, state);
    expectViolation(Violation.SUPERBLOCK, "SB-5", () => region.host.checkGuest());
  });
});

describe("a monitor that starts on a region in use", () => {
  test("raises the epoch, rings, and gives nothing out until the guest has attached again", () => {
    const region = attachedRegion();
    open(region);
    const { epoch } = region.host;
    const rings = region.guestBell.rings;
    const blocks = region.memory.bytes.slice(controlPage(region) * PAGE_BYTES);
    region.startHost();
    expect(region.host.epoch).toBe(epoch + 1);
    expect(region.guestBell.rings).toBeGreaterThan(rings);
    expect(region.host.state).toBe(HostState.RESETTING);
    expect(region.host.openStream(4096, 4096)).toBe(Errno.ESHUTDOWN);
    expect(region.host.checkGuest()).toBeUndefined();
    expect(region.host.stepControl(recordingHandler(), 100)).toBe(false);
    // Not a byte of the control pipe or the heap has changed.
    expect(Buffer.compare(region.memory.bytes.subarray(controlPage(region) * PAGE_BYTES), blocks)).toBe(0);
    expect(region.guest.poll()).toBe("lost");
    region.attach();
    open(region);
  });

  test("serves no request that the guest had sent to the one before", () => {
    const region = attachedRegion();
    region.guest.send(Exit, { code: 3 });
    region.startHost();
    const handler = recordingHandler();
    expect(region.host.stepControl(handler, 100)).toBe(false);
    region.guest.poll();
    region.attach();
    region.host.stepControl(handler, 100);
    expect(handler.calls).toEqual([]);
  });

  test("answers an attach that the one before had not seen", () => {
    const region = new Region();
    region.guest.attach();
    region.startHost();
    expect(region.host.checkGuest()).toBe("reset");
    expect(region.guest.poll()).toBe("attached");
  });

  test("gets a new request from a guest that had not yet looked at the old one's answer", () => {
    const region = new Region();
    region.guest.attach();
    expect(region.host.checkGuest()).toBe("reset");
    // The first monitor dies here, its answer unread.
    region.startHost();
    expect(region.host.checkGuest()).toBeUndefined();
    expect(region.guest.poll()).toBe("waiting");
    expect(region.host.checkGuest()).toBe("reset");
    expect(region.guest.poll()).toBe("attached");
    expect(region.host.checkGuest()).toBe("attached");
  });

  test("goes on from whatever a scribbling guest left in the host's words", () => {
    for (const value of [0, 1, 7, 2 ** 31, 2 ** 32 - 1]) {
      const region = attachedRegion();
      for (let offset = 0; offset < PAGE_BYTES; offset += 4) poke(region, offset, value);
      region.startHost();
      region.startGuest();
      region.attach();
      open(region);
    }
  });
});

describe("a stream", () => {
  test.each([
    [0, 0, 256 * 1024, 256 * 1024],
    [1, 4096, 4096, 4096],
    [4097, 8192, 8192, 8192],
    [300_000, 65_536, 524_288, 65_536],
    [2 ** 20, 2 ** 20 + 1, 2 ** 20, 2 ** 20],
    [2 ** 32 - 1, 2 ** 31, 2 ** 20, 2 ** 20],
  ])("asked for with %i and %i bytes has %i and %i", (toHost, toGuest, toHostBytes, toGuestBytes) => {
    const region = attachedRegion(8 * 1024 * 1024);
    expect(open(region, toHost, toGuest).place).toMatchObject({ toHostBytes, toGuestBytes });
  });

  test("never has a larger ring than the protocol allows, nor a smaller one, whatever the limits", () => {
    const region = attachedRegion(64 * 1024 * 1024, { streams: 4, ringBytes: 2 ** 30 });
    expect(open(region, 2 ** 31, 1).place).toMatchObject({ toHostBytes: MAX_RING_BYTES, toGuestBytes: 4096 });
    region.host.setLimits({ streams: 4, ringBytes: 5000 });
    expect(open(region, 0, 0).place).toMatchObject({ toHostBytes: 4096, toGuestBytes: 4096 });
    region.host.setLimits({ streams: 4, ringBytes: 1 });
    expect(open(region, 0, 0).place).toMatchObject({ toHostBytes: 4096, toGuestBytes: 4096 });
  });

  test("carries bytes both ways, and says where it is in its header", () => {
    const region = attachedRegion();
    const guest = open(region, 4096, 8192);
    const host = region.host.pipe(guest.id)!;
    const header = guest.place.page * PAGE_BYTES;
    expect(word(region, header + layout.PIPE_ID)).toBe(guest.id);
    expect(word(region, header + layout.PIPE_GENERATION)).toBe(1);
    guest.toHost.put(new Uint8Array(4096).fill(1));
    guest.toHost.advance(4096);
    host.toGuest.put(new Uint8Array(8192).fill(2));
    host.toGuest.advance(8192);
    const up = new Uint8Array(host.toHost.readable());
    host.toHost.copy(up);
    const down = new Uint8Array(guest.toGuest.readable());
    guest.toGuest.copy(down);
    expect([up.length, up.every((byte) => byte === 1)]).toEqual([4096, true]);
    expect([down.length, down.every((byte) => byte === 2)]).toEqual([8192, true]);
  });

  test("lies beside every other one, never over it", () => {
    const region = attachedRegion();
    const taken = new Set<number>();
    for (let i = 0; i < 40; i++) {
      const { place } = open(region, 4096 << (i % 4), 4096 << ((i >> 2) % 3));
      for (let page = 0; page < pipePages(place.toHostBytes, place.toGuestBytes); page++) {
        expect(taken.has(place.page + page)).toBe(false);
        taken.add(place.page + page);
        expect(place.page + page).toBeGreaterThanOrEqual(controlPage(region) + 33);
        expect(place.page + page).toBeLessThan(1024);
      }
    }
  });

  test("is taken back when all four flags are set, in whatever order and however they were set", () => {
    const flags = [0, 1, 2, 3];
    for (const how of ["end", "reset"] as const) {
      for (let order = 0; order < 24; order++) {
        const rest = [...flags];
        const steps = [6, 2, 1, 1].map((unit, i) => rest.splice(Math.floor(order / unit) % (4 - i), 1)[0]!);
        const region = attachedRegion();
        const all = region.host.freePages;
        const guest = open(region);
        const host = region.host.pipe(guest.id)!;
        const set = [
          () => guest.toHost[how](),
          () => guest.toGuest.close(),
          () => host.toGuest[how](),
          () => host.toHost.close(),
        ];
        for (const step of steps) {
          expect(host.through()).toBe(false);
          set[step]!();
        }
        expect(host.through()).toBe(true);
        region.host.release(host);
        expect(region.host.freePages).toBe(all);
        expect(region.host.openStreams).toBe(0);
      }
    }
  });

  test("has a generation that grows by one each time its id is given out, over epochs too", () => {
    const region = attachedRegion();
    const generations: number[] = [];
    for (let i = 0; i < 5; i++) {
      const pipe = open(region);
      expect(pipe.id).toBe(1);
      generations.push(pipe.generation);
      if (i === 2) {
        region.startGuest();
        region.attach();
      } else closeStream(region, pipe);
    }
    expect(generations).toEqual([1, 2, 3, 4, 5]);
    const first = open(region);
    expect([first.id, first.generation]).toEqual([1, 6]);
    expect([open(region).id, region.host.pipe(2)!.generation]).toEqual([2, 1]);
  });

  test("starts with a clean header where another one was", () => {
    const region = attachedRegion(MIN_REGION_BYTES);
    const pipe = open(region);
    pipe.toHost.put(new Uint8Array(100));
    pipe.toHost.advance(100);
    pipe.toHost.wantSpace(4096);
    pipe.toGuest.wantData();
    closeStream(region, pipe);
    const { place } = open(region);
    // But for the host's want-data: it waits for the first frame from the start (STR-1).
    const wantData = layout.PIPE_TO_HOST_CONSUMER + layout.CONSUMER_WANT_DATA;
    for (let offset = 0; offset < layout.PIPE_ID; offset += 4) {
      expect([offset, word(region, place.page * PAGE_BYTES + offset)]).toEqual([
        offset,
        offset === wantData ? 1 : 0,
      ]);
    }
  });

  test("has the guest signal its very first byte, before the host has looked at it once", () => {
    const region = attachedRegion();
    expect(open(region).toHost.advance(1)).toBe(true);
  });

  test("that is not open cannot be released: that is a mistake of the program", () => {
    const region = attachedRegion();
    const host = region.host.openStream(4096, 4096);
    if (typeof host === "number") throw new Error("refused");
    region.host.release(host);
    expect(() => region.host.release(host)).toThrow(/not open/);
  });
});

describe("past a limit the guest gets", () => {
  const refusal = (region: Region): number => {
    region.guest.send(NewStream, { toHostBytes: 4096, toGuestBytes: 4096 });
    const [reply] = replies(region);
    expect(reply!.type).toBe(ErrorReply.type);
    const { errno, reason } = ErrorReply.decode(reply!.payload);
    expect(reason).not.toBe("");
    return errno;
  };

  test("EMFILE for one stream too many, and a stream again after one has gone", () => {
    const region = attachedRegion(undefined, { streams: 2, ringBytes: 4096 });
    const first = open(region);
    open(region);
    expect(refusal(region)).toBe(Errno.EMFILE);
    closeStream(region, first);
    expect(open(region).id).toBe(first.id);
    expect(refusal(region)).toBe(Errno.EMFILE);
    region.host.setLimits({ streams: 3, ringBytes: 4096 });
    open(region);
  });

  test.each([
    ["streams, at once", { streams: 1, ringBytes: 4096 }, 4096, true],
    ["pages, at once", { streams: 64, ringBytes: 65536 }, 65536, true],
    ["streams, later", { streams: 1, ringBytes: 4096 }, 4096, false],
    ["pages, later", { streams: 64, ringBytes: 65536 }, 65536, false],
  ])("but what it closed before it asked makes room (CTL-3): %s", (_, limits, bytes, now) => {
    const region = attachedRegion(undefined, limits);
    let guestPipe = open(region, bytes, bytes);
    while (limits.streams > 1 && region.host.freePages >= 33) guestPipe = open(region, bytes, bytes);
    const hostPipe = region.host.pipe(guestPipe.id)!;
    hostPipe.toGuest.end();
    hostPipe.toHost.close();
    const ids = new Uint16Array(16);
    region.host.pending.take(ids);
    guestPipe.toHost.end();
    guestPipe.toGuest.close();
    region.guest.bell.signal(guestPipe.id);
    region.guest.forget(guestPipe);
    region.guest.send(NewStream, { toHostBytes: bytes, toGuestBytes: bytes });
    // The host reads the request first. It looks at what is pending before it answers; or soon, and answers then.
    const look = (): true => {
      expect(ids.subarray(0, region.host.pending.take(ids))).toContain(guestPipe.id);
      region.host.release(hostPipe);
      return true;
    };
    const makeRoom = vi.fn(() => now && look());
    expect(region.host.stepControl(recordingHandler({ makeRoom }), 100)).toBe(!now);
    if (!now) {
      expect(region.guest.nextReply()).toBeUndefined();
      look();
    }
    expect(replies(region, recordingHandler({ makeRoom })).map((reply) => reply.type)).toEqual([
      StreamInfo.type,
    ]);
    expect(makeRoom).toHaveBeenCalledTimes(1);
    // Nothing was closed this time: refused, once, whatever is pending.
    region.guest.send(NewStream, { toHostBytes: bytes, toGuestBytes: bytes });
    expect(replies(region).map((reply) => reply.type)).toEqual([ErrorReply.type]);
  });

  test("ENOMEM when the region is full, and no page or id is lost by it", () => {
    const region = attachedRegion();
    const all = region.host.freePages;
    const pipes: GuestPipe[] = [];
    while (region.host.freePages >= 3 && pipes.length < 64) {
      region.host.setLimits({ streams: 1000, ringBytes: 65536 });
      pipes.push(open(region, pipes.length % 2 === 0 ? 65536 : 4096, 65536));
      if (region.host.freePages < 33) break;
    }
    const left = region.host.freePages;
    region.guest.send(NewStream, { toHostBytes: 65536, toGuestBytes: 65536 });
    expect(ErrorReply.decode(replies(region)[0]!.payload).errno).toBe(Errno.ENOMEM);
    expect(region.host.freePages).toBe(left);
    for (const pipe of pipes) closeStream(region, pipe);
    expect(region.host.freePages).toBe(all);
    expect(new Set(pipes.map((pipe) => pipe.id)).size).toBe(pipes.length);
    for (let i = 1; i <= pipes.length; i++) expect(open(region).id).toBeLessThanOrEqual(pipes.length);
  });

  test("ESHUTDOWN while the monitor drains, and its open streams go on", () => {
    const region = attachedRegion();
    const pipe = open(region);
    region.host.drain();
    expect(refusal(region)).toBe(Errno.ESHUTDOWN);
    expect(region.guest.poll()).toBe("attached");
    pipe.toHost.advance(5);
    expect(region.host.pipe(pipe.id)!.toHost.readable()).toBe(5);
    closeStream(region, pipe);
  });

  test("ESHUTDOWN also after it attached anew to a monitor that drains", () => {
    const region = attachedRegion();
    region.host.drain();
    region.startGuest();
    region.attach();
    expect(region.host.state).toBe(HostState.DRAINING);
    expect(refusal(region)).toBe(Errno.ESHUTDOWN);
  });

  test("EMFILE for stream 32768, even where the program's limit is higher", () => {
    const pages = 38 + 3 * (MAX_STREAM_ID + 10);
    const region = attachedRegion(pages * PAGE_BYTES, { streams: 1_000_000, ringBytes: 4096 });
    for (let id = 1; id <= MAX_STREAM_ID; id++) {
      const pipe = region.host.openStream(4096, 4096);
      if (typeof pipe === "number" || pipe.id !== id) throw new Error(`stream ${id}: ${pipe}`);
    }
    const left = region.host.freePages;
    expect(left).toBeGreaterThanOrEqual(3);
    expect(region.host.openStream(4096, 4096)).toBe(Errno.EMFILE);
    expect(region.host.freePages).toBe(left);
  });
});

describe("the control pipe", () => {
  test("answers every request, in order, with its id", () => {
    const region = attachedRegion();
    const handler = recordingHandler();
    const ids = [
      region.guest.send(NewStream, { toHostBytes: 0, toGuestBytes: 0 }),
      region.guest.send(GetArgs, {}),
      region.guest.send(Log, { level: 30, text: "hello" }),
      region.guest.send(Ping, { data: Uint8Array.of(1, 2, 3) }),
      region.guest.send(Explain, { protocol: 2, body: Uint8Array.of(9) }),
      region.guest.send(Exit, { code: 255 }),
    ];
    expect(ids).toEqual([1, 2, 3, 4, 5, 6]);
    const got = replies(region, handler);
    expect(got.map(({ type, requestId }) => [type, requestId])).toEqual([
      [StreamInfo.type, 1],
      [Args.type, 2],
      [Pong.type, 4],
      [Verdict.type, 5],
    ]);
    expect(Args.decode(got[1]!.payload)).toEqual({ argv: ["init", "--quiet"], env: ["HOME=/"] });
    expect([...Pong.decode(got[2]!.payload).data]).toEqual([1, 2, 3]);
    expect(Verdict.decode(got[3]!.payload)).toEqual({ allowed: true, rule: "rule-2", reason: "because" });
    expect(handler.calls).toEqual([
      ["log", 30, "hello"],
      ["exit", 255],
    ]);
  });

  test("wakes a guest that sleeps for its reply, and a host that sleeps for a request", () => {
    const region = attachedRegion();
    expect(region.host.pending.prepareSleep()).toBe(true);
    const toHost = region.hostBell.rings;
    region.guest.send(GetArgs, {});
    expect(region.hostBell.rings).toBe(toHost + 1);
    expect(region.guest.pending.prepareSleep()).toBe(true);
    const toGuest = region.guestBell.rings;
    region.host.stepControl(recordingHandler(), 10);
    expect(region.guestBell.rings).toBe(toGuest + 1);
    const ids = new Uint16Array(4);
    expect([...ids.subarray(0, region.guest.pending.take(ids))]).toEqual([0]);
    expect(region.guest.nextReply()!.type).toBe(Args.type);
  });

  test("wakes nobody for its replies where the host program gathers signals", () => {
    const region = new Region();
    const signalled: number[] = [];
    const gather = (id: number): void => void signalled.push(id);
    region.host = new HostSession(region.memory, region.guestBell, defaultLimits, gather);
    region.startGuest();
    region.attach();
    for (let i = 0; i < 3; i++) region.guest.send(GetArgs, {});
    expect(region.guest.pending.prepareSleep()).toBe(true);
    const { rings } = region.guestBell;
    expect(replies(region)).toHaveLength(3);
    expect(signalled).toEqual([0, 0, 0]);
    expect(region.guestBell.rings).toBe(rings);
    region.host.bell.signal(0);
    expect(region.guestBell.rings).toBe(rings + 1);
  });

  test("answers an unknown request with ENOSYS, and goes on", () => {
    const region = attachedRegion();
    const { toHost } = rawControl(region);
    sendRaw(toHost, 0x0199, Uint8Array.of(1, 2), 41);
    sendRaw(toHost, 0x7fff, new Uint8Array(0), 42);
    sendRaw(toHost, 0xffff0000, new Uint8Array(0), 43);
    sendRaw(toHost, Ping.type, new Uint8Array(0), 44);
    const got = replies(region);
    expect(got.map(({ requestId }) => requestId)).toEqual([41, 42, 43, 44]);
    for (const reply of got.slice(0, 3)) expect(ErrorReply.decode(reply.payload).errno).toBe(Errno.ENOSYS);
    expect(got[3]!.type).toBe(Pong.type);
  });

  test("serves no more than its budget in one step, and says that there is more", () => {
    const region = attachedRegion();
    for (let i = 0; i < 10; i++) region.guest.send(Log, { level: 20, text: `${i}` });
    const handler = recordingHandler();
    expect(region.host.stepControl(handler, 0)).toBe(true);
    expect(region.host.stepControl(handler, 4)).toBe(true);
    expect(handler.calls).toHaveLength(4);
    expect(region.host.stepControl(handler, 6)).toBe(true);
    expect(region.host.stepControl(handler, 1)).toBe(false);
    expect(handler.calls).toHaveLength(10);
  });

  test("keeps one reply while there is no room for it, takes no request meanwhile, and is woken by the room", () => {
    const region = attachedRegion();
    const big = recordingHandler({ getArgs: () => ({ argv: ["x".repeat(8000)], env: [] }) });
    const asked: number[] = [];
    for (let i = 0; i < 40; i++) asked.push(region.guest.send(GetArgs, {})!);
    // Eight replies of 8024 bytes fill the ring; the ninth waits.
    expect(region.host.stepControl(big, 1000)).toBe(false);
    expect(region.host.stepControl(big, 1000)).toBe(false);
    const answered: number[] = [];
    const ids = new Uint16Array(32);
    region.host.pending.take(ids);
    while (answered.length < asked.length) {
      const reply = region.guest.nextReply();
      if (reply === undefined) {
        // Only a signal lets the host look again.
        expect([...ids.subarray(0, region.host.pending.take(ids))]).toEqual([0]);
        region.host.stepControl(big, 1000);
        continue;
      }
      expect(Args.decode(reply.payload).argv[0]).toHaveLength(8000);
      answered.push(reply.requestId);
    }
    expect(answered).toEqual(asked);
  });

  test("that a guest fills from both ends serves every request once, in order", () => {
    const region = attachedRegion();
    const handler = recordingHandler({ getArgs: () => ({ argv: ["y".repeat(5000)], env: [] }) });
    const sent: number[] = [];
    const got: number[] = [];
    const ids = new Uint16Array(64);
    let stalls = 0;
    const total = 12_000;
    while (got.length < total) {
      // The guest sends as much as goes.
      while (sent.length < total) {
        const id =
          sent.length % 50 === 0
            ? region.guest.send(GetArgs, {})
            : region.guest.send(Ping, { data: new Uint8Array(40) });
        if (id === undefined) break;
        sent.push(id);
      }
      // The host steps only when it is signalled, as a reactor does.
      if (region.host.pending.take(ids) > 0) while (region.host.stepControl(handler, 100));
      else stalls++;
      if (region.guest.pending.take(ids) === 0 && region.host.pending.pending() === false) stalls++;
      // The guest reads some, not all.
      for (let i = 0; i < 700; i++) {
        const reply = region.guest.nextReply();
        if (reply === undefined) break;
        got.push(reply.requestId);
      }
      // Nothing pending on either side and nothing to read: a lost wake-up would stand still here.
      if (stalls > 1000) throw new Error(`stands still after ${got.length} replies`);
    }
    expect(got).toEqual(sent);
  });

  test("tells a reply that fits no frame as EOVERFLOW, and goes on", () => {
    const region = attachedRegion();
    const texts = (count: number, bytes: number) => new Array<string>(count).fill("z".repeat(bytes));
    const tooLarge = [
      { argv: texts(1, 8193), env: [] },
      { argv: texts(9, 8192), env: [] },
      { argv: texts(4097, 1), env: [] },
      // Over the ring, not over the protocol's bound.
      { argv: texts(7, 8192), env: texts(1, 65_524 - 7 * 8196 - 4 - 8 + 1) },
    ];
    let next = 0;
    const handler = recordingHandler({
      getArgs: () => tooLarge[next++]!,
      explain: () => ({ allowed: false, rule: "", reason: "r".repeat(8193) }),
    });
    for (const _ of tooLarge) region.guest.send(GetArgs, {});
    region.guest.send(Explain, { protocol: 1, body: new Uint8Array(0) });
    region.guest.send(Ping, { data: new Uint8Array(0) });
    const got = replies(region, handler);
    expect(got).toHaveLength(6);
    for (const reply of got.slice(0, 5)) expect(ErrorReply.decode(reply.payload).errno).toBe(Errno.EOVERFLOW);
    expect(got[5]!.type).toBe(Pong.type);
  });

  test("carries the largest reply that fits", () => {
    const region = attachedRegion();
    const texts = (count: number, bytes: number) => new Array<string>(count).fill("z".repeat(bytes));
    const args = { argv: texts(7, 8192), env: texts(1, 65_524 - 7 * 8196 - 4 - 8) };
    region.guest.send(GetArgs, {});
    expect(Args.decode(replies(region, recordingHandler({ getArgs: () => args }))[0]!.payload)).toEqual(args);
  });

  test("does nothing before there is an epoch, whatever the guest signals", () => {
    const region = new Region();
    expect(region.host.stepControl(recordingHandler(), 100)).toBe(false);
  });

  test("does nothing after the guest was failed, or the monitor has left", () => {
    for (const end of ["fail", "leave"] as const) {
      const region = attachedRegion();
      region.guest.send(Exit, { code: 1 });
      region.host[end](Violation.QUOTA);
      const handler = recordingHandler();
      expect(region.host.stepControl(handler, 100)).toBe(false);
      expect(handler.calls).toEqual([]);
      expect(region.host.openStream(0, 0)).toBe(Errno.ESHUTDOWN);
    }
  });
});

describe("a guest that breaks the rules of the control pipe", () => {
  const cases: [string, Violation, string, (region: Region, toHost: RingProducer) => void][] = [
    [
      "sends a host's message",
      Violation.FRAME_TYPE,
      "FRM-4",
      (_, toHost) => sendRaw(toHost, StreamInfo.type, new Uint8Array(20)),
    ],
    [
      "sends an unknown message of the host's direction",
      Violation.FRAME_TYPE,
      "FRM-4",
      (_, toHost) => sendRaw(toHost, 0xffff, new Uint8Array(0)),
    ],
    [
      "sends a short payload",
      Violation.FRAME_MALFORMED,
      "FRM-6",
      (_, toHost) => sendRaw(toHost, NewStream.type, new Uint8Array(7)),
    ],
    [
      "sends a long payload",
      Violation.FRAME_MALFORMED,
      "FRM-6",
      (_, toHost) => sendRaw(toHost, GetArgs.type, new Uint8Array(1)),
    ],
    [
      "exits with 256",
      Violation.FRAME_MALFORMED,
      "CTL-5",
      (_, toHost) => sendRaw(toHost, Exit.type, Uint8Array.of(0, 1, 0, 0)),
    ],
    [
      "pings with 65 bytes",
      Violation.FRAME_MALFORMED,
      "CTL-6",
      (_, toHost) => sendRaw(toHost, Ping.type, new Uint8Array(65)),
    ],
    [
      "announces a frame over the bound",
      Violation.FRAME_LENGTH,
      "FRM-3",
      (_, toHost) => {
        const header = encodeFrame(Ping.type, 1, new Uint8Array(0));
        new DataView(header.buffer).setUint32(0, 65_525, true);
        toHost.put(header);
        toHost.advance(12);
      },
    ],
    ["ends it", Violation.STREAM_STATE, "CTL-1", (_, toHost) => toHost.end()],
    ["resets it", Violation.STREAM_STATE, "CTL-1", (_, toHost) => toHost.reset()],
    [
      "reads no more from it",
      Violation.STREAM_STATE,
      "CTL-1",
      (region) => rawControl(region).toGuest.close(),
    ],
    [
      "writes an impossible position",
      Violation.RING_POSITION,
      "RING-4",
      (region) => poke(region, controlPage(region) * PAGE_BYTES + layout.PIPE_TO_HOST_PRODUCER, 65_537),
    ],
    [
      "reads what was not written",
      Violation.RING_POSITION,
      "RING-4",
      (region, toHost) => {
        sendRaw(toHost, GetArgs.type, new Uint8Array(0));
        poke(region, controlPage(region) * PAGE_BYTES + layout.PIPE_TO_GUEST_CONSUMER, 1);
      },
    ],
    [
      "writes an impossible flag",
      Violation.RING_FLAG,
      "RING-10",
      (region) => poke(region, controlPage(region) * PAGE_BYTES + layout.PIPE_TO_HOST_PRODUCER + 4, 3),
    ],
  ];

  test.each(cases)("is told apart: %s", (_, violation, clause, act) => {
    const region = attachedRegion();
    const { toHost } = rawControl(region);
    act(region, toHost);
    expectViolation(violation, clause, () => region.host.stepControl(recordingHandler(), 100));
  });

  test("does not hang the host by reading no more while a reply waits for room", () => {
    const region = attachedRegion();
    const big = recordingHandler({ getArgs: () => ({ argv: ["x".repeat(8000)], env: [] }) });
    for (let i = 0; i < 20; i++) region.guest.send(GetArgs, {});
    expect(region.host.stepControl(big, 1000)).toBe(false);
    poke(
      region,
      controlPage(region) * PAGE_BYTES + layout.PIPE_TO_GUEST_CONSUMER + layout.CONSUMER_CLOSED,
      1,
    );
    expectViolation(Violation.STREAM_STATE, "CTL-1", () => region.host.stepControl(big, 1000));
  });

  test("is closed with a reason that it can read, and may begin anew", () => {
    const region = attachedRegion();
    open(region);
    const rings = region.guestBell.rings;
    region.host.fail(Violation.FRAME_TYPE);
    expect(region.guestBell.rings).toBeGreaterThan(rings);
    expect(word(region, layout.SB_HOST_STATE)).toBe(HostState.FAILED);
    expect(word(region, layout.SB_VIOLATION)).toBe(Violation.FRAME_TYPE);
    expect(region.guest.poll()).toBe("failed");
    expect(region.guest.violation).toBe(Violation.FRAME_TYPE);
    expect(region.host.checkGuest()).toBeUndefined();
    region.attach();
    expect(word(region, layout.SB_VIOLATION)).toBe(0);
    expect(region.host.openStreams).toBe(0);
  });
});

describe("a monitor that leaves", () => {
  test("is absent, rings, and answers no attach any more", () => {
    const region = attachedRegion();
    const rings = region.guestBell.rings;
    region.host.leave();
    expect(region.guestBell.rings).toBeGreaterThan(rings);
    expect(region.guest.poll()).toBe("lost");
    region.guest.attach();
    expect(region.host.checkGuest()).toBeUndefined();
    expect(word(region, layout.SB_HOST_STATE)).toBe(HostState.ABSENT);
    expect(region.guest.poll()).toBe("waiting");
    // Its successor does.
    region.startHost();
    expect(region.host.checkGuest()).toBe("reset");
    expect(region.guest.poll()).toBe("attached");
  });
});

test("each heartbeat moves by one, and neither side's moves the other's", () => {
  const region = attachedRegion();
  for (let i = 0; i < 3; i++) region.host.beat();
  region.guest.beat();
  expect(word(region, layout.SB_HOST_HEARTBEAT)).toBe(3);
  expect(word(region, layout.SB_GUEST_HEARTBEAT)).toBe(1);
  expect(word(region, layout.SB_GUEST_STATE)).toBe(GuestState.ATTACHED);
  expect(Closed.OPEN).toBe(0);
});
