// ringway inspect's pure part: what it says of a region, that it names each mistake by its clause, that it finds none
// where there is none, at whatever moment it looks, and that nothing it reads can harm it.

import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  Closed,
  encodeFrame,
  type Finding,
  fileMessages,
  GuestState,
  HostState,
  initialisePipe,
  inspectRegion,
  layout,
  memorySource,
  NewStream,
  NotARegionError,
  Open,
  Ping,
  Protocol,
  type RegionReport,
  regionMemory,
  StreamInfo,
  storeWord,
} from "../src/index.ts";
import { attachedRegion, Region, recordingHandler } from "./helpers.ts";
import { atEveryAccess } from "./preempt.ts";

const REGION_BYTES = 1024 * 1024;
const handler = recordingHandler();

function look(region: Region): RegionReport {
  return inspectRegion(memorySource(region.memory.bytes));
}

/** A stream as the guest gets it: NewStream, StreamInfo. */
function newStream(region: Region, toHostBytes = 4096, toGuestBytes = 8192) {
  region.guest.send(NewStream, { toHostBytes, toGuestBytes });
  region.host.stepControl(handler, 10);
  return region.guest.openPipe(StreamInfo.decode(region.guest.nextReply()!.payload));
}

function putOpen(
  region: Region,
  id: number,
  protocol: number = Protocol.ECHO,
  body: Uint8Array = new Uint8Array(0),
): void {
  put(region, id, encodeFrame(Open.type, 1, Open.encode({ protocol, body })));
}

/** Bytes on toHost of a stream, published. */
function put(region: Region, id: number, bytes: Uint8Array): void {
  const { toHost } = region.guest.pipe(id)!;
  toHost.put(bytes);
  toHost.advance(bytes.length);
}

/** A frame with a StreamInfo, in bytes. */
const INFO_BYTES = 32;

/** A reply of this size on the control pipe, taken. */
function pingOnce(region: Region): void {
  const data = new Uint8Array(INFO_BYTES - 12);
  region.guest.send(Ping, { data });
  region.host.stepControl(handler, 1);
  expect(region.guest.nextReply()!.payload).toEqual(data);
}

/** Ends both sides of a stream, and gives its block back. */
function close(region: Region, id: number): void {
  const [host, guest] = [region.host.pipe(id)!, region.guest.pipe(id)!];
  guest.toHost.end();
  guest.toGuest.close();
  region.guest.forget(guest);
  host.toGuest.end();
  host.toHost.close();
  expect(host.through()).toBe(true);
  region.host.release(host);
}

/** Attached, with stream 1 that has sent its Open, and stream 2 that has sent nothing. */
function busyRegion(bytes = REGION_BYTES): Region {
  const region = attachedRegion(bytes);
  newStream(region);
  newStream(region);
  putOpen(region, 1);
  return region;
}

const CONTROL = layout.PAGE_BYTES * 5;
/** Byte offset of stream `id`'s header. */
const block = (region: Region, id: number): number => region.host.pipe(id)!.place.page * layout.PAGE_BYTES;

