// What the main thread and the reactor's thread tell each other. Plain data: it is structured-cloned.

import type { MappingPlace } from "@ringway/linux";
import type { GuestDescriptors } from "../accounts/descriptors.ts";
import type { Roots } from "../disk/roots.ts";
import type { DiskPorts } from "../disk/threads.ts";
import type { LookupMessage } from "../names/lookups.ts";
import type { Answer } from "../names/resolver.ts";
import type { FollowOptions } from "../observe/conversations/follower.ts";
import type { FlowMessage, KeyFlows } from "../observe/flow-lines.ts";
import type { FlowRecordsMessage } from "../observe/flow-records.ts";
import type { AuditMessage, GuestLife, LineMessage } from "../observe/line-messages.ts";
import type { TraceMessage, TraceWord } from "../observe/trace.ts";
import type { CompiledPolicy } from "../policy/compiled/compile.ts";
import type { AttachSocketFile } from "../policy/own-sockets.ts";
import type { RegionPort } from "../regions/thread.ts";
import type { Publication } from "../relays/published.ts";
import type { Fields, Question } from "./census-rows.ts";

export type { Publication } from "../relays/published.ts";

/** What the reactor's thread runs. */
export const REACTOR_MODULE: URL = new URL("./reactor-main.js", import.meta.url);

/** What guests are judged by: the rules, compiled, and the roots that they name, opened. */
export interface PolicyInForce {
  readonly compiled: CompiledPolicy;
  readonly roots: Roots;
}

/** A listening SOCK_SEQPACKET socket whose connections are guests, the reactor's from now on, and its file. */
export interface AttachSocketFd extends AttachSocketFile {
  readonly fd: number;
}

/** A guest that the host has named (tenants.ts). `policy`: where it has one of its own. */
export interface TenantMessage {
  readonly name: string;
  readonly policy: PolicyInForce | undefined;
  readonly labelBytes: number;
}

/** Given to the reactor's Worker when it starts. */
export interface ReactorOptions {
  readonly policy: PolicyInForce;
  readonly disk: DiskPorts;
  readonly regions: RegionPort;
  readonly descriptors: GuestDescriptors;
  readonly ownPorts: readonly number[];
  /** Ports that are published from the start: bound before any guest comes, which could be quicker. */
  readonly publications: readonly Publication[];
  /** The reactor sleeps in epoll; the main thread rings this eventfd after it has posted a message. */
  readonly wakeFd: number;
  readonly counters: SharedArrayBuffer;
  /** How long to look for work before sleeping, in microseconds; 0 never. */
  readonly busyPollUs: number;
  /** Guests at once. */
  readonly maxGuests: number;
  /** How long what a departed guest has ended may take to reach its peer, in milliseconds. */
  readonly lingerMs: number;
  /** What RINGWAY_TRACE names. */
  readonly trace: readonly TraceWord[];
  /** RINGWAY_DEBUG names "invariants": they are checked after each look at a guest. */
  readonly invariants: boolean;
  /** A listening SOCK_SEQPACKET socket whose connections are guests, or -1. */
  readonly listenFd: number;
  /** Its file. */
  readonly attachSocket: AttachSocketFile | undefined;
  /** Guests with an attach socket of their own. */
  readonly tenants: readonly (TenantMessage & { readonly socket: AttachSocketFd })[];
  /** There is an audit file: what guests are allowed is told, as their policies want it. */
  readonly hasAuditFile: boolean;
  /** Somebody wants a record of each stream that has ended. */
  readonly hasFlowRecords: boolean;
  /** The admin API's, where there is one: what guests are allowed is shown there while it lasts. */
  readonly adminSocket: AttachSocketFile | undefined;
  readonly showsFlows: boolean;
}

