// Installs the dependencies and builds, when either is out of date. Needs Node and npm only: pnpm comes, pinned,
// through npx. Quiet when there is nothing to do.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { removeStale } from "./stale.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
process.chdir(root);

function run(command, args) {
  const { status, error } = spawnSync(command, args, { stdio: ["ignore", "inherit", "inherit"] });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

const stampFile = "node_modules/.ringway-setup";
const lock = createHash("sha256").update(readFileSync("pnpm-lock.yaml")).digest("hex");
const installed = existsSync(stampFile) && readFileSync(stampFile, "utf8") === lock;
if (!installed) {
  const { packageManager } = JSON.parse(readFileSync("package.json", "utf8"));
  run("npx", ["--yes", packageManager, "install", "--frozen-lockfile"]);
  writeFileSync(stampFile, lock);
}
removeStale(root);
run(process.execPath, ["node_modules/typescript/bin/tsc", "-b"]);
run(process.execPath, ["scripts/bundle.mjs"]);
// What was built of native/ before, where its sources have changed: an agent of another day does not know what the
// command asks it for.
for (const [made, target] of [
  ["libringway.so", "all"],
  ["ringway-agent", "agent"],
]) {
  if (existsSync(`native/build/${made}`)) run("make", ["--silent", "-C", "native", target]);
}
