#!/usr/bin/env node
// CommonJS, by the package.json beside it: its first line runs earlier than that of an ES module.
const { debuggerAsked, signals } = require("./early.js");

const asked = debuggerAsked();
if (asked === undefined) {
  import("../lib/main.js")
    .then(({ main }) => main(process.argv.slice(2), signals))
    .catch((error) => {
      const unbuilt = error.code === "ERR_MODULE_NOT_FOUND" && /\/lib\/main\.js'/.test(error.message);
      console.error(unbuilt ? "ringway: not built yet: run 'npm run setup' in the workspace" : error);
      process.exitCode = 1;
    });
} else {
  console.error(
    `ringway: ${asked}: a process that serves guests runs without a debugger, which a guest could reach`,
  );
  process.exitCode = 2;
}
