// The monitor as a program embeds it: starts the reactor's thread and keeps the control plane on this one: policy, names,
// logs, events.

import { EventEmitter } from "node:events";
import { url as inspectorUrl } from "node:inspector";
import {
  checkSocketPath,
  closeFd,
  createEventfd,
  Errno,
  NativeThread,
  ringEventfd,
  type SharedMemory,
  setNonBlocking,
  unixPair,
  within,
} from "@ringway/linux";
import { type Logger, pino } from "pino";
import {
  DescriptorRoom,
  type GuestDescriptors,
  guestDescriptors,
  requireDescriptors,
  setGuestDescriptors,
} from "./accounts/descriptors.ts";
import { DiskThreads } from "./disk/threads.ts";
import { turnAway } from "./links/process.ts";
import { mapVmMemory, NotARegionError, VmMemoryError } from "./links/vm-memory.ts";
import { Loader, letGo } from "./loading/loader.ts";
import type { Listening, LoadedPolicy, PolicyInForce } from "./loading/messages.ts";
import { type HostLookupOptions, hostLookup } from "./names/host-lookup.ts";
import { type Lookup, Resolver } from "./names/resolver.ts";
import { Audit, AuditError, type Violated } from "./observe/audit.ts";
import { Counters, type CounterValues } from "./observe/counters.ts";
import { LogWriter } from "./observe/logs/writer.ts";
import { requireOptions, requireWithin } from "./options.ts";
import { DEFAULT_VM_MEMORY_BYTES, isVmMemorySize, VM_MEMORY_EXPECTED } from "./policy/defaults.ts";
import { formatProblem } from "./policy/errors.ts";
import type { Denial } from "./policy/refusal.ts";
import { type KeptPlace, placesOfVm } from "./policy/roots.ts";
import type { Policy, VmEntry } from "./policy/types.ts";
import { RegionThread } from "./regions/thread.ts";
import type { FromReactor, GuestLife, ReactorMemory, ReactorOptions, ToReactor } from "./thread/messages.ts";

/** A virtual machine to serve (docs/vm.md). */
export interface VmOptions {
  /** What its guests are called in events and logs. */
  readonly name: string;
  /**
   * The memory that its ivshmem device shares with the host: a path, made where it does not exist; or a descriptor, of which
   * the monitor takes a duplicate.
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
  /** Virtual machines to serve, beside those of the policy. */
  readonly vms?: readonly VmOptions[];
  /** How long the reactor looks for work before it sleeps, in microseconds; 0 never. Default 50. */
  readonly busyPollUs?: number;
  /** Where log lines go, and audit lines without a file of their own. It must neither wait nor throw (LogWriter). Default: silent. */
  readonly logger?: Logger;
  /**
   * Files that no folder of a policy may hold, beside those that are known here (the socket, the audit file, the VMs' memories and doorbells, a
   * policy that is given as a path): the logs, a policy that was read from a file.
   */
  readonly kept?: readonly KeptPlace[];
  /**
   * Ports of this process that no guest may reach at an address of this host, whatever rules allow: of a metrics or admin server.
   * Beside process.debugPort, which none ever may.
   */
  readonly ownPorts?: readonly number[];
  /** Path of the file that audit lines are appended to. A policy that says `audit: required` needs one. */
  readonly audit?: string;
  /** Where it has aborted before the start is over, no line says that the monitor is ready. Whoever aborted closes it. */
  readonly signal?: AbortSignal;
  /** Guests at once. Default 256. */
  readonly maxGuests?: number;
  /** How long what a departed guest has ended may take to reach its peer, in milliseconds. Default 500. */
  readonly lingerMs?: number;
  /** Resolves names. Default: hostLookup() of `names`. */
  readonly lookup?: Lookup;
  /** Name servers and files of the default `lookup`. */
  readonly names?: HostLookupOptions;
}

/** A guest that attach() made room for. */
export interface AttachedGuest {
  readonly name: string;
  /**
   * The guest's end of its attach socket (PROTOCOL.md section 17), close-on-exec: pass it to a child process, then close
   * it. It is the caller's.
   */
  readonly fd: number;
}

