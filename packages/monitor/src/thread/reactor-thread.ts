// One reactor and all that lives on its thread: the guests and what they share, the ways in which they come, and the
// answers to the main thread, which posts a message and rings `wakeFd`, because epoll does not see messages.
//
//   RUNS ── stop ──▶ DRAINS ── transfers are over, or time ──▶ ENDS ── guests, disk and regions are over ──▶ stopped
//
// Nothing of it is in module variables: a process may have several, and so may a thread that gives each its turns.

import { getHeapStatistics } from "node:v8";
import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import { drainEventfd, EPOLLIN, type SharedMemory } from "@ringway/linux";
import { type Account, Accounts } from "../accounts/accounts.ts";
import { DescriptorRoom } from "../accounts/descriptors.ts";
import { DiskPool } from "../disk/pool.ts";
import { closeRoots } from "../disk/roots.ts";
import { Attachment, type AttachmentHost } from "../guests/attachment.ts";
import { AttachCalls } from "../links/attach-calls.ts";
import { AttachSocket } from "../links/attach-socket.ts";
import { type Beginner, Beginnings } from "../links/beginnings.ts";
import type { GuestLink } from "../links/link.ts";
import { SocketLink } from "../links/process.ts";
import { Vm, type VmHost } from "../links/vm.ts";
import { Lookups } from "../names/lookups.ts";
import { AuditGate } from "../observe/audit-gate.ts";
import { Counter, Counters } from "../observe/counters.ts";
import { HostSurroundings } from "../policy/host-surroundings.ts";
import { type PolicyInForce, PolicyState } from "../policy/in-force.ts";
import { OwnPorts } from "../policy/own-ports.ts";
import { Reactor } from "../reactor/reactor.ts";
import { Regions } from "../regions/regions.ts";
import { RelayHost } from "../relays/host.ts";
import { Protocols } from "../relays/table.ts";
import type { FromReactor, ReactorOptions, ToReactor } from "./messages.ts";
import { NodeTurns } from "./node-turns.ts";
import { Places } from "./places.ts";
import { Posts } from "./posts.ts";

/** How often a stopping monitor looks whether its transfers are done. */
const DRAIN_CHECK_MS = 20;
/** How long a stopping monitor waits, when everything else is over, for a disk that has work of a guest's. */
const DISK_END_MS = 1000;
/**
 * And for regions to be unmade: some 90 ms for each 256 MiB that were touched. What is left then goes with the process.
 */
const REGIONS_END_MS = 2000;
/** Streams that one guest's scan takes: bounds what it can take of a turn. */
const SCAN_STREAMS = 1024;

export class ReactorThread {
  readonly #options: ReactorOptions;
  readonly #port: MessagePort;
  readonly #woken: () => void;
  readonly #reactor: Reactor;
  readonly #posts: Posts;
  readonly #accounts: Accounts = new Accounts();
  readonly #auditGate: AuditGate = new AuditGate();
  readonly #surroundings: HostSurroundings = new HostSurroundings();
  readonly #ownPorts: OwnPorts;
  readonly #lookups: Lookups;
  readonly #disk: DiskPool;
  readonly #regions: Regions;
  readonly #relays: RelayHost;
  readonly #guestHost: AttachmentHost;
  readonly #places: Places;
  /** In force for guests that have none of their own. */
  #policy: PolicyState;
  readonly #guests: Set<Attachment> = new Set();
  readonly #beginnings: Beginnings;
  readonly #attachCalls: AttachCalls;
  /** Undefined where there is none, or it was closed. */
  #attachSocket: AttachSocket | undefined;
  #nextGuest = 1;
  readonly #vms: Map<string, Vm> = new Map();
  readonly #vmHost: VmHost;
  #stopping = false;
  #stopped = false;

