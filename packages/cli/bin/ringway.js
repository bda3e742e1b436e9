#!/usr/bin/env node
import("../dist/main.js").catch((error) => {
  const unbuilt = error.code === "ERR_MODULE_NOT_FOUND" && /\/dist\/main\.js'/.test(error.message);
  console.error(unbuilt ? "ringway: not built yet: run 'npm run setup' in the workspace" : error);
  process.exitCode = 1;
});
