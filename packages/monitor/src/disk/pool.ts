// The disk workers as the reactor sees them: submit, and be called back in a later turn.
//
// Who has used up its operations of a second waits for more (OperationQuota). An operation is paid for before it
// begins, and once more afterwards for the names that it looked up: a walk over thousands is as much work as hundreds
// of operations. Closing is free, because it only gives back, and goes before what is paid for, which may wait.
//
// Keys take turns for the workers, and none may have all of them: one that waits on a dead disk delays nobody else
// for good.

import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import { drainEventfd, EPOLLIN } from "@ringway/linux";
import { OperationQuota } from "../accounts/quotas.ts";
import { Counter } from "../reactor/counters.ts";
import type { Reactor } from "../reactor/reactor.ts";
import type { DiskOperation, DiskResult, TreeChange } from "./operations.ts";
import type { Roots } from "./roots.ts";
import type { DiskAnswer, DiskPorts } from "./threads.ts";

/** Workers that one key may keep busy, for all its guests (accounts.ts). */
const WORKERS_PER_KEY = 2;

/** Whose operation it is, an Account: only its identity counts. */
export type DiskUser = object;

/** What its user may have of them in a second, as it is now: a reload changes it for those that wait, too. */
export interface DiskRate {
  readonly diskOperations: number;
  /** Is told that there are no more of them for now. */
  usedUp?(): void;
}

/** Of what is the monitor's own, or free. */
export const UNCOUNTED: DiskRate = { diskOperations: Number.POSITIVE_INFINITY };

/** Something submitted, for cancel(). */
export interface Job {
  readonly user: DiskUser;
  readonly operation: DiskOperation;
  readonly rate: DiskRate;
  readonly done: (result: DiskResult) => void;
}

/**
 * Names that a worker looks up in about the time that it needs for an operation on a short path, its two messages
 * included.
 */
const LOOKUPS_PER_OPERATION = 16;

/** A listing's frame has hundreds of names, which take a worker that much longer than one. */
const LISTING_COST = 8;

/** In operations, of the quota. */
function costOf(operation: DiskOperation): number {
  switch (operation.kind) {
    case "close":
    case "endListener":
      return 0;
    case "list":
    case "listMore":
      return LISTING_COST;
    case "mount":
      return operation.mount.kind === "mount-list" ? LISTING_COST : 1;
    default:
      return 1;
  }
}

const NO_MEMORY: ArrayBuffer[] = [];

/** What the worker gets as its own, and nobody here has any more: a copy would cost more than all else of a message. */
function memoryOf(operation: DiskOperation): ArrayBuffer[] {
  if (operation.kind !== "mount" || operation.mount.kind !== "mount-write") return NO_MEMORY;
  return [operation.mount.data.buffer as ArrayBuffer];
}

/** What one key waits for, each in order. */
interface Waiting {
  readonly free: Set<Job>;
  readonly paid: Set<Job>;
}

const lineOf = ({ free, paid }: Waiting, { operation }: Job): Set<Job> =>
  costOf(operation) === 0 ? free : paid;

const first = (jobs: Set<Job>): Job | undefined => jobs.values().next().value;

export class DiskPool {
  readonly #idle: MessagePort[];
  readonly #ports: readonly MessagePort[];
  readonly #running: Map<number, Job> = new Map();
  readonly #busy: Map<DiskUser, number> = new Map();
  /** Of each key that waits for anything; one that has had its turn goes to the end. */
  readonly #queues: Map<DiskUser, Waiting> = new Map();
  #nextTree = 1;
  readonly #quotas: WeakMap<DiskUser, OperationQuota> = new WeakMap();
  /** Those that have used theirs up. */
  readonly #resting: Set<DiskUser> = new Set();
  readonly #reactor: Reactor;
  readonly #wakeFd: number;
  #nextId = 1;

