import { defineConfig } from "vitest/config";

// The packages as they would be published. Not named *.test.ts, since `npm test` runs all of those, and this takes
// npm's registry.
export default defineConfig({
  test: {
    include: ["test/packages/**/*.pack.ts"],
    pool: "forks",
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
