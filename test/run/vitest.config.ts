import { defineConfig } from "vitest/config";

// Programs that are large to install. Not named *.test.ts, since `npm test` runs all of those.
export default defineConfig({
  test: {
    include: ["test/run/**/*.nightly.ts"],
    globalSetup: "scripts/bundle.mjs",
    pool: "forks",
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
