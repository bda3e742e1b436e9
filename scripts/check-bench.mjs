// Is the JSON of `ringway bench --json`, of `--vm`, `--run` or `--files` whole? Every figure there, finite and
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
  "catOutVsSocat",
  "catInVsSocat",
];
const VM_RATIOS = [
  "bulkOutVsSlirp",
  "bulkInVsSlirp",
  "bulkOutVsPasst",
  "bulkInVsPasst",
  "rttVsSlirp",
  "rttVsPasst",
];
const FILES_RATIOS = ["write", "read", "random", "find", "tar"].map((row) => `${row}VsVirtiofs`);
const RUN_ROWS = ["out1", "in1", "out8", "in8", "rtt", "connects"];
const RUN_IPERF_ROWS = ["iperf3Out1", "iperf3In1", "iperf3Out8", "iperf3In8"];
/** Of the others, what it says to have left out may be missing: pasta of 2023 hangs now and then. */
const RUN_PEERS = ["Pasta", "Slirp4netns", "Direct"];
const RUN_RATIOS = [
  ...[...RUN_ROWS, ...RUN_IPERF_ROWS].flatMap((row) => RUN_PEERS.map((peer) => `${row}Vs${peer}`)),
  ...RUN_ROWS.slice(0, 4).flatMap((row) => RUN_PEERS.slice(0, 2).map((peer) => `${row}CpuVs${peer}`)),
  "namesPerSecond",
];
const { ratios, idle, scraped, visitors, vm, unmodified, files, leftOut } = JSON.parse(
  readFileSync(process.argv[2], "utf8"),
);
const missingOf = (part, names, figures) =>
  names.filter((name) => !(figures?.[name] > 0)).map((name) => `${part}.${name}`);
// A run with one of these options has these and no others.
const problems =
  vm !== undefined
    ? missingOf("vm", VM_RATIOS, vm)
    : unmodified !== undefined
      ? missingOf("unmodified", RUN_RATIOS.filter(isNotLeftOut), unmodified)
      : files !== undefined
        ? missingOf("files", FILES_RATIOS, files)
        : [...missingOf("ratios", RATIOS, ratios), ...missingAside()];
for (const problem of problems) console.error(`missing or not a figure: ${problem}`);
console.log(JSON.stringify(vm ?? unmodified ?? files ?? { ratios, idle, scraped, visitors }, null, 2));
process.exit(problems.length > 0 ? 1 : 0);

function isNotLeftOut(name) {
  const peer = RUN_PEERS.find((each) => name.endsWith(`Vs${each}`))?.toLowerCase();
  return !(peer !== undefined && leftOut.some((text) => text.includes(peer)));
}

function missingAside() {
  const missing = missingOf("idle", ["streams", "heapBytesPerStream"], idle);
  if (!(idle?.cpuPercent >= 0)) missing.push("idle.cpuPercent");
  if (!(scraped?.percent >= 0)) missing.push("scraped.percent");
  for (const result of visitors)
    missing.push(...missingOf("visitors", ["perSecond", "p99Ratio", "p99VsElsewhere"], result));
  if (visitors.length === 0) missing.push("visitors");
  return missing;
}
