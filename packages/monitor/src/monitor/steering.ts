// Seeing and changing what a monitor serves while it does: for the admin API, and for a program that has the monitor.
// Each change is a line of the audit: who, what, and to whom.
//
// What the reactor's thread alone knows is asked of it, one question after the other: however many ask at once, the
// reactor has one walk at a time, in pieces.

import { isAbsolute } from "node:path";
import { invalidValue, requireObject, requireText } from "@ringway/linux";
import type { Audit, Changed } from "../observe/audit.ts";
import type { GuestLabels } from "../observe/labels.ts";
import type { Policy } from "../policy/types.ts";
import {
  type Fields,
  histogramRows,
  METRIC_ROWS,
  type MetricRow,
  type Question,
} from "../thread/census-rows.ts";
import { BusyError } from "./busy-error.ts";
import { type Context, requireOpen } from "./context.ts";
import type { FollowAsked } from "./conversation-options.ts";
import type { Follow, Follows } from "./follows.ts";
import { type GuestRates, ratesFrom, STREAM_RATES, type StreamRates } from "./guest-rates.ts";
import { LagProbe } from "./lag-probe.ts";
import type { VmOptions } from "./options.ts";
import { InTurn } from "./pending.ts";
import type { Policies, PolicyText } from "./policies.ts";
import { type Changer, type PolicyChange, PROGRAM } from "./policy-history.ts";
import { type PublishOptions, publishId } from "./publish-options.ts";
import type { Published, Publishes, PublishStatus } from "./publishes.ts";
import type { ReactorHandle } from "./reactor-handle.ts";
import {
  type GuestStatus,
  guestsCalled,
  guestsPage,
  type Page,
  type PageOptions,
  type StreamStatus,
  type StreamsOptions,
  streamPlace,
  streamsPage,
  type TenantStatus,
} from "./status.ts";
import { notThere, SteeringError } from "./steering-error.ts";
import { guestNameProblem } from "./tenant-options.ts";

/** A policy in force, and how it came there. */
export interface PolicyStatus extends PolicyChange {
  /** As data: what parsePolicy() gives. */
  readonly policy: Policy;
}

export interface PutPolicyOptions {
  /** The name of a guest or a VM: its own policy from then on, and not the monitor's. */
  readonly guest?: string;
  /** What is open and not allowed any more is ended. */
  readonly cut?: boolean;
  /** An absolute path: the policy's relative paths are below it, and not below the folder of the file it replaces. */
  readonly folder?: string;
}

export interface PolicyPut {
  readonly revision: number;
  /** How many streams it has ended. */
  readonly cut: number;
}

/** @internal What it needs beside the context. */
export interface SteeringParts {
  readonly policies: Policies;
  readonly publishes: Publishes;
  readonly audit: Audit;
  readonly follows: Follows;
  /** With reload() and addVm(). */
  readonly changes: InTurn;
  readonly vms: () => readonly Pick<VmOptions, "name" | "doorbell">[];
  /** Somebody with this name, or of its attach socket. */
  readonly isThere: (name: string) => boolean;
  readonly addVm: (options: VmOptions, by: Changer) => Promise<void>;
  readonly removeVm: (name: string) => Promise<void>;
  /** Is told of each change. */
  readonly changed: (changed: Changed) => void;
  /** Somebody wants the monitor to end so. */
  readonly drain: (drainMs: number | undefined, by: Changer) => void;
}

interface PutInForce {
  readonly guest: string | undefined;
  readonly revision: number;
  /** Undefined: it was not asked to, or did not come to it. */
  readonly cut: number | undefined;
  readonly by: Changer;
}

/** Streams that one client of the admin API may follow at once. */
const FOLLOWED_MAX = 65_536;

export class Steering {
  readonly #context: Context;
  readonly #reactor: ReactorHandle;
  readonly #labels: GuestLabels;
  readonly #parts: SteeringParts;
  readonly #policies: Policies;
  readonly #questions: InTurn = new InTurn();
  readonly #lag: LagProbe;