export interface MonitorEvents {
  /** A guest has connected; `pid` is 0 where it cannot be seen. */
  guest: [{ guest: string; pid: number }];
  /** A guest has attached to its region. */
  attached: [{ guest: string }];
  /** A guest is gone, and everything that it held is closed. */
  detached: [{ guest: string; reason: string }];
  /** A rule denied a guest something. */
  refused: [Denial];
  violation: [Violated];
  log: [{ guest: string; level: number; text: string }];
  exit: [{ guest: string; code: number }];
  /** The reactor's thread failed: every guest is lost. The monitor is closed. */
  error: [Error];
}

interface ServedVm {
  readonly options: VmOptions;
  /** A reload may remove it. */
  readonly ofPolicy: boolean;
  readonly memory: SharedMemory;
  /** Set when it is being removed. */
  removed: Pending<void> | undefined;
}

/** The default of busyPollUs: see docs/performance.md for what it buys. */
export const DEFAULT_BUSY_POLL_US = 50;
/** The default time limit of close(), in milliseconds. */
export const DEFAULT_DRAIN_MS = 5000;
/** How long the reactor may take to stop, beyond the time to drain: it waits a second for disks itself. */
const STOP_MS = 3000;
/** How long its threads may take to end after that: they do nothing any more, unless they are stuck. */
const THREAD_END_MS = 100;

const SILENT: Logger = pino({ level: "silent" });

/** What removes the files of this process's sockets, where it ends with monitors open. */
const removals = new Set<() => void>();
function removeSockets(): void {
  for (const remove of removals) remove();
}

/** What a monitor is made of, before there is one. */
interface Parts {
  readonly loader: Loader;
  readonly disk: DiskThreads;
  readonly regions: RegionThread;
  readonly policy: LoadedPolicy;
  readonly listening: Listening | undefined;
  readonly descriptors: GuestDescriptors;
  readonly lookup: Lookup;
  /** Ends what that asks for beside the names of guests. */
  readonly lookupEnd: AbortController;
  readonly audit: LogWriter | undefined;
}

export class Monitor extends EventEmitter<MonitorEvents> implements AsyncDisposable {
  #policy: Policy;
  readonly #worker: NativeThread;
  readonly #loader: Loader;
  readonly #disk: DiskThreads;
  readonly #regions: RegionThread;
  readonly #wakeFd: number;
  readonly #counters: Counters;
  readonly #resolver: Resolver;
  readonly #lookupEnd: AbortController;
  readonly #log: Logger;
  readonly #kept: readonly KeptPlace[];
  readonly #audit: Audit;
  readonly #auditPath: string | undefined;
  readonly #listening: Listening | undefined;
  readonly #descriptors: GuestDescriptors;
  readonly #ownPorts: Set<number> = new Set();
  readonly #removeAtExit: () => void = () => this.#loader.unlinkNow(this.#listening!);
  readonly #memoryRequests: Map<number, Pending<ReactorMemory>> = new Map();
  #nextMemoryRequest = 1;
  /** Virtual machines by name, until their memory is free. */
  readonly #vms: Map<string, ServedVm> = new Map();
  /** Policies that were sent and are not in force yet: the reactor answers in order. */
  readonly #sent: (() => void)[] = [];
  /** The last call of reload() or addVm(): they take turns. */
  #changing: Promise<unknown> = Promise.resolve();
  #nextGuest = 1;
  #closing: Promise<void> | undefined;
  #failure: Error | undefined;
  /** Nobody is there to be told anything; `wakeFd` may be another's by now. */
  #gone = false;
  /** What is not over by now never will be. */
  #settled = false;
  /** The reactor has told that it is over, or has failed. */
  readonly #stopped: Pending<Extract<FromReactor, { kind: "stopped" }> | undefined> = pending();

