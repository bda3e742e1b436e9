// A million hostile chunks: frames of every codec, struck, cut and mixed with noise, against the oracle that reads the
// whole stream at once, with all bounds looked at after each step. Prints its seed; chunks.test.ts does fewer.
//
//   node --import tsx packages/messages/test/hostile.ts [CHUNKS] [SEED]

import assert from "node:assert/strict";
import fc from "fast-check";
import { ReceiveBuffer } from "../src/core/receive-buffer.ts";
import { chunksOf, KINDS, readWhole, sizes, streamOf } from "./arbitrary.ts";

const chunks = Number(process.argv[2] ?? 1_000_000);
const seed = Number(process.argv[3] ?? Date.now() % 2 ** 31);
console.log(`${chunks} chunks, seed ${seed}`);

const strike = fc.record({ at: fc.nat(), byte: fc.integer({ min: 0, max: 255 }) });
const stream = (message: fc.Arbitrary<unknown>) =>
  fc.tuple(
    fc.array(message, { maxLength: 8 }),
    fc.array(strike, { maxLength: 2 }),
    fc.uint8Array({ maxLength: 60 }),
    sizes,
  );

let done = 0;
let problems = 0;
let messages = 0;
for (let round = 0; done < chunks; round++) {
  const { codec, message, name } = KINDS[round % KINDS.length]!;
  for (const [sent, strikes, noise, cuts] of fc.sample(stream(message), {
    numRuns: 50,
    seed: seed + round,
  })) {
    const bytes = Uint8Array.from([...streamOf(codec, sent), ...noise]);
    for (const { at, byte } of strikes) if (bytes.length > 0) bytes[at % bytes.length] = byte;
    const whole = readWhole(codec, bytes);
    const buffer = new ReceiveBuffer(codec, 1);
    const read: unknown[] = [];
    for (const chunk of chunksOf(bytes, cuts)) {
      done++;
      for (let rest = chunk; rest.length > 0 && buffer.problem === undefined; ) {
        rest = rest.subarray(buffer.receive(rest));
        let next: unknown;
        do {
          next = buffer.next();
          buffer.invariants();
          if (next !== undefined) read.push(next);
        } while (next !== undefined);
      }
    }
    assert.deepEqual(read, whole.messages, `${name}, seed ${seed}, round ${round}`);
    assert.equal(buffer.problem?.position, whole.problem?.position, `${name}, seed ${seed}, round ${round}`);
    messages += read.length;
    if (whole.problem !== undefined) problems++;
  }
}
console.log(`${done} chunks: ${messages} messages and ${problems} malformed streams, as read whole`);
