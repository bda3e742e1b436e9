// Runs the tests that take long, and those with programs that are large to install; installs those as root. Arguments
// go to vitest. RINGWAY_TEST_JSON names a file for a report.
import { spawnSync } from "node:child_process";
import { installPackages } from "./packages.mjs";
import { ROOT, runVitest } from "./vitest.mjs";

const PACKAGES = {
  chromium: "chromium",
  go: "golang-go",
  javac: "default-jdk-headless",
  // Without which there is no ringway run.
  bwrap: "bubblewrap",
  gcc: "gcc",
  ip: "iproute2",
  make: "make",
  "musl-gcc": "musl-tools",
  python3: "python3",
};

installPackages(PACKAGES, "npm run nightly");
// The matrix in a machine. It is of x86-64.
if (process.arch === "x64") {
  const env = { ...process.env, RINGWAY_VM_PROGRAMS: "1", RINGWAY_TEST_JSON: "" };
  const words = [`${ROOT}scripts/test-vm.mjs`, "programs", "mount"];
  const { status } = spawnSync(process.execPath, words, { stdio: "inherit", env });
  if (status !== 0) process.exit(status ?? 1);
}
// A million hostile chunks.
{
  const words = ["--import", "tsx", `${ROOT}packages/messages/test/hostile.ts`];
  const { status } = spawnSync(process.execPath, words, { stdio: "inherit", cwd: ROOT });
  if (status !== 0) process.exit(status ?? 1);
}
runVitest("--config", "test/run/vitest.config.ts", "--root", ROOT);
