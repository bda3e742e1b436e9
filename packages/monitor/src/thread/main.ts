// The reactor's thread: builds the host that its guests share, takes guests off the listening socket, and does what the
// main thread asks. The main thread posts a message and rings `wakeFd`, because epoll does not see messages.

import { getHeapStatistics } from "node:v8";
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { drainEventfd, EPOLLIN, Errno, holdIfStopping, inCalls, threadLoaded } from "@ringway/linux";
import { type Account, Accounts } from "../accounts/accounts.ts";
import { DescriptorRoom } from "../accounts/descriptors.ts";
import { DiskPool } from "../disk/pool.ts";
import { closeRoots } from "../disk/roots.ts";
import { Attachment } from "../guests/attachment.ts";
import type { Host } from "../guests/host.ts";
import { AttachCalls } from "../links/attach-calls.ts";
import { AttachSocket, type AttachSocketHost, type NoPlace } from "../links/attach-socket.ts";
import { Beginnings } from "../links/beginnings.ts";
import type { GuestLink } from "../links/link.ts";
import { SocketLink } from "../links/process.ts";
import { Vm, type VmHost } from "../links/vm.ts";
import { Lookups } from "../names/lookups.ts";
import { AuditGate } from "../observe/audit-gate.ts";
import { Counter, Counters } from "../observe/counters.ts";
import { HostSurroundings } from "../policy/host-surroundings.ts";
import { PolicyState } from "../policy/in-force.ts";
import { OwnPorts } from "../policy/own-ports.ts";
import type { Limits } from "../policy/types.ts";
import { Reactor } from "../reactor/reactor.ts";
import { Regions } from "../regions/regions.ts";
import { KeepAlives } from "../relays/keep-alives.ts";
import { Partings } from "../relays/partings.ts";
import type { FromReactor, ReactorOptions, ToReactor } from "./messages.ts";
import { Posts } from "./posts.ts";

/** How often a stopping monitor looks whether its transfers are done. */
const DRAIN_CHECK_MS = 20;
/** How often finalizers have a turn at the most: a collection is far longer in coming. */
const NODE_TURN_MS = 100;
/** How long a stopping monitor waits, when everything else is over, for a disk that has work of a guest's. */
const DISK_END_MS = 1000;
/** And for regions to be unmade: some 90 ms for each 256 MiB that were touched. What is left then is there until the process ends. */
const REGIONS_END_MS = 2000;

threadLoaded();
const options = workerData as ReactorOptions;
const port = parentPort!;
const counters = new Counters(options.counters);
const reactor = new Reactor({ busyPollUs: options.busyPollUs, counters });
const guests = new Set<Attachment>();
const marks = new Map<number, () => void>();
let nextMark = 1;
let nextGuest = 1;
let stopping = false;
let stopped = false;

const posts = new Posts(reactor, (message) => port.postMessage(message));

function post(message: FromReactor): void {
  posts.post(message);
}

const disk = new DiskPool(reactor, options.disk);
const descriptors = new DescriptorRoom(options.descriptors, options.wakeFd);

const surroundings = new HostSurroundings();

const auditGate = new AuditGate();

const host: Host = {
  reactor,
  auditGate,
  counters,
  disk,
  partings: new Partings(reactor),
  keepAlives: new KeepAlives(reactor),
  accounts: new Accounts(),
  descriptors,
  ownPorts: new OwnPorts(options.ownPorts, surroundings),
  options,
  lingerMs: options.lingerMs,
  policy: new PolicyState(options.policy, disk, surroundings),
  post,
  lookups: new Lookups(post),
  whenTaken(callback) {
    const id = nextMark++;
    marks.set(id, callback);
    post({ kind: "mark", id });
  },
  guestGone(guest) {
    guests.delete(guest);
    counters.add(Counter.guests, -1);
  },
};

let nodeTurnIsDue = false;
let nodeTurnMs = Number.NEGATIVE_INFINITY;

/** The addresses of a region that was unmade are unmapped by a finalizer, which needs a turn of this thread's Node loop. */
function unmade(): void {
  if (nodeTurnIsDue) return;
  nodeTurnIsDue = true;
  reactor.after(Math.max(0, nodeTurnMs + NODE_TURN_MS - performance.now()), () => {
    nodeTurnIsDue = false;
    nodeTurnMs = performance.now();
    reactor.pause();
  });
}

