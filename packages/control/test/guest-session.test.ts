// The guest's session: what it makes of a superblock, of the host's states, and of the places that the host names.

import { describe, expect, test } from "vitest";
import {
  Exit,
  GetArgs,
  GuestSession,
  GuestState,
  HostState,
  Log,
  layout,
  loadWord,
  NewStream,
  nextAttachRequest,
  PAGE_BYTES,
  Ping,
  regionMemory,
  StreamInfo,
  storeWord,
  Violation,
} from "../src/index.ts";
import { attachedRegion, CountingBell, expectViolation, Region, recordingHandler } from "./helpers.ts";

const poke = (region: Region, offset: number, value: number): void => storeWord(region.memory, offset, value);

describe("a superblock", () => {
  test("smaller than a page is refused", () => {
    const memory = regionMemory(new ArrayBuffer(PAGE_BYTES - 4));
    expectViolation(Violation.SUPERBLOCK, "SB-2", () => new GuestSession(memory, new CountingBell()));
    const none = regionMemory(new ArrayBuffer(0));
    expectViolation(Violation.SUPERBLOCK, "SB-2", () => new GuestSession(none, new CountingBell()));
  });

  test.each([
    ["no magic", "SB-2", layout.SB_MAGIC_LOW, [0, 1, 2 ** 32 - 1]],
    ["half the magic", "SB-2", layout.SB_MAGIC_HIGH, [0, 0x31594158]],
    ["another major version", "VER-1", layout.SB_VERSION_MAJOR, [0, 2, 2 ** 31]],
    ["more pages than there are", "SB-2", layout.SB_REGION_PAGES, [1025, 2 ** 20, 2 ** 32 - 1]],
    ["fewer pages than it uses", "TRU-6", layout.SB_REGION_PAGES, [0, 1, 4, 37]],
    [
      "doorbells outside",
      "TRU-6",
      layout.SB_BELL_PAGE,
      [0, 1021, 1024, 2 ** 20, 2 ** 31, 2 ** 32 - 4, 2 ** 32 - 1],
    ],
    ["the control pipe outside", "TRU-6", layout.SB_CONTROL_PAGE, [0, 992, 1024, 2 ** 31, 2 ** 32 - 1]],
    [
      "a capacity that cannot be",
      "PIPE-3",
      layout.SB_CONTROL_TO_HOST_BYTES,
      [0, 1, 2048, 4095, 4097, 12288, 2 ** 25, 2 ** 31, 2 ** 32 - 1],
    ],
    [
      "a capacity that cannot be",
      "PIPE-3",
      layout.SB_CONTROL_TO_GUEST_BYTES,
      [0, 1, 2048, 4095, 4097, 12288, 2 ** 25, 2 ** 31, 2 ** 32 - 1],
    ],
    ["a capacity that is not there", "TRU-6", layout.SB_CONTROL_TO_HOST_BYTES, [2 ** 22, 2 ** 24]],
  ])("with %s is refused (%s, word %i)", (_, clause, offset, values) => {
    for (const value of values) {
      const region = new Region();
      poke(region, offset, value);
      expectViolation(Violation.SUPERBLOCK, clause, () => region.startGuest());
    }
  });

  test("of a version that this guest cannot speak is refused in words that name both", () => {
    const region = new Region();
    poke(region, layout.SB_VERSION_MAJOR, 3);
    expect(() => region.startGuest()).toThrow(/version 3, this guest 1/);
  });

  test("of a later minor version, or with features that nobody knows, is taken", () => {
    const region = new Region();
    poke(region, layout.SB_VERSION_MINOR, 9);
    poke(region, layout.SB_FEATURES_OFFERED, 0xffffffff);
    region.startGuest();
    region.attach();
    expect(loadWord(region.memory, layout.SB_FEATURES_ACCEPTED)).toBe(0);
  });

  test("of a region smaller than its mapping is taken, and bounds what the guest touches", () => {
    const region = new Region();
    poke(region, layout.SB_REGION_PAGES, 512);
    region.startGuest();
    expect(region.guest.regionBytes).toBe(512 * PAGE_BYTES);
    region.attach();
    const info = { id: 1, generation: 1, page: 510, toHostBytes: 4096, toGuestBytes: 4096 };
    expectViolation(Violation.SUPERBLOCK, "TRU-6", () => region.guest.openPipe(info));
    expect(region.guest.openPipe({ ...info, page: 509 }).id).toBe(1);
  });
});

