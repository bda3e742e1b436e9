import { defineConfig } from "vitest/config";

// Virtual machines: one file at a time, or they take each other's processors. Not named *.test.ts, since `npm test`
// runs all of those.
export default defineConfig({
  test: {
    include: ["test/vm/**/*.vm.ts"],
    globalSetup: ["test/vm/images/setup.ts"],
    pool: "forks",
    setupFiles: ["test/support/module-loader.ts"],
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 60_000,
  },
});
