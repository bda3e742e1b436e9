// Each clause that can be seen in a still picture is broken once, and named by ringway inspect.

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  Closed,
  encodeFrame,
  type Finding,
  fileMessages,
  HostState,
  initialisePipe,
  inspectRegion,
  layout,
  memorySource,
  NewStream,
  Open,
  Ping,
  Protocol,
  StreamInfo,
  storeWord,
} from "../src/index.ts";
import type { Region } from "./helpers.ts";
import { block, busyRegion, CONTROL, look, put, putOpen, REGION_BYTES } from "./inspected.ts";

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
  ["VER-3", "host", "features offered in version 1.1", (_, store) => store(layout.SB_FEATURES_OFFERED, 2)],
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
