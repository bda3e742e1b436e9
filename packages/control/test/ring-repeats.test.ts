// How often a head comes again in a ring, against a look at each of its words.

import fc from "fast-check";
import { expect, test } from "vitest";
import { RingConsumer, RingProducer, regionMemory } from "../src/index.ts";

const DATA = 0x100;
const CAPACITY = 256;
const HEAD = [70, 0x701, 0] as const;

function ringAt(position: number) {
  const memory = regionMemory(new ArrayBuffer(DATA + CAPACITY));
  const place = { producer: 0, consumer: 0x80, data: DATA, capacity: CAPACITY };
  return {
    producer: new RingProducer(memory, place, position),
    consumer: new RingConsumer(memory, place, position),
  };
}

test("repeats() counts heads up to the first that differs in a word that counts, wherever they lie", () => {
  const differing = fc.record({ piece: fc.nat(9), word: fc.constantFrom(0, 1, 2, 3, 4) });
  fc.assert(
    fc.property(
      fc.nat(CAPACITY - 1),
      fc.integer({ min: 16, max: 40 }),
      differing,
      (position, stride, differs) => {
        const { producer, consumer } = ringAt(position);
        const toEnd = CAPACITY - position;
        const pieces = Math.trunc(CAPACITY / stride);
        for (let i = 0; i < pieces; i++) {
          for (let word = 0; word < 4; word++) {
            // The third is any.
            const value = word === 2 ? 0x9000 + i : HEAD[Math.min(word, 2)]!;
            const wrong = differs.piece === i && differs.word === word;
            producer.putU32(wrong ? value + 1 : value, i * stride + 4 * word);
          }
        }
        const isOdd = differs.word === 0 || differs.word === 1 || differs.word === 3;
        // In front of the end, and, from the first piece that lies wholly behind it, behind it.
        const inFront = Math.trunc(toEnd / stride);
        const behind = Math.ceil(toEnd / stride);
        for (const [from, to] of [
          [0, inFront],
          [behind, pieces],
        ] as const) {
          const most = Math.max(0, to - from);
          const until = isOdd && differs.piece >= from ? differs.piece - from : most;
          const [first, second, fourth] = HEAD;
          const counted = consumer.repeats(from * stride, stride, most, first, second, fourth);
          expect(counted).toBe(Math.min(most, until));
        }
        expect(consumer.repeats(0, stride, -1, 70, 0x701, 0)).toBe(0);
      },
    ),
    { numRuns: 2000 },
  );
});
