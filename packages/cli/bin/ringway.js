#!/usr/bin/env node
// CommonJS, by the package.json beside it: to load an ES module Node starts its thread pool, whose size is fixed from then
// on. The monitor resolves names on that pool, up to 16 at once.
process.env.UV_THREADPOOL_SIZE ??= "16";
import("../dist/main.js").catch((error) => {
  const unbuilt = error.code === "ERR_MODULE_NOT_FOUND" && /\/dist\/main\.js'/.test(error.message);
  console.error(unbuilt ? "ringway: not built yet: run 'npm run setup' in the workspace" : error);
  process.exitCode = 1;
});
