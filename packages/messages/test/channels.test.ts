// Channels over one stream: bounded each, in order, and none waits for another; and peers that break the rules.

import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Addressed, type Channel, Channels, GRANTS } from "../src/index.ts";

const WINDOW = 1000;

/** Two sides with a wire of few places between them, each way. */
class Sides {
  readonly wires: [Addressed[], Addressed[]] = [[], []];
  readonly sides: readonly [Channels, Channels];
  readonly places: number;

  constructor(places: number, drained: Channel[] = []) {
    this.places = places;
    const side = (out: Addressed[]): Channels =>
      new Channels({
        windowBytes: WINDOW,
        queue: (message) => out.length < this.places && out.push(message) > 0,
        onDrain: (channel) => drained.push(channel),
        onDrop: () => assert.fail("nothing is dropped"),
      });
    this.sides = [side(this.wires[0]), side(this.wires[1])];
  }

  /** One message from a side to the other. */
  bring(from: 0 | 1): void {
    const message = this.wires[from].shift();
    if (message !== undefined) assert.equal(this.sides[1 - from]!.accept(message), undefined);
    this.sides[from].drain();
  }

  bringAll(): void {
    while (this.wires[0].length + this.wires[1].length > 0)
      for (const from of [0, 1] as const) this.bring(from);
  }
}

const bytes = (length: number, value = 1): Uint8Array => new Uint8Array(length).fill(value);

