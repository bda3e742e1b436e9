// A policy file as the schema leaves it, and where complaints about it go. Where the schema complained, a value may be
// anything.

import type { Path } from "./source.ts";
import type { Limits, Rates, Transport } from "./types.ts";

export interface RawPolicy {
  readonly guest?: { readonly argv?: string[]; readonly env?: Record<string, string> };
  readonly refusals?: "explain" | "hide";
  readonly audit?: "required" | "best-effort";
  readonly audited?: "all" | "refusals";
  readonly connect?: RawRule[];
  readonly listen?: RawRule[];
  readonly files?: RawFiles[];
  readonly sockets?: RawSocket[];
  readonly vms?: RawVm[];
  readonly hosts?: Readonly<Record<string, string | string[]>>;
  readonly run?: { readonly system?: string[] };
  readonly limits?: Partial<Record<keyof Limits, number | string>>;
  readonly rates?: Partial<Record<keyof Rates | "bytesToHostBurst" | "bytesToGuestBurst", number | string>>;
  readonly timeouts?: {
    readonly connectMs?: number;
    readonly resolveMs?: number;
    readonly attachMs?: number;
    readonly udpIdleMs?: number;
  };
}

export interface RawFiles {
  readonly id?: string;
  readonly guest: string;
  readonly host: string;
  readonly access: "ro" | "rw";
  readonly crossMounts?: boolean;
  readonly xattrs?: string[];
  readonly owner?: { readonly uid: number; readonly gid: number };
}

export interface RawSocket {
  readonly id?: string;
  readonly guest: string;
  readonly host: string;
  readonly access: "connect" | "listen";
}

export interface RawVm {
  readonly name: string;
  readonly memory: string;
  readonly doorbell: string;
  readonly size?: number | string;
}

export interface RawRule {
  readonly id?: string;
  readonly allow?: string | string[];
  readonly deny?: string | string[];
  readonly protocols?: Transport | Transport[];
  readonly ports?: RawPort | RawPort[];
  readonly resolvesTo?: string | string[];
}

export type RawPort = number | string;

export interface BuildContext {
  /** Relative hosts of files are below it. */
  readonly folder: string;
  /** Whether the schema complained of this very place. */
  isBroken(path: Path): boolean;
  complain(path: Path, message: string): void;
  /** What may be meant, and seldom is. */
  warn(path: Path, message: string): void;
  lineOf(path: Path): number;
}
