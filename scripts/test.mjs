// Runs every test. Arguments go to vitest: `npm test -- packages/control`. RINGWAY_TEST_JSON names a file for a report.
import { runVitest } from "./vitest.mjs";

runVitest();
