// Is the JSON of `ringway bench --json`, or of `ringway bench --vm --json`, whole? Every figure there, finite and
// positive. Judges no speed: machines differ.
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
  "policyManyVsFew",
  "udpOut64VsC",
  "udpOut64VsSocat",
  "udpIn64VsC",
  "udpIn64VsSocat",
  "udpOut1400VsC",
  "udpOut1400VsSocat",
  "udpIn1400VsC",
  "udpIn1400VsSocat",
  "udpRttVsC",
  "unixOutVsSocat",
  "unixInVsSocat",
  "mountRandom16VsPreadv",
];
const VM_RATIOS = [
  "bulkOutVsSlirp",
  "bulkInVsSlirp",
  "bulkOutVsPasst",
  "bulkInVsPasst",
  "rttVsSlirp",
  "rttVsPasst",
];
const { ratios, idle, visitors, vm } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const missingOf = (part, names, figures) =>
  names.filter((name) => !(figures?.[name] > 0)).map((name) => `${part}.${name}`);
// A run with --vm has these and no others.
const problems = vm === undefined ? missingOf("ratios", RATIOS, ratios) : missingOf("vm", VM_RATIOS, vm);
if (vm === undefined) {
  problems.push(...missingOf("idle", ["streams", "heapBytesPerStream"], idle));
  if (!(idle?.cpuPercent >= 0)) problems.push("idle.cpuPercent");
  for (const result of visitors)
    problems.push(...missingOf("visitors", ["perSecond", "p99Ratio", "p99VsElsewhere"], result));
  if (visitors.length === 0) problems.push("visitors");
}
for (const problem of problems) console.error(`missing or not a figure: ${problem}`);
console.log(JSON.stringify(vm === undefined ? { ratios, idle, visitors } : { vm }, null, 2));
process.exit(problems.length > 0 ? 1 : 0);
