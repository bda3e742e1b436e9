// Runs every test. Arguments go to vitest: `npm test -- packages/control`. RINGWAY_TEST_JSON names a file for a report.
import { spawnSync } from "node:child_process";

const vitest = new URL("../node_modules/vitest/vitest.mjs", import.meta.url).pathname;
const report = process.env.RINGWAY_TEST_JSON;
const reporters = report ? ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`] : [];
const args = [vitest, "run", ...reporters, ...process.argv.slice(2)];
const { status, signal } = spawnSync(process.execPath, args, { stdio: "inherit" });
process.exit(signal ? 1 : (status ?? 1));
