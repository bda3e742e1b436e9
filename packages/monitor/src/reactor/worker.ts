// The reactor's thread: builds the host that its guests share, takes guests off the listening socket, and does what the
// main thread asks. The main thread posts a message and rings `wakeFd`, because epoll does not see messages.

import { getHeapStatistics } from "node:v8";
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import {
  acceptUnix,
  closeFd,
  drainEventfd,
  EPOLLIN,
  Errno,
  errnoMessage,
  holdIfStopping,
  inCalls,
  peerCredentials,
  threadLoaded,
} from "@ringway/linux";
import { type Account, Accounts } from "../accounts.ts";
import { Attachment } from "../attachment.ts";
import { DescriptorRoom } from "../descriptors.ts";
import { DiskPool } from "../disk/pool.ts";
import type { GuestLink } from "../guest-link.ts";
import type { Host } from "../host.ts";
import { Lookups } from "../names/lookups.ts";
import { PolicyState } from "../policy-state.ts";
import { Partings } from "../relays/partings.ts";
import { SocketLink, turnAway } from "../socket-link.ts";
import { Vm, type VmHost } from "../vm.ts";
import { Counters } from "./counters.ts";
import type { FromReactor, ReactorOptions, ToReactor } from "./messages.ts";
import { Reactor } from "./reactor.ts";

/** How long the listening socket rests after an accept that failed for want of descriptors, in milliseconds. */
const ACCEPT_RETRY_MS = 100;
/** How often a stopping monitor looks whether its transfers are done. */
const DRAIN_CHECK_MS = 20;
/** How long a stopping monitor waits, when everything else is over, for a disk that has work of a guest's. */
const DISK_END_MS = 1000;

threadLoaded();
const options = workerData as ReactorOptions;
const port = parentPort!;
const counters = new Counters(options.counters);
const reactor = new Reactor({ busyPollUs: options.busyPollUs, counters });
const guests = new Set<Attachment>();
const marks = new Map<number, () => void>();
let nextMark = 1;
let nextGuest = 1;
let nextAttach = 1;
let stopping = false;
let stopped = false;

function post(message: FromReactor): void {
  port.postMessage(message);
}

const disk = new DiskPool(reactor, options.disk);
const descriptors = new DescriptorRoom(options.descriptors, options.wakeFd);

const host: Host = {
  reactor,
  counters,
  disk,
  partings: new Partings(reactor),
  accounts: new Accounts(),
  descriptors,
  options,
  lingerMs: options.lingerMs,
  streamsIndex: counters.index("streams"),
  policy: new PolicyState(options.policy, disk),
  post,
  lookups: new Lookups(post),
  whenTaken(callback) {
    const id = nextMark++;
    marks.set(id, callback);
    post({ kind: "mark", id });
  },
  guestGone(guest) {
    guests.delete(guest);
    counters.add("guests", -1);
    // The guest's memory is unmapped by a finalizer, which needs a turn of this thread's Node loop.
    reactor.pause();
  },
};

/** `account` is the caller's to release: a guest that has begun holds it by itself. */
function addGuest(
  socketFd: number,
  name: string,
  account: Account,
  policy: PolicyState,
  ownPolicy: boolean,
): void {
  if (processGuests() >= options.maxGuests) {
    turnAway(socketFd, Errno.EMFILE);
    post({ kind: "warning", guest: name, reason: `turned away: ${options.maxGuests} guests are attached` });
    return;
  }
  if (!descriptors.left) {
    turnAway(socketFd, Errno.EMFILE);
    post({
      kind: "warning",
      guest: name,
      reason: "turned away: the monitor has no descriptors left for guests",
    });
    return;
  }
  const { regionBytes } = policy.policy.limits;
  begin(name, () => new SocketLink(reactor, name, socketFd, account, regionBytes), policy, ownPolicy);
}

function begin(
  name: string,
  link: () => GuestLink,
  policy: PolicyState,
  ownPolicy: boolean,
): Attachment | undefined {
  try {
    const guest = new Attachment(host, name, link(), policy, ownPolicy);
    guests.add(guest);
    counters.add("guests");
    guest.announce();
    return guest;
  } catch (error) {
    post({ kind: "warning", guest: name, reason: `turned away: ${(error as Error).message}` });
    return undefined;
  }
}

