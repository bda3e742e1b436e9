import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

// Real sockets, processes and memory: each file runs in a process of its own, four at a time, since most wait more than
// they work: three leave a sixth of two processors idle. What measures a neighbour or looks at the whole machine runs
// afterwards, one file at a time. Last of all comes what stops processes, or a thread of its own, for seconds, or fills
// the kernel's buffers: much of that waits, and all its files do it at the same time.
const ALONE = ["test/hostile/{fares,mixes,floods}.test.ts"];
const STOPPING = [
  "test/agent/silence.test.ts",
  "test/faults/stopped.test.ts",
  "packages/linux/test/native-thread.test.ts",
  "test/network/kernel-memory.test.ts",
];

// What computes, or looks at things that it has made itself: it leaves nothing behind in its process, so that files
// follow each other in one, and what they import is loaded once. No file whose imports have hooks of their own: those
// would be the first file's alone.
const PURE = [
  "packages/bench/test/*.test.ts",
  "packages/cli/test/{numbers,run-folders,run-refusals,vm-arguments}.test.ts",
  "packages/control/test/{address,allocator,inspect-hostile,messages,readme,utf8}.test.ts",
  "packages/guest/test/{arguments,busy-poll,calls,chunks,cut-off,error-codes,mount-locks}.test.ts",
  "packages/guest/test/{net-surface,unknown}.test.ts",
  "packages/messages/test/{channels,chunks,codecs,message-stream}.test.ts",
  "packages/monitor/test/{accounts,audit-gate,budget,counters,denials,departure,ending,keep-alives,life}.test.ts",
  "packages/monitor/test/{line-cost,names-resolv-conf,names-resolver,polling,posts,protocols,rates,refusal}.test.ts",
  "packages/monitor/test/{beginnings,datagram-steps,failed-lookups,flow-lines,guests-problem,lock-turns}.test.ts",
  "packages/monitor/test/{lookups,mount-locks,mount-requests,names-late,partings,pieces,policies}.test.ts",
  "packages/monitor/test/{replies,slices,surroundings,tcp-connect,tenants,trace,undo}.test.ts",
  "packages/monitor/test/policy-{addresses,groups,hiding,index,matcher,names,order,validator}.test.ts",
  "packages/vm-image/test/*.test.ts",
  "test/lint/{api,architecture,columns,rules}.test.ts",
];

// Files that take long, and are small: on a machine that has run none of them yet vitest begins with large files, and
// these would be the last, beside nothing. The longest first.
const LONG = [
  "test/hostile/hostile.test.ts",
  "test/agent/transparent.test.ts",
  "test/model/model.test.ts",
  "test/simulator/simulator.test.ts",
  "test/native/build.test.ts",
  "test/agent/binary.test.ts",
  "test/conformance/monitor.test.ts",
  "test/run/matrix/matrix.test.ts",
  "test/faults/full-house.test.ts",
  "packages/demo/test/demo.test.ts",
  "test/files/parallel.test.ts",
  "test/conformance/mutants.test.ts",
  "packages/cli/test/logs.test.ts",
  "packages/guest/test/docs.test.ts",
];

class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId, project }: TestSpecification): number => {
      // Behind all others: those that share a process must follow each other, and they are short.
      if (project.name === "pure") return LONG.length + 1;
      const at = LONG.findIndex((path) => moduleId.endsWith(path));
      return at < 0 ? LONG.length : at;
    };
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
  }
}

// Tests of one file that only wait do it at the same time, three of them: each has a monitor to load first. What is
// built is loaded by Node itself, and so are a test's copies of it: vitest would transform it, and evaluate it module
// by module, for each file.
const shared = {
  pool: "forks",
  testTimeout: 60_000,
  hookTimeout: 60_000,
  maxConcurrency: 3,
  // As of until() of test/support: only a test that fails waits for as long.
  expect: { poll: { timeout: 15_000, interval: 5 } },
  server: { deps: { external: [/\/packages\/[\w-]+\/(dist|lib)\//, /\/ringway-invariants-\w+\//] } },
} as const;

export default defineConfig({
  test: {
    globalSetup: "scripts/bundle.mjs",
    sequence: { sequencer: LongFirst },
    projects: [
      {
        test: {
          ...shared,
          name: "beside",
          include: ["packages/*/test/**/*.test.ts", "test/**/*.test.ts"],
          exclude: [...ALONE, ...STOPPING, ...PURE, "**/node_modules/**"],
          maxWorkers: 4,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...shared,
          name: "pure",
          include: PURE,
          isolate: false,
          maxWorkers: 4,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: { ...shared, name: "alone", include: ALONE, maxWorkers: 1, sequence: { groupOrder: 1 } },
      },
      {
        test: { ...shared, name: "stopping", include: STOPPING, maxWorkers: 3, sequence: { groupOrder: 2 } },
      },
    ],
  },
});
