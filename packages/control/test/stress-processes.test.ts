// Two processes over one memfd, with eventfds for bells: bytes both ways at once, compared one by one on the other
// side. The children inherit the region and the bells as descriptors.

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { closeFd, createEventfd, SharedMemory } from "@ringway/linux";
import { describe, expect, onTestFinished, test } from "vitest";
import { memoryBytes, prepare } from "./fixtures/stress-end.mjs";

const MiB = 1024 * 1024;
const script = fileURLToPath(new URL("./fixtures/stress-process.mjs", import.meta.url));

interface Outcome {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

function start(fds: number[], options: object): Promise<Outcome> {
  const child = spawn(process.execPath, [script, JSON.stringify(options)], {
    stdio: ["ignore", "pipe", "pipe", ...fds],
  });
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  let output = "";
  let errors = "";
  child.stdout!.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  child.stderr!.setEncoding("utf8").on("data", (text: string) => {
    errors += text;
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, output, errors }));
  });
}

describe("two processes", () => {
  test.each([
    [4, 20_000, 2 ** 32 - 9_000],
    [64, 200_000, 2 ** 32 - 100_000],
    [4096, 2 * MiB, 2 ** 32 - 4095],
    [65_536, 8 * MiB, 2 ** 32 - 5 * MiB],
    [MiB, 12 * MiB, 2 ** 32 - MiB - 1],
  ])(
    "carry every byte both ways over rings of %i bytes: %i bytes each way",
    async (capacity, bytes, position) => {
      const seed = (Math.random() * 2 ** 31) | 0;
      using shared = SharedMemory.create("ringway-stress", memoryBytes(capacity));
      prepare(new Int32Array(shared.buffer), position);
      const bells = [createEventfd(), createEventfd()] as const;
      try {
        const results = await Promise.all(
          [0, 1].map((side) =>
            start([shared.fd, bells[1 - side]!, bells[side]!], { side, capacity, position, bytes, seed }),
          ),
        );
        for (const { code, output, errors } of results) {
          expect({ seed, code, errors }).toEqual({ seed, code: 0, errors: "" });
          expect(JSON.parse(output)).toMatchObject({ sent: bytes, got: bytes });
        }
        // Else the bells were not tried.
        const sleeps = results.map(({ output }) => JSON.parse(output).sleeps as number);
        expect(sleeps[0]! + sleeps[1]!).toBeGreaterThan(0);
      } finally {
        for (const bell of bells) closeFd(bell);
      }
    },
  );
});