// ── Virtual machines ─────────────────────────────────────────────────────────────────────────────────────────────

const vms = new Map<string, Vm>();

const vmHost: VmHost = {
  reactor,
  accounts: host.accounts,
  begin: (vm) => begin(vm.name, () => vm, host.policy, false),
  warn: (vm, reason) => post({ kind: "warning", guest: vm.name, reason }),
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

let listenFd = options.listenFd;
let listenSlot = -1;

/**
 * A guest's region comes and goes in a quarter of a millisecond, in which this thread serves nobody, and leaves garbage: as many
 * guests as there may be come at once, and after that so many in a second. More of them wait in the socket's backlog.
 */
const GUESTS_PER_S = 5;
let guestsLeft = options.maxGuests;
let guestsCountedMs = performance.now();

function mayTakeGuest(): boolean {
  const nowMs = performance.now();
  guestsLeft = Math.min(options.maxGuests, guestsLeft + ((nowMs - guestsCountedMs) / 1000) * GUESTS_PER_S);
  guestsCountedMs = nowMs;
  if (guestsLeft >= 1) return true;
  restListener(((1 - guestsLeft) / GUESTS_PER_S) * 1000);
  return false;
}

function restListener(ms: number): void {
  reactor.modify(listenFd, 0, listenSlot);
  reactor.after(ms, () => {
    if (listenFd >= 0) reactor.modify(listenFd, EPOLLIN, listenSlot);
  });
}

function acceptGuests(): void {
  while (mayTakeGuest()) {
    const fd = acceptUnix(listenFd);
    if (fd === -Errno.EAGAIN) return;
    if (fd < 0) {
      post({
        kind: "warning",
        guest: "",
        reason: `accepting guests failed, trying again: ${errnoMessage(-fd)}`,
      });
      restListener(ACCEPT_RETRY_MS);
      return;
    }
    guestsLeft--;
    const account = host.accounts.take(`uid:${peerCredentials(fd).uid}`);
    addGuest(fd, `guest-${nextGuest++}`, account, host.policy, false);
    account.release();
  }
}

function closeListener(): void {
  if (listenFd < 0) return;
  reactor.unwatch(listenSlot);
  closeFd(listenFd);
  listenFd = -1;
}

// ── What the main thread asks ────────────────────────────────────────────────────────────────────────────────────

function onMessage(message: ToReactor): void {
  switch (message.kind) {
    case "policy": {
      if (stopping) return;
      const policy = new PolicyState(message.policy, disk);
      for (const guest of guests) guest.setPolicy(policy);
      host.policy.release();
      host.policy = policy;
      post({ kind: "policy" });
      return;
    }
    case "attach": {
      const own = message.policy === undefined ? undefined : new PolicyState(message.policy, disk);
      const { fd, name, key } = message;
      const account =
        key === undefined ? host.accounts.takeOwn(`attach:${nextAttach++}`) : host.accounts.take(key);
      addGuest(fd, name, account, own ?? host.policy, own !== undefined);
      account.release();
      own?.release();
      return;
    }
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
    case "taken": {
      const callback = marks.get(message.id);
      marks.delete(message.id);
      callback?.();
      return;
    }
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
    finish(transfers, performance.now() + DISK_END_MS);
  };
  check();
}

/**
 * All that guests held is let go of, and disk work that uses their memory is over, before this thread goes. Work that never ends
 * keeps its memory to itself.
 */
function finish(aborted: number, endMs: number): void {
  if (guests.size > 0 || (disk.load > 0 && performance.now() < endMs)) {
    reactor.after(DRAIN_CHECK_MS, () => finish(aborted, endMs));
    return;
  }
  disk.close();
  host.partings.close();
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
if (listenFd >= 0) listenSlot = reactor.watch(listenFd, EPOLLIN, { onEvents: acceptGuests });
post({ kind: "ready" });

/** An error that nobody caught ends this thread, and then the process: no peer and no guest is left waiting until then. */
function failing(error: unknown): never {
  for (const guest of guests) {
    try {
      guest.close("the monitor failed");
    } catch {
      // What is broken may be this guest; the error that is thrown below is the first.
    }
  }
  throw error;
}

function turn(): void {
  try {
    inCalls(() => reactor.run());
  } catch (error) {
    failing(error);
  }
  if (!stopped) setImmediate(turn);
  else reactor.epoll.close();
}
turn();
