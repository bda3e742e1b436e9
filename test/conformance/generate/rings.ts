// Rings as a guest finds them, one command, and the words that it must leave; and streams in the doorbells' words.

import { toHex } from "../../../packages/conformance/src/catalogue.ts";
import type { BellVector, RingVector } from "../../../packages/conformance/src/vectors.ts";

type Rest = Partial<Omit<RingVector, "name" | "clauses" | "kind">>;
const vector = (name: string, clauses: string, rest: Rest): RingVector => ({
  name,
  clauses: clauses.split(" "),
  kind: "ring",
  toHost: 4096,
  toGuest: 4096,
  start: 0,
  words: {},
  do: {},
  reply: {},
  after: {},
  ...rest,
});
const ok = { status: "ok" } as const;
const hex = (...bytes: number[]): string => toHex(bytes);

const received: readonly RingVector[] = [
  vector("recv: what was written", "RING-3", {
    words: { "0x100": 3 },
    data: [[0, hex(1, 2, 3)]],
    do: { recv: 100 },
    reply: { ...ok, data: hex(1, 2, 3) },
    after: { "0x180": 3 },
  }),
  vector("recv: less than what was written", "RING-3", {
    words: { "0x100": 3 },
    data: [[0, hex(1, 2, 3)]],
    do: { recv: 2 },
    reply: { ...ok, data: hex(1, 2) },
    after: { "0x180": 2 },
  }),
  vector("recv: nothing there", "RING-5 RING-9", {
    words: { "0x100": 0 },
    do: { recv: 100 },
    reply: { status: "again" },
    after: { "0x180": 0, "0x188": 1 },
  }),
  vector("recv: a full ring, all of it usable", "RING-5", {
    words: { "0x100": 4096 },
    data: [[0, "07*4096"]],
    do: { recv: 65536 },
    reply: { ...ok, data: "07*4096" },
    after: { "0x180": 4096 },
  }),
  vector("recv: around the end of the data area", "RING-3", {
    start: 4094,
    words: { "0x100": 4098 },
    data: [
      [4094, hex(1, 2)],
      [0, hex(3, 4)],
    ],
    do: { recv: 100 },
    reply: { ...ok, data: hex(1, 2, 3, 4) },
    after: { "0x180": 4098 },
  }),
  vector("recv: around 2^32", "RING-3 RING-4", {
    start: 0xffff_fffe,
    words: { "0x100": 2 },
    data: [
      [4094, hex(1, 2)],
      [0, hex(3, 4)],
    ],
    do: { recv: 100 },
    reply: { ...ok, data: hex(1, 2, 3, 4) },
    after: { "0x180": 2 },
  }),
  vector("recv: a full ring around 2^32", "RING-4 RING-5", {
    start: 0xffff_f800,
    words: { "0x100": 0x800 },
    data: [[0, "09*4096"]],
    do: { recv: 65536 },
    reply: { ...ok, data: "09*4096" },
    after: { "0x180": 0x800 },
  }),
  vector("recv: the tail, END is set", "RING-6", {
    words: { "0x100": 2, "0x104": 1 },
    data: [[0, hex(8, 9)]],
    do: { recv: 100 },
    reply: { ...ok, data: hex(8, 9) },
    after: { "0x180": 2 },
  }),
  vector("recv: END and nothing left", "RING-6", {
    words: { "0x100": 0, "0x104": 1 },
    do: { recv: 100 },
    reply: { status: "end" },
    after: { "0x180": 0 },
  }),
  vector("recv: RESET and nothing left", "RING-8", {
    words: { "0x100": 0, "0x104": 2 },
    do: { recv: 100 },
    reply: { status: "reset" },
    after: { "0x180": 0 },
  }),
  vector("recv: a position one past the furthest", "RING-4", {
    words: { "0x100": 4097 },
    do: { recv: 100 },
    violation: "RING_POSITION",
    after: { "0x180": 0 },
  }),
  vector("recv: a position before the last", "RING-4", {
    start: 100,
    words: { "0x100": 99 },
    do: { recv: 100 },
    violation: "RING_POSITION",
    after: { "0x180": 100 },
  }),
  vector("recv: a position before the last, across 2^32", "RING-4", {
    words: { "0x100": 0xffff_ffff },
    do: { recv: 100 },
    violation: "RING_POSITION",
    after: { "0x180": 0 },
  }),
  vector("recv: a closed word of 3", "RING-10", {
    words: { "0x104": 3 },
    do: { recv: 100 },
    violation: "RING_FLAG",
    after: {},
  }),
];