describe("inspectRegion()", () => {
  test("tells of the superblock, the doorbells and each ring what stands there", () => {
    const region = busyRegion();
    region.host.bell.signal(2);
    const { superblock, bells, pipes, unused, findings, notes, bytes } = look(region);
    expect({ unused, findings, notes, bytes }).toEqual({
      unused: undefined,
      findings: [],
      notes: [],
      bytes: REGION_BYTES,
    });
    expect(superblock).toMatchObject({
      epoch: 2,
      hostState: HostState.READY,
      guestState: GuestState.ATTACHED,
    });
    expect(superblock).toMatchObject({ regionPages: REGION_BYTES / layout.PAGE_BYTES, controlPage: 5 });
    expect(bells!.toGuest.pending).toContain(2);
    expect(pipes.map(({ id, from, still }) => [id, from, still])).toEqual([
      [0, "superblock", true],
      [1, "StreamInfo", true],
      [2, "StreamInfo", true],
    ]);
    const bytesOfOpen = encodeFrame(Open.type, 1, new Uint8Array(4)).length;
    expect(pipes[1]!.toHost).toEqual({
      capacity: 4096,
      written: bytesOfOpen,
      read: 0,
      fill: bytesOfOpen,
      producerClosed: Closed.OPEN,
      consumerClosed: 0,
      wantSpace: 0,
      wantData: 1,
    });
    expect(pipes[1]!.toGuest.capacity).toBe(8192);
  });

  test("knows streams whose StreamInfo the guest has taken, as long as it lies in the ring", () => {
    const region = attachedRegion(REGION_BYTES);
    const { id, generation } = newStream(region);
    const replies = (64 * 1024) / INFO_BYTES;
    for (let i = 1; i < replies - 1; i++) pingOnce(region);
    expect(look(region).pipes.map(({ from }) => from)).toEqual(["superblock", "StreamInfo"]);
    // The next reply is put in its place.
    pingOnce(region);
    pingOnce(region);
    const { pipes, notes, findings } = look(region);
    expect(pipes.slice(1).map((pipe) => [pipe.id, pipe.generation, pipe.from])).toEqual([
      [id, generation, "page"],
    ]);
    expect(pipes[1]!.toHost.capacity).toBeUndefined();
    expect(notes).toEqual([expect.stringContaining(`looks like the block of stream ${id}`)]);
    expect(findings).toEqual([]);
  });

  test("shows no stream that has ended, whatever is left of it, nor what another epoch left", () => {
    const region = busyRegion();
    close(region, 1);
    expect(look(region).pipes.map(({ id }) => id)).toEqual([0, 2]);
    region.attach();
    const { pipes } = look(region);
    expect(pipes.filter(({ from }) => from !== "page").map(({ id }) => id)).toEqual([0]);
  });

  test("says why it looks at the superblock alone where no epoch is in use", () => {
    const region = new Region(REGION_BYTES);
    const unused = (): string | undefined => {
      const report = look(region);
      expect([report.pipes, report.bells, report.findings]).toEqual([[], undefined, []]);
      return report.unused;
    };
    expect(unused()).toContain("RESETTING");
    region.guest.attach();
    expect(unused()).toContain("RESETTING");
    region.attach();
    region.guest.attach();
    expect(unused()).toContain("not answered");
    region.attach();
    region.guest.detach();
    expect(unused()).toContain("DETACHED");
    region.host.leave();
    expect(unused()).toContain("ABSENT");
  });
});

// ── Each clause that can be seen in a still picture, broken once ───────────────────────────────────────────────────

type Seed = readonly [
  clause: string,
  by: Finding["by"],
  what: string,
  seed: (region: Region, store: (offset: number, value: number) => void) => void,
];