describe("attaching", () => {
  test("asks with a value that neither side has used, and never with 0", () => {
    for (const [request, reply] of [
      [0, 0],
      [5, 5],
      [5, 4],
      [4, 5],
      [2 ** 32 - 1, 2 ** 32 - 1],
      [1, 2 ** 32 - 1],
      [2 ** 32 - 1, 1],
      [2 ** 31 - 1, 2 ** 31],
    ] as const) {
      const region = new Region();
      poke(region, layout.SB_ATTACH_REQUEST, request);
      poke(region, layout.SB_ATTACH_REPLY, reply);
      region.guest.attach();
      const asked = loadWord(region.memory, layout.SB_ATTACH_REQUEST);
      expect([0, request, reply]).not.toContain(asked);
      expect(loadWord(region.memory, layout.SB_GUEST_STATE)).toBe(GuestState.ATTACHING);
    }
  });

  test("asks with a new value whatever the two words hold: every pair of every small width (ATT-2)", () => {
    for (const largest of [3, 4, 7, 15, 63]) {
      for (let request = 0; request <= largest; request++) {
        for (let reply = 0; reply <= largest; reply++) {
          const next = nextAttachRequest(request, reply, largest);
          expect([0, request, reply], `${request} and ${reply} of ${largest}`).not.toContain(next);
          expect(next).toBeLessThanOrEqual(largest);
        }
      }
    }
    // The same around the wrap of 32 bits.
    const near = [0, 1, 2, 3, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 3, 2 ** 32 - 2, 2 ** 32 - 1];
    for (const request of near) {
      for (const reply of near) expect([0, request, reply]).not.toContain(nextAttachRequest(request, reply));
    }
  });

  test("takes the places of the monitor that answered, not of the one before (ATT-4)", () => {
    const region = attachedRegion();
    const { memory, guest } = region;
    // Another monitor, with everything 300 pages further on and the sizes exchanged.
    const [bellPage, controlPage] = [301, 305];
    poke(region, layout.SB_HOST_STATE, HostState.RESETTING);
    expect(guest.poll()).toBe("lost");
    guest.attach();
    poke(region, layout.SB_BELL_PAGE, bellPage);
    poke(region, layout.SB_CONTROL_PAGE, controlPage);
    poke(region, layout.SB_CONTROL_TO_HOST_BYTES, 8192);
    poke(region, layout.SB_EPOCH, loadWord(memory, layout.SB_EPOCH) + 1);
    poke(region, layout.SB_HOST_STATE, HostState.READY);
    poke(region, layout.SB_ATTACH_REPLY, loadWord(memory, layout.SB_ATTACH_REQUEST));
    const header = controlPage * PAGE_BYTES;
    poke(region, header + layout.PIPE_TO_HOST_CONSUMER + layout.CONSUMER_WANT_DATA, 1);
    const before = memory.bytes.slice(PAGE_BYTES, bellPage * PAGE_BYTES);
    expect(guest.poll()).toBe("attached");
    guest.send(Ping, { data: Uint8Array.of(7) });
    expect(loadWord(memory, header + layout.PIPE_TO_HOST_PRODUCER)).toBe(13);
    expect(loadWord(memory, bellPage * PAGE_BYTES + layout.BELL_TOP)).toBe(1);
    expect(Buffer.compare(memory.bytes.subarray(PAGE_BYTES, bellPage * PAGE_BYTES), before)).toBe(0);
  });

  test("fails where the monitor that answered has places that cannot be, or another version", () => {
    for (const [offset, value, clause] of [
      [layout.SB_BELL_PAGE, 0, "TRU-6"],
      [layout.SB_CONTROL_TO_GUEST_BYTES, 5000, "PIPE-3"],
      [layout.SB_VERSION_MAJOR, 2, "VER-1"],
    ] as const) {
      const region = new Region();
      region.guest.attach();
      region.host.checkGuest();
      poke(region, offset, value);
      expectViolation(Violation.SUPERBLOCK, clause, () => region.guest.poll());
    }
    const region = attachedRegion();
    poke(region, layout.SB_VERSION_MAJOR, 2);
    const before = region.memory.bytes.slice();
    expectViolation(Violation.SUPERBLOCK, "VER-1", () => region.guest.attach());
    expect(Buffer.compare(region.memory.bytes, before)).toBe(0);
  });

  test("touches nothing but the superblock until it was answered", () => {
    const region = attachedRegion();
    region.startHost();
    const before = region.memory.bytes.slice(PAGE_BYTES);
    region.guest.poll();
    region.guest.attach();
    for (let i = 0; i < 3; i++) expect(region.guest.poll()).toBe("waiting");
    expect(region.guest.nextReply()).toBeUndefined();
    expect(() => region.guest.send(Ping, { data: new Uint8Array(0) })).toThrow(/not attached/);
    expect(Buffer.compare(region.memory.bytes.subarray(PAGE_BYTES), before)).toBe(0);
  });

  test("anew by choice forgets the pipes, requests and replies of before", () => {
    const region = attachedRegion();
    region.guest.send(GetArgs, {});
    region.host.stepControl(recordingHandler(), 10);
    region.guest.openPipe({ id: 3, generation: 1, page: 900, toHostBytes: 4096, toGuestBytes: 4096 });
    region.guest.attach();
    expect(region.guest.pipe(3)).toBeUndefined();
    expect(region.guest.nextReply()).toBeUndefined();
    expect(region.host.checkGuest()).toBe("reset");
    // The control pipe is clean now; a reader of the old epoch would find its position impossible.
    expect(region.guest.nextReply()).toBeUndefined();
    expect(region.guest.poll()).toBe("attached");
    expect(region.guest.nextReply()).toBeUndefined();
    region.guest.send(Ping, { data: new Uint8Array(2) });
    region.host.stepControl(recordingHandler(), 10);
    expect(region.guest.nextReply()?.requestId).toBe(2);
  });

  test("waits for as long as no monitor answers, and through the failure of an earlier guest", () => {
    const region = attachedRegion();
    region.host.fail(Violation.QUOTA);
    region.startGuest().attach();
    expect(region.guest.poll()).toBe("waiting");
    region.host.leave();
    expect(region.guest.poll()).toBe("waiting");
    region.startHost();
    expect(region.guest.poll()).toBe("waiting");
    expect(region.host.checkGuest()).toBe("reset");
    expect(region.guest.poll()).toBe("attached");
  });

  test("rings again when it is rung by a monitor that may not have heard it (ATT-4)", () => {
    const region = attachedRegion();
    region.host.leave();
    region.startGuest().attach();
    // Nobody is there: nobody is rung.
    const rings = region.hostBell.rings;
    region.guest.poll();
    expect(region.hostBell.rings).toBe(rings);
    region.startHost();
    region.guest.poll();
    expect(region.hostBell.rings).toBe(rings + 1);
    region.host.checkGuest();
    // The answer is there: one ring for ATTACHED, and no more.
    region.guest.poll();
    region.guest.poll();
    expect(region.hostBell.rings).toBe(rings + 2);
  });

  test("learns when the host failed it before it had looked at the answer", () => {
    const region = new Region();
    region.guest.attach();
    region.host.checkGuest();
    region.host.fail(Violation.SUPERBLOCK);
    expect(region.guest.poll()).toBe("failed");
    expect(region.guest.violation).toBe(Violation.SUPERBLOCK);
  });

  test("learns that the host has drained, and may still attach", () => {
    const region = new Region();
    region.guest.attach();
    region.host.checkGuest();
    region.host.drain();
    expect(region.guest.poll()).toBe("attached");
  });
});

