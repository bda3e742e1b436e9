import { defineConfig } from "vitest/config";

// Real sockets, processes and memory: each file runs in a process of its own, three at a time, since most wait more
// than they work. What measures a neighbour, looks at the whole machine or stops processes runs afterwards, one file at
// a time.
const ALONE = [
  "test/hostile/{mixes,floods}.test.ts",
  "test/faults/stopped.test.ts",
  "test/network/kernel-memory.test.ts",
  "packages/linux/test/native-thread.test.ts",
];

// Tests of one file that only wait do it at the same time, three of them: each has a monitor to load first.
const shared = { pool: "forks", testTimeout: 30_000, hookTimeout: 30_000, maxConcurrency: 3 } as const;

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...shared,
          name: "beside",
          include: ["packages/*/test/**/*.test.ts", "test/**/*.test.ts"],
          exclude: [...ALONE, "**/node_modules/**"],
          maxWorkers: 3,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: { ...shared, name: "alone", include: ALONE, maxWorkers: 1, sequence: { groupOrder: 1 } },
      },
    ],
  },
});
