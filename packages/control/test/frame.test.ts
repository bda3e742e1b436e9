// Frames on small rings: any cut of the bytes, any moment to read, the wrap-around; and lengths that may not be.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  encodeFrame,
  FRAME_HEADER_BYTES,
  FRAME_PAYLOAD_MAX,
  FrameReader,
  FrameWriter,
  MAX_RING_BYTES,
  maxPayload,
  Ping,
  RingConsumer,
  RingProducer,
  regionMemory,
  Violation,
} from "../src/index.ts";
import { expectViolation } from "./helpers.ts";

const TOP = 2 ** 32;
const nothing = (): void => {};

function ring(capacity: number, position = 0) {
  const memory = regionMemory(new ArrayBuffer(0x100 + Math.max(4, capacity)));
  Atomics.store(memory.words, 0, position | 0);
  Atomics.store(memory.words, 0x80 / 4, position | 0);
  const place = { producer: 0, consumer: 0x80, data: 0x100, capacity };
  const producer = new RingProducer(memory, place, position);
  const consumer = new RingConsumer(memory, place, position);
  return { memory, producer, consumer, writer: new FrameWriter(producer), reader: new FrameReader(consumer) };
}

interface Plain {
  readonly type: number;
  readonly requestId: number;
  readonly payload: Uint8Array;
}

const u32 = fc.oneof(fc.constantFrom(0, 1, 0x8000, 0xffff, 2 ** 31, TOP - 1), fc.nat(TOP - 1));
const frames = (capacity: number): fc.Arbitrary<Plain[]> => {
  const most = capacity - FRAME_HEADER_BYTES;
  const length = fc.oneof(
    fc.constantFrom(0, 1, most - 1, most).map((n) => Math.max(0, n)),
    fc.nat(most),
  );
  const payload = length.chain((n) => fc.uint8Array({ minLength: n, maxLength: n }));
  return fc.array(fc.record({ type: u32, requestId: u32, payload }), { maxLength: 12 });
};
const start = fc.oneof(fc.integer({ min: TOP - 300, max: TOP - 1 }), fc.nat(TOP - 1));
const plain = ({ type, requestId, payload }: Plain) => ({ type, requestId, payload: [...payload] });

describe("frames arrive whole and in order", () => {
  test.each([16, 32, 64, 4096])("when their bytes come in chaotic pieces, capacity %i", (capacity) => {
    fc.assert(
      fc.property(frames(capacity), start, fc.array(fc.nat(50), { minLength: 1 }), (sent, position, cuts) => {
        const { producer, consumer, reader } = ring(capacity, position);
        const bytes = sent.flatMap((f) => [...encodeFrame(f.type, f.requestId, f.payload)]);
        const got: Plain[] = [];
        let at = 0;
        for (let turn = 0; at < bytes.length || consumer.readable() > 0; turn++) {
          const cut = cuts[turn % cuts.length]!;
          const piece = bytes.slice(at, at + Math.min(1 + cut, producer.writable()));
          producer.put(Uint8Array.from(piece));
          producer.advance(piece.length);
          at += piece.length;
          // Not after every piece; but always when there is no room for more.
          if (cut % 3 === 0 || producer.writable() === 0 || at === bytes.length) {
            for (let frame = reader.next(nothing); frame !== undefined; frame = reader.next(nothing))
              got.push(frame);
          }
        }
        expect(got.map(plain)).toEqual(sent.map(plain));
        expect(consumer.position).toBe((position + bytes.length) % TOP);
      }),
    );
  });

  test.each([16, 32, 64, 4096])("when a writer puts each as soon as it fits, capacity %i", (capacity) => {
    fc.assert(
      fc.property(
        frames(capacity),
        start,
        fc.array(fc.boolean(), { minLength: 1 }),
        (sent, position, reads) => {
          const { producer, consumer, writer, reader } = ring(capacity, position);
          const got: Plain[] = [];
          const queue = [...sent];
          for (let turn = 0; queue.length > 0 || consumer.readable() > 0; turn++) {
            const [frame] = queue;
            if (frame !== undefined) {
              const fits = writer.fits(frame.payload.length);
              const before = producer.position;
              expect(writer.write(frame.type, frame.requestId, frame.payload, nothing)).toBe(fits);
              if (fits) queue.shift();
              else expect(producer.position).toBe(before);
              if (fits && !reads[turn % reads.length]) continue;
            }
            const next = reader.next(nothing);
            if (next !== undefined) got.push(next);
          }
          expect(got.map(plain)).toEqual(sent.map(plain));
        },
      ),
    );
  });

  test("as copies that the producer cannot change any more", () => {
    const { memory, writer, reader } = ring(64, TOP - 20);
    writer.write(1, 2, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10), nothing);
    const frame = reader.next(nothing)!;
    memory.bytes.fill(0xff, 0x100);
    expect([...frame.payload]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });
});

