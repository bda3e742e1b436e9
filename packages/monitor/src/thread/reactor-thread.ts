// One reactor and all that lives on its thread: the guests and what they share, the ways in which they come, and the
// answers to the main thread, which posts a message and rings `wakeFd`, because epoll does not see messages.
//
//   RUNS ── stop ──▶ DRAINS ── transfers are over, or time ──▶ ENDS ── guests, disk and regions are over ──▶ stopped
//
// Nothing of it is in module variables: a process may have several, and so may a thread that gives each its turns.

import { getHeapStatistics } from "node:v8";
import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import { drainEventfd, EPOLLIN } from "@ringway/linux";
import { Accounts } from "../accounts/accounts.ts";
import { DescriptorRoom } from "../accounts/descriptors.ts";
import { PolicyFolders } from "../disk/policy-folders.ts";
import { DiskPool } from "../disk/pool.ts";
import { closeRoots } from "../disk/roots.ts";
import type { Attachment, AttachmentHost } from "../guests/attachment.ts";
import type { Opener } from "../guests/opener.ts";
import { Lookups } from "../names/lookups.ts";
import { AuditGates } from "../observe/audit-gate.ts";
import { Followers } from "../observe/conversations/followers.ts";
import { FlowNumbers } from "../observe/flow-lines.ts";
import { FlowRecords } from "../observe/flow-records.ts";
import { Trace } from "../observe/trace.ts";
import { PolicyState } from "../policy/in-force.ts";
import { OwnPorts } from "../policy/own-ports.ts";
import { OwnSockets } from "../policy/own-sockets.ts";
import { Counters } from "../reactor/counters.ts";
import { Reactor } from "../reactor/reactor.ts";
import { Regions } from "../regions/regions.ts";
import { RelayHost } from "../relays/host.ts";
import { Protocols } from "../relays/table.ts";
import { Arrivals, type ArrivalsHost } from "./arrivals.ts";
import { Census, type CensusHost } from "./census.ts";
import { FollowCalls } from "./follow-calls.ts";
import { HostSurroundings } from "./host-surroundings.ts";
import type { FromReactor, PolicyInForce, ReactorOptions, TenantMessage, ToReactor } from "./messages.ts";
import { NodeTurns } from "./node-turns.ts";
import { Posts } from "./posts.ts";
import { Tenants } from "./tenants.ts";

