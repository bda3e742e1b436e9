// Runs vitest and ends with its exit code. RINGWAY_TEST_JSON names a file for a report beside what it prints.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** `args` go to `vitest run`, and behind them those of this process. */
export function runVitest(...args) {
  const report = process.env.RINGWAY_TEST_JSON;
  const reporters = report ? ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`] : [];
  const vitest = `${ROOT}node_modules/vitest/vitest.mjs`;
  const all = [vitest, "run", ...args, ...reporters, ...process.argv.slice(2)];
  const { status, signal, error } = spawnSync(process.execPath, all, { cwd: ROOT, stdio: "inherit" });
  if (error) throw error;
  process.exit(signal ? 1 : status);
}