const SEEDS: readonly Seed[] = [
  ["SB-1", "either", "a reserved word of the superblock", (_, store) => store(0x300, 1)],
  [
    "SB-1",
    "host",
    "a largest stream id that no bitmap has",
    (_, store) => store(layout.SB_MAX_STREAM_ID, 32768),
  ],
  ["SB-2", "host", "more pages than there are", (_, store) => store(layout.SB_REGION_PAGES, 257)],
  ["VER-3", "host", "features offered in version 1.0", (_, store) => store(layout.SB_FEATURES_OFFERED, 2)],
  [
    "VER-3",
    "guest",
    "features accepted that were not offered",
    (_, store) => store(layout.SB_FEATURES_ACCEPTED, 1),
  ],
  ["TRU-6", "host", "doorbells on the superblock", (_, store) => store(layout.SB_BELL_PAGE, 0)],
  ["TRU-6", "host", "doorbells outside", (_, store) => store(layout.SB_BELL_PAGE, 253)],
  ["TRU-6", "host", "a control pipe outside", (_, store) => store(layout.SB_CONTROL_PAGE, 0xffffffff)],
  ["TRU-6", "host", "a control pipe on the doorbells", (_, store) => store(layout.SB_CONTROL_PAGE, 4)],
  [
    "PIPE-3",
    "host",
    "a capacity that is no power of two",
    (_, store) => store(layout.SB_CONTROL_TO_HOST_BYTES, 5000),
  ],
  ["SB-4", "host", "a host state that is none", (_, store) => store(layout.SB_HOST_STATE, 5)],
  ["SB-5", "guest", "a guest state that is none", (_, store) => store(layout.SB_GUEST_STATE, 3)],
  [
    "ERR-4",
    "host",
    "a guest failed for nothing",
    (_, store) => store(layout.SB_HOST_STATE, HostState.FAILED),
  ],
  [
    "ATT-2",
    "guest",
    "a guest that asks to attach while it says ATTACHED",
    (_, store) => store(layout.SB_ATTACH_REQUEST, 9),
  ],
  ["BELL-5", "host", "a host that sleeps deeply", (_, store) => store(4096 + layout.BELL_TO_HOST, 2)],
  ["BELL-5", "guest", "a guest that sleeps deeply", (_, store) => store(4096 + layout.BELL_TO_GUEST, 7)],
  [
    "CTL-1",
    "guest",
    "a control pipe that the guest has ended",
    (_, store) => store(CONTROL + 0x004, Closed.END),
  ],
  ["CTL-1", "guest", "a control pipe that the guest reads no more", (_, store) => store(CONTROL + 0x184, 1)],
  [
    "CTL-1",
    "host",
    "a control pipe that the host has reset",
    (_, store) => store(CONTROL + 0x104, Closed.RESET),
  ],
  ["CTL-1", "host", "a control pipe that the host reads no more", (_, store) => store(CONTROL + 0x084, 1)],
  ["RING-4", "either", "a write position too far", (region, store) => store(block(region, 2), 4097)],
  [
    "RING-4",
    "either",
    "a read position before its time",
    (region, store) => store(block(region, 2) + 0x180, 1),
  ],
  ["RING-4", "either", "a control pipe's position too far", (_, store) => store(CONTROL + 0x100, 1 << 30)],
  [
    "RING-9",
    "guest",
    "a wish for more space than there is",
    (region, store) => store(block(region, 2) + 0x008, 4097),
  ],
  ["RING-9", "guest", "want-data that is no flag", (region, store) => store(block(region, 2) + 0x188, 2)],
  [
    "RING-10",
    "guest",
    "a producer's closed word that is none",
    (region, store) => store(block(region, 2) + 0x004, 3),
  ],
  [
    "RING-10",
    "guest",
    "a consumer's closed word that is none",
    (region, store) => store(block(region, 2) + 0x184, 2),
  ],
  [
    "RING-10",
    "host",
    "the host's closed word that is none",
    (region, store) => store(block(region, 2) + 0x104, 0x80000000),
  ],
  ["FRM-2", "guest", "a request without an id", (region) => request(region, Ping.type, 0, new Uint8Array(1))],
  [
    "FRM-2",
    "guest",
    "two requests of one id",
    (region) => {
      request(region, Ping.type, 5, new Uint8Array(1));
      request(region, Ping.type, 5, new Uint8Array(1));
    },
  ],
  [
    "FRM-3",
    "guest",
    "a frame that is longer than its ring",
    (region) => requestBytes(region, Uint8Array.of(0, 0, 1, 0, 5, 1, 0, 0, 1, 0, 0, 0)),
  ],
  [
    "FRM-4",
    "guest",
    "a reply from the guest",
    (region) => request(region, StreamInfo.type, 5, new Uint8Array(20)),
  ],
  [
    "FRM-6",
    "guest",
    "a NewStream that is too short",
    (region) => request(region, NewStream.type, 5, new Uint8Array(4)),
  ],
  [
    "FRM-6",
    "guest",
    "an Explain of an Open that cannot be",
    (region) => request(region, 0x0106, 5, Uint8Array.of(6, 0, 0, 0, 1)),
  ],
  [
    "CTL-5",
    "guest",
    "an exit code over 255",
    (region) => request(region, 0x0104, 0, Uint8Array.of(0, 1, 0, 0)),
  ],
  ["CTL-6", "guest", "a Ping of 65 bytes", (region) => request(region, Ping.type, 5, new Uint8Array(65))],
  [
    "STR-1",
    "guest",
    "a stream that does not begin with Open",
    (region) => put(region, 2, encodeFrame(0x0401, 1, new Uint8Array(4))),
  ],
  [
    "FRM-2",
    "guest",
    "an Open without an id",
    (region) => put(region, 2, encodeFrame(Open.type, 0, new Uint8Array(4))),
  ],
  [
    "FRM-3",
    "guest",
    "raw bytes in place of an Open",
    (region) => put(region, 2, Uint8Array.from(new TextEncoder().encode("GET / HTTP/1.1\r\n"))),
  ],
  [
    "FRM-3",
    "guest",
    "an Open that END cuts off",
    (region) => {
      put(region, 2, encodeFrame(Open.type, 1, new Uint8Array(4)).subarray(0, 13));
      region.guest.pipe(2)!.toHost.end();
    },
  ],
  [
    "FRM-6",
    "guest",
    "an Open of echo with a body",
    (region) => putOpen(region, 2, Protocol.ECHO, new Uint8Array(1)),
  ],
  [
    "FRM-6",
    "guest",
    "an Open of file whose path is cut off",
    (region) =>
      putOpen(
        region,
        2,
        Protocol.FILE,
        fileMessages.FileOpen.encode({ flags: 1, mode: 0, path: "/a" }).subarray(0, 13),
      ),
  ],
  [
    "TRU-6",
    "host",
    "a stream outside of the region",
    (region) => reply(region, { id: 3, generation: 1, page: 300 }),
  ],
  [
    "TRU-6",
    "host",
    "a stream on the superblock",
    (region) => reply(region, { id: 3, generation: 1, page: 0 }),
  ],
  [
    "PIPE-3",
    "host",
    "a stream whose ring is too small",
    (region) => reply(region, { id: 3, generation: 1, page: 200 }, 2048),
  ],
  [
    "CTL-3",
    "host",
    "a stream with the control pipe's id",
    (region) => reply(region, { id: 0, generation: 1, page: 200 }),
  ],
  [
    "TRU-6",
    "host",
    "a stream on the control pipe",
    (region) => {
      initialisePipe(region.memory, 12, 3, 1);
      reply(region, { id: 3, generation: 1, page: 12 });
    },
  ],
];

