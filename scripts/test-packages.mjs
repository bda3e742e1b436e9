// Packs the packages, installs them outside of the repository and uses them there. Arguments go to vitest.
// RINGWAY_TEST_JSON names a file for a report.
import { ROOT, runVitest } from "./vitest.mjs";

runVitest("--config", "test/packages/vitest.config.ts", "--root", ROOT);