  private constructor(options: MonitorOptions, parts: Parts) {
    const { loader, disk, regions, policy, listening: socket, descriptors, lookup, lookupEnd, audit } = parts;
    super();
    this.#policy = policy.policy;
    this.#log = options.logger ?? SILENT;
    this.#audit = new Audit(this.#log, audit, (isOpen) => this.#send({ kind: "audit", isOpen }));
    this.#auditPath = options.audit;
    this.#resolver = new Resolver(lookup);
    this.#lookupEnd = lookupEnd;
    this.#counters = new Counters();
    this.#kept = keptBy(options);
    for (const port of options.ownPorts ?? []) this.#ownPorts.add(port);
    this.#loader = loader;
    this.#disk = disk;
    this.#regions = regions;
    this.#warn(policy, options.policy);
    this.#listening = socket;
    this.#descriptors = descriptors;
    this.#shareDescriptors();
    // A failure before anybody waits for it.
    this.#ready.promise.catch(() => {});
    this.#wakeFd = createEventfd();
    const workerData: ReactorOptions = {
      policy: forReactor(policy),
      disk: disk.ports,
      regions: regions.port,
      descriptors,
      ownPorts: this.#ownPortsNow(),
      wakeFd: this.#wakeFd,
      counters: this.#counters.buffer,
      busyPollUs: options.busyPollUs ?? DEFAULT_BUSY_POLL_US,
      maxGuests: options.maxGuests ?? 256,
      lingerMs: options.lingerMs ?? 500,
      listenFd: socket?.fd ?? -1,
    };
    this.#worker = new NativeThread(new URL("./thread/main.js", import.meta.url), {
      name: "reactor",
      workerData,
      transferList: [...disk.ports.ports, regions.port.port],
      wake: () => ringEventfd(this.#wakeFd),
    });
    this.#worker.on("message", (message: FromReactor) => this.#onMessage(message));
    this.#worker.onPrint((text) => this.#log.warn(`the reactor's thread: ${text.trimEnd()}`));
    this.#worker.onFailure((error) => {
      this.#reactorGone();
      this.#stopped.resolve(undefined);
      // Its own end would have closed it.
      if (socket !== undefined) closeFd(socket.fd);
      this.#failed("the reactor", error);
    });
    if (socket === undefined) return;
    if (removals.size === 0) process.prependListener("exit", removeSockets);
    removals.add(this.#removeAtExit);
  }

  /**
   * Starts a monitor; resolves when it takes guests. Throws PolicyError for a bad policy file, SystemError where the
   * socket cannot be listened on (EADDRINUSE: somebody does already; ENAMETOOLONG) or the audit file cannot be opened, AuditError
   * where the policy needs one and there is none, NoAnswerError where a file system does not answer, RangeError for a number out of
   * its bounds (MONITOR_BOUNDS), and what addVm() throws.
   */
  static async start(options: MonitorOptions): Promise<Monitor> {
    requireOptions(options);
    for (const name of ["busyPollUs", "maxGuests", "lingerMs"] as const) requireWithin(name, options[name]);
    for (const port of options.ownPorts ?? []) requireWithin("ownPorts", port);
    let monitor: Monitor | undefined;
    let failure: Error | undefined;
    const failing = (part: string) => (error: Error) => {
      failure ??= error;
      if (monitor !== undefined) monitor.#failed(part, error);
    };
    requireDescriptors();
    const descriptors = guestDescriptors();
    const lookupEnd = new AbortController();
    let nat64: readonly string[] = [];
    const found = (prefixes: readonly string[]): void => {
      nat64 = prefixes;
      if (monitor !== undefined) monitor.#send({ kind: "nat64", prefixes });
    };
    const disk = new DiskThreads(descriptors, failing("a disk worker"));
    const regions = new RegionThread(failing("the regions' thread"));
    const loader = new Loader(failing("the loader"));
    let policy: LoadedPolicy | undefined;
    let socket: Listening | undefined;
    let audit: LogWriter | undefined;
    const vms: ServedVm[] = [];
    try {
      const kept = [...keptBy(options), ...(options.vms ?? []).flatMap(placesOfVm)];
      policy = await loader.load(options.policy, kept);
      requireAudit(policy.policy, options.audit);
      // Who connects nobody anywhere asks nobody anything.
      const atOnce = policy.policy.connect.length > 0;
      const lookup = options.lookup ?? hostLookup(options.names, { found, signal: lookupEnd.signal, atOnce });
      await Promise.all([disk.ready, regions.ready]);
      if (options.audit !== undefined) audit = await LogWriter.open(options.audit);
      audit?.on("error", failing("the audit log"));
      const log = options.logger ?? SILENT;
      for (const ofPolicy of [false, true]) {
        const opening = ofPolicy ? policy.policy.vms : (options.vms ?? []);
        vms.push(...(await openVms(loader, opening, { ofPolicy, served: vms.map(nameOf), log })));
      }
      // Last: a start that ends while it waits for a disk leaves no socket.
      if (options.listen !== undefined) socket = await loader.listen(options.listen);
      if (failure !== undefined) throw failure;
      monitor = new Monitor(options, {
        loader,
        disk,
        regions,
        policy,
        listening: socket,
        descriptors,
        lookup,
        lookupEnd,
        audit,
      });
      if (nat64.length > 0) monitor.#send({ kind: "nat64", prefixes: nat64 });
    } catch (error) {
      lookupEnd.abort();
      if (policy !== undefined) letGo(policy);
      for (const { memory } of vms) memory[Symbol.dispose]();
      if (socket !== undefined) await loader.unlink(socket).catch(() => {});
      if (socket !== undefined) closeFd(socket.fd);
      const threads = [loader.close(), disk.stop(THREAD_END_MS), regions.stop(THREAD_END_MS)];
      await Promise.all([...threads, audit?.close(0)]);
      throw error;
    }
    try {
      await monitor.#begin(vms);
    } catch (error) {
      await monitor.close({ drainMs: 0 });
      throw error;
    }
    if (options.signal?.aborted !== true) monitor.#log.info({ listen: options.listen }, "monitor is ready");
    return monitor;
  }

  /** Resolves when the reactor takes guests. */
  async #begin(vms: readonly ServedVm[]): Promise<void> {
    this.#serve(vms);
    await this.#ready.promise;
    this.#isReady = true;
    new DescriptorRoom(this.#descriptors, this.#wakeFd).requireSome();
  }

  /** The reactor takes guests. */
  readonly #ready: Pending<void> = pending();
  /** Until it is ready a failure is start()'s, not an event. */
  #isReady = false;

  /** The policy in force for guests that have none of their own. */
  get policy(): Policy {
    return this.#policy;
  }

  /**
   * Makes room for a guest, with a policy of its own if one is given; its program gets the descriptor. Guests with the same `key`
   * share the budgets of whoever attaches (docs/security.md): a tenant's name, or `uid:1000` to share with that user's guests of the
   * attach socket. Without it, the guest has its own. Where a
   * folder of that policy cannot be given to a guest, it is turned away with EACCES, and the log says why.
   */
  attach(
    options: { readonly name?: string; readonly key?: string; readonly policy?: Policy } = {},
  ): AttachedGuest {
    if (this.#closing !== undefined) throw new Error("the monitor is closed");
    if (options.policy !== undefined) requireAudit(options.policy, this.#auditPath);
    const name = options.name ?? `attached-${this.#nextGuest++}`;
    const [ours, theirs] = unixPair();
    setNonBlocking(theirs, false);
    const attach = { kind: "attach", fd: ours, name, key: options.key, policy: undefined } as const;
    if (options.policy === undefined) this.#send(attach);
    else void this.#attachWith(options.policy, attach);
    return { name, fd: theirs };
  }

  /** The guest waits for its greeting meanwhile. */
  async #attachWith(policy: Policy, attach: Extract<ToReactor, { kind: "attach" }>): Promise<void> {
    try {
      const loaded = await this.#loader.load(policy, this.#keptNow());
      if (this.#closing === undefined) {
        this.#send({ ...attach, policy: forReactor(loaded) });
        return;
      }
      letGo(loaded);
      turnAway(attach.fd, Errno.ESHUTDOWN);
    } catch (error) {
      this.#log.warn({ guest: attach.name }, `turned away: ${(error as Error).message}`);
      turnAway(attach.fd, Errno.EACCES);
    }
  }

  /**
   * Keeps guests from a port on which this process listens, at every address of this host, from now on (`ownPorts` from the start):
   * before it listens there, so that no guest is quicker.
   */
  reservePort(port: number): void {
    this.#requireOpen();
    requireWithin("ownPorts", port);
    this.#ownPorts.add(port);
    this.#send({ kind: "own-ports", ports: this.#ownPortsNow() });
  }

  /** It listens there no more. */
  releasePort(port: number): void {
    this.#requireOpen();
    this.#ownPorts.delete(port);
    this.#send({ kind: "own-ports", ports: this.#ownPortsNow() });
  }

  /**
   * Serves another virtual machine, from now until removeVm(). Throws VmMemoryError where its memory cannot be used (it is served
   * already, it holds something else, its size is no power of two, a guest could reach it), SystemError where it cannot be opened, or
   * where the doorbell's path is too long; NoAnswerError where a file system does not answer.
   */
  addVm(options: VmOptions): Promise<void> {
    return this.#inTurn(() => this.#addVm(options));
  }

  async #addVm(options: VmOptions): Promise<void> {
    this.#requireOpen();
    const [problem] = await this.#loader.judge(this.#policy, placesOfVm(options));
    if (problem !== undefined) throw new VmMemoryError(problem.message);
    this.#serve(await this.#open([options], { ofPolicy: false, sayOthers: false }));
  }

  /**
   * Serves it no more: its guest is ended now. Resolves when its memory is free for others; at once for a name nobody has. Rejects
   * where the monitor is closed, or closes, and work on a dead disk, or a reactor that has failed, keeps the memory.
   */
  removeVm(name: string): Promise<void> {
    const vm = this.#vms.get(name);
    if (vm === undefined) return Promise.resolve();
    if (vm.removed === undefined) {
      vm.removed = pending();
      // Who does not wait for it, as reload(), is told nothing.
      vm.removed.promise.catch(() => {});
      if (this.#settled) vm.removed.reject(memoryKept(name));
      else this.#send({ kind: "vm-removed", name });
    }
    return vm.removed.promise;
  }

  async #open(
    vms: readonly VmOptions[],
    how: Pick<OpenVmsOptions, "ofPolicy" | "sayOthers">,
  ): Promise<ServedVm[]> {
    const served = [...this.#vms.keys()];
    const opened = await openVms(this.#loader, vms, { ...how, served, log: this.#log });
    if (this.#closing !== undefined) for (const { memory } of opened) memory[Symbol.dispose]();
    this.#requireOpen();
    return opened;
  }

  #serve(opened: readonly ServedVm[]): void {
    for (const vm of opened) {
      const { name, doorbell } = vm.options;
      this.#vms.set(name, vm);
      this.#shareDescriptors();
      this.#send({ kind: "vm", name, memory: vm.memory.place, doorbell });
    }
  }

  #vmEnded(name: string): void {
    const vm = this.#vms.get(name);
    this.#vms.delete(name);
    vm?.memory[Symbol.dispose]();
    vm?.removed?.resolve();
  }

  /**
   * Puts another policy in force, for what guests ask afterwards; what is open stays open. Resolves once it is in force. Rejects with
   * PolicyError for a bad file, AuditError, NoAnswerError where a root's file system does not answer, and what addVm() throws: then the old policy
   * stays. The policy's VMs that are new are served from now on, those that are gone no more.
   */
  reload(policy: Policy | string): Promise<void> {
    return this.#inTurn(() => this.#reload(policy));
  }

  #inTurn(change: () => Promise<void>): Promise<void> {
    const turn = this.#changing.then(change);
    this.#changing = turn.catch(() => {});
    return turn;
  }

  async #reload(policy: Policy | string): Promise<void> {
    this.#requireOpen();
    const loaded = await this.#loader.load(policy, this.#keptNow());
    let added: ServedVm[];
    try {
      this.#requireOpen();
      requireAudit(loaded.policy, this.#auditPath);
      added = await this.#open(this.#newVms(loaded.policy.vms), { ofPolicy: true });
    } catch (error) {
      letGo(loaded);
      throw error;
    }
    this.#policy = loaded.policy;
    this.#warn(loaded, policy);
    this.#shareDescriptors();
    const inForce = new Promise<void>((resolve) => {
      this.#sent.push(resolve);
      this.#send({ kind: "policy", policy: forReactor(loaded) });
    });
    // After the policy: none of them is judged by the old one.
    this.#serve(added);
    const kept = new Set(loaded.policy.vms.map(({ name }) => name));
    for (const [name, { ofPolicy }] of this.#vms) if (ofPolicy && !kept.has(name)) void this.removeVm(name);
    await inForce;
  }

  /** What a policy file says that is seldom meant. */
  #warn({ warnings }: LoadedPolicy, policy: Policy | string): void {
    const file = typeof policy === "string" ? policy : "policy";
    for (const warning of warnings) this.#log.warn(formatProblem(file, warning));
  }

  #requireOpen(): void {
    if (this.#closing !== undefined) throw new Error("the monitor is closed");
  }

  #keptNow(): KeptPlace[] {
    return [...this.#kept, ...[...this.#vms.values()].flatMap((vm) => placesOfVm(vm.options))];
  }

  #newVms(vms: readonly VmEntry[]): VmEntry[] {
    return vms.filter((vm) => {
      const served = this.#vms.get(vm.name);
      if (served === undefined) return true;
      const { memory, doorbell } = served.options;
      if (memory === vm.memory && doorbell === vm.doorbell && served.removed === undefined) return false;
      throw new VmMemoryError(
        `VM ${vm.name} is served with another memory or doorbell, or still being removed: take it out first, then add it`,
      );
    });
  }

  /**
   * Opens the audit file anew, for who has moved it: lines go to a new one from then on. Rejects with SystemError where that cannot be
   * opened; they go to the old one then.
   */
  reopenAudit(): Promise<void> {
    return this.#audit.reopen();
  }

  /** What the reactor has counted so far. */
  counters(): CounterValues {
    return this.#counters.read();
  }

  /** Memory of the reactor's isolate, in bytes; after a collection where `gc` is true and Node runs with --expose-gc. */
  memoryUsage(options: { readonly gc?: boolean } = {}): Promise<ReactorMemory> {
    if (this.#closing !== undefined) return Promise.reject(new Error("the monitor is closed"));
    const id = this.#nextMemoryRequest++;
    const request = pending<ReactorMemory>();
    this.#memoryRequests.set(id, request);
    this.#send({ kind: "memory", id, gc: options.gc ?? false });
    return request.promise;
  }

  /**
   * Takes no more guests, streams or connections, lets transfers finish for at most `drainMs`, then ends everything.
   * Repeated calls wait for the first. There is an end to it, whatever a disk does: work that it does not finish keeps its thread, and
   * the memory that it reads or writes, until the process ends.
   */
  async close(options: { readonly drainMs?: number } = {}): Promise<void> {
    requireWithin("drainMs", options.drainMs);
    this.#closing ??= this.#close(options.drainMs ?? DEFAULT_DRAIN_MS);
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close({ drainMs: 0 });
  }

  async #close(drainMs: number): Promise<void> {
    // While it is listened on, no other monitor takes it over.
    await this.#removeSocket();
    this.#send({ kind: "stop", drainMs });
    const stopped = await within(this.#stopped.promise, drainMs + STOP_MS);
    this.#reactorGone();
    const reactorIsOver = await this.#worker.stop(THREAD_END_MS);
    const stuck = await this.#disk.stop(THREAD_END_MS);
    await this.#regions.stop(THREAD_END_MS);
    await this.#loader.close();
    if (reactorIsOver) closeFd(this.#wakeFd);
    if (stuck > 0) {
      this.#log.warn(
        { operations: stopped?.stuck ?? stuck },
        "a disk does not answer: its operations keep their memory until the process ends",
      );
    }
    if (stuck === 0 && reactorIsOver) for (const name of [...this.#vms.keys()]) this.#vmEnded(name);
    this.#settle();
    await this.#audit.close();
    if (stopped === undefined && this.#failure === undefined) {
      const error = new Error(`the reactor did not stop within ${drainMs + STOP_MS} ms`);
      this.#log.fatal({ err: error }, "the reactor failed");
      throw error;
    }
    this.#log.info("monitor has stopped");
  }

  /** Nobody waits any longer for what will not come. */
  #settle(): void {
    for (const resolve of this.#sent.splice(0)) resolve();
    for (const request of this.#memoryRequests.values()) request.reject(new Error("the monitor is closed"));
    this.#memoryRequests.clear();
    this.#settled = true;
    for (const [name, { removed }] of this.#vms) removed?.reject(memoryKept(name));
  }

  async #removeSocket(): Promise<void> {
    if (this.#listening === undefined) return;
    try {
      await this.#loader.unlink(this.#listening);
    } catch (error) {
      this.#log.warn(`the socket's file stays: ${(error as Error).message}`);
    }
    // Not before: the process may end meanwhile.
    removals.delete(this.#removeAtExit);
    if (removals.size === 0) process.off("exit", removeSockets);
  }

  /** Lookups that are still under way must not keep the process, and have nobody to tell of their end. */
  #reactorGone(): void {
    this.#gone = true;
    this.#resolver.close();
    this.#lookupEnd.abort();
  }

  /** Where the debugger is, and where it would be. */
  #ownPortsNow(): number[] {
    const url = inspectorUrl();
    const open = url === undefined ? [] : [Number(new URL(url).port)];
    return [...this.#ownPorts, process.debugPort, ...open];
  }

  #shareDescriptors(): void {
    setGuestDescriptors(this.#descriptors, this.#policy, this.#vms.size);
  }

  #send(message: ToReactor): void {
    if (this.#gone) return;
    this.#worker.postMessage(message);
    ringEventfd(this.#wakeFd);
  }

  /** A part is gone for good. Everything is closed, at once; a program that goes on must not count on its descriptors. */
  #failed(part: string, error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#log.fatal({ err: error }, `${part} failed`);
    this.#closing ??= this.#close(0);
    this.#closing.catch(() => {});
    // Without a listener this throws, and ends the program.
    if (this.#isReady) this.emit("error", error);
    else this.#ready.reject(error);
  }

  /** Each is told, also where somebody who listens throws. */
  #onLives(lines: readonly GuestLife[]): void {
    let at = 0;
    try {
      while (at < lines.length) this.#onMessage(lines[at++]!);
    } finally {
      if (at < lines.length) this.#onLives(lines.slice(at));
    }
  }

  #onMessage(message: FromReactor): void {
    const log = this.#log;
    switch (message.kind) {
      case "ready":
        this.#ready.resolve();
        return;
      case "lives":
        this.#onLives(message.lines);
        return;
      case "guest":
        log.debug({ guest: message.guest, pid: message.pid }, "guest connected");
        this.emit("guest", { guest: message.guest, pid: message.pid });
        return;
      case "attached":
        log.info({ guest: message.guest }, "guest attached");
        this.emit("attached", { guest: message.guest });
        return;
      case "detached":
        log.info({ guest: message.guest, reason: message.reason }, "guest is gone");
        this.emit("detached", { guest: message.guest, reason: message.reason });
        return;
      case "refused":
        this.emit("refused", this.#audit.refused(message));
        return;
      case "violation":
        this.emit("violation", this.#audit.violation(message));
        return;
      case "bug":
        log.error(
          { guest: message.guest, stack: message.stack },
          "internal error while serving a guest; it was ended",
        );
        return;
      case "warning":
        // Of those that are no guests yet there is no name.
        log.warn(message.guest === "" ? {} : { guest: message.guest }, message.reason);
        return;
      case "log":
        this.#guestLog(message.guest, message.level, message.text);
        return;
      case "exit":
        log.info({ guest: message.guest, code: message.code }, "guest's program has ended");
        this.emit("exit", { guest: message.guest, code: message.code });
        return;
      case "resolve":
        this.#resolve(message);
        return;
      case "resolve-cancel":
        this.#resolver.cancel(message.id);
        return;
      case "policy":
        log.info("policy reloaded");
        this.#sent.shift()?.();
        return;
      case "vm-ended":
        this.#vmEnded(message.name);
        return;
      case "mark":
        this.#send({ kind: "taken", id: message.id });
        return;
      case "memory":
        this.#memoryRequests.get(message.id)?.resolve(message.memory);
        this.#memoryRequests.delete(message.id);
        return;
      case "stopped":
        if (message.aborted > 0)
          log.warn({ streams: message.aborted }, "streams were cut off by the time limit");
        this.#stopped.resolve(message);
    }
  }

  #guestLog(guest: string, level: number, text: string): void {
    const name = level >= 50 ? "error" : level >= 40 ? "warn" : level >= 30 ? "info" : "debug";
    this.#log[name]({ guest, from: "guest" }, text);
    this.emit("log", { guest, level, text });
  }

  #resolve({ id, key, name, timeoutMs }: Extract<FromReactor, { kind: "resolve" }>): void {
    this.#resolver.resolve(id, key, name, timeoutMs, (answer) =>
      this.#send({ kind: "resolved", id, ...answer }),
    );
  }
}

interface OpenVmsOptions {
  readonly ofPolicy: boolean;
  /** Names that are taken. */
  readonly served: readonly string[];
  readonly log: Logger;
  /**
   * One whose memory holds something else is said, and left out: its guest may have written that, and is nobody else's problem.
   * Default true.
   */
  readonly sayOthers?: boolean;
}

/** The memory of all of them or, where it throws, of none. */
async function openVms(
  loader: Loader,
  vms: readonly VmOptions[],
  { ofPolicy, served, log, sayOthers = true }: OpenVmsOptions,
): Promise<ServedVm[]> {
  const opened: ServedVm[] = [];
  try {
    for (const options of vms) {
      const { name, memory, memoryBytes = DEFAULT_VM_MEMORY_BYTES, doorbell } = options;
      checkSocketPath(doorbell, "connect");
      if (served.includes(name) || opened.some((other) => nameOf(other) === name)) {
        throw new VmMemoryError(`a VM called ${name} is served already`);
      }
      if (!isVmMemorySize(memoryBytes)) {
        throw new VmMemoryError(`${memoryBytes} bytes asked for: expected ${VM_MEMORY_EXPECTED}`);
      }
      try {
        const open = await loader.openVmMemory(memory, memoryBytes);
        opened.push({ options, ofPolicy, memory: mapVmMemory(open), removed: undefined });
      } catch (error) {
        if (!sayOthers || !(error instanceof NotARegionError)) throw error;
        log.error({ guest: name }, `the VM is not served: ${error.message}`);
      }
    }
  } catch (error) {
    for (const { memory } of opened) memory[Symbol.dispose]();
    throw error;
  }
  return opened;
}

function nameOf({ options }: ServedVm): string {
  return options.name;
}

/** What it judges by: the rules themselves stay here. */
function forReactor({ compiled, roots }: LoadedPolicy): PolicyInForce {
  return { compiled, roots };
}

function requireAudit({ audit }: Policy, path: string | undefined): void {
  if (audit !== "required" || path !== undefined) return;
  throw new AuditError("the policy says audit: required, and there is no audit file");
}

interface Pending<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: Error) => void;
}

function pending<T>(): Pending<T> {
  let settle: Omit<Pending<T>, "promise"> | undefined;
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject };
  });
  return { promise, ...settle! };
}

function memoryKept(name: string): Error {
  return new Error(`the monitor is closed, but something of it may still use the memory of VM ${name}`);
}

function keptBy({ listen, policy, audit, kept = [] }: MonitorOptions): KeptPlace[] {
  const socket = listen === undefined ? [] : [{ what: "the attach socket", path: listen }];
  const file = typeof policy === "string" ? [{ what: "the policy", path: policy }] : [];
  const lines = audit === undefined ? [] : [{ what: "the audit file", path: audit }];
  return [...socket, ...file, ...lines, ...kept];
}