const regions = new Regions(reactor, options.regions, unmade);

/** Why there is no place for another guest of this key, where so many of it, and so many of all keys, wait for theirs. */
function noPlace(
  { key, guests: ofKey, beginning, regionBytes: asked, leavingBytes, descriptors: ofDescriptors }: Account,
  { regionBytes, guests: most, regionBytesTotal }: Limits,
  waitingOfKey = 0,
  waiting = 0,
): NoPlace | undefined {
  if (processGuests() + beginnings.count + waiting >= options.maxGuests) {
    return { errno: Errno.EMFILE, reason: `${options.maxGuests} guests are attached` };
  }
  if (!descriptors.leftFor(ofDescriptors))
    return { errno: Errno.EMFILE, reason: "the monitor has no descriptors left for guests of this user" };
  if (ofKey + beginning + waitingOfKey >= most) {
    return {
      errno: Errno.EMFILE,
      reason: `${most} guests of ${key} are attached, the most that the policy allows`,
    };
  }
  // What is being unmade is waited for (Regions).
  const held = asked - leavingBytes;
  if (held + (waitingOfKey + 1) * regionBytes > regionBytesTotal) {
    const reason = `the regions of ${key} have ${held} bytes, and the policy allows ${regionBytesTotal} in all`;
    return { errno: Errno.ENOMEM, reason };
  }
  return undefined;
}

const beginnings = new Beginnings({
  regions,
  get policy() {
    return host.policy;
  },
  begin({ fd, name, account, own }, memory) {
    const link = (): GuestLink => new SocketLink(reactor, fd, account, memory);
    return begin(name, link, own ?? host.policy, own !== undefined);
  },
  warn: (guest, reason) => post({ kind: "warning", guest, reason }),
});

function begin(
  name: string,
  link: () => GuestLink,
  policy: PolicyState,
  ownPolicy: boolean,
): Attachment | undefined {
  try {
    const guest = new Attachment(host, name, link(), policy, ownPolicy);
    guests.add(guest);
    counters.add(Counter.guests);
    guest.announce();
    return guest;
  } catch (error) {
    post({ kind: "warning", guest: name, reason: `turned away: ${(error as Error).message}` });
    return undefined;
  }
}

// ── Virtual machines ─────────────────────────────────────────────────────────────────────────────────────────────

const vms = new Map<string, Vm>();

/** Whose calls those of all doorbells are: a dead folder of theirs leaves guests the half of the disk workers. */
const doorbells = {};

const vmHost: VmHost = {
  reactor,
  accounts: host.accounts,
  // It is tried again.
  begin: (vm) => (auditGate.takesGuests ? begin(vm.name, () => vm, host.policy, false) : undefined),
  warn: (vm, reason) => post({ kind: "warning", guest: vm.name, reason }),
  call(path, done) {
    disk.submit(doorbells, { kind: "call", path }, Number.POSITIVE_INFINITY, ({ errno, value }) =>
      done(errno === 0 ? value : -errno),
    );
  },
  ended: (vm) => post({ kind: "vm-ended", name: vm.name }),
};

function addVm({ name, memory, doorbell }: Extract<ToReactor, { kind: "vm" }>): void {
  if (stopping) post({ kind: "vm-ended", name });
  else vms.set(name, new Vm(vmHost, name, memory, doorbell));
}

function processGuests(): number {
  let count = guests.size;
  for (const vm of vms.values()) if (vm.hasGuest) count--;
  return count;
}

// ── The listening socket ─────────────────────────────────────────────────────────────────────────────────────────

/** Undefined where there is none, or it was closed. */
let attachSocket: AttachSocket | undefined;

const attachSocketHost: AttachSocketHost = {
  reactor,
  accounts: host.accounts,
  places: options.maxGuests,
  get takesGuests() {
    return auditGate.takesGuests;
  },
  noPlace: (account, waitingOfKey, waiting) =>
    noPlace(account, host.policy.policy.limits, waitingOfKey, waiting),
  begin(fd, account) {
    const { attachMs } = host.policy.policy.timeouts;
    beginnings.add({ fd, name: `guest-${nextGuest++}`, account, own: undefined, attachMs });
  },
  warn: (reason) => post({ kind: "warning", guest: "", reason }),
};

function closeListener(): void {
  attachSocket?.close();
  attachSocket = undefined;
}

