// @ringway/monitor: the host side of Ringway. `Monitor.start` is where to begin; docs/monitor.md shows how.

export { NoAnswerError } from "./loading/loader.ts";
export { loadPolicy, PolicyLoader } from "./loading/policy-loader.ts";
export { AuditError, type Violated } from "./logs/audit.ts";
export { createLogger } from "./logs/logger.ts";
export { LogWriter, type LogWriterEvents } from "./logs/writer.ts";
export {
  type AttachedGuest,
  DEFAULT_BUSY_POLL_US,
  DEFAULT_DRAIN_MS,
  Monitor,
  type MonitorEvents,
  type MonitorOptions,
  type VmOptions,
} from "./monitor.ts";
export { type HostLookupOptions, hostLookup } from "./names/host-lookup.ts";
export { NameServerError } from "./names/name-server.ts";
export type { Nat64Listener } from "./names/nat64-discovery.ts";
export type { Lookup } from "./names/resolver.ts";
export { MONITOR_BOUNDS } from "./options.ts";
export * from "./policy/index.ts";
export { COUNTERS, type CounterName, type CounterValues } from "./reactor/counters.ts";
export type { ReactorMemory, Refusal } from "./reactor/messages.ts";
export { HostSurroundings } from "./surroundings.ts";
export { VmMemoryError } from "./vm-memory.ts";
