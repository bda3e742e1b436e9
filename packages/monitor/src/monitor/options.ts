// What a program gives to a monitor, and what of it cannot be taken: a mistake would show much later, as guests that
// are turned away or as transfers that are cut off, so it is refused at once. Numbers of the policy are the schema's.

import {
  type InheritedSocket,
  invalidType,
  invalidValue,
  requireFunction,
  requireKeys,
  requireList,
  requireObject,
  requireSignal,
  requireText,
} from "@ringway/linux";
import type { Logger } from "pino";
import { type KeptPlace, requirePlace } from "../loading/root-problems.ts";
import { type HostLookupOptions, requireNames } from "../names/host-lookup.ts";
import type { Lookup, ReverseLookup } from "../names/resolver.ts";
import { flowsPath } from "../observe/flow-file.ts";
import type { Policy } from "../policy/types.ts";
import { type AdminOptions, requireAdmin } from "./admin-options.ts";
import { requireLogger, requirePolicy } from "./arguments.ts";
import { type PublishOptions, requirePublish } from "./publish-options.ts";
import {
  type GuestOptions,
  guestsProblem,
  requireDescriptor,
  requireGuest,
  requireVm,
  type TenantOptions,
} from "./tenant-options.ts";

/** A virtual machine to serve (docs/vm.md). */
export interface VmOptions extends TenantOptions {
  /** What its guests are called in events and logs. */
  readonly name: string;
  /**
   * The memory that its ivshmem device shares with the host: a path, made where it does not exist; or a descriptor,
   * of which the monitor takes a duplicate.
   */
  readonly memory: string | number;
  /** Bytes of a memory that is made: a power of two. One that exists keeps the size that it has. Default 64 MiB. */
  readonly memoryBytes?: number;
  /** Path of the socket that its hypervisor serves: one byte, each way, is a ring. It is called until it answers. */
  readonly doorbell: string;
}

export interface MonitorOptions {
  /** What guests may do: a policy, or the path of a policy file. */
  readonly policy: Policy | string;
  /** Path of a Unix socket on which process guests attach; without it, guests come by attach() only. */
  readonly listen?: string;
  /**
   * Sockets on which this process listens already, since its service manager does: `listen`, that of one of `guests`,
   * and that of `admin` with the same path take theirs from here, and make none. They are the monitor's from now on;
   * their files stay.
   */
  readonly inherited?: readonly InheritedSocket[];
  /** Guests that have a name, each with an attach socket of its own, and a policy and labels if it likes. */
  readonly guests?: readonly GuestOptions[];
  /** Virtual machines to serve, beside those of the policy. */
  readonly vms?: readonly VmOptions[];
  /** How long the reactor looks for work before it sleeps, in microseconds; 0 never. Default 50. */
  readonly busyPollUs?: number;
  /**
   * Where log lines go, and audit lines without a file of their own. It must neither wait nor throw (LogWriter).
   * Default: silent.
   */
  readonly logger?: Logger;
  /**
   * Files that no folder of a policy may hold, beside those that are known here (the socket, the audit file, the VMs'
   * memories and doorbells, a policy that is given as a path): the logs, a policy that was read from a file.
   */
  readonly kept?: readonly KeptPlace[];
  /**
   * Ports of this process that no guest may reach at an address of this host, whatever rules allow: of a metrics or
   * admin server. Beside process.debugPort, which none ever may.
   */
  readonly ownPorts?: readonly number[];
  /**
   * Ports of the host that lead to ports of guests that have a name, whether these are there or not. Others come and go
   * by `steering.publish()`.
   */
  readonly publishes?: readonly PublishOptions[];
  /** Serves the admin API (docs/operate.md), by which the monitor is seen and changed. */
  readonly admin?: AdminOptions;
  /** Path of the file that audit lines are appended to. A policy that says `audit: required` needs one. */
  readonly audit?: string;
  /**
   * Where a record of each stream that has ended goes, a JSON line: the path of a file that they are appended to, or
   * `unix:` and the path of a Unix socket that somebody listens at.
   */
  readonly flows?: string;
  /**
   * Where it has aborted before the start is over, no line says that the monitor is ready. Whoever aborted closes it.
   */
  readonly signal?: AbortSignal;
  /** Guests at once. Default 256. */
  readonly maxGuests?: number;
  /** How long what a departed guest has ended may take to reach its peer, in milliseconds. Default 500. */
  readonly lingerMs?: number;
  /** Resolves names. Default: hostLookup() of `names`. */
  readonly lookup?: Lookup;
  /** Names of addresses. Default: hostReverse() of `names`; where `lookup` is another one, no address has names. */
  readonly reverse?: ReverseLookup;
  /** Name servers and files of the default `lookup`. */
  readonly names?: HostLookupOptions;
}

/** The default of busyPollUs: see docs/performance.md for what it buys. */
export const DEFAULT_BUSY_POLL_US = 50;
/** The default of maxGuests. */
export const DEFAULT_MAX_GUESTS = 256;
/** The default of lingerMs. */
export const DEFAULT_LINGER_MS = 500;
/** The default time limit of close(), in milliseconds. */
export const DEFAULT_DRAIN_MS = 5000;

