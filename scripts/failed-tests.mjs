// Names each failed test of a report by vitest, with the first line of why: REPORT.json NAME. Files that could not be
// run at all have no test to name.

import { readFileSync } from "node:fs";
import { relative } from "node:path";

const [report, name] = process.argv.slice(2);
const { testResults } = JSON.parse(readFileSync(report, "utf8"));
const firstLine = (text = "") => text.split("\n", 1)[0].slice(0, 200);
let told = 0;
for (const { name: path, status, message, assertionResults } of testResults) {
  const failed = assertionResults.filter((test) => test.status === "failed");
  const file = `${name}: ${relative(process.cwd(), path)}`;
  for (const { fullName, failureMessages } of failed) {
    console.log(`${file}: ${fullName}: ${firstLine(failureMessages[0])}`);
  }
  if (failed.length === 0 && status === "failed") console.log(`${file}: ${firstLine(message)}`);
  told += failed.length + (status === "failed" ? 1 : 0);
}
if (told === 0) console.log(`${name}: a test's process ended with an error of its own`);
