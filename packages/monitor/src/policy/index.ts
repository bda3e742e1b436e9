export type {
  CompiledPolicy,
  Entries,
  NameEntries,
  NetworkEntries,
  PolicySettings,
} from "./compiled/compile.ts";
export type { NameTable } from "./compiled/name-table.ts";
export type { PrefixTree } from "./compiled/prefix-tree.ts";
export type { Place } from "./compiled/words.ts";
export {
  DEFAULT_LIMITS,
  DEFAULT_RATES,
  DEFAULT_TIMEOUTS,
  isVmMemorySize,
  VM_MEMORY_EXPECTED,
} from "./defaults.ts";
export type { YamlPlace } from "./document.ts";
export { formatProblem, PolicyError, type PolicyProblem } from "./errors.ts";
export { GROUPS } from "./groups.ts";
export { PolicyMatcher } from "./matcher.ts";
export type { Address, Network } from "./networks.ts";
export { parsePolicy, type Warn } from "./parse.ts";
export type { GuestName } from "./paths.ts";
export type { PortJudge, Reach } from "./reach.ts";
export type { Denial } from "./refusal.ts";
export { formatSize, parseSize } from "./sizes.ts";
export type { Surroundings } from "./surroundings.ts";
export {
  type Action,
  type Allowed,
  BUILT_IN_RULES,
  type ConnectRule,
  type Decision,
  type FileDecision,
  type FilesRule,
  type Limits,
  type ListenRule,
  type NameDecision,
  type NamedFileDecision,
  type NotAllowed,
  type Policy,
  type PortRange,
  type RateLimit,
  type Rates,
  type SocketDecision,
  type SocketsRule,
  type Timeouts,
  type Transport,
  type VmEntry,
} from "./types.ts";
export { unexpandedPath } from "./unexpanded.ts";