  /** @internal */
  constructor(context: Context, parts: SteeringParts) {
    this.#context = context;
    this.#reactor = context.reactor;
    this.#lag = new LagProbe(context.reactor);
    this.#labels = context.labels;
    this.#parts = parts;
    this.#policies = parts.policies;
  }

  // ── To see ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** In the order in which they came. */
  guests(options: PageOptions = {}): Promise<Page<GuestStatus>> {
    return this.#inTurn(() => guestsPage(this.#reactor, this.#labels, options));
  }

  /** By its id or its name. Throws SteeringError where there is none, or where two have the name. */
  async guest(guest: string): Promise<GuestStatus> {
    const [found, other] = await this.#inTurn(() => guestsCalled(this.#reactor, this.#labels, guest));
    if (found === undefined) throw notThere(`guest ${guest}`);
    if (other !== undefined) {
      const message = `guests ${found.id} and ${other.id} are both called ${guest}: say which by its id`;
      throw new SteeringError("ERR_RINGWAY_AMBIGUOUS", message);
    }
    return found;
  }

  /** Those that have a name of the host's: attach sockets first, then machines. */
  tenants(): readonly TenantStatus[] {
    const { vms, isThere } = this.#parts;
    const status = (name: string, kind: TenantStatus["kind"], socket: string): TenantStatus => {
      const { labels = {} } = this.#labels.of(name);
      return { name, kind, state: isThere(name) ? "there" : "waiting", socket, labels };
    };
    return [
      ...this.#context.guests.map(({ name, listen }) => status(name, "process", listen)),
      ...vms().map(({ name, doorbell }) => status(name, "vm", doorbell)),
    ];
  }

  /** In the order of their guests, and there of their numbers. */
  streams(options: StreamsOptions = {}): Promise<Page<StreamStatus>> {
    return this.#inTurn(() => streamsPage(this.#reactor, options));
  }

