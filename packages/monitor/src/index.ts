// @ringway/monitor: the host side of Ringway. `Monitor.start` is where to begin; docs/monitor.md shows how.

export type { Refusal } from "@ringway/control";
export { SystemError } from "@ringway/linux";
export { AdminClient, type AdminClientOptions, AdminError, type EventsOptions } from "./admin/client.ts";
export type { FollowedEvent } from "./admin/conversation-reader.ts";
export type { AdminEvent } from "./admin/event-reader.ts";
export type { EventKind } from "./admin/happenings.ts";
export type { NewVm, Problem } from "./admin/shapes.ts";
export { VmMemoryError } from "./links/vm-memory.ts";
export { NoAnswerError } from "./loading/loader.ts";
export type { JudgedPolicy } from "./loading/policy-file.ts";
export {
  loadPolicy,
  loadPolicySync,
  type PolicyChecker,
  PolicyLoader,
  type TextOptions,
} from "./loading/policy-loader.ts";
export { type KeptPlace, placesOfVm } from "./loading/root-problems.ts";
export type { AdminHttpOptions, AdminOptions } from "./monitor/admin-options.ts";
export { Conversation, type ConversationEvent } from "./monitor/conversation.ts";
export type { ConversationsOptions, FollowAsked } from "./monitor/conversation-options.ts";
export { Conversations } from "./monitor/conversations.ts";
export type { MonitorEvents } from "./monitor/events.ts";
export { FollowersError } from "./monitor/follows.ts";
export type { GuestRates, StreamRates } from "./monitor/guest-rates.ts";
export {
  DEFAULT_BUSY_POLL_US,
  DEFAULT_DRAIN_MS,
  keptBy,
  MONITOR_BOUNDS,
  type MonitorNumber,
  type MonitorOptions,
  type VmOptions,
} from "./monitor/options.ts";
export type { Changer, PolicyChange } from "./monitor/policy-history.ts";
export type { AttachedGuest, AttachOptions } from "./monitor/program-guests.ts";
export type { PublishOptions } from "./monitor/publish-options.ts";
export type { Published, PublishStatus } from "./monitor/publishes.ts";
export type {
  GuestStatus,
  Page,
  PageOptions,
  RingFill,
  StreamStatus,
  StreamsOptions,
  TenantStatus,
} from "./monitor/status.ts";
export {
  type PolicyPut,
  type PolicyStatus,
  type PutPolicyOptions,
  Steering,
} from "./monitor/steering.ts";
export { SteeringError } from "./monitor/steering-error.ts";
export {
  type GuestOptions,
  guestNameProblem,
  guestsProblem,
  type ReloadOptions,
  type TenantOptions,
} from "./monitor/tenant-options.ts";
export { Monitor } from "./monitor.ts";
export { type HostLookupOptions, hostLookup, hostReverse } from "./names/host-lookup.ts";
export { NameServerError } from "./names/name-server.ts";
export type { Nat64Listener } from "./names/nat64-discovery.ts";
export type { Lookup, LookupDetails, ReverseLookup } from "./names/resolver.ts";
export { AuditError, type Changed, type Violated } from "./observe/audit.ts";
export {
  type ConversationEnd,
  type ConversationOpened,
  type ConversationParty,
  RecordError,
} from "./observe/conversations/records.ts";
export type { ConversationProtocol } from "./observe/conversations/wanted.ts";
export type { Labels } from "./observe/labels.ts";
export { createLogger } from "./observe/logs/logger.ts";
export { LogWriter, type LogWriterEvents } from "./observe/logs/writer.ts";
export { checkTrace, TraceError } from "./observe/trace.ts";
export * from "./policy/index.ts";
export { COUNTERS, Counter, type CounterName, type CounterValues } from "./reactor/counters.ts";
export { HostSurroundings } from "./thread/host-surroundings.ts";
export type { ReactorMemory } from "./thread/messages.ts";
