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

// What computes, or looks at things that it has made itself, a monitor among them: it leaves nothing behind in its
// process, so that files follow each other in one, and what they import is loaded once: a process for each is 0.6 s of
// the processor. No file whose imports have hooks of their own, unless support/shared-process.ts has them too; none
// that counts what its process has, or looks at how that loads modules, starts programs, or stands in for a module; and
// none that takes long.
const PURE = [
  "packages/cli/test/{admin-text,boot-limit,numbers,policy-learn-kept,run-folders}.test.ts",
  "packages/cli/test/{run-refusals,run-start,vm-arguments}.test.ts",
  "packages/control/test/{address,allocator,inspect-hostile,messages,readme,utf8}.test.ts",
  "packages/guest/test/{arguments,busy-poll,calls,chunks,cut-off,error-codes,faults,mount-locks}.test.ts",
  "packages/guest/test/{file-handle,fs-promises,lookup,net-path,net-server,net-socket,net-surface}.test.ts",
  "packages/guest/test/{room,streams,turns,udp,unknown}.test.ts",
  "packages/linux/test/{aio,channel,datagrams,deadline,errno,eventfd,refuse-descriptors,routes}.test.ts",
  "packages/linux/test/{sockets,view}.test.ts",
  "packages/messages/test/{channels,chunks,codecs,message-stream,peers}.test.ts",
  "packages/monitor/test/{accounts,audit-gate,budget,counters,denials,departure,ending,keep-alives,life}.test.ts",
  "packages/monitor/test/{allowed-still,attach-socket,census,disk-roots,disk-trees,event-stream,late-connect}.test.ts",
  "packages/monitor/test/{line-cost,names-resolv-conf,names-resolver,polling,posts,protocols,rates,refusal}.test.ts",
  "packages/monitor/test/{beginnings,datagram-steps,failed-lookups,flow-lines,guests-problem,lock-turns}.test.ts",
  "packages/monitor/test/{lookups,mount-locks,mount-requests,names-late,partings,pieces,policies}.test.ts",
  "packages/monitor/test/{replies,rows,slices,socket-closer,surroundings,tasks,tcp-connect,tenants}.test.ts",
  "packages/monitor/test/{trace,undo}.test.ts",
  "packages/monitor/test/policy-{addresses,document,folders,groups,hiding,index,loader,matcher}.test.ts",
  "packages/monitor/test/policy-{names,order,parse,validator}.test.ts",
  "packages/vm-image/test/*.test.ts",
  "test/admin/kept.test.ts",
  "test/conformance/coverage.test.ts",
  "test/faults/{drain-unattached,half-frames,late-lines,reattach,udp}.test.ts",
  "test/files/{counts,hidden,kept,mounts,roots,sockets,unread}.test.ts",
  "test/files/mount/{owners,policy,waiting-locks}.test.ts",
  "test/hostile/{found,keys}.test.ts",
  "test/lint/{api,architecture,columns,rules}.test.ts",
  "test/network/{groups,messages,named-guests,own-ports,policy,resets,resolve}.test.ts",
  "test/network/{tcp,udp,unix-partings,unknown}.test.ts",
  "test/support/incoming.test.ts",
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
  // Of those that share a process: they come last, and the short ones fill what is left.
  "test/faults/reattach.test.ts",
  "packages/guest/test/fs-promises.test.ts",
  "test/network/policy.test.ts",
  "test/hostile/keys.test.ts",
];

class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId, project }: TestSpecification): number => {
      const at = LONG.findIndex((path) => moduleId.endsWith(path));
      const isLong = at >= 0;
      // Behind all others: those that share a process must follow each other, and most are short.
      if (project.name === "pure") return LONG.length + (isLong ? 1 : 2);
      return isLong ? at : LONG.length;
    };
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
  }
}

// Tests of one file that only wait do it at the same time, three of them: each has a monitor to load first. What is
// built is loaded by Node itself, and so are a test's copies of it: vitest would transform it, and evaluate it module
// by module, for each file.
const shared = {
  pool: "forks",
  setupFiles: "test/support/module-loader.ts",
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
          setupFiles: ["test/support/module-loader.ts", "test/support/shared-process.ts"],
          maxWorkers: 4,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: { ...shared, name: "alone", include: ALONE, maxWorkers: 1, sequence: { groupOrder: 1 } },
      },
      {
        test: { ...shared, name: "stopping", include: STOPPING, maxWorkers: 4, sequence: { groupOrder: 2 } },
      },
    ],
  },
});
