// A hostile host against the SDK: every call and stream ends, with an error that has a code, and the guest's loop turns
// all the time. In a process of its own, where a loop that does not turn can be seen from outside.

import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { Program } from "../support/processes.ts";
import { until } from "../support/wait.ts";

const SEED = Number(process.env.RINGWAY_FUZZ_SEED ?? 4);
const ROUNDS = Number(process.env.RINGWAY_FUZZ_ROUNDS ?? 250);
/** A round takes some 20 ms. */
const ROUND_MS = 15_000;

interface Outcome {
  readonly mutations: number;
  readonly codes: Readonly<Record<string, number>>;
  readonly wrong: readonly string[];
}

test(`${ROUNDS} guests of a host that writes what it likes`, { timeout: 180_000 }, async () => {
  const child = fileURLToPath(new URL("./host-child.ts", import.meta.url));
  const tsx = import.meta.resolve("tsx");
  using program = new Program(process.execPath, ["--import", tsx, child, String(SEED), String(ROUNDS)]);
  for (let seen = -1; !(program.lines.at(-1) ?? "").includes('"done"'); ) {
    await until(
      `round ${seen + 1} of seed ${SEED}`,
      () => {
        if (program.isOver && program.lines.length === seen) throw new Error(program.errors);
        return program.lines.length > Math.max(seen, 0);
      },
      ROUND_MS,
    );
    seen = program.lines.length;
  }
  const { wrong, codes, mutations } = JSON.parse(program.lines.at(-1)!) as Outcome;
  expect(wrong, `seed ${SEED}`).toEqual([]);
  expect(mutations).toBeGreaterThan(ROUNDS * 10);
  expect(codes.ERR_RINGWAY_PROTOCOL).toBeGreaterThan(0);
});