describe("a frame of a kind that is known", () => {
  test("is taken alone where no other is asked for, and the others stay where they are", () => {
    const { consumer, writer, reader } = ring(64, TOP - 20);
    for (const type of [5, 6]) writer.write(type, 7, Uint8Array.of(1, 2, 3, 4), nothing);
    expect(reader.next(nothing, new Set([6]))).toBeUndefined();
    expect(consumer.readable()).toBe(32);
    expect(reader.next(nothing, new Set([4, 5]))).toMatchObject({ type: 5, requestId: 7 });
    expect(reader.next(nothing)).toMatchObject({ type: 6 });
  });

  test("is found where it lies, read word by word and taken, at each place of the ring", () => {
    for (let position = TOP - 70; position <= TOP; position++) {
      const { consumer, writer, reader } = ring(64, position % TOP);
      const payload = Uint8Array.of(1, 0, 0, 0, 0, 2, 0, 0, 0xff, 0xff, 0xff, 0xff);
      for (const requestId of [7, 0xffffffff]) {
        writer.write(5, requestId, payload, nothing);
        expect([reader.nextIs(5, 12), reader.nextIs(5, 11), reader.nextIs(6, 12)]).toEqual([
          true,
          false,
          false,
        ]);
        expect([reader.requestId(), reader.word(0), reader.word(1), reader.word(2)]).toEqual([
          ...[requestId, 1, 512, 0xffffffff],
        ]);
        expect(consumer.readable()).toBe(24);
        reader.skip(12, nothing);
        expect(consumer.readable()).toBe(0);
      }
      expect(reader.nextIs(5, 12)).toBe(false);
    }
  });

  test("is copied from where it lies, and stays until it is taken, at each place of the ring", () => {
    for (let position = TOP - 70; position <= TOP; position++) {
      const { consumer, writer, reader } = ring(64, position % TOP);
      expect(reader.nextBytes()).toBe(-1);
      writer.write(5, 7, Uint8Array.of(1, 2, 3, 4, 5), nothing);
      for (let i = 0; i < 2; i++) {
        const payload = new Uint8Array(5);
        expect([reader.nextBytes(), reader.type(), reader.requestId()]).toEqual([5, 5, 7]);
        reader.copy(payload);
        expect([...payload]).toEqual([1, 2, 3, 4, 5]);
        expect(consumer.readable()).toBe(17);
      }
      reader.skip(5, nothing);
      expect([consumer.readable(), reader.nextBytes()]).toEqual([0, -1]);
    }
  });

  test("is none while a byte of it is missing", () => {
    const bytes = encodeFrame(7, 9, Uint8Array.of(1, 2, 3, 4));
    const { producer, reader } = ring(16, TOP - 5);
    for (const byte of bytes) {
      expect([reader.nextIs(7, 4), reader.nextBytes()]).toEqual([false, -1]);
      producer.put(Uint8Array.of(byte));
      producer.advance(1);
    }
    expect(reader.nextIs(7, 4)).toBe(true);
    expect(plain(reader.next(nothing)!)).toEqual({ type: 7, requestId: 9, payload: [1, 2, 3, 4] });
  });

  test("is published around a payload that is in its place already", () => {
    for (let position = TOP - 70; position <= TOP; position++) {
      const { producer, writer, reader } = ring(64, position % TOP);
      producer.put(Uint8Array.of(1, 2, 3, 4, 5), FRAME_HEADER_BYTES);
      expect(reader.next(nothing)).toBeUndefined();
      writer.publish(3, 4, 5, nothing);
      expect(plain(reader.next(nothing)!)).toEqual({ type: 3, requestId: 4, payload: [1, 2, 3, 4, 5] });
    }
  });
});

describe("half a frame", () => {
  test("is waited for at every length, and nothing is taken off the ring", () => {
    const bytes = encodeFrame(7, 9, Uint8Array.of(1, 2, 3, 4));
    for (let length = 0; length < bytes.length; length++) {
      const { producer, consumer, reader } = ring(16, TOP - 5);
      producer.put(bytes.subarray(0, length));
      producer.advance(length);
      expect(reader.next(nothing)).toBeUndefined();
      expect(reader.next(nothing)).toBeUndefined();
      expect(consumer.position).toBe(TOP - 5);
      producer.put(bytes.subarray(length));
      producer.advance(bytes.length - length);
      expect(plain(reader.next(nothing)!)).toEqual({ type: 7, requestId: 9, payload: [1, 2, 3, 4] });
    }
  });

  test("that the end of the stream cuts off is a violation, at every length but none (FRM-3)", () => {
    const bytes = encodeFrame(7, 9, Uint8Array.of(1, 2, 3, 4));
    for (let length = 0; length <= bytes.length; length++) {
      const { producer, reader } = ring(16, TOP - 5);
      producer.put(bytes.subarray(0, length));
      producer.advance(length);
      producer.end();
      reader.next(nothing);
      if (length === 0 || length === bytes.length) reader.end();
      else expectViolation(Violation.FRAME_LENGTH, "FRM-3", () => reader.end());
    }
  });

  test("whose header changes behind the reader's back is judged anew, never half old and half new", () => {
    const { memory, producer, reader } = ring(64);
    producer.put(encodeFrame(1, 1, new Uint8Array(8)).subarray(0, 16));
    producer.advance(16);
    expect(reader.next(nothing)).toBeUndefined();
    memory.bytes.set(encodeFrame(2, 3, Uint8Array.of(9, 9, 9, 9)), 0x100);
    expect(plain(reader.next(nothing)!)).toEqual({ type: 2, requestId: 3, payload: [9, 9, 9, 9] });
  });
});

