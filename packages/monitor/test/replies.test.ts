// What a relay says in frames and may have to wait for: on a ring of the smallest size, with a guest at its other end.

import {
  Done,
  Errno,
  ErrorReply,
  FRAME_HEADER_BYTES,
  type Frame,
  FrameReader,
  FrameWriter,
  RingConsumer,
  RingProducer,
  regionMemory,
} from "@ringway/control";
import { beforeEach, expect, test } from "vitest";
import type { Stream } from "../src/guests/stream.ts";
import { Replies } from "../src/relays/replies.ts";

const CAPACITY = 4096;
const PLACE = { producer: 0, consumer: 128, data: 4096, capacity: CAPACITY };
const TYPE = 0x8123;

let toGuest: RingProducer;
let guest: RingConsumer;
let reader: FrameReader;
let replies: Replies;
/** How often the guest would have rung for room. */
let rings: number;

beforeEach(() => {
  const memory = regionMemory(new SharedArrayBuffer(4096 + CAPACITY));
  toGuest = new RingProducer(memory, PLACE);
  guest = new RingConsumer(memory, PLACE);
  reader = new FrameReader(guest);
  rings = 0;
  replies = new Replies({
    pipe: { toGuest },
    guest: { reports: { answer: (refusal: object) => refusal } },
    writer: () => new FrameWriter(toGuest),
    signal: () => {},
    signaller: () => () => {},
  } as unknown as Stream);
});

const next = (): Frame | undefined => reader.next(() => rings++);
const ids = (): number[] => {
  const all: number[] = [];
  for (let frame = next(); frame !== undefined; frame = next()) all.push(frame.requestId);
  return all;
};
const put = (requestId: number, bytes: number, over?: () => void): void =>
  replies.put(TYPE, requestId, new Uint8Array(bytes).fill(requestId), over);

test("frames go in order; where there is no room the guest rings once there is enough for the first that waits", () => {
  for (const id of [1, 2, 3, 4]) put(id, 2000);
  expect(replies.flush()).toBe(false);
  expect(replies.length).toBe(2);
  expect(next()).toMatchObject({ requestId: 1, type: TYPE });
  expect(rings).toBe(1);
  expect(replies.flush()).toBe(false);
  expect(ids()).toEqual([2, 3]);
  expect(rings).toBe(3);
  expect(replies.flush()).toBe(true);
  expect(replies.length).toBe(0);
  // Nothing waits any more, and nobody is to ring.
  expect(ids()).toEqual([4]);
  expect(rings).toBe(3);
});

test("each is over once, when it is in the ring; or when nothing goes any more", () => {
  const over: number[] = [];
  for (const id of [1, 2, 3]) put(id, 2000, () => over.push(id));
  expect(over).toEqual([]);
  replies.flush();
  expect(over).toEqual([1, 2]);
  replies.drop();
  expect(over).toEqual([1, 2, 3]);
  expect(replies.flush()).toBe(true);
  expect(ids()).toEqual([1, 2]);
  replies.drop();
  expect(over).toEqual([1, 2, 3]);
});

test("places are used again: with a guest that reads, any number of frames needs one", () => {
  for (let id = 1; id <= 1000; id++) {
    replies.reply(Done, id, {});
    expect(replies.flush()).toBe(true);
    expect(next()).toMatchObject({ requestId: id, type: Done.type });
  }
  expect(replies.length).toBe(0);
});

test("what the ring can never take is an Error", () => {
  put(7, CAPACITY - FRAME_HEADER_BYTES + 1);
  expect(replies.flush()).toBe(true);
  const frame = next()!;
  expect(frame).toMatchObject({ requestId: 7, type: ErrorReply.type });
  expect(ErrorReply.decode(frame.payload)).toMatchObject({ errno: Errno.EOVERFLOW, rule: "" });
});

test("a guest that reads no more is told nothing, and nothing waits for it", () => {
  const over: number[] = [];
  for (const id of [1, 2, 3]) put(id, 2000, () => over.push(id));
  expect(replies.flush()).toBe(false);
  guest.close();
  expect(replies.flush()).toBe(true);
  expect(over).toEqual([1, 2, 3]);
  expect([replies.hasRoom(CAPACITY), replies.offer(TYPE, 4, new Uint8Array(4000))]).toEqual([true, true]);
  expect(ids()).toEqual([1, 2]);
});

test("what is offered goes behind what waits, and is the caller's until it is in the ring", () => {
  for (const id of [1, 2, 3]) put(id, 2000);
  expect(replies.offer(TYPE, 4, new Uint8Array(10))).toBe(false);
  expect(ids()).toEqual([1, 2]);
  expect(replies.offer(TYPE, 4, new Uint8Array(10))).toBe(true);
  expect(replies.hasRoom(2000)).toBe(true);
  expect(replies.hasRoom(CAPACITY)).toBe(false);
  expect(ids()).toEqual([3, 4]);
  expect(rings).toBeGreaterThan(0);
});

test("room that somebody else waits for on the ring stays asked for", () => {
  toGuest.put(new Uint8Array(CAPACITY));
  toGuest.advance(CAPACITY);
  expect(toGuest.wantSpace(CAPACITY)).toBe(false);
  expect(guest.readable()).toBe(CAPACITY);
  expect(guest.advance(1000)).toBe(false);
  put(1, 100);
  expect(replies.flush()).toBe(true);
  expect(guest.readable()).toBe(CAPACITY - 1000 + 112);
  expect(guest.advance(CAPACITY - 1000)).toBe(false);
  expect(guest.advance(112)).toBe(true);
});
