// What a monitor is made of, gathered before there is one. The order says what needs what; where one cannot be had,
// those before it are let go of in the other order, and start() rejects: nothing is left of the attempt.
//
//   threads ─▶ policy, its roots open ─▶ name servers ─▶ audit file ─▶ VMs' memories ─▶ attach socket ─▶ the monitor
//
// The socket is last: a start that ends while it waits for a disk leaves none.

import { closeFd } from "@ringway/linux";
import { type GuestDescriptors, guestDescriptors, requireDescriptors } from "../accounts/descriptors.ts";
import { DiskThreads } from "../disk/threads.ts";
import { Loader, letGo } from "../loading/loader.ts";
import type { Listening, LoadedPolicy } from "../loading/messages.ts";
import { placesOfVm } from "../loading/root-problems.ts";
import { hostLookup, hostReverse } from "../names/host-lookup.ts";
import type { Lookup, ReverseLookup } from "../names/resolver.ts";
import { AuditError } from "../observe/audit.ts";
import { silentLogger } from "../observe/logs/logger.ts";
import { LogWriter } from "../observe/logs/writer.ts";
import type { Policy } from "../policy/types.ts";
import { RegionThread } from "../regions/thread.ts";
import { keptBy, type MonitorOptions } from "./options.ts";
import { Early } from "./pending.ts";
import { Undo } from "./undo.ts";
import { freeVms, type OpenVm, openVms } from "./vms.ts";

/** How long a thread may take to end, in milliseconds: it does nothing any more, unless it is stuck. */
export const THREAD_END_MS = 100;

/** A part is gone for good. */
export interface PartFailure {
  readonly part: string;
  readonly error: Error;
}

export interface Parts {
  readonly loader: Loader;
  readonly disk: DiskThreads;
  readonly regions: RegionThread;
  readonly policy: LoadedPolicy;
  readonly vms: readonly OpenVm[];
  readonly listening: Listening | undefined;
  readonly descriptors: GuestDescriptors;
  readonly lookup: Lookup;
  readonly reverse: ReverseLookup;
  /** Ends what that asks for beside the names of guests. */
  readonly lookupEnd: AbortController;
  readonly audit: LogWriter | undefined;
  readonly failures: Early<PartFailure>;
  /** The network has these prefixes of NAT64: told anew where it learns of others. */
  readonly nat64: Early<readonly string[]>;
}

/** `make` takes the parts over, unless it throws. Rejects as Monitor.start() does. */
export async function gather<M>(options: MonitorOptions, make: (parts: Parts) => M): Promise<M> {
  requireDescriptors();
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
    const policy = await loadPolicy(loader, options, undo);
    const names = namesFor(policy.policy, options, undo);
    await Promise.all([disk.ready, regions.ready]);
    const audit = options.audit === undefined ? undefined : await LogWriter.open(options.audit);
    undo.add(() => audit?.close(0));
    audit?.on("error", failing("the audit log"));
    const vms = await openAllVms(loader, options, policy.policy, undo);
    const listening = options.listen === undefined ? undefined : await loader.listen(options.listen);
    if (listening !== undefined) undo.add(() => stopListening(loader, listening));
    if (failures.first !== undefined) throw failures.first.error;
    return make({ ...threads, ...names, policy, audit, vms, listening, failures });
  } catch (error) {
    // What is thrown is why it does not start, whatever cannot be let go of.
    await undo.run().catch((left: Error) => {
      options.logger?.error(`something of a start that failed is left: ${left.message}`);
    });
    throw error;
  }
}

async function loadPolicy(loader: Loader, options: MonitorOptions, undo: Undo): Promise<LoadedPolicy> {
  const kept = [...keptBy(options), ...(options.vms ?? []).flatMap(placesOfVm)];
  const policy = await loader.load(options.policy, kept);
  undo.add(() => letGo(policy));
  requireAudit(policy.policy, options.audit);
  return policy;
}

function namesFor(
  { connect }: Policy,
  options: MonitorOptions,
  undo: Undo,
): Pick<Parts, "lookup" | "reverse" | "lookupEnd" | "nat64"> {
  const nat64 = new Early<readonly string[]>();
  const lookupEnd = new AbortController();
  undo.add(() => lookupEnd.abort());
  const found = (prefixes: readonly string[]): void => nat64.tell(prefixes);
  // Who connects nobody anywhere asks nobody anything.
  const listener = { found, signal: lookupEnd.signal, atOnce: connect.length > 0 };
  const lookup = options.lookup ?? hostLookup(options.names, listener);
  const ofHost = options.lookup === undefined ? hostReverse(options.names) : async () => [];
  return { lookup, reverse: options.reverse ?? ofHost, lookupEnd, nat64 };
}

async function openAllVms(
  loader: Loader,
  options: MonitorOptions,
  policy: Policy,
  undo: Undo,
): Promise<OpenVm[]> {
  const vms: OpenVm[] = [];
  undo.add(() => freeVms(vms));
  const log = options.logger ?? silentLogger();
  for (const ofPolicy of [false, true]) {
    const served = vms.map(({ options: { name } }) => name);
    const opening = ofPolicy ? policy.vms : (options.vms ?? []);
    vms.push(...(await openVms(loader, opening, { ofPolicy, served, log })));
  }
  return vms;
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
