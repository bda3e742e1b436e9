import { defineConfig } from "vitest/config";

// Real sockets, processes and memory: files run one at a time, each in a process of its own.
export default defineConfig({
  test: {
    include: ["packages/*/test/**/*.test.ts", "test/**/*.test.ts"],
    pool: "forks",
    fileParallelism: false,
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
