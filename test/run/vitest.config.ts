import { defineConfig } from "vitest/config";

// What is large to install, or takes long. Not named *.test.ts, since `npm test` runs all of those.
export default defineConfig({
  test: {
    include: ["test/**/*.nightly.ts"],
    globalSetup: "scripts/bundle.mjs",
    pool: "forks",
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