/** How often a stopping monitor looks whether its transfers are done. */
const DRAIN_CHECK_MS = 20;
/** How long a stopping monitor waits, when everything else is over, for a disk that has work of a guest's. */
const DISK_END_MS = 1000;
/** And for who follows conversations, and has no room for their ends. */
const FOLLOWED_END_MS = 1000;
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
  /** Undefined where nothing is traced. */
  readonly #trace: Trace | undefined;
  /** Undefined where nobody wants them. */
  readonly #records: FlowRecords | undefined;
  readonly #auditGates: AuditGates;
  readonly #surroundings: HostSurroundings = new HostSurroundings();
  readonly #ownPorts: OwnPorts;
  readonly #ownSockets: OwnSockets;
  readonly #lookups: Lookups;
  readonly #disk: DiskPool;
  readonly #regions: Regions;
  readonly #relays: RelayHost;
  readonly #arrivals: Arrivals;
  readonly #accounts: Accounts = new Accounts();
  readonly #census: Census;
  readonly #followCalls: FollowCalls;
  readonly #tenants: Tenants = new Tenants();
  /** In force for guests that have none of their own. */
  #policy: PolicyState;
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
    this.#auditGates = new AuditGates(this.#posts);
    const post = (message: FromReactor): void => this.#posts.post(message);
    const whenTaken = (callback: () => void): void => this.#posts.whenTaken(callback);
    const after = (delayMs: number, callback: () => void): void => void reactor.after(delayMs, callback);
    this.#trace = options.trace.length === 0 ? undefined : new Trace({ after, post, whenTaken });
    this.#records = options.hasFlowRecords ? new FlowRecords({ after, post, whenTaken }) : undefined;
    this.#disk = new DiskPool(reactor, options.disk);
    this.#ownPorts = new OwnPorts(options.ownPorts, this.#surroundings);
    this.#ownSockets = new OwnSockets(
      options.attachSocket,
      options.adminSocket,
      ...options.tenants.map(({ socket }) => socket),
    );
    this.#lookups = new Lookups({ reactor, counters, post });
    this.#relays = new RelayHost({
      reactor,
      counters,
      disk: this.#disk,
      lookups: this.#lookups,
      ownPorts: this.#ownPorts,
      ownSockets: this.#ownSockets,
    });
    this.#policy = this.#policyState(options.policy);
    const turns = new NodeTurns(reactor);
    this.#regions = new Regions(reactor, options.regions, () => {
      // At the end, this thread's loop turns anyway.
      if (!this.#stopping) turns.ask();
    });
    const soon = (run: () => void): void => reactor.soon(run);
    const followers = new Followers({ after, soon, tell: (id) => post({ kind: "followed", id }) });
    const guestHost: AttachmentHost = {
      reactor,
      counters,
      after,
      descriptors: new DescriptorRoom(options.descriptors, options.wakeFd),
      auditGates: this.#auditGates,
      flows: options.hasAuditFile ? new FlowNumbers() : undefined,
      showsFlows: options.showsFlows,
      followers,
      records: this.#records,
      opener: new Protocols(this.#relays),
      lingerMs: options.lingerMs,
      traceStreams: options.trace.includes("streams") ? this.#trace : undefined,
      traceBells: options.trace.includes("bells") ? this.#trace : undefined,
      invariants: options.invariants,
      pendingIds: new Uint16Array(SCAN_STREAMS),
      post,
      whenTaken,
      gone: (guest) => this.#arrivals.gone(guest),
    };
    this.#arrivals = new Arrivals(this.#arrivalsHost(), guestHost);
    this.#census = new Census(this.#censusHost(guestHost.opener));
    this.#followCalls = new FollowCalls(followers, this.#arrivals.guests, soon, (id) => {
      post({ kind: "unfollowed", id });
    });
    reactor.watchForNobody(options.wakeFd, EPOLLIN, () => this.#receive());
    const published = options.publications.map((each) => this.#relays.published.open(each));
    if (options.listenFd >= 0) this.#arrivals.listen(options.listenFd);
    for (const tenant of options.tenants) {
      this.#addTenant(tenant);
      this.#arrivals.listen(tenant.socket.fd, tenant.name);
    }
    post({ kind: "ready", published });
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
    for (const guest of [...this.#arrivals.guests]) {
      try {
        guest.closeNow("the monitor failed");
      } catch {
        // What is broken may be this guest; the error that ends this thread is the first.
      }
    }
    this.#trace?.flush();
    this.#auditGates.sayLate();
    this.#records?.flush();
    this.#auditGates.end();
    this.#posts.flush();
    this.#arrivals.turnAwayBeginners();
    this.#relays.published.closeAll();
    this.#relays.partings.close();
  }

  #censusHost(opener: Opener): CensusHost {
    return {
      guests: this.#arrivals.guests,
      tallies: this.#accounts.tallies,
      disk: this.#disk,
      connectTimes: this.#relays.connectTimes,
      opener,
      published: this.#relays.published,
      policyOf: (tenant) => (tenant === undefined ? this.#policy : this.#tenants.policyOf(tenant)),
      soon: (run) => this.#reactor.soon(run),
      post: (message) => this.#posts.post(message),
    };
  }

  #arrivalsHost(): ArrivalsHost {
    const policy = (): PolicyState => this.#policy;
    return {
      accounts: this.#accounts,
      disk: this.#disk,
      regions: this.#regions,
      ownSockets: this.#ownSockets,
      tenants: this.#tenants,
      maxGuests: this.#options.maxGuests,
      get policy() {
        return policy();
      },
      vmEnded: (name) => this.#posts.post({ kind: "vm-ended", name }),
    };
  }

  // ── What the main thread asks ─────────────────────────────────────────────────────────────────────────────────

  #receive(): void {
    this.#woken();
    drainEventfd(this.#options.wakeFd);
    for (;;) {
      const received = receiveMessageOnPort(this.#port);
      if (received === undefined) return;
      this.#onMessage(received.message as ToReactor);
      // Answers were somebody's, all else nobody's.
      this.#reactor.pass();
    }
  }

  #onMessage(message: ToReactor): void {
    switch (message.kind) {
      case "policy":
        this.#setPolicy(message.policy, message.tenant);
        return;
      case "tenant":
        this.#addTenant(message);
        return;
      case "attach":
        this.#arrivals.attach(message, message.policy && this.#policyState(message.policy));
        return;
      case "audit":
        this.#auditGates.setWritable(message.isWritable);
        return;
      case "vm":
        this.#arrivals.addVm(message);
        return;
      case "vm-removed":
        this.#arrivals.removeVm(message.name);
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
      case "ask":
        this.#census.ask(message.id, message.question);
        return;
      case "follow":
      case "unfollow":
      case "follow-room":
      case "follow-read":
        this.#followCalls.take(message);
        return;
      case "lag":
        this.#tellLag(message.id, message.sentNs);
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

  #policyState({ compiled, roots }: PolicyInForce): PolicyState {
    const hides = compiled.settings.refusals === "hide";
    return new PolicyState(compiled, new PolicyFolders(roots, this.#disk, hides), this.#surroundings);
  }

  #setPolicy(inForce: PolicyInForce, tenant: string | undefined): void {
    if (this.#stopping) {
      closeRoots(inForce.roots);
      return;
    }
    const policy = this.#policyState(inForce);
    const isOf = (guest: Attachment): boolean =>
      tenant === undefined ? this.#tenants.policyOf(guest.tenant) === undefined : guest.tenant === tenant;
    for (const guest of this.#arrivals.guests) if (isOf(guest)) guest.setPolicy(policy);
    if (tenant === undefined) {
      this.#policy.release();
      this.#policy = policy;
    } else this.#tenants.setPolicy(tenant, policy);
    this.#posts.post({ kind: "policy" });
  }

  #addTenant({ name, policy, labelBytes }: TenantMessage): void {
    this.#tenants.begin(name, labelBytes);
    if (policy === undefined) return;
    if (this.#stopping) closeRoots(policy.roots);
    else this.#tenants.setPolicy(name, this.#policyState(policy));
  }

  #tellLag(id: number, sentNs: bigint): void {
    const seconds = Number(process.hrtime.bigint() - sentNs) / 1e9;
    this.#posts.post({ kind: "answer", id, fields: [seconds], isLast: true });
  }

  #tellMemory(id: number, gc: boolean): void {
    if (gc) (globalThis as { gc?: () => void }).gc?.();
    const { used_heap_size: heapUsed, external_memory: external } = getHeapStatistics();
    this.#posts.post({ kind: "memory", id, memory: { heapUsed, external } });
  }

  // ── Its end ───────────────────────────────────────────────────────────────────────────────────────────────────

  #stop(drainMs: number): void {
    this.#stopping = true;
    this.#arrivals.close();
    this.#relays.published.closeAll();
    for (const guest of this.#arrivals.guests) guest.drain();
    this.#drain(performance.now() + drainMs);
  }

  #drain(endMs: number): void {
    let transfers = 0;
    for (const guest of this.#arrivals.guests) transfers += guest.streams.transfers;
    if (transfers > 0 && performance.now() < endMs) {
      this.#reactor.after(DRAIN_CHECK_MS, () => this.#drain(endMs));
      return;
    }
    this.#auditGates.end();
    for (const guest of this.#arrivals.guests) guest.close("the monitor stops");
    this.#policy.release();
    this.#tenants.clear();
    this.#end(transfers, performance.now());
  }

  /**
   * All that guests held is let go of, and disk work that uses their memory is over, before this thread goes. Work that
   * never ends keeps its memory to itself.
   */
  #end(aborted: number, sinceMs: number): void {
    const waitedMs = performance.now() - sinceMs;
    const waits =
      this.#arrivals.guests.size > 0 ||
      (this.#followCalls.areDue && waitedMs < FOLLOWED_END_MS) ||
      (this.#disk.load > 0 && waitedMs < DISK_END_MS) ||
      (this.#regions.load > 0 && waitedMs < REGIONS_END_MS);
    if (waits) {
      // Mostly it is a region or two, whose end is a piece each: that is over in a moment.
      this.#reactor.after(Math.min(1 + waitedMs, DRAIN_CHECK_MS), () => this.#end(aborted, sinceMs));
      return;
    }
    this.#disk.close();
    this.#regions.close();
    this.#relays.partings.close();
    this.#surroundings[Symbol.dispose]();
    this.#stopped = true;
    this.#auditGates.sayLate();
    this.#records?.flush();
    this.#trace?.flush();
    this.#reactor.pause();
    this.#posts.post({ kind: "stopped", aborted, stuck: this.#disk.load });
  }
}
