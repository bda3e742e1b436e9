// What a monitor is made of, gathered before there is one. The order says what needs what; where one cannot be had,
// those before it are let go of in the other order, and start() rejects: nothing is left of the attempt.
//
//   threads ─▶ policies, roots open ─▶ name servers ─▶ audit file ─▶ VMs' memories ─▶ attach sockets ─▶ the monitor
//
// The sockets are last: a start that ends while it waits for a disk leaves none.

import { resolve } from "node:path";
import { closeFd, type InheritedSocket, type UnixType } from "@ringway/linux";
import { type GuestDescriptors, guestDescriptors, requireDescriptors } from "../accounts/descriptors.ts";
import { DiskThreads } from "../disk/threads.ts";
import { Loader, letGo } from "../loading/loader.ts";
import type { Listening, LoadedPolicy } from "../loading/messages.ts";
import { type KeptPlace, placesOfVm } from "../loading/root-problems.ts";
import { hostLookup, hostReverse } from "../names/host-lookup.ts";
import type { Lookup, ReverseLookup } from "../names/resolver.ts";
import { AuditError } from "../observe/audit.ts";
import { type FlowDestination, openFlows } from "../observe/flow-file.ts";
import { silentLogger } from "../observe/logs/logger.ts";
import { LogWriter } from "../observe/logs/writer.ts";
import { PolicyError } from "../policy/errors.ts";
import type { Policy } from "../policy/types.ts";
import { RegionThread } from "../regions/thread.ts";
import { adminDescriptors } from "./admin-options.ts";
import { keptBy, type MonitorOptions } from "./options.ts";
import { Early } from "./pending.ts";
import type { GuestOptions } from "./tenant-options.ts";
import { Undo } from "./undo.ts";
import { freeVms, type OpenVm, openVms } from "./vms.ts";

/** How long a thread may take to end, in milliseconds: it does nothing any more, unless it is stuck. */
export const THREAD_END_MS = 100;

/** A part is gone for good. */
export interface PartFailure {
  readonly part: string;
  readonly error: Error;
}

/** Guests that have a name, and what they have of their own. */
export interface OpenTenant {
  readonly options: GuestOptions;
  readonly policy: LoadedPolicy | undefined;
  readonly listening: Listening;
}

export interface Parts {
  readonly loader: Loader;
  readonly disk: DiskThreads;
  readonly regions: RegionThread;
  readonly policy: LoadedPolicy;
  readonly vms: readonly OpenVm[];
  readonly listening: Listening | undefined;
  readonly tenants: readonly OpenTenant[];
  /** For the admin API. */
  readonly admin: Listening | undefined;
  readonly descriptors: GuestDescriptors;
  readonly lookup: Lookup;
  readonly reverse: ReverseLookup;
  /** Ends what that asks for beside the names of guests. */
  readonly lookupEnd: AbortController;
  readonly audit: LogWriter | undefined;
  readonly flows: FlowDestination | undefined;
  readonly failures: Early<PartFailure>;
  /** The network has these prefixes of NAT64: told anew where it learns of others. */
  readonly nat64: Early<readonly string[]>;
}

/** `make` takes the parts over, unless it throws. Rejects as Monitor.start() does. */
export async function gather<M>(options: MonitorOptions, make: (parts: Parts) => M): Promise<M> {
  requireDescriptors(adminDescriptors(options.admin));
  const failures = new Early<PartFailure>();
  const failing =
    (part: string) =>
    (error: Error): void =>
      failures.tell({ part, error });
  const descriptors = guestDescriptors();
  const disk = new DiskThreads(descriptors, failing("a disk worker"));
  const regions = new RegionThread(failing("the regions' thread"));
  const loader = new Loader(failing("the loader"));
  const threads = { descriptors, disk, regions, loader };
  const undo = new Undo();
  undo.add(() => Promise.all([loader.close(), disk.stop(THREAD_END_MS), regions.stop(THREAD_END_MS)]));
  try {
    const kept = [...keptBy(options), ...(options.vms ?? []).flatMap(placesOfVm)];
    const load = { loader, kept, audit: options.audit, undo };
    const policy = await loadPolicy(load, options.policy);
    undo.add(() => letGo(policy));
    const own = await loadOwn(load, options, policy.policy);
    const names = namesFor([policy, ...own.values()], options, undo);
    await Promise.all([disk.ready, regions.ready]);
    const audit = options.audit === undefined ? undefined : await LogWriter.open(options.audit);
    undo.add(() => audit?.close(0));
    audit?.on("error", failing("the audit log"));
    const log = options.logger ?? silentLogger();
    const flows = options.flows === undefined ? undefined : await openFlows(options.flows, log);
    undo.add(() => flows?.close());
    const vms = await openAllVms(loader, options, policy.policy, own, undo);
    const at = { loader, inherited: options.inherited ?? [], undo };
    const listening = options.listen === undefined ? undefined : await listen(at, options.listen);
    const tenants: OpenTenant[] = [];
    for (const guest of options.guests ?? []) {
      const socket = await listen(at, guest.listen);
      tenants.push({ options: guest, policy: own.get(guest.name), listening: socket });
    }
    const { socket } = options.admin ?? {};
    const admin = socket === undefined ? undefined : await listen(at, socket, "stream");
    if (failures.first !== undefined) throw failures.first.error;
    return make({ ...threads, ...names, policy, audit, flows, vms, listening, tenants, admin, failures });
  } catch (error) {
    // What is thrown is why it does not start, whatever cannot be let go of.
    await undo.run().catch((left: Error) => {
      options.logger?.error(`something of a start that failed is left: ${left.message}`);
    });
    throw error;
  }
}

