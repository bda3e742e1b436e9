// Those who follow conversations, and what is kept for them: no more than there is somebody for.

import { Protocol } from "@ringway/control";
import { afterEach, expect, test, vi } from "vitest";
import { Follows } from "../src/monitor/follows.ts";
import type { FollowOptions } from "../src/observe/conversations/follower.ts";
import { Followers } from "../src/observe/conversations/followers.ts";
import {
  type ConversationOpened,
  From,
  jsonIn,
  RECORD_HEADER_BYTES,
  RecordKind,
  recordsIn,
} from "../src/observe/conversations/records.ts";
import { ConversationRing } from "../src/observe/conversations/ring.ts";
import { wallMs } from "../src/observe/conversations/wall-clock.ts";
import type { ToReactor } from "../src/thread/messages.ts";

const noop = (): void => {};
const party = { side: "guest", name: "g", address: "" } as const;
const opened: ConversationOpened = {
  guest: "g",
  guestId: "1",
  stream: "1-1-1",
  protocol: "tcp-connect",
  initiator: party,
  responder: { ...party, side: "host" },
  rule: "local",
  isWhole: true,
};
const stream = () => ({ later: noop, untapped: noop });

function rig(options: Partial<FollowOptions> = {}) {
  const followers = new Followers({ after: noop, soon: noop, tell: noop });
  const ring = new ConversationRing(64 * 1024);
  const whole = { memory: ring.memory, whenSlow: "drop", capacity: 4096, most: 16 } as const;
  return { followers, ring, follow: (id: number) => followers.add(id, { ...whole, ...options }) };
}

afterEach(() => void vi.restoreAllMocks());

test("a tap lets go of who has left while others follow on", () => {
  const { followers, follow } = rig();
  const [first, second] = [follow(1), follow(2)];
  const tap = followers.tap(Protocol.TCP_CONNECT, opened, stream())!;
  expect([tap.has(first), tap.has(second)]).toEqual([true, true]);
  followers.delete(1);
  expect(tap.keep()).toBe(true);
  expect([tap.has(first), tap.has(second)]).toEqual([false, true]);
  followers.delete(2);
  expect(tap.keep()).toBe(false);
});

test("a stream that began before all were followed is met once, whether there was a place or not", () => {
  const { followers, ring, follow } = rig({ most: 1 });
  const only = follow(1);
  const [there, missed] = [stream(), stream()];
  followers.tap(Protocol.TCP_CONNECT, opened, there);
  followers.tap(Protocol.TCP_CONNECT, opened, missed);
  // It ends, and there is a place; the walk over all streams comes by the other.
  only.read(1, 0, true);
  expect(
    followers.tap(Protocol.TCP_CONNECT, { ...opened, isWhole: false }, missed, { only }),
  ).toBeUndefined();
  only.ready();
  const { records } = recordsIn(ring.read(64 * 1024)!);
  expect(records.map(({ kind }) => kind)).toEqual([RecordKind.OPENED, RecordKind.MISSED, RecordKind.READY]);
  expect(jsonIn(records[1]!)).toEqual({ missed: 1 });
});

test("what is lost is told so often as its reader has room, then once when it has, and before the end", () => {
  const { followers, ring, follow } = rig();
  const only = follow(1);
  const tap = followers.tap(Protocol.TCP_CONNECT, opened, stream())!;
  const losts = (): number[] => {
    const { records } = recordsIn(ring.read(64 * 1024) ?? new Uint8Array(0));
    ring.release(ring.used);
    return records
      .filter(({ kind }) => kind === RecordKind.LOST)
      .map((each) => jsonIn<{ lost: number }>(each).lost);
  };
  tap.took(0, new Uint8Array(3800));
  for (let i = 0; i < 1000; i++) {
    tap.took(0, new Uint8Array(1000));
    only.room();
  }
  expect(losts()).toEqual([1000]);
  only.read(1, 2048, false);
  expect(losts()).toEqual([999_000]);
  tap.took(0, new Uint8Array(4000));
  only.room();
  tap.close("Fin");
  expect(losts()).toEqual([4000]);
});

test("rings are used again, once the reactor's thread has let go of them, and are as new then", () => {
  const sent: ToReactor[] = [];
  const follows = new Follows({ send: (message) => void sent.push(message) });
  const memories = new Set<SharedArrayBuffer>();
  const asked = { guest: undefined, protocol: undefined, match: undefined, whenSlow: "drop" } as const;
  for (let i = 0; i < 50; i++) {
    follows.begin({ ...asked, capacity: 4096, most: 16 }).end();
    const [follow, unfollow] = sent.splice(0);
    if (follow?.kind !== "follow" || unfollow?.kind !== "unfollow") throw new Error("nobody is told");
    const ring = new ConversationRing(follow.options.memory);
    expect(ring.used).toBe(0);
    ring.put(
      { kind: RecordKind.DATA, from: From.INITIATOR, conversation: 1, timeMs: 1 },
      new Uint8Array(64).fill(i),
    );
    memories.add(ring.memory);
    follows.unfollowed(unfollow.id);
  }
  expect(memories.size).toBe(1);
  // Not let go of yet: bounded, too.
  const begin = () => follows.begin({ ...asked, capacity: 4096, most: 16 }).end();
  for (let i = 0; i < 32; i++) begin();
  expect(begin).toThrow("follow conversations already");
});

test("a record is zero past its payload, whatever the ring had there", () => {
  const ring = new ConversationRing(64);
  const head = { kind: RecordKind.DATA, from: From.INITIATOR, conversation: 1, timeMs: 1 };
  ring.put(head, new Uint8Array(40).fill(0xff));
  ring.release(ring.read(64)!.length);
  ring.put(head, Uint8Array.of(1));
  expect([...ring.read(64)!.subarray(RECORD_HEADER_BYTES)]).toEqual([1, 0, 0, 0, 0, 0, 0, 0]);
});

test("times are those of the clock, also after it was set", () => {
  const now = Date.now();
  expect(Math.abs(wallMs() - now)).toBeLessThan(60_000);
  const set = vi.spyOn(Date, "now");
  for (const years of [20, -20, 0]) {
    const there = now + years * 3e10;
    set.mockReturnValue(there);
    expect(Math.abs(wallMs() - there)).toBeLessThan(4);
  }
});
