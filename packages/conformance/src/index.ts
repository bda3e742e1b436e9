// The conformance suite as a library: `ringway conformance` is a report over it, and so is any test runner.
//
//   const checks = await runGuest(() => new ProcessTestee(["./my-guest", "--testee"], 5000));
//   console.log(formatReport(makeReport("my guest", checks)));

export type { Fields, Value } from "./catalogue.ts";
export {
  type Command,
  type Reply,
  type Status,
  type Testee,
  TesteeBroken,
  TesteeMissing,
  TesteeMute,
  TesteeUnsupported,
} from "./contract.ts";
export { ErrorsOnce } from "./errors-once.ts";
export type { Host } from "./host/host.ts";
export type { HostFrame, HostPipe, PipeOwner } from "./host/pipe.ts";
export type { Region, Snapshot } from "./host/region.ts";
export { ProcessTestee, TYPESCRIPT_TESTEE, UNSUPPORTED_EXIT } from "./process-testee.ts";
export { type ClauseResult, formatReport, makeReport, type Report, type Verdict } from "./report.ts";
export { scenarios } from "./scenarios/index.ts";
export { guestCases, NothingSelected, type RunOptions, runGuest } from "./suite.ts";
export { serveTestee } from "./testee-loop.ts";
export { TypeScriptGuest } from "./typescript/guest.ts";
export { vectorCases } from "./vector-cases.ts";
export {
  type AnyVector,
  type AttachVector,
  type BellVector,
  type FrameVector,
  hexOf,
  loadVectors,
  type MessageVector,
  type RingVector,
  type SuperblockVector,
  type Vector,
} from "./vectors.ts";
export type { Case, Check, Outcome, StreamOptions, World } from "./world.ts";