/** A frame on the control pipe, unread. */
function request(region: Region, type: number, requestId: number, payload: Uint8Array): void {
  requestBytes(region, encodeFrame(type, requestId, payload));
}

function requestBytes(region: Region, bytes: Uint8Array): void {
  raw(region, CONTROL, CONTROL + layout.PAGE_BYTES, bytes);
}

/** A StreamInfo on the control pipe, that the host's own code would not send. */
function reply(
  region: Region,
  place: { id: number; generation: number; page: number },
  toHostBytes = 4096,
): void {
  const payload = StreamInfo.encode({ ...place, toHostBytes, toGuestBytes: 4096 });
  const data = CONTROL + layout.PAGE_BYTES + 64 * 1024;
  raw(region, CONTROL + layout.PIPE_TO_GUEST_PRODUCER, data, encodeFrame(StreamInfo.type, 77, payload));
}

function raw({ memory }: Region, producer: number, data: number, bytes: Uint8Array): void {
  const written = memory.words[producer / 4]!;
  memory.bytes.set(bytes, data + written);
  memory.words[producer / 4] = written + bytes.length;
}

describe("a mistake is named by its clause, and by who made it", () => {
  test.each(SEEDS)("%s, %s: %s", (clause, by, _, seed) => {
    const region = busyRegion();
    expect(look(region).findings).toEqual([]);
    seed(region, (offset, value) => storeWord(region.memory, offset, value));
    const { findings } = look(region);
    expect(findings.map((finding) => [finding.clause, finding.by])).toEqual([[clause, by]]);
    expect(findings[0]!.what).not.toBe("");
  });

  test("REG-1: a region that is not whole pages", () => {
    const { memory } = busyRegion();
    const longer = new Uint8Array(REGION_BYTES + 1);
    longer.set(memory.bytes);
    expect(inspectRegion(memorySource(longer)).findings.map(({ clause }) => clause)).toEqual(["REG-1"]);
  });

  test("all of the clauses that docs/inspect.md lists, and no others", () => {
    const text = readFileSync(new URL("../../../docs/inspect.md", import.meta.url), "utf8");
    const listed = /<!-- inspected -->\n([\s\S]*?)\n<!-- end of inspected -->/.exec(text)![1]!;
    const clauses = new Set([...listed.matchAll(/\b[A-Z]+-\d+\b/g)].map(([clause]) => clause));
    expect(new Set(["REG-1", ...SEEDS.map(([clause]) => clause)])).toEqual(clauses);
  });
});

