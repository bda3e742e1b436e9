// Packs the packages, installs them outside of the repository and uses them there. Arguments go to vitest.
// RINGWAY_TEST_JSON names a file for a report.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const report = process.env.RINGWAY_TEST_JSON;
const reporters = report ? ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`] : [];
const config = ["--config", "test/packages/vitest.config.ts", "--root", root];
const args = ["node_modules/vitest/vitest.mjs", "run", ...config, ...reporters, ...process.argv.slice(2)];
const { status, signal, error } = spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" });
if (error) throw error;
process.exit(signal ? 1 : status);