  /** @internal All that is counted for the metrics. */
  async metrics(): Promise<readonly MetricRow[]> {
    this.#lag.keepOn();
    const rows = METRIC_ROWS.all(await this.#ask({ what: "metrics" }));
    return [...rows, ...histogramRows("lag", "0", this.#lag.times)];
  }

  /** In force, for guests that have none of their own, or for those of one name. Throws SteeringError. */
  policy(guest?: string): PolicyStatus {
    const inForce = this.#policies.history.of(guest);
    if (inForce !== undefined) return { ...inForce.change, policy: inForce.policy };
    throw new SteeringError("ERR_RINGWAY_NOT_THERE", `${guest} has no policy of its own`);
  }

  /** The last that were put in force, the newest first. */
  policyHistory(): readonly PolicyChange[] {
    return this.#policies.history.list();
  }

  /** @internal What guests and their peers say to each other, for whoever it is sent to. Throws FollowersError. */
  follow(asked: FollowAsked, by: Changer): Follow {
    requireOpen(this.#context);
    const { guest, protocol, match, whenSlow = "drop" } = asked;
    // What waits for its reader stays in the ring.
    const whole = { capacity: Number.POSITIVE_INFINITY, most: FOLLOWED_MAX };
    const follow = this.#parts.follows.begin({ guest, protocol, match, whenSlow, ...whole });
    this.#audit({ action: "follow", ...asked, by }, "the operator follows conversations");
    return follow;
  }

  /**
   * @internal Throws BusyError where a policy wants changes audited, and so many of their lines wait already that
   * another must not be made.
   */
  requireAudited(): void {
    if (!this.#mustAudit() || !this.#parts.audit.isBehind) return;
    throw new BusyError("the audit file takes no lines, and each change must be one of them");
  }

  // ── To change ─────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Puts a policy's text in force, as Monitor.reload() does a file; relative folders in it are below that of the file
   * whose policy it replaces. What is open stays open, unless `cut` says otherwise. Rejects as reload() does.
   */
  async putPolicy(text: string, options: PutPolicyOptions = {}, by: Changer = PROGRAM): Promise<PolicyPut> {
    requireText(text, "text");
    requireObject(options, "options", "an object such as { guest: 'web' }");
    const { guest, cut = false, folder } = options;
    if (folder !== undefined && !isAbsolute(folder))
      throw invalidValue("options.folder", folder, "must be absolute");
    const source = { text, ...(folder === undefined ? {} : { folder }) };
    return await this.#parts.changes.run(async () => {
      if (guest === undefined) await this.#policies.reload(source, by);
      else await this.#reloadOwn(guest, source, by);
      const { revision } = this.policy(guest);
      let ended: number | undefined;
      try {
        if (cut) ended = Number((await this.#ask({ what: "cut", tenant: guest }))[0] ?? 0);
      } finally {
        // It is in force, also where the monitor ends before it has cut anything.
        this.#putInForce({ guest, revision, cut: ended, by });
      }
      return { revision, cut: ended ?? 0 };
    });
  }

  /** @internal Monitor.reload() has put a policy in force. */
  reloaded(guest: string | undefined): void {
    const inForce = this.#policies.history.of(guest);
    // The monitor ends, or its machine was removed meanwhile: nobody is judged by it.
    if (inForce === undefined || this.#context.isClosing) return;
    const { revision, by } = inForce.change;
    this.#putInForce({ guest, revision, cut: undefined, by });
  }

  #putInForce({ guest, revision, cut, by }: PutInForce): void {
    const more = { ...(guest !== undefined && { guest }), revision, ...(cut !== undefined && { cut }) };
    this.#audit({ action: "policy", ...more, by }, "policy put in force");
  }

  async #reloadOwn(guest: string, source: PolicyText, by: Changer): Promise<void> {
    if (!this.#policies.mayHaveOwn(guest)) throw notThere(`guest or VM with the name ${guest}`);
    await this.#policies.reloadOwn(guest, source, by);
  }

  /** Ends a stream: its guest and its peer see that it is reset. Throws SteeringError where it is not there. */
  async resetStream(id: string, by: Changer = PROGRAM): Promise<void> {
    const place = streamPlace(id);
    const [isDone] = place === undefined ? [false] : await this.#ask({ what: "reset-stream", ...place });
    if (isDone !== true) throw notThere(`stream ${id}`);
    this.#audit({ action: "reset", stream: id, by }, "stream ended by the operator");
  }

  /** Ends a guest, by its id or its name; a machine begins anew, a process may attach again. Throws SteeringError. */
  async closeGuest(guest: string, by: Changer = PROGRAM): Promise<void> {
    const { id, name } = await this.#does(guest, (serial) => {
      return { what: "close-guest", guest: serial, reason: "closed by the operator" };
    });
    this.#audit({ action: "close", guest: name, id, by }, "guest ended by the operator");
  }

  /**
   * Rates for one guest, by its id or its name, for as long as it is there, in place of those of its policy; {}: those
   * of its policy again. Throws SteeringError, and TypeError for what no rate can be.
   */
  async setRates(guest: string, rates: GuestRates, by: Changer = PROGRAM): Promise<void> {
    const set = ratesFrom(rates);
    const { id, name } = await this.#does(guest, (serial) => {
      return { what: "set-rates", guest: serial, rates: set };
    });
    this.#audit({ action: "rates", guest: name, id, rates, by }, "rates set by the operator");
  }

  /**
   * Rates for one stream, by its id, as long as it is open, beside those of its guest; {}: those alone. Throws
   * SteeringError where it is not there or carries nothing over the network, and TypeError for what no rate can be.
   */
  async setStreamRates(id: string, rates: StreamRates, by: Changer = PROGRAM): Promise<void> {
    const set = ratesFrom(rates, STREAM_RATES);
    const place = streamPlace(id);
    const [result] =
      place === undefined ? [0] : await this.#ask({ what: "set-stream-rates", ...place, rates: set });
    if (result === 0) throw notThere(`stream ${id}`);
    if (result === -1) {
      throw new SteeringError("ERR_RINGWAY_NOT_FIT", `stream ${id} carries nothing over the network`);
    }
    this.#audit({ action: "rates", stream: id, rates, by }, "rates set by the operator");
  }

  /** Serves another virtual machine, as Monitor.addVm(), and rejects as that. */
  async addVm(options: VmOptions, by: Changer = PROGRAM): Promise<void> {
    requireObject(options, "options", "an object { name, memory, doorbell }");
    const { name, memory } = options;
    const problem = guestNameProblem(String(name));
    if (problem !== undefined) throw invalidValue("options.name", name, `is invalid: ${problem}`);
    await this.#parts.addVm(options, by);
    this.#audit({ action: "vm", guest: name, memory, by }, "virtual machine added by the operator");
  }

  /** Serves it no more: its guest is ended. Throws SteeringError where there is none. */
  async removeVm(name: string, by: Changer = PROGRAM): Promise<void> {
    if (!this.#policies.servesVm(name)) throw notThere(`VM ${name}`);
    try {
      await this.#parts.removeVm(name);
    } finally {
      // Its guest has ended, also where a disk keeps its memory.
      this.#audit({ action: "vm-removed", guest: name, by }, "virtual machine removed by the operator");
    }
  }

  /**
   * Leads a port of the host to a port of the guests of one name, whether one is there or not, until unpublish() or the
   * monitor's end: what a guest listens on there is reached by it, also without a rule. Throws SystemError (EADDRINUSE,
   * EACCES, EADDRNOTAVAIL), TypeError with Node's codes, and SteeringError.
   */
  async publish(options: PublishOptions, by: Changer = PROGRAM): Promise<Published> {
    const isKnown = this.#policies.mayHaveOwn(String(options?.guest));
    if (!isKnown && by.via === "admin") throw notThere(`guest or VM with the name ${options.guest}`);
    const published = await this.#inTurn(() => this.#parts.publishes.open(options, by));
    this.published([published]);
    return published;
  }

  /** @internal These are published from now on, by whoever has asked for them. */
  published(all: readonly Published[]): void {
    for (const { guest, id: place, guestPort, by } of all) {
      if (!this.#policies.mayHaveOwn(guest))
        this.#context.log.warn({ guest }, `${place} is published for a guest that nobody is yet`);
      this.#audit({ action: "publish", guest, place, guestPort, by }, "port published by the operator");
    }
  }

  /** The oldest first. */
  publishes(): Promise<readonly PublishStatus[]> {
    return this.#inTurn(() => this.#parts.publishes.list());
  }

  /** Nobody comes by that port any more; connections that are open stay open. `place`: "127.0.0.1:8080". */
  async unpublish(place: string, by: Changer = PROGRAM): Promise<void> {
    const id = publishId(place);
    const found = id && (await this.#inTurn(() => this.#parts.publishes.close(id)));
    if (!found) throw notThere(`published port ${place}`);
    const { guest, guestPort } = found;
    this.#audit({ action: "unpublish", guest, place: found.id, guestPort, by }, "port published no more");
  }

  /** Asks whoever runs the monitor to end it, as a signal does: its event "drain", or close() where nobody listens. */
  drain(drainMs?: number, by: Changer = PROGRAM): void {
    requireOpen(this.#context);
    this.#audit({ action: "drain", ...(drainMs !== undefined && { drainMs }), by }, "the operator ends it");
    this.#parts.drain(drainMs, by);
  }

  // ── How ───────────────────────────────────────────────────────────────────────────────────────────────────────

  async #does(guest: string, question: (serial: number) => Question): Promise<GuestStatus> {
    const found = await this.guest(guest);
    const [isDone] = await this.#ask(question(Number(found.id)));
    if (isDone !== true) throw notThere(`guest ${guest}`);
    return found;
  }

  #ask(question: Question): Promise<Fields> {
    return this.#inTurn(() => this.#reactor.ask(question));
  }

  async #inTurn<T>(question: () => Promise<T>): Promise<T> {
    requireOpen(this.#context);
    return await this.#questions.run(question);
  }

  #audit(changed: Changed, message: string): void {
    const labels = changed.guest === undefined ? {} : this.#labels.of(changed.guest);
    this.#parts.audit.changed({ ...changed, ...labels }, message, this.#mustAudit());
    this.#parts.changed(changed);
  }

  /** Where any policy in force wants it: what a change is about may be known only when it is made. */
  #mustAudit(): boolean {
    const { current, own } = this.#policies;
    return [current, ...own].some(({ audit }) => audit === "required");
  }
}
