import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

// Real sockets, processes and memory: each file runs in a process of its own, three at a time, since most wait more
// than they work. What measures a neighbour or looks at the whole machine runs afterwards, one file at a time; and what
// stops processes, or a thread of its own, for seconds last of all: it waits, and two files do that at the same time.
const ALONE = ["test/hostile/{hostile,mixes,floods}.test.ts", "test/network/kernel-memory.test.ts"];
const STOPPING = ["test/faults/stopped.test.ts", "packages/linux/test/native-thread.test.ts"];

// Small files that take long. On a machine that has run none of them yet vitest begins with large files, and these
// would be the last, beside nothing.
const LONG = ["test/native/build.test.ts", "packages/cli/test/logs.test.ts"];

class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isLong = ({ moduleId }: TestSpecification): boolean => LONG.some((path) => moduleId.endsWith(path));
    const sorted = await super.sort(files);
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}

// Tests of one file that only wait do it at the same time, three of them: each has a monitor to load first.
const shared = { pool: "forks", testTimeout: 60_000, hookTimeout: 60_000, maxConcurrency: 3 } as const;

export default defineConfig({
  test: {
    globalSetup: "scripts/bundle.mjs",
    sequence: { sequencer: LongFirst },
    projects: [
      {
        test: {
          ...shared,
          name: "beside",
          include: ["packages/*/test/**/*.test.ts", "test/**/*.test.ts"],
          exclude: [...ALONE, ...STOPPING, "**/node_modules/**"],
          maxWorkers: 3,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: { ...shared, name: "alone", include: ALONE, maxWorkers: 1, sequence: { groupOrder: 1 } },
      },
      {
        test: { ...shared, name: "stopping", include: STOPPING, maxWorkers: 2, sequence: { groupOrder: 2 } },
      },
    ],
  },
});
