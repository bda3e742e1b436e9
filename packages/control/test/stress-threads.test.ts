// Two threads over one SharedArrayBuffer: bytes both ways at once, compared one by one on the other side, with the
// protocol's own sleep and wake-up. Both run the built package, as workers need JavaScript.

import { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import { memoryBytes, prepare } from "./fixtures/stress-end.mjs";

const MiB = 1024 * 1024;

interface Result {
  readonly sent: number;
  readonly got: number;
  readonly sleeps: number;
}

async function stress(capacity: number, bytes: number, position: number, seed: number): Promise<Result[]> {
  const buffer = new SharedArrayBuffer(memoryBytes(capacity));
  prepare(new Int32Array(buffer), position);
  const bells = new SharedArrayBuffer(8);
  const script = new URL("./fixtures/stress-thread.mjs", import.meta.url);
  const workers = [0, 1].map((side) => {
    const workerData = { buffer, bells, side, capacity, position, bytes, seed };
    return new Worker(script, { workerData });
  });
  try {
    return await Promise.all(
      workers.map(
        (worker) =>
          new Promise<Result>((resolve, reject) => {
            worker.once("message", resolve);
            worker.once("error", reject);
            worker.once("exit", (code) => reject(new Error(`a thread ended with ${code}`)));
          }),
      ),
    );
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

describe("two threads", () => {
  // 64 MiB in all, both directions counted; each run passes the positions' wrap-around.
  test.each([
    [1, 20_000, 2 ** 32 - 7_000],
    [2, 40_000, 2 ** 32 - 1],
    [8, 200_000, 2 ** 32 - 100_000],
    [64, MiB / 2, 2 ** 32 - 100_000],
    [4096, 3 * MiB, 2 ** 32 - 4095],
    [65_536, 12 * MiB, 2 ** 32 - 5 * MiB],
    [MiB, 16 * MiB, 2 ** 32 - MiB - 1],
  ])(
    "carry every byte both ways over rings of %i bytes: %i bytes each way",
    async (capacity, bytes, position) => {
      const seed = (Math.random() * 2 ** 31) | 0;
      const results = await stress(capacity, bytes, position, seed).catch((error: Error) => {
        throw new Error(`seed ${seed}: ${error.message}`);
      });
      for (const { sent, got } of results)
        expect({ seed, sent, got }).toEqual({ seed, sent: bytes, got: bytes });
      // Else the bells were not tried.
      expect(results[0]!.sleeps + results[1]!.sleeps).toBeGreaterThan(0);
    },
  );
});
