import { defineConfig } from "vitest/config";

// Real sockets, processes and memory: each file in a process of its own. Two at a time, since most of them wait most of the time;
// those that measure how one guest fares beside another run after them, one at a time.
const MEASURED = "test/hostile/**/*.test.ts";

export default defineConfig({
  test: {
    pool: "forks",
    testTimeout: 30_000,
    hookTimeout: 30_000,
    projects: [
      {
        extends: true,
        test: {
          name: "all",
          include: ["packages/*/test/**/*.test.ts", "test/**/*.test.ts"],
          exclude: [MEASURED],
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: "measured",
          include: [MEASURED],
          maxWorkers: 1,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