describe("channels", () => {
  test("bring every batch of each, in order and in bounded memory, whoever reads and when", () => {
    const step = fc.oneof(
      fc.record({
        does: fc.constant("send" as const),
        channel: fc.integer({ min: 0, max: 2 }),
        length: fc.integer({ min: 0, max: 436 }),
      }),
      fc.record({
        does: fc.constant("read" as const),
        channel: fc.integer({ min: 0, max: 2 }),
        length: fc.constant(0),
      }),
      fc.record({
        does: fc.constantFrom("bring" as const, "back" as const),
        channel: fc.constant(0),
        length: fc.constant(0),
      }),
    );
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 200, size: "max" }),
        fc.integer({ min: 1, max: 5 }),
        (steps, places) => {
          const pair = new Sides(places);
          const [near, far] = pair.sides;
          const queued: Uint8Array[][] = [[], [], []];
          const read: Uint8Array[][] = [[], [], []];
          for (const address of [0, 1, 2]) for (const side of pair.sides) side.open(address);
          const readOne = (channel: number): boolean => {
            const batch = far.open(channel).read();
            if (batch !== undefined) read[channel]!.push(batch);
            return batch !== undefined;
          };
          for (const { does, channel, length } of steps) {
            if (does === "send") {
              const batch = bytes(length, queued[channel]!.length);
              if (near.open(channel).send(batch)) queued[channel]!.push(batch);
            } else if (does === "read") readOne(channel);
            else pair.bring(does === "bring" ? 0 : 1);
            near.invariants();
            far.invariants();
          }
          pair.bringAll();
          for (const channel of [0, 1, 2]) while (readOne(channel));
          assert.deepEqual(read, queued);
          // Nothing that was read keeps the largest batch from being sent.
          pair.bringAll();
          for (const channel of [0, 1, 2]) {
            assert(near.open(channel).send(bytes(436)));
            pair.bringAll();
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  test("one that nobody reads holds its window, and another goes on", () => {
    const drained: Channel[] = [];
    const pair = new Sides(100, drained);
    const [near, far] = pair.sides;
    const [stuck, other] = [near.open(1), near.open(2)];
    for (const address of [1, 2]) far.open(address);
    let held = 0;
    while (stuck.send(bytes(100))) held++;
    // Each takes 164 of 1000.
    expect(held).toBe(6);
    for (let i = 0; i < 50; i++) {
      expect(other.send(bytes(100, i))).toBe(true);
      pair.bringAll();
      expect(far.open(2).read()?.[0]).toBe(i);
      pair.bringAll();
    }
    expect([far.open(1).heldBytes(), drained]).toEqual([984, []]);
    for (let i = 0; i < 4; i++) far.open(1).read();
    pair.bringAll();
    expect([drained, stuck.send(bytes(100))]).toEqual([[stuck], true]);
  });

  test("share a wire that each of them could fill alone", () => {
    const sent = [0, 0, 0];
    const wire: Addressed[] = [];
    const far = new Channels({ queue: (message) => near.accept(message) === undefined });
    const near: Channels = new Channels({
      queue: (message) => wire.length < 4 && wire.push(message) > 0,
      onDrain: (channel) => fill(channel),
    });
    const fill = (channel: Channel): void => {
      while (channel.send(bytes(1000))) sent[channel.address]!++;
    };
    for (const address of [0, 1, 2]) far.open(address);
    for (const address of [0, 1, 2]) fill(near.open(address));
    for (let round = 0; round < 300; round++) {
      for (const message of wire.splice(0)) {
        expect(far.accept(message)).toBeUndefined();
        far.open(message.address).read();
      }
      near.drain();
    }
    expect(Math.min(...sent)).toBeGreaterThan(350);
  });

  test("hold no chunk of a stream for a small batch", () => {
    const channels = new Channels({ queue: () => true });
    const channel = channels.open(1);
    channels.accept({ address: 1, batch: bytes(65_536).subarray(0, 10) });
    expect(channel.read()?.buffer.byteLength).toBe(10);
  });

  test("for a peer that knows no grants drop what has no room, and count it", () => {
    const dropped: Addressed[] = [];
    const channels = new Channels({
      windowBytes: 200,
      grants: false,
      queue: () => assert.fail("nothing is granted"),
      onDrop: (message) => dropped.push(message),
    });
    const channel = channels.open(1);
    for (let i = 0; i < 4; i++) expect(channels.accept({ address: 1, batch: bytes(10, i) })).toBeUndefined();
    expect(channels.accept({ address: 9, batch: bytes(1) })).toBeUndefined();
    expect([channel.dropped, dropped.map(({ address }) => address)]).toEqual([2, [1, 1, 9]]);
    expect([channel.read()?.[0], channel.read()?.[0], channel.read()]).toEqual([0, 1, undefined]);
    // 0xffffffff is not special to such a peer, and no channel here.
    expect(channels.accept({ address: GRANTS, batch: bytes(3) })).toBeUndefined();
  });

  test.each<[what: string, messages: Addressed[], problem: string]>([
    ["sends beyond its window", [{ address: 1, batch: bytes(937) }], "more than was granted on channel 1"],
    [
      "sends nothing, too often",
      Array.from({ length: 16 }, () => ({ address: 1, batch: bytes(0) })),
      "more than was granted on channel 1",
    ],
    ["grants in half", [{ address: GRANTS, batch: bytes(12) }], "grants of 12 bytes"],
    [
      "grants for what is not there",
      [{ address: GRANTS, batch: Uint8Array.of(0, 0, 0, 9, 0, 0, 0, 1) }],
      "a grant for channel 9, which is not there",
    ],
    [
      "sends to what is not there",
      [{ address: 9, batch: bytes(1) }],
      "a batch for channel 9, which is not there",
    ],
    [
      "grants nothing",
      [{ address: GRANTS, batch: Uint8Array.of(0, 0, 0, 1, 0, 0, 0, 0) }],
      "a grant of nothing for channel 1",
    ],
    ["grants more often than it has channels", [{ address: GRANTS, batch: bytes(16) }], "grants of 16 bytes"],
    [
      "grants what was not used",
      [{ address: GRANTS, batch: Uint8Array.of(0, 0, 0, 1, 0, 0, 0, 1) }],
      "more granted than channel 1 has used",
    ],
  ])("say what is wrong with a peer that %s", (_what, messages, problem) => {
    const channels = new Channels({ windowBytes: WINDOW, queue: () => true });
    channels.open(1);
    const problems = messages.map((message) => channels.accept(message));
    expect(problems.at(-1)).toBe(problem);
    expect(problems.slice(0, -1).filter((found) => found !== undefined)).toEqual([]);
  });

  test("count what is read and not granted as used, and a peer that uses it breaks the rule", () => {
    const channels = new Channels({ windowBytes: WINDOW, queue: () => true });
    const channel = channels.open(1);
    // Each takes 364. The first is read, and less than half a window.
    const accept = (): string | undefined => channels.accept({ address: 1, batch: bytes(300) });
    expect([accept(), channel.read()?.length]).toEqual([undefined, 300]);
    expect([accept(), accept()]).toEqual([undefined, "more than was granted on channel 1"]);
  });

  test("have no room for a batch that takes more than half a window, ever", () => {
    const channel = new Channels({ windowBytes: WINDOW, queue: () => true }).open(1);
    expect(() => channel.send(bytes(437))).toThrow(RangeError);
    expect(channel.send(bytes(436))).toBe(true);
  });
});