const attachCalls = new AttachCalls({
  accounts: host.accounts,
  auditGate,
  get policy() {
    return host.policy;
  },
  noPlace,
  begin: (fd, name, account, own) => beginnings.add({ fd, name, account, own, attachMs: undefined }),
  warn: (guest, reason) => post({ kind: "warning", guest, reason }),
});

// ── What the main thread asks ────────────────────────────────────────────────────────────────────────────────────

function onMessage(message: ToReactor): void {
  switch (message.kind) {
    case "policy": {
      if (stopping) {
        closeRoots(message.policy.roots);
        return;
      }
      const policy = new PolicyState(message.policy, disk, surroundings);
      for (const guest of guests) guest.setPolicy(policy);
      host.policy.release();
      host.policy = policy;
      post({ kind: "policy" });
      return;
    }
    case "attach": {
      attachCalls.add(message, message.policy && new PolicyState(message.policy, disk, surroundings));
      return;
    }
    case "audit":
      auditGate.set(message.isOpen);
      return;
    case "vm":
      addVm(message);
      return;
    case "vm-removed":
      vms.get(message.name)?.remove();
      vms.delete(message.name);
      return;
    case "resolved":
      host.lookups.answered(message.id, message);
      return;
    case "nat64":
      surroundings.set(message.prefixes);
      return;
    case "taken": {
      const callback = marks.get(message.id);
      marks.delete(message.id);
      callback?.();
      return;
    }
    case "own-ports":
      host.ownPorts.replace(message.ports);
      return;
    case "memory": {
      if (message.gc) (globalThis as { gc?: () => void }).gc?.();
      const { used_heap_size: heapUsed, external_memory: external } = getHeapStatistics();
      post({ kind: "memory", id: message.id, memory: { heapUsed, external } });
      return;
    }
    case "stop":
      stop(message.drainMs);
  }
}

function stop(drainMs: number): void {
  stopping = true;
  closeListener();
  attachCalls.close();
  beginnings.close();
  for (const vm of vms.values()) vm.retire();
  for (const guest of guests) guest.drain();
  const endMs = performance.now() + drainMs;
  const check = (): void => {
    let transfers = 0;
    for (const guest of guests) transfers += guest.transfers;
    if (transfers > 0 && performance.now() < endMs) {
      reactor.after(DRAIN_CHECK_MS, check);
      return;
    }
    for (const guest of guests) guest.close("the monitor stops");
    host.policy.release();
    finish(transfers, performance.now());
  };
  check();
}

/**
 * All that guests held is let go of, and disk work that uses their memory is over, before this thread goes. Work that never ends
 * keeps its memory to itself.
 */
function finish(aborted: number, sinceMs: number): void {
  const waitedMs = performance.now() - sinceMs;
  const waits =
    guests.size > 0 ||
    (disk.load > 0 && waitedMs < DISK_END_MS) ||
    (regions.load > 0 && waitedMs < REGIONS_END_MS);
  if (waits) {
    reactor.after(DRAIN_CHECK_MS, () => finish(aborted, sinceMs));
    return;
  }
  disk.close();
  regions.close();
  host.partings.close();
  surroundings[Symbol.dispose]();
  stopped = true;
  reactor.pause();
  post({ kind: "stopped", aborted, stuck: disk.load });
}

reactor.watch(options.wakeFd, EPOLLIN, {
  onEvents() {
    holdIfStopping();
    drainEventfd(options.wakeFd);
    for (
      let received = receiveMessageOnPort(port);
      received !== undefined;
      received = receiveMessageOnPort(port)
    ) {
      onMessage(received.message as ToReactor);
    }
  },
});
if (options.listenFd >= 0) attachSocket = new AttachSocket(attachSocketHost, options.listenFd);
post({ kind: "ready" });

/** An error that nobody caught, wherever it came from, ends this thread: no peer and no guest is left waiting, or told of an end. */
process.on("uncaughtExceptionMonitor", () => {
  for (const guest of [...guests]) {
    try {
      guest.closeNow("the monitor failed");
    } catch {
      // What is broken may be this guest; the error that ends this thread is the first.
    }
  }
  posts.flush();
  beginnings.close();
  host.partings.close();
});

function turn(): void {
  inCalls(() => reactor.run());
  if (!stopped) setImmediate(turn);
  else reactor.epoll.close();
}
setImmediate(turn);