const sent: readonly RingVector[] = [
  vector("send: into an empty ring", "RING-3", {
    do: { send: hex(1, 2, 3) },
    reply: { ...ok, bytes: 3 },
    after: { "0x000": 3 },
    found: [[0, hex(1, 2, 3)]],
  }),
  vector("send: all that fits", "RING-5", {
    do: { send: "05*5000" },
    reply: { ...ok, bytes: 4096 },
    after: { "0x000": 4096 },
    found: [[0, "05*4096"]],
  }),
  vector("send: around the end of the data area", "RING-3", {
    start: 4094,
    do: { send: hex(1, 2, 3, 4) },
    reply: { ...ok, bytes: 4 },
    after: { "0x000": 4098 },
    found: [
      [4094, hex(1, 2)],
      [0, hex(3, 4)],
    ],
  }),
  vector("send: around 2^32", "RING-3 RING-4", {
    start: 0xffff_fffe,
    do: { send: hex(1, 2, 3, 4) },
    reply: { ...ok, bytes: 4 },
    after: { "0x000": 2 },
    found: [
      [4094, hex(1, 2)],
      [0, hex(3, 4)],
    ],
  }),
  vector("send: a full ring around 2^32", "RING-4 RING-5", {
    start: 0xffff_f801,
    do: { send: "06*5000" },
    reply: { ...ok, bytes: 4096 },
    after: { "0x000": 0x801 },
    found: [[0, "06*4096"]],
  }),
  vector("send: the host reads no more", "RING-7", {
    words: { "0x084": 1 },
    do: { send: hex(1) },
    reply: { status: "closed" },
    after: { "0x000": 0 },
  }),
  vector("send: the stream broke", "RING-7 RING-8", {
    words: { "0x084": 1, "0x104": 2 },
    do: { send: hex(1) },
    reply: { status: "reset" },
    after: { "0x000": 0 },
  }),
  vector("send: a read position past what was written", "RING-4", {
    start: 50,
    words: { "0x080": 51 },
    do: { send: hex(1) },
    violation: "RING_POSITION",
    after: { "0x000": 50 },
  }),
  vector("send: a read position before the last", "RING-4", {
    start: 50,
    words: { "0x080": 49 },
    do: { send: hex(1) },
    violation: "RING_POSITION",
    after: { "0x000": 50 },
  }),
  vector("send: a consumer's closed word of 2", "RING-10", {
    words: { "0x084": 2 },
    do: { send: hex(1) },
    violation: "RING_FLAG",
    after: { "0x000": 0 },
  }),
];

const capacities: readonly RingVector[] = [
  vector("other capacities: the data to the guest lies behind that to the host", "PIPE-1 PIPE-3", {
    toHost: 16384,
    toGuest: 8192,
    start: 8190,
    words: { "0x100": 8194 },
    data: [
      [8190, hex(1, 2)],
      [0, hex(3, 4)],
    ],
    do: { recv: 100 },
    reply: { ...ok, data: hex(1, 2, 3, 4) },
    after: { "0x180": 8194 },
  }),
  vector("the smallest and the largest ring", "PIPE-3 LIM-1", {
    toHost: 16_777_216,
    toGuest: 4096,
    do: { send: hex(1, 2) },
    reply: { ...ok, bytes: 2 },
    after: { "0x000": 2 },
    found: [[0, hex(1, 2)]],
  }),
];

export const ringVectors: readonly RingVector[] = [...received, ...sent, ...capacities];

export function bellVectors(): BellVector[] {
  return [1, 31, 32, 33, 63, 1023, 1024, 1025, 2047, 2048, 16_384, 31_743, 32_736, 32_767].map((id) => {
    const leaf = Math.floor(id / 32);
    const middle = Math.floor(leaf / 32);
    const at = (offset: number): string => `0x${offset.toString(16).padStart(4, "0")}`;
    return {
      name: `stream ${id}: leaf word ${leaf} bit ${id % 32}, middle word ${middle} bit ${leaf % 32}, top bit ${middle}`,
      clauses: ["BELL-1", "BELL-2", "BELL-3", "BELL-4"],
      kind: "bell",
      id,
      words: {
        [at(0x80)]: 2 ** middle,
        [at(0x100 + 4 * middle)]: 2 ** (leaf % 32),
        [at(0x1000 + 4 * leaf)]: 2 ** (id % 32),
      },
    };
  });
}
