// The monitor as a program embeds it: starts the reactor's thread and keeps the control plane on this one: policy, names,
// logs, events.

import { EventEmitter } from "node:events";
import { unlinkSync } from "node:fs";
import { MessageChannel } from "node:worker_threads";
import {
  checkSocketPath,
  closeFd,
  createEventfd,
  errnoName,
  listenUnix,
  NativeThread,
  ringEventfd,
  type SharedMemory,
  setNonBlocking,
  unixPair,
} from "@ringway/linux";
import { type Logger, pino } from "pino";
import { DISK_WORKERS } from "./disk/pool.ts";
import { type HostLookupOptions, hostLookup } from "./names/host-lookup.ts";
import { type Lookup, Resolver } from "./names/resolver.ts";
import { compilePolicy } from "./policy/compiled/compile.ts";
import { DEFAULT_VM_MEMORY_BYTES, isVmMemorySize, VM_MEMORY_EXPECTED } from "./policy/defaults.ts";
import { policyOf } from "./policy/load.ts";
import { type KeptPlace, placesOfVm, rootProblems } from "./policy/roots.ts";
import type { Policy, VmEntry } from "./policy/types.ts";
import { Counters, type CounterValues } from "./reactor/counters.ts";
import type { FromReactor, ReactorMemory, ReactorOptions, Refusal, ToReactor } from "./reactor/messages.ts";
import { mapVmMemory, NotARegionError, VmMemoryError } from "./vm-memory.ts";

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
  /** Where log and audit lines go. Default: silent. */
  readonly logger?: Logger;
  /**
   * Files that no folder of a policy may hold, beside those that are known here (the socket, the VMs' memories and doorbells, a policy
   * that is given as a path): the logs, a policy that was read from a file.
   */
  readonly kept?: readonly KeptPlace[];
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

export interface Violated {
  readonly guest: string;
  /** The stream it happened on; 0 for the guest as a whole. */
  readonly stream: number;
  /** The clause of PROTOCOL.md that was broken. */
  readonly clause: string;
  readonly reason: string;
}

export interface MonitorEvents {
  /** A guest has connected; `pid` is 0 where it cannot be seen. */
  guest: [{ guest: string; pid: number }];
  /** A guest has attached to its region. */
  attached: [{ guest: string }];
  /** A guest is gone, and everything that it held is closed. */
  detached: [{ guest: string; reason: string }];
  refused: [Refusal];
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
  removed: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;
}

/** The default of busyPollUs: see docs/performance.md for what it buys. */
export const DEFAULT_BUSY_POLL_US = 50;
/**
 * Node's options for the threads: this program's, as Workers take them over by themselves; but none where one is
 * --input-type, which Workers of `node -e` stumble over. (To filter would not do: a Worker refuses options of V8.)
 */
const WORKER_OPTIONS: { execArgv?: string[] } = process.execArgv.some((option) =>
  option.startsWith("--input-type"),
)
  ? { execArgv: [] }
  : {};

/** The default time limit of close(), in milliseconds. */
export const DEFAULT_DRAIN_MS = 5000;

export class Monitor extends EventEmitter<MonitorEvents> implements AsyncDisposable {
  #policy: Policy;
  readonly #worker: NativeThread;
  readonly #wakeFd: number;
  readonly #counters: Counters;
  readonly #resolver: Resolver;
  readonly #log: Logger;
  readonly #listen: string | undefined;
  readonly #kept: readonly KeptPlace[];
  readonly #diskWorkers: NativeThread[] = [];
  #diskWakeFd = -1;
  readonly #memoryRequests: Map<number, (memory: ReactorMemory) => void> = new Map();
  #nextMemoryRequest = 1;
  /** Virtual machines by name, until their memory is free. */
  readonly #vms: Map<string, ServedVm> = new Map();
  /** Calls of reload() whose policy is not in force yet. */
  readonly #reloads: (() => void)[] = [];
  #nextGuest = 1;
  #closing: Promise<void> | undefined;
  /** Nobody is there to be told anything; `wakeFd` may be another's by now. */
  #gone = false;
  #onStopped: (() => void) | undefined;