describe("while attached, the guest learns", () => {
  test.each([
    ["that the epoch is over", "lost", (region: Region) => region.startHost()],
    ["that the monitor has left", "lost", (region: Region) => region.host.leave()],
    ["that it was failed", "failed", (region: Region) => region.host.fail(Violation.FRAME_LENGTH)],
    [
      "that somebody else attached",
      "lost",
      (region: Region) => region.attach.call({ ...region, guest: other(region) }),
    ],
    ["nothing of a drain but by asking for a stream", "attached", (region: Region) => region.host.drain()],
  ] as const)("%s: %s", (_, state, act) => {
    const region = attachedRegion();
    region.guest.send(NewStream, { toHostBytes: 0, toGuestBytes: 0 });
    region.host.stepControl(recordingHandler(), 10);
    const pipe = region.guest.openPipe(StreamInfo.decode(region.guest.nextReply()!.payload));
    act(region);
    expect(region.guest.poll()).toBe(state);
    expect(region.guest.state).toBe(state);
    expect(region.guest.pipe(pipe.id)).toBe(state === "attached" ? pipe : undefined);
    expect([...region.guest.pipes()]).toHaveLength(state === "attached" ? 1 : 0);
    if (state !== "attached") {
      expect(region.guest.nextReply()).toBeUndefined();
      expect(() => region.guest.send(Ping, { data: new Uint8Array(0) })).toThrow(/not attached/);
    }
  });

  function other(region: Region): GuestSession {
    return new GuestSession(region.memory, region.hostBell);
  }

  test("of a host state that cannot be, by a violation", () => {
    for (const state of [5, 2 ** 31, 2 ** 32 - 1]) {
      const region = attachedRegion();
      poke(region, layout.SB_HOST_STATE, state);
      expectViolation(Violation.SUPERBLOCK, "SB-4", () => region.guest.poll());
    }
  });

  test("of a restart although its own epoch number came up again", () => {
    const region = attachedRegion();
    poke(region, layout.SB_EPOCH, region.guest.epoch - 1);
    region.startHost();
    expect(region.host.epoch).toBe(region.guest.epoch);
    expect(region.host.state).toBe(HostState.RESETTING);
    expect(region.guest.poll()).toBe("lost");
  });
});