describe("a length over the bound", () => {
  test.each([
    [16, 5],
    [64, 53],
    [4096, 4085],
    [64, 2 ** 31 - 1],
    [64, 2 ** 31],
    [64, TOP - 12],
    [64, TOP - 1],
    [128 * 1024, FRAME_PAYLOAD_MAX + 1],
  ])("is refused as soon as the header is there: ring of %i, payload of %i", (capacity, length) => {
    const { producer, consumer, reader } = ring(capacity, TOP - 6);
    const header = encodeFrame(1, 1, new Uint8Array(0));
    new DataView(header.buffer).setUint32(0, length, true);
    producer.put(header.subarray(0, 11));
    producer.advance(11);
    expect(reader.next(nothing)).toBeUndefined();
    producer.put(header.subarray(11));
    producer.advance(1);
    expectViolation(Violation.FRAME_LENGTH, "FRM-3", () => reader.next(nothing));
    // Nothing was taken; and it is refused again.
    expect(consumer.position).toBe(TOP - 6);
    expectViolation(Violation.FRAME_LENGTH, "FRM-3", () => reader.next(nothing));
  });

  test("is a mistake of the program where it is its own", () => {
    const { writer, producer } = ring(16);
    expect(() => writer.write(1, 1, new Uint8Array(5), nothing)).toThrow(RangeError);
    expect(producer.position).toBe(0);
    expect(writer.write(1, 1, new Uint8Array(4), nothing)).toBe(true);
  });

  test("is over what the ring holds, or over the protocol's bound where the ring holds more", () => {
    expect(maxPayload(4096)).toBe(4084);
    expect(maxPayload(64 * 1024)).toBe(64 * 1024 - 12);
    expect(maxPayload(128 * 1024)).toBe(FRAME_PAYLOAD_MAX);
    expect(maxPayload(MAX_RING_BYTES)).toBe(FRAME_PAYLOAD_MAX);
    const { writer, reader } = ring(128 * 1024, TOP - 7);
    expect(writer.write(1, 1, new Uint8Array(FRAME_PAYLOAD_MAX).fill(3), nothing)).toBe(true);
    const { payload } = reader.next(nothing)!;
    expect(payload.length).toBe(FRAME_PAYLOAD_MAX);
    expect(payload.every((byte) => byte === 3)).toBe(true);
  });

  test.each([1, 2, 4, 8])("is every length on a ring that cannot hold a header: %i", (capacity) => {
    const { producer, reader, writer } = ring(capacity);
    producer.advance(capacity);
    expect(reader.next(nothing)).toBeUndefined();
    expect(() => writer.write(1, 1, new Uint8Array(0), nothing)).toThrow(RangeError);
  });
});

describe("the other side is told", () => {
  test("of data when it wants data, once a frame", () => {
    const { writer, consumer } = ring(64);
    let told = 0;
    writer.write(1, 1, new Uint8Array(3), () => told++);
    expect(told).toBe(0);
    consumer.wantData();
    writer.write(1, 2, new Uint8Array(3), () => told++);
    expect(told).toBe(1);
  });

  test("of space when the space that it wants is there", () => {
    const { producer, writer, reader } = ring(64);
    let told = 0;
    for (let i = 0; i < 4; i++) writer.write(1, i, new Uint8Array(4), nothing);
    expect(producer.wantSpace(40)).toBe(false);
    reader.next(() => told++);
    reader.next(() => told++);
    // 32 are free: a signal now would be false hope.
    expect(told).toBe(0);
    reader.next(() => told++);
    expect(told).toBe(1);
  });

  test("in a call that may use frames itself: what was read is not mixed up", () => {
    const { producer, writer, reader } = ring(32);
    const other = ring(64);
    other.writer.write(0xaaaa, 0xbbbb, new Uint8Array(5), nothing);
    writer.write(1, 2, Uint8Array.of(5), nothing);
    producer.wantSpace(32);
    const frame = reader.next(() => {
      other.reader.next(nothing);
      other.writer.send(Ping, 77, { data: new Uint8Array(3) }, nothing);
    });
    expect(plain(frame!)).toEqual({ type: 1, requestId: 2, payload: [5] });
  });
});

test("a frame's header is three little-endian words", () => {
  expect([...encodeFrame(0x0102, 0x03040506, Uint8Array.of(0xaa, 0xbb))]).toEqual([
    2, 0, 0, 0, 0x02, 0x01, 0, 0, 0x06, 0x05, 0x04, 0x03, 0xaa, 0xbb,
  ]);
});