  private constructor(options: MonitorOptions, policy: Policy) {
    super();
    this.#policy = policy;
    this.#log = options.logger ?? pino({ level: "silent" });
    this.#resolver = new Resolver(options.lookup ?? hostLookup(options.names));
    this.#counters = new Counters();
    this.#listen = options.listen;
    this.#kept = keptBy(options);
    const compiled = compilePolicy(policy);
    const listenFd = options.listen === undefined ? -1 : listenUnix(options.listen);
    this.#wakeFd = createEventfd();
    const workerData: ReactorOptions = {
      policy: compiled,
      wakeFd: this.#wakeFd,
      counters: this.#counters.buffer,
      busyPollUs: options.busyPollUs ?? DEFAULT_BUSY_POLL_US,
      maxGuests: options.maxGuests ?? 256,
      lingerMs: options.lingerMs ?? 500,
      listenFd,
    };
    this.#worker = new NativeThread(new URL("./reactor/worker.js", import.meta.url), {
      name: "reactor",
      workerData,
      ...WORKER_OPTIONS,
    });
    this.#worker.on("message", (message: FromReactor) => this.#onMessage(message));
    this.#worker.on("error", (error) => this.#failed(error));
  }

  /**
   * Starts a monitor; resolves when it takes guests. Throws PolicyError for a bad policy file, SystemError where the
   * socket cannot be listened on (EADDRINUSE: somebody does already; ENAMETOOLONG), and what addVm() throws.
   */
  static async start(options: MonitorOptions): Promise<Monitor> {
    const policy = policyOf(options.policy, [...keptBy(options), ...(options.vms ?? []).flatMap(placesOfVm)]);
    const monitor = new Monitor(options, policy);
    try {
      monitor.#serve(monitor.#open(options.vms ?? [], false));
      monitor.#serve(monitor.#open(policy.vms, true));
    } catch (error) {
      await monitor.close({ drainMs: 0 });
      throw error;
    }
    await new Promise<void>((resolve, reject) => {
      monitor.#onReady = resolve;
      monitor.#worker.once("error", reject);
    });
    monitor.#log.info({ listen: options.listen }, "monitor is ready");
    return monitor;
  }

  #onReady: (() => void) | undefined;

  /** The policy in force for guests that have none of their own. */
  get policy(): Policy {
    return this.#policy;
  }

  /**
   * Makes room for a guest, with a policy of its own if one is given; its program gets the descriptor. Guests with the same `key`
   * share the budgets of whoever attaches (docs/security.md): a tenant's name, or `uid:1000` to share with that user's guests of the
   * attach socket. Without it, the guest has its own. Throws PolicyError where
   * a folder of that policy cannot be given to a guest.
   */
  attach(
    options: { readonly name?: string; readonly key?: string; readonly policy?: Policy } = {},
  ): AttachedGuest {
    if (this.#closing !== undefined) throw new Error("the monitor is closed");
    if (options.policy !== undefined) policyOf(options.policy, this.#keptNow());
    const name = options.name ?? `attached-${this.#nextGuest++}`;
    const policy = options.policy === undefined ? undefined : compilePolicy(options.policy);
    const [ours, theirs] = unixPair();
    setNonBlocking(theirs, false);
    this.#send({ kind: "attach", fd: ours, name, key: options.key, policy });
    return { name, fd: theirs };
  }

  /**
   * Serves another virtual machine, from now until removeVm(). Throws VmMemoryError where its memory cannot be used (it is served
   * already, it holds something else, its size is no power of two), SystemError where it cannot be opened, or where the doorbell's
   * path is too long.
   */
  addVm(options: VmOptions): void {
    if (this.#closing !== undefined) throw new Error("the monitor is closed");
    const [problem] = rootProblems(this.#policy, placesOfVm(options));
    if (problem !== undefined) throw new VmMemoryError(problem.message);
    this.#serve(this.#open([options], false, false));
  }

  /** Serves it no more: its guest is ended now. Resolves when its memory is free for others; at once for a name nobody has. */
  removeVm(name: string): Promise<void> {
    const vm = this.#vms.get(name);
    if (vm === undefined) return Promise.resolve();
    if (vm.removed === undefined) {
      let resolve = (): void => {};
      const promise = new Promise<void>((done) => {
        resolve = done;
      });
      vm.removed = { promise, resolve };
      this.#send({ kind: "vm-removed", name });
    }
    return vm.removed.promise;
  }

  /**
   * All of them or none; but where they are `many`, one whose memory holds something else is said, and left out: its guest may
   * have written that, and is nobody else's problem.
   */
  #open(vms: readonly VmOptions[], ofPolicy: boolean, many = true): ServedVm[] {
    const opened: ServedVm[] = [];
    try {
      for (const options of vms) {
        const { name, memory, memoryBytes = DEFAULT_VM_MEMORY_BYTES, doorbell } = options;
        checkSocketPath(doorbell, "connect");
        if (this.#vms.has(name) || opened.some((other) => other.options.name === name)) {
          throw new VmMemoryError(`a VM called ${name} is served already`);
        }
        if (!isVmMemorySize(memoryBytes)) {
          throw new VmMemoryError(`${memoryBytes} bytes asked for: expected ${VM_MEMORY_EXPECTED}`);
        }
        try {
          opened.push({ options, ofPolicy, memory: mapVmMemory(memory, memoryBytes), removed: undefined });
        } catch (error) {
          if (!many || !(error instanceof NotARegionError)) throw error;
          this.#log.error({ guest: name }, `the VM is not served: ${error.message}`);
        }
      }
    } catch (error) {
      for (const { memory } of opened) memory[Symbol.dispose]();
      throw error;
    }
    return opened;
  }

  #serve(opened: readonly ServedVm[]): void {
    for (const vm of opened) {
      const { name, doorbell } = vm.options;
      this.#vms.set(name, vm);
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
   * Puts another policy in force, for what guests ask afterwards; what is open stays open. Resolves once it is in force.
   * With a path, throws PolicyError (at once, not by the promise) for a bad file and the old policy stays. The policy's VMs that
   * are new are served from now on, those that are gone no more; throws what addVm() throws, and the old policy stays.
   */
  reload(policy: Policy | string): Promise<void> {
    if (this.#closing !== undefined) throw new Error("the monitor is closed");
    const loaded = policyOf(policy, this.#keptNow());
    const compiled = compilePolicy(loaded);
    const added = this.#open(this.#newVms(loaded.vms), true);
    this.#policy = loaded;
    const inForce = new Promise<void>((resolve) => {
      // The reactor answers in order.
      this.#reloads.push(resolve);
      this.#send({ kind: "policy", policy: compiled });
    });
    // After the policy: none of them is judged by the old one.
    this.#serve(added);
    const kept = new Set(loaded.vms.map(({ name }) => name));
    for (const [name, { ofPolicy }] of this.#vms) if (ofPolicy && !kept.has(name)) void this.removeVm(name);
    return inForce;
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

  /** What the reactor has counted so far. */
  counters(): CounterValues {
    return this.#counters.read();
  }

  /** Memory of the reactor's isolate, in bytes; after a collection where `gc` is true and Node runs with --expose-gc. */
  memoryUsage(options: { readonly gc?: boolean } = {}): Promise<ReactorMemory> {
    if (this.#closing !== undefined) return Promise.reject(new Error("the monitor is closed"));
    const id = this.#nextMemoryRequest++;
    return new Promise((resolve) => {
      this.#memoryRequests.set(id, resolve);
      this.#send({ kind: "memory", id, gc: options.gc ?? false });
    });
  }

  /**
   * Takes no more guests, streams or connections, lets transfers finish for at most `drainMs`, then ends everything.
   * Repeated calls wait for the first.
   */
  close(options: { readonly drainMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(options.drainMs ?? DEFAULT_DRAIN_MS);
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close({ drainMs: 0 });
  }

  async #close(drainMs: number): Promise<void> {
    this.#unlinkSocket();
    const stopped = new Promise<void>((resolve) => {
      this.#onStopped = resolve;
    });
    this.#send({ kind: "stop", drainMs });
    await stopped;
    this.#reactorGone();
    await Promise.all([this.#worker, ...this.#diskWorkers].map((worker) => worker.terminate()));
    closeFd(this.#wakeFd);
    for (const resolve of this.#reloads.splice(0)) resolve();
    for (const name of [...this.#vms.keys()]) this.#vmEnded(name);
    if (this.#diskWakeFd >= 0) closeFd(this.#diskWakeFd);
    this.#log.info("monitor has stopped");
    this.#log.flush();
  }

  #unlinkSocket(): void {
    if (this.#listen === undefined) return;
    try {
      unlinkSync(this.#listen);
    } catch {
      // Somebody has removed it already.
    }
  }

  /** Lookups that are still under way must not keep the process, and have nobody to tell of their end. */
  #reactorGone(): void {
    this.#gone = true;
    this.#resolver.close();
  }

  #send(message: ToReactor): void {
    if (this.#gone) return;
    this.#worker.postMessage(message, message.kind === "disk" ? [message.port] : []);
    ringEventfd(this.#wakeFd);
  }

  #failed(error: Error): void {
    this.#log.fatal({ err: error }, "the reactor failed");
    this.#reactorGone();
    this.#unlinkSocket();
    this.#closing ??= Promise.all(this.#diskWorkers.map((worker) => worker.terminate())).then(() => {});
    this.#onStopped?.();
    // Without a listener this throws, and ends the program: its descriptors must not outlive the reactor.
    this.emit("error", error);
  }

  #onMessage(message: FromReactor): void {
    const log = this.#log;
    switch (message.kind) {
      case "ready":
        this.#onReady?.();
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
      case "refused": {
        const { kind: _, ...refusal } = message;
        log.warn({ audit: "refused", ...refusal, errno: errnoName(refusal.errno) }, refusal.reason);
        this.emit("refused", refusal);
        return;
      }
      case "violation": {
        const { kind: _, ...violated } = message;
        log.error({ audit: "violation", ...violated }, violated.reason);
        this.emit("violation", violated);
        return;
      }
      case "bug":
        log.error(
          { guest: message.guest, stack: message.stack },
          "internal error while serving a guest; it was ended",
        );
        return;
      case "warning":
        log.warn({ guest: message.guest }, message.reason);
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
        this.#reloads.shift()?.();
        return;
      case "vm-ended":
        this.#vmEnded(message.name);
        return;
      case "disk":
        this.#startDiskWorkers(message.wakeFd);
        return;
      case "mark":
        this.#send({ kind: "taken", id: message.id });
        return;
      case "memory":
        this.#memoryRequests.get(message.id)?.(message.memory);
        this.#memoryRequests.delete(message.id);
        return;
      case "stopped":
        if (message.aborted > 0)
          log.warn({ streams: message.aborted }, "streams were cut off by the time limit");
        this.#onStopped?.();
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

  #startDiskWorkers(wakeFd: number): void {
    this.#diskWakeFd = wakeFd;
    for (let i = 0; i < DISK_WORKERS; i++) {
      const { port1, port2 } = new MessageChannel();
      const worker = new NativeThread(new URL("./disk/worker.js", import.meta.url), {
        name: `disk-${i}`,
        ...WORKER_OPTIONS,
        workerData: { port: port1, wakeFd },
        transferList: [port1],
      });
      worker.on("error", (error) => this.#failed(error));
      worker.unref();
      this.#diskWorkers.push(worker);
      this.#send({ kind: "disk", port: port2 });
    }
  }
}

function keptBy({ listen, policy, kept = [] }: MonitorOptions): KeptPlace[] {
  const socket = listen === undefined ? [] : [{ what: "the attach socket", path: listen }];
  const file = typeof policy === "string" ? [{ what: "the policy", path: policy }] : [];
  return [...socket, ...file, ...kept];
}
