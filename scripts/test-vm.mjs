// Runs the tests in virtual machines. Arguments go to vitest: `npm run test:vm -- busybox`. RINGWAY_TEST_JSON names a
// file for a report.
import { spawnSync } from "node:child_process";
import { ROOT, runVitest } from "./vitest.mjs";
import { installPackages } from "./vm-packages.mjs";

installPackages();
const { status, error } = spawnSync("make", ["-s", "-C", `${ROOT}native`, "agent"], { stdio: "inherit" });
if (error) throw error;
if (status !== 0) process.exit(status ?? 1);
runVitest("--config", "test/vm/vitest.config.ts", "--root", ROOT);
