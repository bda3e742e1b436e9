// Runs the tests that take long, and those with programs that are large to install; installs those as root. Arguments
// go to vitest. RINGWAY_TEST_JSON names a file for a report.
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
runVitest("--config", "test/run/vitest.config.ts", "--root", ROOT);