// ── It looks on, and finds nothing ─────────────────────────────────────────────────────────────────────────────────

/** What both sides do in the life of a guest, one call after the other. */
const LIFE: readonly ((region: Region) => unknown)[] = [
  (region) => region.guest.attach(),
  (region) => region.host.checkGuest(),
  (region) => region.guest.poll(),
  (region) => region.host.checkGuest(),
  (region) => region.guest.send(NewStream, { toHostBytes: 4096, toGuestBytes: 4096 }),
  (region) => region.host.stepControl(handler, 1),
  (region) => region.guest.openPipe(StreamInfo.decode(region.guest.nextReply()!.payload)),
  (region) => putOpen(region, 1),
  (region) => region.host.pending.prepareSleep(),
  (region) => region.guest.bell.signal(1),
  (region) => region.host.pipe(1)!.toHost.advance(region.host.pipe(1)!.toHost.readable()),
  (region) => region.host.pipe(1)!.toGuest.advance(4096),
  (region) => region.host.pipe(1)!.toGuest.wantSpace(2048),
  (region) => region.guest.pipe(1)!.toGuest.advance(region.guest.pipe(1)!.toGuest.readable()),
  (region) => close(region, 1),
  // The same pages, another stream.
  (region) => newStream(region, 4096, 4096),
  (region) => region.guest.detach(),
  (region) => region.host.checkGuest(),
  (region) => region.guest.attach(),
  (region) => region.host.checkGuest(),
  (region) => region.guest.poll(),
  (region) => newStream(region, 8192, 8192),
  (region) => region.startHost(),
  (region) => region.guest.poll(),
  (region) => region.startGuest().attach(),
  (region) => region.host.checkGuest(),
  (region) => region.host.fail(1),
  (region) => region.guest.poll(),
  (region) => region.guest.attach(),
  (region) => region.host.checkGuest(),
  (region) => region.host.drain(),
  (region) => region.host.leave(),
];

describe("finds nothing wrong with sides that keep to the protocol", () => {
  test.each(LIFE.map((_, step) => [step]))("at any access of step %i of a guest's life", (step) => {
    const setUp = (): Region => {
      const region = new Region(REGION_BYTES);
      for (const each of LIFE.slice(0, step)) each(region);
      return region;
    };
    const accesses = atEveryAccess(
      setUp,
      (region) => LIFE[step]!(region),
      (region) => expect(look(region).findings).toEqual([]),
      (region) => expect(look(region).findings).toEqual([]),
    );
    expect(accesses).toBeGreaterThan(0);
  });

  test("at any store of a header that is made in the place of another", () => {
    const region = attachedRegion(REGION_BYTES);
    newStream(region, 4096, 4096);
    region.guest.pipe(1)!.toHost.advance(4000);
    region.host.pipe(1)!.toHost.advance(region.host.pipe(1)!.toHost.readable());
    const { page } = region.host.pipe(1)!.place;
    close(region, 1);
    const before = region.memory.bytes.slice();
    class Stopped extends Error {}
    let stores = 0;
    for (let at = 0, stopped = true; stopped; at++) {
      region.memory.bytes.set(before);
      stores = 0;
      const words = new Proxy(region.memory.words, {
        set(target, index, value) {
          if (stores++ === at) throw new Stopped();
          target[Number(index)] = value;
          return true;
        },
      });
      try {
        initialisePipe({ ...region.memory, words }, page, 1, 2);
      } catch (error) {
        // Once all plain stores are made, Atomics refuse the proxy.
        stopped = error instanceof Stopped;
      }
      expect(look(region).findings).toEqual([]);
    }
    expect(stores).toBe(130);
  });

  test("while a ring moves at every look, and says that it does", () => {
    const region = busyRegion();
    const place = region.host.pipe(2)!.place.page * layout.PAGE_BYTES;
    const still = memorySource(region.memory.bytes);
    let position = 0;
    const report = inspectRegion({
      bytes: still.bytes,
      read(offset, target) {
        position += 4000;
        if (offset === place) storeWord(region.memory, place, position);
        return still.read(offset, target);
      },
    });
    expect(report.findings).toEqual([]);
    expect(report.pipes.find(({ id }) => id === 2)!.still).toBe(false);
  });

  test("where another epoch begins while it looks: it begins anew", () => {
    const region = busyRegion();
    const still = memorySource(region.memory.bytes);
    let reads = 0;
    const report = inspectRegion({
      bytes: still.bytes,
      read(offset, target) {
        if (++reads === 8) region.attach();
        return still.read(offset, target);
      },
    });
    expect(report.superblock.epoch).toBe(3);
    expect(report.pipes.filter(({ from }) => from !== "page").map(({ id }) => id)).toEqual([0]);
  });
});

