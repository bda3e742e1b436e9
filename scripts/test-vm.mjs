// Runs the tests in virtual machines. Arguments go to vitest: `npm run test:vm -- busybox`. RINGWAY_TEST_JSON names a
// file for a report.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { installPackages } from "./vm-packages.mjs";

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

function run(command, ...args) {
  const { status, signal, error } = spawnSync(command, args, { stdio: "inherit" });
  if (error) throw error;
  if (signal !== null || status !== 0) process.exit(signal ? 1 : status);
}

installPackages();
run("make", "-s", "-C", at("native"), "agent");
const report = process.env.RINGWAY_TEST_JSON;
const reporters = report ? ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`] : [];
const config = ["--config", at("test/vm/vitest.config.ts"), "--root", at("")];
run(
  process.execPath,
  at("node_modules/vitest/vitest.mjs"),
  "run",
  ...config,
  ...reporters,
  ...process.argv.slice(2),
);
