// A stream without I/O: two of them on a wire that takes and brings what it likes, and what happens at which time.

import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Bytes,
  CannotEncode,
  lengthDelimited,
  MessageStream,
  netstring,
  type StreamOptions,
} from "../src/index.ts";

const codec = lengthDelimited({ maxFrameBytes: 3000 });
const bytes = (length: number, value = 1): Bytes => new Uint8Array(length).fill(value);

function open(options: Partial<StreamOptions<Bytes>> = {}): MessageStream<Bytes> {
  const stream = new MessageStream<Bytes>({ codec, ...options }, 0);
  stream.opened(0);
  return stream;
}

// ── Two of them ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** Two buffers of 4096 bytes each, which is the floor, and more than 3004. */
const SEND_LIMIT = 8192;
const RECEIVE_LIMIT = 4096;

/** A sender, a wire that holds bytes, and a receiver that lags behind; each step looks at all that has a bound. */
class Pair {
  readonly sender = open({ writeBudgetBytes: 1000 });
  readonly receiver = open();
  readonly queued: Bytes[] = [];
  readonly read: Bytes[] = [];
  #wire: Bytes[] = [];
  #onItsWay = 0;
  #now = 0;

  queue(length: number): void {
    const message = bytes(length, this.queued.length);
    const { sendFreeBytes } = this.sender.telemetry(this.#now);
    const isTaken = this.sender.queue(message, this.#now);
    assert.equal(isTaken, sendFreeBytes >= length + 4);
    if (isTaken) this.queued.push(message);
  }

  take(): void {
    const view = this.sender.take();
    if (view === undefined) return;
    assert(view.length <= 1000);
    this.#onItsWay += view.length;
    // The wire reads the memory later than it was taken: here, with a copy when it is sent.
    this.#wire.push(view);
  }

  send(most: number): void {
    const sent = Math.min(most, this.#onItsWay);
    this.#onItsWay -= sent;
    for (const [i, view] of this.#wire.entries()) this.#wire[i] = view.slice();
    this.sender.sent(sent, this.#now);
  }

  receive(most: number): void {
    const view = this.#wire.shift();
    if (view === undefined) return;
    const taken = this.receiver.receive(view.slice(0, most), this.#now);
    if (taken < view.length) this.#wire.unshift(view.subarray(taken));
  }

  next(): void {
    const message = this.receiver.next();
    if (message !== undefined) this.read.push(message);
  }

  tick(ms: number): void {
    this.#now += ms;
    this.sender.tick(this.#now);
    this.receiver.tick(this.#now);
  }

  drain(): void {
    for (let i = 0; i < 10 || this.sender.telemetry(0).queuedBytes > 0 || this.#wire.length > 0; i++) {
      this.take();
      this.send(Number.MAX_SAFE_INTEGER);
      this.receive(Number.MAX_SAFE_INTEGER);
      for (let j = 0; j < 200; j++) this.next();
    }
  }

  check(): void {
    this.sender.invariants();
    this.receiver.invariants();
    const out = this.sender.telemetry(this.#now);
    const into = this.receiver.telemetry(this.#now);
    assert(out.memoryBytes <= SEND_LIMIT && out.queuedBytes <= SEND_LIMIT);
    assert(into.memoryBytes <= RECEIVE_LIMIT && into.heldBytes <= RECEIVE_LIMIT);
    assert(out.queuedBytes + out.sendFreeBytes <= SEND_LIMIT);
    assert.equal(into.messagesIn, this.read.length);
  }
}

describe("two streams on a wire", () => {
  test("bring all messages in their order, in bounded memory, whatever the wire takes and brings", () => {
    const step = fc.oneof(
      fc.tuple(
        fc.constant("queue" as const),
        fc.oneof(fc.integer({ min: 0, max: 80 }), fc.integer({ min: 0, max: 3000 })),
      ),
      fc.tuple(fc.constantFrom("take" as const, "next" as const), fc.constant(0)),
      fc.tuple(fc.constantFrom("send" as const, "receive" as const), fc.integer({ min: 1, max: 2000 })),
      fc.tuple(fc.constant("tick" as const), fc.integer({ min: 0, max: 1500 })),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120, size: "max" }), (steps) => {
        const pair = new Pair();
        let late = 0;
        for (const [name, value] of steps) {
          // What is stale has a test of its own.
          if (name === "tick") late += value;
          if (name === "tick" && late > 29_000) continue;
          pair[name](value);
          pair.check();
        }
        pair.drain();
        pair.check();
        assert.deepEqual(pair.read, pair.queued);
        const { messagesOut, bytesOut } = pair.sender.telemetry(0);
        const { messagesIn, bytesIn } = pair.receiver.telemetry(0);
        assert.deepEqual([messagesIn, bytesIn], [messagesOut, bytesOut]);
        assert.equal(messagesIn, pair.queued.length);
      }),
      { numRuns: 150 },
    );
  });
});

// ── Times and endings ────────────────────────────────────────────────────────────────────────────────────────────────

describe("a message stream", () => {
  test("takes messages up to its bound, and again what was sent", () => {
    const stream = open();
    const taken = [3000, 3000, 3000, 900].map((length) => stream.queue(bytes(length), 0));
    // 3004 of 4096, and no other fits: the second buffer is free only when the first is on its way.
    expect(taken).toEqual([true, false, false, true]);
    const first = stream.take()!;
    expect(first.length).toBe(3004 + 904);
    expect([stream.queue(bytes(3000), 0), stream.queue(bytes(3000), 0), stream.take()]).toEqual([
      true,
      false,
      undefined,
    ]);
    stream.sent(3904, 1);
    expect(stream.take()).toBeUndefined();
    stream.sent(4, 1);
    expect(stream.take()?.length).toBe(3004);
  });

  test("throws for a message that it never will take, and keeps nothing of it", () => {
    const stream = open();
    expect(() => stream.queue(bytes(3001), 0)).toThrow(CannotEncode);
    expect(stream.telemetry(0).queuedBytes).toBe(0);
    const careless = new MessageStream<Bytes>(
      { codec: { maxBytes: 10, encode: (message, writer) => writer.bytes(message), decode: () => "more" } },
      0,
    );
    for (const length of [11, 5000]) {
      expect(() => careless.queue(bytes(length), 0)).toThrow("a frame is more than 10 bytes");
    }
    expect([careless.queue(bytes(10), 0), careless.telemetry(0).queuedBytes]).toEqual([true, 10]);
  });

  test("is stale when a message waits for longer than txTimeoutMs", () => {
    const stream = open();
    stream.queue(bytes(10), 1000);
    expect(stream.take()?.length).toBe(14);
    stream.sent(13, 30_000);
    stream.tick(30_999);
    expect([stream.state, stream.telemetry(30_999).oldestQueuedMs]).toEqual(["OPEN", 29_999]);
    stream.tick(31_000);
    expect([stream.state, stream.ending]).toEqual([
      "CLOSED",
      { reason: "Stale", oldestQueuedMs: 30_000, unsentMessages: 1, unsentBytes: 1 },
    ]);
  });

  test("is not stale while it sends, though its queue is never empty", () => {
    const stream = open();
    stream.queue(bytes(10), 0);
    for (let now = 0; now < 200_000; now += 20_000) {
      const view = stream.take()!;
      stream.queue(bytes(10), now);
      stream.sent(view.length, now);
      stream.tick(now);
    }
    expect(stream.state).toBe("OPEN");
  });

  test("gives up connecting after 5 s, and sends nothing before it is open", () => {
    const stream = new MessageStream({ codec }, 100);
    expect([stream.queue(bytes(1), 100), stream.take()]).toEqual([true, undefined]);
    stream.tick(5099);
    expect(stream.state).toBe("CONNECTING");
    stream.tick(5100);
    expect(stream.ending).toEqual({
      reason: "Timeout",
      of: "connect",
      afterMs: 5000,
      unsentMessages: 1,
      unsentBytes: 5,
    });
  });

  test("pings a silent peer, and gives up when no byte comes", () => {
    const ping = { everyMs: 1000, answerMs: 500, message: () => bytes(1, 0x70) };
    const stream = open({ ping });
    stream.tick(999);
    expect(stream.take()).toBeUndefined();
    stream.tick(1000);
    const view = stream.take()!;
    expect(view).toEqual(Uint8Array.of(0, 0, 0, 1, 0x70));
    stream.sent(5, 1000);
    // Any byte is an answer.
    stream.receive(Uint8Array.of(0), 1400);
    stream.next();
    stream.tick(1600);
    stream.tick(2399);
    expect(stream.take()).toBeUndefined();
    stream.tick(2400);
    expect(stream.take()?.length).toBe(5);
    stream.sent(5, 2400);
    stream.tick(2899);
    expect(stream.state).toBe("OPEN");
    stream.tick(2900);
    expect(stream.ending).toMatchObject({ reason: "Timeout", of: "ping", afterMs: 500 });
  });

  test("does not take a peer for silent while nobody reads it", () => {
    const ping = { everyMs: 1000, answerMs: 500, message: () => bytes(1, 0x70) };
    const stream = open({ ping });
    // Something has come, and next() is not called.
    stream.receive(Uint8Array.of(0, 0, 0, 1, 9), 0);
    for (const now of [1000, 2000]) stream.tick(now);
    expect([stream.take(), stream.next()]).toEqual([undefined, bytes(1, 9)]);
    // The wire is not read.
    for (const now of [3000, 4000]) stream.tick(now, false);
    stream.tick(4999);
    expect(stream.take()).toBeUndefined();
    stream.tick(5000);
    expect(stream.take()?.length).toBe(5);
    stream.sent(5, 5000);
    stream.tick(5499, false);
    stream.tick(5500);
    expect(stream.state).toBe("OPEN");
  });

  test("sends what was queued while it connected, though it was closed before it was open", () => {
    const stream = new MessageStream<Bytes>({ codec, txTimeoutMs: 10_000 }, 0);
    stream.queue(bytes(10), 0);
    stream.close();
    expect([stream.state, stream.take(), stream.queue(bytes(1), 0)]).toEqual(["CLOSING", undefined, false]);
    stream.tick(4999);
    stream.opened(4999);
    stream.sent(stream.take()!.length, 5000);
    expect(stream.ending).toEqual({ reason: "Closed", unsentMessages: 0, unsentBytes: 0 });
    const late = new MessageStream<Bytes>({ codec }, 0);
    late.queue(bytes(10), 0);
    late.close();
    late.tick(5000);
    expect(late.ending).toMatchObject({ reason: "Timeout", of: "connect", unsentMessages: 1 });
  });

  test("gives what was received where the wire takes nothing any more", () => {
    const stream = open();
    stream.queue(bytes(10), 0);
    stream.receive(Uint8Array.of(0, 0, 0, 1, 9), 0);
    stream.endSending();
    stream.tick(60_000);
    expect([stream.queue(bytes(1), 0), stream.take(), stream.next()]).toEqual([
      false,
      undefined,
      bytes(1, 9),
    ]);
    stream.end();
    expect(stream.ending).toMatchObject({ reason: "EndOfStream", frameBytes: 0, unsentMessages: 1 });
  });

  test("sends what is queued when it is closed, takes no more, and is over then", () => {
    const stream = open();
    stream.queue(bytes(10), 0);
    stream.close();
    expect([stream.state, stream.queue(bytes(1), 0), stream.receive(bytes(9), 0)]).toEqual([
      "CLOSING",
      false,
      0,
    ]);
    const { length } = stream.take()!;
    stream.sent(length, 0);
    expect(stream.ending).toEqual({ reason: "Closed", unsentMessages: 0, unsentBytes: 0 });
  });

  test("is stale in the end when nobody reads what it sends before it is over", () => {
    const stream = open({ txTimeoutMs: 50 });
    stream.queue(bytes(10), 0);
    stream.close();
    stream.tick(50);
    expect(stream.ending).toEqual({
      reason: "Stale",
      oldestQueuedMs: 50,
      unsentMessages: 1,
      unsentBytes: 14,
    });
  });

  test.each([
    ["between two frames", [0, 0, 0, 1, 9], 0, 5],
    ["within a length", [0, 0, 0, 1, 9, 0, 0], 2, 5],
    ["within a message", [0, 0, 0, 2, 9], 5, 0],
  ])("says how much of a frame was there when the stream ended %s", (_where, sent, frameBytes, position) => {
    const stream = open();
    stream.receive(Uint8Array.from(sent), 0);
    while (stream.next() !== undefined);
    stream.end();
    expect(stream.ending).toEqual({
      reason: "EndOfStream",
      frameBytes,
      position,
      unsentMessages: 0,
      unsentBytes: 0,
    });
  });

  test("says where its peer was wrong, and gives the messages before", () => {
    const stream = new MessageStream({ codec: netstring({ maxMessageBytes: 50 }) }, 0);
    stream.opened(0);
    stream.receive(Buffer.from("2:hi,x"), 0);
    expect([stream.next(), stream.next()]).toEqual([Uint8Array.of(0x68, 0x69), undefined]);
    expect(stream.ending).toMatchObject({ reason: "Malformed", what: "no digit of a length", position: 5 });
    expect(stream.queue(bytes(1), 0)).toBe(false);
  });

  test("has failed with what carries it", () => {
    const stream = open();
    const error = new Error("reset");
    stream.queue(bytes(1), 0);
    stream.failed(error);
    expect(stream.ending).toEqual({ reason: "Io", error, unsentMessages: 1, unsentBytes: 5 });
    stream.close();
    stream.sent(5, 0);
    expect(stream.ending?.reason).toBe("Io");
  });

  test("gives a quarter of its memory back at each idle tick, down to 4 KiB each", () => {
    const stream = open({ codec: lengthDelimited({ maxFrameBytes: 20_000 }) });
    stream.queue(bytes(20_000), 0);
    stream.take();
    stream.sent(20_004, 0);
    const memory = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((second) => {
      stream.tick(second * 1000);
      stream.invariants();
      return stream.telemetry(0).memoryBytes;
    });
    // The first tick comes after the last byte. Then a quarter goes each time, down to the floor.
    expect(memory).toEqual([20_004, 15_003, 11_252, 8439, 6329, 4746, 4096, 4096, 4096]);
  });

  test.each([
    ["sendMultiple", { sendMultiple: 1 }],
    ["receiveMultiple", { receiveMultiple: 0 }],
    ["txTimeoutMs", { txTimeoutMs: 0 }],
    ["writeBudgetBytes", { writeBudgetBytes: 0.5 }],
  ])("refuses a wrong %s", (name, options) => expect(() => open(options)).toThrow(name));
});