// ── Nothing that it reads is trusted ───────────────────────────────────────────────────────────────────────────────

/** A report, or the one error that there is. */
function lookAt(bytes: Uint8Array): RegionReport | undefined {
  try {
    return inspectRegion(memorySource(bytes));
  } catch (error) {
    expect(error).toBeInstanceOf(NotARegionError);
    expect((error as NotARegionError).code).toBe("ERR_RINGWAY_NOT_A_REGION");
    return undefined;
  }
}

describe("whatever the bytes are, it says what they are or that they are no region", () => {
  test("nothing, zeros, text, another version", () => {
    for (const bytes of [0, 1, 4095, 4096, 65536]) expect(lookAt(new Uint8Array(bytes))).toBeUndefined();
    expect(lookAt(new TextEncoder().encode("RINGWAY1".repeat(1000)))).toBeUndefined();
    const region = busyRegion();
    storeWord(region.memory, layout.SB_VERSION_MAJOR, 2);
    expect(() => look(region)).toThrow("the host speaks version 2");
  });

  test("a region that is cut off anywhere", () => {
    const { memory } = busyRegion();
    for (let bytes = 0; bytes < 50 * 4096; bytes += 1021) {
      const report = lookAt(memory.bytes.slice(0, bytes));
      expect(report?.findings.some(({ clause }) => clause === "SB-2") ?? bytes < 4096).toBe(true);
    }
  });

  test("a file that is cut while it is looked at", () => {
    const { memory } = busyRegion();
    const whole = memorySource(memory.bytes);
    for (let cut = 0; cut < 12; cut++) {
      let reads = 0;
      const source = {
        bytes: whole.bytes,
        read: (offset: number, target: Uint8Array) => (reads++ < cut ? whole.read(offset, target) : 0),
      };
      expect(() => inspectRegion(source)).toThrow(NotARegionError);
    }
  });

  test("random bytes behind the magic", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 4096, maxLength: 40_000 }), (bytes) => {
        const copy = regionMemory(new ArrayBuffer(Math.ceil(bytes.length / 4096) * 4096));
        copy.bytes.set(bytes);
        storeWord(copy, layout.SB_MAGIC_LOW, layout.MAGIC_LOW);
        storeWord(copy, layout.SB_MAGIC_HIGH, layout.MAGIC_HIGH);
        storeWord(copy, layout.SB_VERSION_MAJOR, layout.VERSION_MAJOR);
        lookAt(copy.bytes);
      }),
      { numRuns: 300 },
    );
  });

  test("a good region in which any words are others", () => {
    const { memory } = busyRegion(48 * layout.PAGE_BYTES);
    const good = memory.bytes.slice();
    const heads = [0, 4096, 12_288, CONTROL, CONTROL + 4096, CONTROL + 4096 + 65_536, 38 * 4096, 42 * 4096];
    const word = fc.record({
      offset: fc
        .tuple(fc.constantFrom(...heads), fc.integer({ min: 0, max: 160 }))
        .map(([at, i]) => at + 4 * i),
      value: fc.oneof(
        fc.nat(),
        fc.constantFrom(0, 1, 2, 3, 4096, 0x7fffffff, 0x80000000, 0xffffffff),
        fc.nat(70_000),
      ),
    });
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 12 }), (changes) => {
        const copy = regionMemory(good.slice().buffer);
        for (const { offset, value } of changes) storeWord(copy, offset, value);
        lookAt(copy.bytes);
      }),
      { numRuns: 500 },
    );
  });
});