  /** `port` is the main thread's: it is read only when `wakeFd` was rung, after `woken` has been called. */
  constructor(options: ReactorOptions, port: MessagePort, woken: () => void) {
    this.#options = options;
    this.#port = port;
    this.#woken = woken;
    const counters = new Counters(options.counters);
    const reactor = new Reactor({ busyPollUs: options.busyPollUs, counters });
    this.#reactor = reactor;
    this.#posts = new Posts(reactor, (message) => port.postMessage(message));
    const post = (message: FromReactor): void => this.#posts.post(message);
    const descriptors = new DescriptorRoom(options.descriptors, options.wakeFd);
    this.#disk = new DiskPool(reactor, options.disk);
    this.#ownPorts = new OwnPorts(options.ownPorts, this.#surroundings);
    this.#lookups = new Lookups(post);
    this.#relays = new RelayHost({
      reactor,
      counters,
      disk: this.#disk,
      lookups: this.#lookups,
      ownPorts: this.#ownPorts,
    });
    this.#policy = new PolicyState(options.policy, this.#disk, this.#surroundings);
    const turns = new NodeTurns(reactor);
    this.#regions = new Regions(reactor, options.regions, () => turns.ask());
    this.#guestHost = {
      reactor,
      counters,
      descriptors,
      auditGate: this.#auditGate,
      opener: new Protocols(this.#relays),
      lingerMs: options.lingerMs,
      pendingIds: new Uint16Array(SCAN_STREAMS),
      post,
      whenTaken: (callback) => this.#posts.whenTaken(callback),
      gone: (guest) => {
        this.#guests.delete(guest);
        counters.add(Counter.guests, -1);
      },
    };
    this.#places = new Places(options.maxGuests, descriptors, () => this.#processes());
    this.#beginnings = this.#makeBeginnings();
    this.#attachCalls = this.#makeAttachCalls();
    this.#vmHost = this.#makeVmHost();
    reactor.watch(options.wakeFd, EPOLLIN, { onEvents: () => this.#receive() });
    if (options.listenFd >= 0) this.#attachSocket = this.#makeAttachSocket(options.listenFd);
    post({ kind: "ready" });
  }

  /** It has stopped: run() is not to be called again. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Serves guests. Returns when it has stopped, or so that this thread's Node loop can turn once. */
  run(): void {
    this.#reactor.run();
    if (this.#stopped) this.#reactor.epoll.close();
  }

  /** This thread fails: all that guests have is let go of, and what was to be said is said. */
  fail(): void {
    for (const guest of [...this.#guests]) {
      try {
        guest.closeNow("the monitor failed");
      } catch {
        // What is broken may be this guest; the error that ends this thread is the first.
      }
    }
    this.#posts.flush();
    this.#beginnings.close();
    this.#relays.partings.close();
  }

  // ── Guests come ───────────────────────────────────────────────────────────────────────────────────────────────

  #begin(
    name: string,
    link: () => GuestLink,
    policy: PolicyState,
    ownPolicy: boolean,
  ): Attachment | undefined {
    try {
      const guest = new Attachment(this.#guestHost, name, link(), policy, ownPolicy);
      this.#guests.add(guest);
      this.#guestHost.counters.add(Counter.guests);
      return guest;
    } catch (error) {
      this.#warn(name, `turned away: ${(error as Error).message}`);
      return undefined;
    }
  }

  #beginProcess({ fd, name, account, own }: Beginner, memory: SharedMemory): Attachment | undefined {
    const link = (): GuestLink => new SocketLink(this.#reactor, fd, account, memory);
    return this.#begin(name, link, own ?? this.#policy, own !== undefined);
  }

  #warn(guest: string, reason: string): void {
    this.#posts.post({ kind: "warning", guest, reason });
  }

  /** Guests that are processes, and those that are about to be. */
  #processes(): number {
    let count = this.#guests.size + this.#beginnings.count;
    for (const vm of this.#vms.values()) if (vm.hasGuest) count--;
    return count;
  }

  #makeBeginnings(): Beginnings {
    const policy = (): PolicyState => this.#policy;
    return new Beginnings({
      regions: this.#regions,
      get policy() {
        return policy();
      },
      begin: (beginner, memory) => this.#beginProcess(beginner, memory),
      warn: (guest, reason) => this.#warn(guest, reason),
    });
  }

  #makeAttachCalls(): AttachCalls {
    const policy = (): PolicyState => this.#policy;
    return new AttachCalls({
      accounts: this.#accounts,
      auditGate: this.#auditGate,
      get policy() {
        return policy();
      },
      noPlace: (account, limits) => this.#places.none(account, limits),
      begin: (fd, name, account, own) =>
        this.#beginnings.add({ fd, name, account, own, attachMs: undefined }),
      warn: (guest, reason) => this.#warn(guest, reason),
    });
  }

  #makeAttachSocket(listenFd: number): AttachSocket {
    const auditGate = this.#auditGate;
    const host = {
      reactor: this.#reactor,
      accounts: this.#accounts,
      places: this.#options.maxGuests,
      get takesGuests() {
        return auditGate.takesGuests;
      },
      noPlace: (account: Account, waitingOfKey: number, waiting: number) =>
        this.#places.none(account, this.#policy.policy.limits, waitingOfKey, waiting),
      begin: (fd: number, account: Account) => {
        const { attachMs } = this.#policy.policy.timeouts;
        const name = `guest-${this.#nextGuest++}`;
        this.#beginnings.add({ fd, name, account, own: undefined, attachMs });
      },
      warn: (reason: string) => this.#warn("", reason),
    };
    return new AttachSocket(host, listenFd);
  }

  // ── Virtual machines ──────────────────────────────────────────────────────────────────────────────────────────

  #makeVmHost(): VmHost {
    // Whose calls those of all doorbells are: a dead folder of theirs leaves guests the half of the disk workers.
    const doorbells = {};
    return {
      reactor: this.#reactor,
      accounts: this.#accounts,
      // It is tried again.
      begin: (vm) =>
        this.#auditGate.takesGuests ? this.#begin(vm.name, () => vm, this.#policy, false) : undefined,
      warn: (vm, reason) => this.#warn(vm.name, reason),
      call: (path, done) => {
        this.#disk.submit(doorbells, { kind: "call", path }, Number.POSITIVE_INFINITY, ({ errno, value }) =>
          done(errno === 0 ? value : -errno),
        );
      },
      ended: (vm) => this.#posts.post({ kind: "vm-ended", name: vm.name }),
    };
  }

  #addVm({ name, memory, doorbell }: Extract<ToReactor, { kind: "vm" }>): void {
    if (this.#stopping) this.#posts.post({ kind: "vm-ended", name });
    else this.#vms.set(name, new Vm(this.#vmHost, name, memory, doorbell));
  }

  #removeVm(name: string): void {
    this.#vms.get(name)?.remove();
    this.#vms.delete(name);
  }

  // ── What the main thread asks ─────────────────────────────────────────────────────────────────────────────────

  #receive(): void {
    this.#woken();
    drainEventfd(this.#options.wakeFd);
    for (;;) {
      const received = receiveMessageOnPort(this.#port);
      if (received === undefined) return;
      this.#onMessage(received.message as ToReactor);
    }
  }

  #onMessage(message: ToReactor): void {
    switch (message.kind) {
      case "policy":
        this.#setPolicy(message.policy);
        return;
      case "attach":
        this.#attachCalls.add(message, message.policy && this.#policyState(message.policy));
        return;
      case "audit":
        this.#auditGate.set(message.isOpen);
        return;
      case "vm":
        this.#addVm(message);
        return;
      case "vm-removed":
        this.#removeVm(message.name);
        return;
      case "resolved":
        this.#lookups.answered(message.id, message);
        return;
      case "nat64":
        this.#surroundings.set(message.prefixes);
        return;
      case "taken":
        this.#posts.taken(message.id);
        return;
      case "own-ports":
        this.#ownPorts.replace(message.ports);
        return;
      case "memory":
        this.#tellMemory(message.id, message.gc);
        return;
      case "stop":
        this.#stop(message.drainMs);
    }
  }

  #policyState(policy: PolicyInForce): PolicyState {
    return new PolicyState(policy, this.#disk, this.#surroundings);
  }

  #setPolicy(inForce: PolicyInForce): void {
    if (this.#stopping) {
      closeRoots(inForce.roots);
      return;
    }
    const policy = this.#policyState(inForce);
    for (const guest of this.#guests) guest.setPolicy(policy);
    this.#policy.release();
    this.#policy = policy;
    this.#posts.post({ kind: "policy" });
  }

  #tellMemory(id: number, gc: boolean): void {
    if (gc) (globalThis as { gc?: () => void }).gc?.();
    const { used_heap_size: heapUsed, external_memory: external } = getHeapStatistics();
    this.#posts.post({ kind: "memory", id, memory: { heapUsed, external } });
  }

  // ── Its end ───────────────────────────────────────────────────────────────────────────────────────────────────

  #stop(drainMs: number): void {
    this.#stopping = true;
    this.#attachSocket?.close();
    this.#attachSocket = undefined;
    this.#attachCalls.close();
    this.#beginnings.close();
    for (const vm of this.#vms.values()) vm.retire();
    for (const guest of this.#guests) guest.drain();
    this.#drain(performance.now() + drainMs);
  }

  #drain(endMs: number): void {
    let transfers = 0;
    for (const guest of this.#guests) transfers += guest.streams.transfers;
    if (transfers > 0 && performance.now() < endMs) {
      this.#reactor.after(DRAIN_CHECK_MS, () => this.#drain(endMs));
      return;
    }
    for (const guest of this.#guests) guest.close("the monitor stops");
    this.#policy.release();
    this.#end(transfers, performance.now());
  }

  /**
   * All that guests held is let go of, and disk work that uses their memory is over, before this thread goes. Work that
   * never ends keeps its memory to itself.
   */
  #end(aborted: number, sinceMs: number): void {
    const waitedMs = performance.now() - sinceMs;
    const waits =
      this.#guests.size > 0 ||
      (this.#disk.load > 0 && waitedMs < DISK_END_MS) ||
      (this.#regions.load > 0 && waitedMs < REGIONS_END_MS);
    if (waits) {
      this.#reactor.after(DRAIN_CHECK_MS, () => this.#end(aborted, sinceMs));
      return;
    }
    this.#disk.close();
    this.#regions.close();
    this.#relays.partings.close();
    this.#surroundings[Symbol.dispose]();
    this.#stopped = true;
    this.#reactor.pause();
    this.#posts.post({ kind: "stopped", aborted, stuck: this.#disk.load });
  }
}