interface Loading {
  readonly loader: Loader;
  /** What no folder of any policy may hold. */
  readonly kept: readonly KeptPlace[];
  readonly audit: string | undefined;
  readonly undo: Undo;
}

async function loadPolicy(
  { loader, kept, audit }: Omit<Loading, "undo">,
  source: Policy | string,
): Promise<LoadedPolicy> {
  const policy = await loader.load(source, kept);
  try {
    requireAudit(policy.policy, audit);
    return policy;
  } catch (error) {
    letGo(policy);
    throw error;
  }
}

/** Policies of guests that have their own, by name. */
async function loadOwn(
  loading: Loading,
  { guests = [], vms = [] }: MonitorOptions,
  common: Policy,
): Promise<Map<string, LoadedPolicy>> {
  const own = new Map<string, LoadedPolicy>();
  loading.undo.add(() => {
    for (const each of own.values()) letGo(each);
  });
  const kept = [...loading.kept, ...common.vms.flatMap(placesOfVm)];
  for (const { name, policy } of [...guests, ...vms]) {
    if (policy === undefined) continue;
    const loaded = await loadPolicy({ ...loading, kept }, policy);
    own.set(name, loaded);
    requireNoVms(loaded.policy, policy);
  }
  return own;
}

/** Throws PolicyError: only the monitor's own policy says which machines there are. */
export function requireNoVms({ vms }: Policy, source: unknown): void {
  if (vms.length === 0) return;
  const file = typeof source === "string" ? source : "policy";
  const message = "the policy of one guest has no vms: they stand in the monitor's";
  throw new PolicyError(file, [{ line: 1, column: 1, path: "vms", message }]);
}

interface ListenAt extends Pick<Loading, "loader" | "undo"> {
  readonly inherited: readonly InheritedSocket[];
}

/** One that was there before this process is taken as it is: its file is not ours to remove. */
async function listen(
  { loader, inherited, undo }: ListenAt,
  path: string,
  type: UnixType = "seqpacket",
): Promise<Listening> {
  const found = inherited.find((socket) => socket.path === resolve(path) && socket.type === type);
  const listening = await (found === undefined ? loader.listen(path, type) : loader.inherit(found.fd, path));
  undo.add(() => stopListening(loader, listening));
  return listening;
}

function namesFor(
  policies: readonly LoadedPolicy[],
  options: MonitorOptions,
  undo: Undo,
): Pick<Parts, "lookup" | "reverse" | "lookupEnd" | "nat64"> {
  const nat64 = new Early<readonly string[]>();
  const lookupEnd = new AbortController();
  undo.add(() => lookupEnd.abort());
  const found = (prefixes: readonly string[]): void => nat64.tell(prefixes);
  // Who connects nobody anywhere asks nobody anything.
  const atOnce = policies.some(({ policy: { connect } }) => connect.length > 0);
  const listener = { found, signal: lookupEnd.signal, atOnce };
  const lookup = options.lookup ?? hostLookup(options.names, listener);
  const ofHost = options.lookup === undefined ? hostReverse(options.names) : async () => [];
  return { lookup, reverse: options.reverse ?? ofHost, lookupEnd, nat64 };
}

async function openAllVms(
  loader: Loader,
  options: MonitorOptions,
  policy: Policy,
  own: Map<string, LoadedPolicy>,
  undo: Undo,
): Promise<OpenVm[]> {
  const vms: OpenVm[] = [];
  undo.add(() => freeVms(vms));
  const log = options.logger ?? silentLogger();
  for (const ofPolicy of [false, true]) {
    const served = vms.map(({ options: { name } }) => name);
    const opening = ofPolicy ? policy.vms : (options.vms ?? []);
    const opened = await openVms(loader, opening, { ofPolicy, served, guests: options.guests, log });
    vms.push(...opened.map((vm) => ({ ...vm, policy: ofPolicy ? undefined : own.get(vm.options.name) })));
  }
  dropUnserved(options, vms, own);
  return vms;
}

/** Of a machine that was left out, nobody is judged by its policy. */
function dropUnserved(
  { guests = [] }: MonitorOptions,
  vms: readonly OpenVm[],
  own: Map<string, LoadedPolicy>,
): void {
  const ofOptions = vms.filter(({ ofPolicy }) => !ofPolicy).map(({ options }) => options);
  const served = new Set([...guests, ...ofOptions].map(({ name }) => name));
  for (const [name, policy] of own) {
    if (served.has(name)) continue;
    own.delete(name);
    letGo(policy);
  }
}

/** The file first: while it is listened on, no other monitor takes it over. */
async function stopListening(loader: Loader, listening: Listening): Promise<void> {
  await loader.unlink(listening).catch(() => {});
  closeFd(listening.fd);
}

/** Throws AuditError. */
export function requireAudit({ audit }: Policy, path: string | undefined): void {
  if (audit !== "required" || path !== undefined) return;
  throw new AuditError("the policy says audit: required, and there is no audit file");
}