export type ToReactor =
  /** `tenant`: of that one alone. */
  | { readonly kind: "policy"; readonly policy: PolicyInForce; readonly tenant?: string | undefined }
  /** A VM, which is told of next. */
  | ({ readonly kind: "tenant" } & TenantMessage)
  /** `fd` is a connected socket that becomes a guest; the reactor owns it from now on. */
  | {
      readonly kind: "attach";
      readonly fd: number;
      readonly name: string;
      /** Whose budgets it uses; undefined: its own. */
      readonly key: string | undefined;
      readonly policy: PolicyInForce | undefined;
    }
  /** The main thread keeps `memory` mapped until "vm-ended". `doorbell` is the path of its bell's socket. */
  | {
      readonly kind: "vm";
      readonly name: string;
      readonly memory: MappingPlace;
      readonly doorbell: string;
    }
  | { readonly kind: "vm-removed"; readonly name: string }
  /** The last one of an id has `ended`. */
  | ({ readonly kind: "resolved"; readonly id: number } & Answer)
  | { readonly kind: "own-ports"; readonly ports: readonly number[] }
  /** Prefixes of NAT64 that the network has beside the well-known one. */
  | { readonly kind: "nat64"; readonly prefixes: readonly string[] }
  | { readonly kind: "memory"; readonly id: number; readonly gc: boolean }
  | { readonly kind: "taken"; readonly id: number }
  | { readonly kind: "ask"; readonly id: number; readonly question: Question }
  /** Somebody follows conversations, or does not any more. */
  | { readonly kind: "follow"; readonly id: number; readonly options: FollowOptions }
  | { readonly kind: "unfollow"; readonly id: number }
  /** There is room in its ring. */
  | { readonly kind: "follow-room"; readonly id: number }
  /** Of a conversation so much was taken; `isOver`: no more of it is wanted. */
  | {
      readonly kind: "follow-read";
      readonly id: number;
      readonly conversation: number;
      readonly bytes: number;
      readonly isOver: boolean;
    }
  /** Answered at once: how long it has waited to be seen. `sentNs`: of process.hrtime(). */
  | { readonly kind: "lag"; readonly id: number; readonly sentNs: bigint }
  /** The audit file takes lines, or has a fault. */
  | { readonly kind: "audit"; readonly isWritable: boolean }
  | { readonly kind: "stop"; readonly drainMs: number };

/** Memory of the reactor's own isolate, in bytes. */
export interface ReactorMemory {
  readonly heapUsed: number;
  readonly external: number;
}

/** A line of the audit, and whose it is. */
export type KeyAudit = AuditMessage & { readonly key: string };

export type FromReactor =
  /** `published`: of each of `publications` 0, or -errno. */
  | { readonly kind: "ready"; readonly published: readonly number[] }
  /** The policy posted last is in force. */
  | { readonly kind: "policy" }
  | Exclude<LineMessage, FlowMessage | AuditMessage>
  | KeyAudit
  /** Several of these, in their order (posts.ts). */
  | { readonly kind: "lives"; readonly lines: readonly GuestLife[] }
  | { readonly kind: "flows"; readonly rows: readonly KeyFlows[] }
  | LookupMessage
  | TraceMessage
  | FlowRecordsMessage
  /** There is something in the ring of that follower. */
  | { readonly kind: "followed"; readonly id: number }
  /** Nothing is put into that ring any more: another may have it. */
  | { readonly kind: "unfollowed"; readonly id: number }
  /** A VM was removed, and nothing of the reactor's thread uses its memory any more. */
  | { readonly kind: "vm-ended"; readonly name: string }
  | { readonly kind: "memory"; readonly id: number; readonly memory: ReactorMemory }
  /** Rows, a part of the answer to "ask". */
  | { readonly kind: "answer"; readonly id: number; readonly fields: Fields; readonly isLast: boolean }
  /**
   * Answered with "taken", when everything before it has been taken; with `key`, when that key's audit lines before it
   * are handed on (audit-gate.ts).
   */
  | { readonly kind: "mark"; readonly id: number; readonly key?: string }
  /** `aborted` streams were cut off; `stuck` operations are still in the hands of disk workers. */
  | { readonly kind: "stopped"; readonly aborted: number; readonly stuck: number };
