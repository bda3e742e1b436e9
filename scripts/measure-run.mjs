// How long `ringway run` takes to start a program: from the start of the command to the first byte that the program
// writes, beside the bare program and bubblewrap alone, in turns. It wants bwrap, and the agent in native/build.
//
//   node scripts/measure-run.mjs [ROUNDS]
//
// Each line: the median, from the least to the most, and how much that is over the bare program.

import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const PROGRAM = ["/bin/echo", "first"];
const WARM_UP = 2;

const folder = mkdtempSync(join(tmpdir(), "ringway-measure-"));
const policy = join(folder, "policy.yaml");
mkdirSync(join(folder, "data"));
writeFileSync(
  policy,
  "version: 1\nconnect: [{ allow: 127.0.0.1 }]\nfiles: [{ guest: /data, host: ./data, access: ro }]\n",
);

const run = (...options) => [
  ...[
    process.execPath,
    at("packages/cli/bin/ringway.js"),
    "run",
    "--agent",
    at("native/build/ringway-agent"),
  ],
  ...[...options, "--", ...PROGRAM],
];
const ways = {
  "the bare program": PROGRAM,
  "bubblewrap alone": ["bwrap", "--unshare-all", "--die-with-parent", "--ro-bind", "/", "/", ...PROGRAM],
  "node alone": [process.execPath, "-e", "process.stdout.write('first')"],
  "ringway run": run(),
  "ringway run --policy": run("--policy", policy),
  "ringway run --policy --files mount": run("--policy", policy, "--files", "mount"),
};

function firstByteMs([program, ...words]) {
  return new Promise((resolve, reject) => {
    const startMs = performance.now();
    let firstMs;
    const child = spawn(program, words, { stdio: ["ignore", "pipe", "inherit"] });
    child.stdout.once("data", () => {
      firstMs = performance.now() - startMs;
    });
    child.once("error", reject);
    child.once("close", (code) =>
      code === 0 && firstMs !== undefined
        ? resolve(firstMs)
        : reject(new Error(`${program}: exit code ${code}`)),
    );
  });
}

const rounds = Number(process.argv[2] ?? 15);
const times = new Map(Object.keys(ways).map((name) => [name, []]));
try {
  for (let round = -WARM_UP; round < rounds; round++) {
    for (const [name, command] of Object.entries(ways)) {
      const ms = await firstByteMs(command);
      if (round >= 0) times.get(name).push(ms);
    }
  }
} finally {
  rmSync(folder, { recursive: true });
}
const medians = new Map();
for (const [name, all] of times) {
  const sorted = all.toSorted((a, b) => a - b);
  medians.set(name, sorted[Math.floor(sorted.length / 2)]);
  const over = medians.get(name) - medians.get("the bare program");
  const [median, least, most, more] = [medians.get(name), sorted[0], sorted.at(-1), over].map((ms) =>
    ms.toFixed(1),
  );
  console.log(`${name.padEnd(36)} ${median.padStart(7)} ms (${least} to ${most})   +${more} ms`);
}