describe("detaching", () => {
  test("forgets everything, says so, and rings", () => {
    const region = attachedRegion();
    const rings = region.hostBell.rings;
    region.guest.detach();
    expect(region.hostBell.rings).toBe(rings + 1);
    expect(region.guest.state).toBe("lost");
    expect(loadWord(region.memory, layout.SB_GUEST_STATE)).toBe(GuestState.DETACHED);
    expect(region.guest.poll()).toBe("lost");
  });
});

describe("a StreamInfo", () => {
  const good = { id: 1, generation: 1, page: 38, toHostBytes: 4096, toGuestBytes: 4096 };

  test.each([
    ["page 0", "TRU-6", { page: 0 }],
    ["a page past the end", "TRU-6", { page: 1024 }],
    ["a block that ends past the end", "TRU-6", { page: 1022 }],
    ["the largest page", "TRU-6", { page: 2 ** 32 - 1 }],
    ["a block that wraps around", "TRU-6", { page: 2 ** 32 - 2 }],
    ["a page whose address has its 32nd bit set", "TRU-6", { page: 2 ** 19 }],
    ["rings larger than the region", "TRU-6", { toHostBytes: 2 ** 22 }],
    ["rings larger than the region", "TRU-6", { toGuestBytes: 2 ** 24 }],
    ["an empty ring", "PIPE-3", { toHostBytes: 0 }],
    ["a ring below a page", "PIPE-3", { toGuestBytes: 2048 }],
    ["a ring that is no power of two", "PIPE-3", { toHostBytes: 12288 }],
    ["a ring over 16 MiB", "PIPE-3", { toGuestBytes: 2 ** 25 }],
    ["a ring of 2^31", "PIPE-3", { toHostBytes: 2 ** 31 }],
    ["a ring of 2^32 - 1", "PIPE-3", { toHostBytes: 2 ** 32 - 1 }],
    ["stream 0", "CTL-3", { id: 0 }],
    ["a stream over the largest", "CTL-3", { id: 32768 }],
    ["stream 2^32 - 1", "CTL-3", { id: 2 ** 32 - 1 }],
  ])("with %s is refused (%s)", (_, clause, change) => {
    const region = attachedRegion();
    expectViolation(Violation.SUPERBLOCK, clause, () => region.guest.openPipe({ ...good, ...change }));
    expect([...region.guest.pipes()]).toEqual([]);
  });

  test("for the very last pages is taken", () => {
    const region = attachedRegion();
    expect(region.guest.openPipe({ ...good, page: 1021 }).place.page).toBe(1021);
  });

  test("for a stream that is open already is refused, and taken once that one was forgotten", () => {
    const region = attachedRegion();
    const pipe = region.guest.openPipe(good);
    expectViolation(Violation.SUPERBLOCK, "CTL-3", () => region.guest.openPipe({ ...good, page: 100 }));
    region.guest.forget(pipe);
    const again = region.guest.openPipe({ ...good, generation: 2, page: 100 });
    // To forget the old one again does not forget the new one.
    region.guest.forget(pipe);
    expect(region.guest.pipe(1)).toBe(again);
  });

  test("is held to the largest stream id that the superblock names", () => {
    const region = new Region();
    poke(region, layout.SB_MAX_STREAM_ID, 10);
    region.startGuest();
    region.attach();
    expectViolation(Violation.SUPERBLOCK, "CTL-3", () => region.guest.openPipe({ ...good, id: 11 }));
    expect(region.guest.openPipe({ ...good, id: 10 }).id).toBe(10);
    poke(region, layout.SB_MAX_STREAM_ID, 2 ** 32 - 1);
    region.startGuest();
    expectViolation(Violation.SUPERBLOCK, "CTL-3", () => region.guest.openPipe({ ...good, id: 32768 }));
  });
});

