// The policy as plain data, after every check of the file: what parsePolicy returns (structured-cloneable, no classes,
// no undefined), and what compilePolicy makes the reactor's tables of. Sizes are numbers of bytes, hosts of files are
// absolute, names are lower-case, networks are CIDRs in canonical form.

import type { Refusal } from "@ringway/control";

export type Action = "allow" | "deny";

/** Ports first to last, both included. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

export type Transport = "tcp" | "udp";

export interface ConnectRule {
  readonly id: string;
  readonly action: Action;
  /** What it holds for: one at least. */
  readonly protocols: readonly Transport[];
  /** Name patterns: `example.com`, `*.example.com` or `*`. */
  readonly names: readonly string[];
  /** CIDRs, and words of groups: `public`, `private`, `loopback`, `host`. */
  readonly networks: readonly string[];
  readonly ports: readonly PortRange[];
  /** Networks and groups that the names may resolve to although they are not public; empty unless action is allow. */
  readonly resolvesTo: readonly string[];
}

export interface ListenRule {
  readonly id: string;
  readonly action: Action;
  readonly protocols: readonly Transport[];
  readonly networks: readonly string[];
  /** 0 appears only as a range of its own. */
  readonly ports: readonly PortRange[];
}

export interface FilesRule {
  readonly id: string;
  /** Absolute, normalized: `/` or `/a/b`. */
  readonly guest: string;
  readonly host: string;
  readonly access: "ro" | "rw";
  /** Guests reach what is mounted below the host's folder. */
  readonly crossMounts: boolean;
  /** Extended attributes that guests may have beside user.*: names, or their beginnings and a `*`. */
  readonly xattrs: readonly string[];
  /** Whose that is what guests make, and to whom they may give files; none: the monitor's user's, and to nobody. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
}

/** A Unix socket of the host. */
export interface SocketsRule {
  readonly id: string;
  /** Absolute, normalized: the one path that it covers. */
  readonly guest: string;
  /** Absolute: the folder that holds the socket, and its name there. */
  readonly folder: string;
  readonly name: string;
  readonly access: "connect" | "listen";
}

/** A virtual machine that this policy's monitor serves. */
export interface VmEntry {
  /** What its guests are called in logs. */
  readonly name: string;
  /** Absolute: the file that it shares with the host, made where it does not exist. */
  readonly memory: string;
  /** Absolute: the socket that its hypervisor serves, whose bytes are rings. */
  readonly doorbell: string;
  /** Bytes of a memory that is made, a power of two. */
  readonly memoryBytes: number;
}

export interface Limits {
  /** Of one key on the attach socket, at once. */
  readonly guests: number;
  /** Of the regions of one key. */
  readonly regionBytesTotal: number;
  readonly streams: number;
  readonly regionBytes: number;
  readonly streamBytes: number;
  /** What the kernel may hold for the guest's sockets, both ways. */
  readonly socketBytes: number;
  readonly accepts: number;
  readonly openFiles: number;
  /** Number.MAX_SAFE_INTEGER where unlimited. */
  readonly fileBytesWritten: number;
  /** Over the network, both ways; UNLIMITED. */
  readonly networkBytes: number;
  /** Taken from the guest's rings and not answered yet. */
  readonly requests: number;
  /** Given to the disk workers, in a second. */
  readonly diskOperations: number;
  /** In vain, in a second. */
  readonly bells: number;
  /** Lines to the logs, in a second. */
  readonly logLines: number;
  /** Their bytes, in a second. */
  readonly logBytes: number;
  /** Bytes of audit lines of what was allowed, in a second. */
  readonly auditBytes: number;
}

/** A rate or an amount that nothing limits. */
export const UNLIMITED: number = Number.MAX_SAFE_INTEGER;

/** So much in a second, and so much at once; UNLIMITED. */
export interface RateLimit {
  readonly perSecond: number;
  readonly burst: number;
}

/** Of all guests of a key together. */
export interface Rates {
  /** From guests to the network. */
  readonly bytesToHost: RateLimit;
  readonly bytesToGuest: RateLimit;
  /** Those that guests make, and those that come to them. */
  readonly connections: RateLimit;
  /** Both ways. */
  readonly datagrams: RateLimit;
  /** Of names and addresses, by the protocol resolve. */
  readonly lookups: RateLimit;
}

export interface Timeouts {
  readonly connectMs: number;
  readonly resolveMs: number;
  /** From the greeting to the attach request. */
  readonly attachMs: number;
  /** Without a datagram either way, until what is kept of a peer is forgotten. */
  readonly udpIdleMs: number;
}

export interface Policy {
  readonly version: 1;
  readonly guest: { readonly argv: readonly string[]; readonly env: Readonly<Record<string, string>> };
  readonly refusals: "explain" | "hide";
  /** Whether guests that cause audit lines wait while none can be written. */
  readonly audit: "required" | "best-effort";
  /** What the audit file has lines of: also of what was allowed, or of refusals and violations alone. */
  readonly audited: "all" | "refusals";
  readonly connect: readonly ConnectRule[];
  readonly listen: readonly ListenRule[];
  readonly files: readonly FilesRule[];
  readonly sockets: readonly SocketsRule[];
  readonly vms: readonly VmEntry[];
  /** Addresses of names that the host gives them, whatever else knows of these names. */
  readonly hosts: Readonly<Record<string, readonly string[]>>;
  /**
   * What a program of `ringway run` has of the host's system: absolute paths, read-only at their own places; the word
   * `default` stands for the usual ones.
   */
  readonly run: { readonly system: readonly string[] };
  readonly limits: Limits;
  readonly rates: Rates;
  readonly timeouts: Timeouts;
}

export interface Allowed {
  readonly allowed: true;
  /** The rule that decided: its id in the policy, or one of BUILT_IN_RULES. */
  readonly rule: string;
  /** A sentence for people. */
  readonly reason: string;
}

/**
 * `rule` is that which decided, `errno` one of Errno. EACCES: no rule allows it. EROFS: a write below a read-only rule.
 * EINVAL and ENAMETOOLONG: not a name, address, port or path. EAGAIN: the policy changed between the two phases of
 * connecting to a name.
 */
export interface NotAllowed extends Refusal {
  readonly allowed: false;
}

export type Decision = Allowed | NotAllowed;

/**
 * ruleIndex is the place in policy.connect, or -1 where a built-in rule decided, or rules for the addresses of
 * localhost; name is the normalized name, which is the one to resolve ("" where there is none).
 */
export type NameDecision = Decision & { readonly ruleIndex: number; readonly name: string };

/**
 * ruleIndex is the place in policy.files, whose host is the root to open relativePath below ("." for the root itself);
 * -1 and "" where a built-in rule refused.
 */
export type FileDecision = Decision & { readonly ruleIndex: number; readonly relativePath: string };

/** ruleIndex is the place in policy.sockets; -1 where a built-in rule refused. */
export type SocketDecision = Decision & { readonly ruleIndex: number };

/** As FileDecision; of the path's components, `depth` are the rule's folder. */
export type NamedFileDecision = Decision & { readonly ruleIndex: number; readonly depth: number };

/** Ids that no rule of a policy may take. docs/policy.md says when each decides. */
export const BUILT_IN_RULES: readonly string[] = [
  "address",
  "beneath",
  "default",
  "kind",
  "links",
  "monitor",
  "mounts",
  "name",
  "not-public",
  "path",
  "port",
  "published",
  "reloaded",
];