export type MonitorNumber = "busyPollUs" | "maxGuests" | "lingerMs" | "drainMs" | "ownPorts";

/** Least and most of each, both allowed. */
export const MONITOR_BOUNDS: Readonly<Record<MonitorNumber, readonly [least: number, most: number]>> = {
  /** 0: never. Past a second a processor is given away. */
  busyPollUs: [0, 1_000_000],
  /** A monitor for nobody is a mistake. */
  maxGuests: [1, 100_000],
  /** 0: what a departed guest has ended is cut off. */
  lingerMs: [0, 3_600_000],
  /** 0: transfers are cut off. */
  drainMs: [0, 3_600_000],
  ownPorts: [1, 65_535],
};

/** What looks at an option that is there, by the name that it has in errors. */
type Check = (value: unknown, name: string) => void;

/** For numbers, the name is that of their bounds. */
const within =
  (name: MonitorNumber): Check =>
  (value) =>
    requireWithin(name, value);

/** Every option that there is, and what looks at it before anything begins. */
const CHECKS: { readonly [K in keyof Required<MonitorOptions>]: Check } = {
  policy: (value, name) => requirePolicy(value, name, { orPath: true }),
  listen: requireText,
  inherited: (value, name) => requireList(value, name, requireInherited),
  guests: (value, name) => requireList(value, name, requireGuest),
  vms: (value, name) => requireList(value, name, requireVm),
  busyPollUs: within("busyPollUs"),
  logger: requireLogger,
  kept: (value, name) => requireList(value, name, requirePlace),
  ownPorts: (value, name) => requireList(value, name, within("ownPorts")),
  publishes: (value, name) => requireList(value, name, requirePublish),
  admin: requireAdmin,
  audit: requireText,
  flows: requireText,
  maxGuests: within("maxGuests"),
  lingerMs: within("lingerMs"),
  lookup: requireFunction,
  reverse: requireFunction,
  names: requireNames,
  signal: requireSignal,
};

/** Throws TypeError and RangeError, with Node's codes, for what start() cannot take. */
export function requireOptions(options: unknown): void {
  requireObject(options, "options", "an object such as { policy, listen }");
  const given = options as Record<string, unknown>;
  requireKeys(given, "option", Object.keys(CHECKS));
  for (const [name, check] of Object.entries(CHECKS)) {
    const isThere = given[name] !== undefined || name === "policy";
    if (isThere) check(given[name], `options.${name}`);
  }
  const { guests = [], vms = [], listen } = options as MonitorOptions;
  const problem = guestsProblem(guests, vms, listen);
  if (problem !== undefined) throw invalidValue("options.guests", guests, `is invalid: ${problem}`);
}

/**
 * Throws RangeError with Node's code for a number that is out of its bounds; undefined is the default. TypeError for an
 * object, such as a promise.
 */
export function requireWithin(name: MonitorNumber, value: unknown): void {
  const [least, most] = MONITOR_BOUNDS[name];
  const isWhole = typeof value === "number" && Number.isInteger(value);
  if (value === undefined || (isWhole && value >= least && value <= most)) return;
  const expected = `a whole number from ${least} to ${most}`;
  if (typeof value === "object" && value !== null) throw invalidType(name, expected, value);
  const message = `${name}: expected ${expected}, found ${String(value)}`;
  throw Object.assign(new RangeError(message), { code: "ERR_OUT_OF_RANGE" as const });
}

function requireInherited(value: unknown, name: string): void {
  requireObject(value, name, "an object { fd, path, type }");
  const { fd, path, type } = value as Record<string, unknown>;
  requireDescriptor(fd, `${name}.fd`);
  requireText(path, `${name}.path`);
  if (type !== "stream" && type !== "seqpacket") throw invalidValue(`${name}.type`, type, "must be a type");
}

/** A port of this process. */
export function requirePort(port: unknown): void {
  if (port === undefined) throw invalidType("port", "of type number", port);
  requireWithin("ownPorts", port);
}

/** What no folder of a policy may hold, as far as the options tell. VMs come and go: theirs are theirs to tell. */
export function keptBy({
  listen,
  guests = [],
  vms = [],
  policy,
  audit,
  flows,
  admin,
  kept = [],
}: MonitorOptions): KeptPlace[] {
  const socket = listen === undefined ? [] : [{ what: "the attach socket", path: listen }];
  const sockets = guests.map(({ name, listen: path }) => ({ what: `the attach socket of ${name}`, path }));
  const file = typeof policy === "string" ? [{ what: "the policy", path: policy }] : [];
  const files = [...guests, ...vms].flatMap((tenant) =>
    typeof tenant.policy === "string" ? [{ what: `the policy of ${tenant.name}`, path: tenant.policy }] : [],
  );
  const lines = audit === undefined ? [] : [{ what: "the audit file", path: audit }];
  const records = flows === undefined ? [] : [{ what: "the flow records", path: flowsPath(flows) }];
  const ofAdmin = admin === undefined ? [] : [{ what: "the admin socket", path: admin.socket }];
  const token = admin?.http === undefined ? [] : [{ what: "the admin token", path: admin.http.tokenFile }];
  return [...socket, ...sockets, ...ofAdmin, ...token, ...file, ...files, ...lines, ...records, ...kept];
}
