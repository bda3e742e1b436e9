// Runs the tests in virtual machines. Arguments go to vitest: `npm run test:vm -- busybox`. RINGWAY_TEST_JSON names a
// file for a report.
import { spawnSync } from "node:child_process";
import { installPackages } from "./packages.mjs";
import { ROOT, runVitest } from "./vitest.mjs";

// The guests' own parts are downloaded and unpacked below the cache, and never installed: test/vm/images.
const PACKAGES = {
  curl: "curl",
  gcc: "gcc",
  lz4: "lz4",
  make: "make",
  mke2fs: "e2fsprogs",
  "musl-gcc": "musl-tools",
  "qemu-system-x86_64": "qemu-system-x86",
};

if (process.arch !== "x64") {
  process.stderr.write("npm run test:vm: the guests are built for x86-64; this is another machine\n");
  process.exit(1);
}
installPackages(PACKAGES, "npm run test:vm");
const { status, error } = spawnSync("make", ["-s", "-C", `${ROOT}native`, "agent"], { stdio: "inherit" });
if (error) throw error;
if (status !== 0) process.exit(status ?? 1);
runVitest("--config", "test/vm/vitest.config.ts", "--root", ROOT);