describe("a request", () => {
  test("that has no room is not sent in part, and goes through once the host has signalled", () => {
    const region = attachedRegion();
    const ids = new Uint16Array(64);
    const handler = recordingHandler();
    const line = "x".repeat(8000);
    let sent = 0;
    while (region.guest.send(Log, { level: 20, text: line }) !== undefined) sent++;
    expect(sent).toBe(8);
    region.host.pending.take(ids);
    expect(region.guest.pending.pending()).toBe(false);
    while (region.host.stepControl(handler, 1));
    expect(handler.calls).toHaveLength(8);
    expect([...ids.subarray(0, region.guest.pending.take(ids))]).toEqual([0]);
    expect(region.guest.send(Exit, { code: 0 })).toBe(9);
    while (region.host.stepControl(handler, 1));
    expect(handler.calls.at(-1)).toEqual(["exit", 0]);
  });

  test("has an id that is never 0", () => {
    const region = attachedRegion();
    const seen = new Set<number>();
    for (let i = 0; i < 100; i++) seen.add(region.guest.send(Log, { level: 20, text: "" })!);
    expect(seen.size).toBe(100);
    expect(seen.has(0)).toBe(false);
  });

  test("larger than the ring is a mistake of the program", () => {
    const region = attachedRegion();
    expect(() => region.guest.send(Ping, { data: new Uint8Array(65_525) })).toThrow(RangeError);
    expect(region.guest.send(Ping, { data: new Uint8Array(64) })).toBe(1);
  });
});
