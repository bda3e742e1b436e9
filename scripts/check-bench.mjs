// Is the JSON of `ringway bench --json` whole? Every figure there, finite and positive. Judges no speed: machines differ.
import { readFileSync } from "node:fs";

const RATIOS = [
  "bulkOutVsC",
  "bulkInVsC",
  "bulkOutVsSocat",
  "bulkInVsSocat",
  "cpuPerGiBVsSocat",
  "rttVsC",
  "rttBusyPollVsSocat",
  "echo512VsC",
  "fileReadVsC",
  "sdkOutVsNodeSocket",
  "sdkInVsNodeSocket",
];
const report = JSON.parse(readFileSync(process.argv[2], "utf8"));
const problems = RATIOS.filter((name) => !(report.ratios[name] > 0)).map((name) => `ratios.${name}`);
if (!(report.idle.streams > 0)) problems.push("idle.streams");
if (!(report.idle.cpuPercent >= 0)) problems.push("idle.cpuPercent");
if (!(report.idle.heapBytesPerStream > 0)) problems.push("idle.heapBytesPerStream");
for (const problem of problems) console.error(`missing or not a figure: ${problem}`);
console.log(JSON.stringify({ ratios: report.ratios, idle: report.idle }, null, 2));
process.exit(problems.length > 0 ? 1 : 0);