  /**
   * The workers' ports, and the eventfd that they ring; both are there before the first guest, and so are the workers.
   */
  constructor(reactor: Reactor, { ports, wakeFd }: DiskPorts) {
    this.#reactor = reactor;
    this.#ports = ports;
    this.#idle = [...ports];
    this.#wakeFd = wakeFd;
    reactor.watchForNobody(wakeFd, EPOLLIN, () => this.#collect());
  }

  /** Operations under way or waiting. */
  get load(): number {
    return this.running + this.waiting;
  }

  /** In the hands of workers. */
  get running(): number {
    return this.#running.size;
  }

  get waiting(): number {
    let waiting = 0;
    for (const { free, paid } of this.#queues.values()) waiting += free.size + paid.size;
    return waiting;
  }

  submit(user: DiskUser, operation: DiskOperation, rate: DiskRate, done: (result: DiskResult) => void): Job {
    let waiting = this.#queues.get(user);
    if (waiting === undefined) {
      waiting = { free: new Set(), paid: new Set() };
      this.#queues.set(user, waiting);
    }
    const job = { user, operation, rate, done };
    lineOf(waiting, job).add(job);
    this.#dispatch();
    return job;
  }

  /** Forgets a job that no worker has begun; false where one has. `done` is not called. */
  cancel(job: Job): boolean {
    const waiting = this.#queues.get(job.user);
    if (waiting === undefined || !lineOf(waiting, job).delete(job)) return false;
    if (waiting.free.size + waiting.paid.size === 0) this.#queues.delete(job.user);
    return true;
  }

  /**
   * Every worker knows these roots from now on, as `tree` of what is submitted, until removeTree(). `hides`: guests
   * learn nothing of those that cannot be had.
   */
  addTree(roots: Roots, hides: boolean): number {
    const tree = this.#nextTree++;
    this.#tell({ kind: "add-tree", tree, roots, hides });
    return tree;
  }

  /** Nothing that names it is under way or waiting. */
  removeTree(tree: number): void {
    this.#tell({ kind: "remove-tree", tree });
  }

  #tell(change: TreeChange): void {
    for (const port of this.#ports) port.postMessage(change);
  }

  /** The eventfd is the main thread's to close, after the workers: the last one may not have rung yet. */
  close(): void {
    for (const port of this.#ports) port.close();
  }

  #dispatch(): void {
    for (const [user, waiting] of this.#queues) {
      if (this.#idle.length === 0) return;
      const busy = this.#busy.get(user) ?? 0;
      if (busy >= WORKERS_PER_KEY) continue;
      const job = first(waiting.free) ?? first(waiting.paid)!;
      if (!this.#mayBegin(job)) continue;
      lineOf(waiting, job).delete(job);
      this.#queues.delete(user);
      if (waiting.free.size + waiting.paid.size > 0) this.#queues.set(user, waiting);
      const port = this.#idle.pop()!;
      const id = this.#nextId++;
      this.#running.set(id, job);
      this.#busy.set(user, busy + 1);
      port.postMessage({ kind: "operation", id, operation: job.operation }, memoryOf(job.operation));
    }
  }

  /** False: its user has had its operations for now, and is looked at again when it has more. */
  #mayBegin({ user, operation, rate }: Job): boolean {
    const cost = costOf(operation);
    if (cost === 0) return true;
    if (this.#resting.has(user)) return false;
    let quota = this.#quotas.get(user);
    if (quota === undefined) {
      quota = new OperationQuota();
      this.#quotas.set(user, quota);
    }
    const nowMs = performance.now();
    if (quota.take(cost, rate.diskOperations, nowMs)) return true;
    this.#reactor.counters.add(Counter.quotaDiskOperations);
    rate.usedUp?.();
    this.#resting.add(user);
    this.#reactor.after(quota.restMs(nowMs), () => {
      this.#resting.delete(user);
      this.#dispatch();
    });
    return false;
  }

  #collect(): void {
    drainEventfd(this.#wakeFd);
    for (const port of this.#ports) {
      for (;;) {
        const received = receiveMessageOnPort(port);
        if (received === undefined) break;
        const { id, result, lookups } = received.message as DiskAnswer;
        const job = this.#running.get(id)!;
        const more = Math.floor(lookups / LOOKUPS_PER_OPERATION);
        if (more > 0) this.#quotas.get(job.user)?.owe(more, job.rate.diskOperations, performance.now());
        this.#running.delete(id);
        this.#idle.push(port);
        const busy = this.#busy.get(job.user)! - 1;
        if (busy === 0) this.#busy.delete(job.user);
        else this.#busy.set(job.user, busy);
        job.done(result);
      }
    }
    this.#dispatch();
  }
}
