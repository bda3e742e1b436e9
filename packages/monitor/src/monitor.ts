// The monitor as a program embeds it: the control plane, on the caller's thread. Its parts each have a concern, in
// monitor/; this class puts them together, and knows in what state the whole is:
//
//   STARTING ── the reactor takes guests ──> OPEN ── close(), or a part fails ──> CLOSING ── threads over ──> closed
//       └───────────────── a part fails: start() rejects ───────────────────────────┘
//
// Nothing here waits for a disk, a peer or a guest: threads do, and tell.

import { EventEmitter } from "node:events";
import { closeFd, invalidValue, requireObject, requireText } from "@ringway/linux";
import type { Logger } from "pino";
import { DescriptorRoom, setGuestDescriptors } from "./accounts/descriptors.ts";
import type { AdminServer } from "./admin/server.ts";
import type { AdminHttpOptions } from "./monitor/admin-options.ts";
import { adminDescriptors } from "./monitor/admin-options.ts";
import { requirePolicy } from "./monitor/arguments.ts";
import { type Context, requireOpen } from "./monitor/context.ts";
import { type ConversationsOptions, requireConversations } from "./monitor/conversation-options.ts";
import { Conversations } from "./monitor/conversations.ts";
import { debugSettings } from "./monitor/debug.ts";
import { end } from "./monitor/ending.ts";
import { type MonitorEvents, ReactorReports } from "./monitor/events.ts";
import { Follows } from "./monitor/follows.ts";
import { GuestNames } from "./monitor/names.ts";
import {
  DEFAULT_DRAIN_MS,
  keptBy,
  type MonitorOptions,
  requireOptions,
  requirePort,
  requireWithin,
  type VmOptions,
} from "./monitor/options.ts";
import { gather, type PartFailure, type Parts } from "./monitor/parts.ts";
import { InTurn, type Pending, pending } from "./monitor/pending.ts";
import { Policies } from "./monitor/policies.ts";
import type { Changer } from "./monitor/policy-history.ts";
import { type AttachedGuest, type AttachOptions, ProgramGuests } from "./monitor/program-guests.ts";
import { Publishes } from "./monitor/publishes.ts";
import { ReactorHandle, type Told } from "./monitor/reactor-handle.ts";
import { ReservedPorts } from "./monitor/reserved-ports.ts";
import { reactorSettings } from "./monitor/settings.ts";
import { SocketFiles } from "./monitor/socket-file.ts";
import { Steering } from "./monitor/steering.ts";
import { labelsProblem, type ReloadOptions, requireVm } from "./monitor/tenant-options.ts";
import { ServedVms } from "./monitor/vms.ts";
import { Audit } from "./observe/audit.ts";
import { type FlowRecordsMessage, flowRecordLine } from "./observe/flow-records.ts";
import { GuestLabels } from "./observe/labels.ts";
import { silentLogger } from "./observe/logs/logger.ts";
import type { Policy } from "./policy/types.ts";
import { Counters, type CounterValues } from "./reactor/counters.ts";
import type { ReactorMemory } from "./thread/messages.ts";

export class Monitor extends EventEmitter<MonitorEvents> implements AsyncDisposable {
  readonly #parts: Parts;
  readonly #log: Logger;
  readonly #counters: Counters = new Counters();
  readonly #ports: ReservedPorts;
  readonly #names: GuestNames;
  readonly #audit: Audit;
  readonly #reports: ReactorReports;
  readonly #reactor: ReactorHandle;
  readonly #socketFiles: SocketFiles;
  readonly #labels: GuestLabels = new GuestLabels();
  readonly #context: Context;
  readonly #vms: ServedVms;
  readonly #policies: Policies;
  readonly #programGuests: ProgramGuests;
  readonly #follows: Follows;
  readonly #publishes: Publishes;
  /** Its guests, streams and policies, seen and changed while it serves them. */
  readonly steering: Steering;
  #admin: AdminServer | undefined;
  /** Its descriptor is the server's. */
  #isAdminTaken = false;
  /** reload() and addVm(). */
  readonly #changes: InTurn = new InTurn();
  /** The reactor takes guests, and this became of `publishes`; rejected by what fails before. */
  readonly #ready: Pending<readonly number[]> = pending();
  /** Whom a failure is told: start(), and once it is over whoever listens. */
  #tellFailure: (error: Error) => void = (error) => this.#ready.reject(error);
  /** The first part that failed. */
  #failure: Error | undefined;
  /** Set from the first moment of closing. */
  #closed: Promise<void> | undefined;

  private constructor(options: MonitorOptions, parts: Parts) {
    super();
    this.#parts = parts;
    this.#log = options.logger ?? silentLogger();
    // A failure before anybody waits for it.
    this.#ready.promise.catch(() => {});
    this.#ports = new ReservedPorts([
      ...(options.ownPorts ?? []),
      ...(options.admin?.http ? [options.admin.http.port] : []),
    ]);
    this.#names = new GuestNames(parts, this.#log, (message) => this.#reactor.send(message));
    this.#audit = new Audit(this.#log, this.#labels, parts.audit, (isWritable) =>
      this.#reactor.send({ kind: "audit", isWritable }),
    );
    this.#reports = new ReactorReports(this.#log, this.#labels, this.#audit, this);
    const own = [...parts.tenants, ...parts.vms].flatMap(({ policy }) => policy?.policy ?? []);
    setGuestDescriptors(
      parts.descriptors,
      parts.policy.policy,
      parts.vms.length,
      own,
      adminDescriptors(options.admin) + (options.publishes?.length ?? 0),
    );
    this.#reactor = this.#startReactor(options);
    this.#socketFiles = new SocketFiles(parts.loader, parts.admin, parts.listening, parts.tenants);
    this.#context = this.#shared(options);
    this.#follows = new Follows(this.#reactor);
    this.#vms = new ServedVms(this.#context);
    this.#policies = new Policies(this.#context, this.#vms, parts, options.policy);
    this.#programGuests = new ProgramGuests(this.#context, this.#policies);
    this.#publishes = new Publishes(this.#reactor, this.#context.changed);
    this.steering = new Steering(this.#context, {
      policies: this.#policies,
      publishes: this.#publishes,
      audit: this.#audit,
      follows: this.#follows,
      changes: this.#changes,
      vms: () => this.#vms.served,
      isThere: (name) => this.#reports.isThere(name),
      addVm: (vm, by) => this.#addVm(vm, by),
      removeVm: (name) => this.removeVm(name),
      changed: (changed) => void this.emit("changed", changed),
      drain: (drainMs, by) => this.#drainAsked(drainMs, by),
    });
    parts.failures.listen((failure) => this.#failed(failure));
    parts.nat64.listen((prefixes) => this.#reactor.send({ kind: "nat64", prefixes }));
  }

  #startReactor(options: MonitorOptions): ReactorHandle {
    const settings = reactorSettings(options, this.#parts, this.#ports.now, this.#counters.buffer);
    return new ReactorHandle(settings, {
      onMessage: (message) => this.#onMessage(message),
      onPrint: (text) => this.#log.warn(`the reactor's thread: ${text.trimEnd()}`),
      onFailure: (error) => {
        this.#names.end();
        this.#failed({ part: "the reactor", error });
      },
    });
  }

  #shared(options: MonitorOptions): Context {
    const isClosing = (): boolean => this.#closed !== undefined;
    return {
      log: this.#log,
      loader: this.#parts.loader,
      reactor: this.#reactor,
      kept: keptBy(options),
      audit: options.audit,
      guests: options.guests ?? [],
      labels: this.#labels,
      get isClosing() {
        return isClosing();
      },
      changed: () => {
        const { current, own } = this.#policies;
        setGuestDescriptors(
          this.#parts.descriptors,
          current,
          this.#vms.size,
          own,
          adminDescriptors(options.admin) + this.#publishes.size,
        );
      },
    };
  }

  /**
   * Starts a monitor; resolves when it takes guests. Throws PolicyError for a bad policy file, SystemError where the
   * socket cannot be listened on (EADDRINUSE: somebody does already; ENAMETOOLONG) or the audit file cannot be opened,
   * or a port cannot be published, AuditError where the policy needs a file and there is none, NoAnswerError where a
   * file system does not answer, TypeError and RangeError with Node's codes for options that it cannot take
   * (MONITOR_BOUNDS), TraceError for a word that RINGWAY_TRACE does not know, and what addVm() throws.
   */
  static async start(options: MonitorOptions): Promise<Monitor> {
    requireOptions(options);
    debugSettings();
    // Loads while the threads do.
    const admin = options.admin && import("./admin/server.ts");
    admin?.catch(() => {});
    const monitor = await gather(options, (parts) => new Monitor(options, parts));
    try {
      const published = await monitor.#begin();
      monitor.steering.published(monitor.#publishes.begin(options.publishes ?? [], published));
      if (admin !== undefined) await monitor.#serveAdmin((await admin).AdminServer, options.admin?.http);
    } catch (error) {
      // What is thrown is why it does not start, whatever cannot be let go of.
      await monitor.close({ drainMs: 0 }).catch((left: Error) => {
        monitor.#log.error(`something of a start that failed is left: ${left.message}`);
      });
      throw error;
    }
    if (options.signal?.aborted !== true) monitor.#log.info({ listen: options.listen }, "monitor is ready");
    return monitor;
  }

  /** Resolves when the reactor takes guests, to what became of `publishes`. */
  async #begin(): Promise<readonly number[]> {
    this.#vms.serve(this.#parts.vms);
    const published = await this.#ready.promise;
    // Without a listener this throws, and ends the program.
    this.#tellFailure = (error) => void this.emit("error", error);
    new DescriptorRoom(this.#parts.descriptors, this.#reactor.wakeFd).requireSome();
    return published;
  }

  async #serveAdmin(server: typeof AdminServer, http: AdminHttpOptions | undefined): Promise<void> {
    const { admin } = this.#parts;
    if (admin === undefined || this.#closed !== undefined) return;
    const { fd } = admin;
    this.#isAdminTaken = true;
    try {
      this.#admin = await server.start({ monitor: this, labels: this.#labels, log: this.#log, fd, http });
    } catch (error) {
      closeFd(fd);
      throw error;
    }
    // A part has failed meanwhile.
    if (this.#closed !== undefined) this.#admin.close();
  }

  /** The policy in force for guests that have none of their own. */
  get policy(): Policy {
    return this.#policies.current;
  }

  /**
   * Makes room for a guest, with a policy of its own if one is given; its program gets the descriptor. Guests with the
   * same `key` share the budgets of whoever attaches (docs/security.md): a tenant's name, or `uid:1000` to share with
   * that user's guests of the attach socket. Without it, the guest has its own. Where a folder of that policy cannot be
   * given to a guest, it is turned away with EACCES, and the log says why. Throws AuditError, as start().
   */
  attach(options: AttachOptions = {}): AttachedGuest {
    return this.#programGuests.attach(options);
  }

  /**
   * Keeps guests from a port on which this process listens, at every address of this host, from now on (`ownPorts` from
   * the start): before it listens there, so that no guest is quicker. Throws RangeError for what is no port.
   */
  reservePort(port: number): void {
    requireOpen(this.#context);
    requirePort(port);
    this.#ports.reserve(port);
    this.#reactor.send({ kind: "own-ports", ports: this.#ports.now });
  }

  /** It listens there no more. */
  releasePort(port: number): void {
    requireOpen(this.#context);
    requirePort(port);
    this.#ports.release(port);
    this.#reactor.send({ kind: "own-ports", ports: this.#ports.now });
  }

  /**
   * Serves another virtual machine, from now until removeVm(). Rejects with VmMemoryError where its memory cannot be
   * used (it is served already, it holds something else, its size is no power of two, a guest could reach it),
   * SystemError where it cannot be opened, or where the doorbell's path is too long; NoAnswerError where a file system
   * does not answer.
   */
  addVm(options: VmOptions): Promise<void> {
    return this.#addVm(options);
  }

  async #addVm(options: VmOptions, by?: Changer): Promise<void> {
    requireVm(options, "options");
    const problem = labelsProblem(options.labels);
    if (problem !== undefined) throw invalidValue("options.labels", options.labels, `is invalid: ${problem}`);
    await this.#changes.run(() => this.#policies.addVm(options, by));
  }

  /** A virtual machine of this name, however it came, that is not being removed. */
  servesVm(name: string): boolean {
    return this.#vms.serves(name);
  }

  /**
   * Serves it no more: its guest is ended now. Resolves when its memory and its doorbell are free for others; at once
   * for a name nobody has. Rejects where the monitor is closed, or closes, and work on a dead disk, its doorbell's
   * included, or a reactor that has failed, keeps the memory.
   */
  removeVm(name: string): Promise<void> {
    requireText(name, "name");
    return this.#vms.remove(name);
  }

  /**
   * Puts another policy in force, for what guests ask afterwards; what is open stays open. Resolves once it is in
   * force. Rejects with PolicyError for a bad file, AuditError, NoAnswerError where a root's file system does not
   * answer, and what addVm() throws: then the old policy stays. The policy's VMs that are new are served from now on,
   * those that are gone no more. With `guest`, of that one alone, which has a policy of its own from then on.
   */
  async reload(policy: Policy | string, options: ReloadOptions = {}): Promise<void> {
    requirePolicy(policy, "policy", { orPath: true });
    requireObject(options, "options", "an object such as { guest: 'web' }");
    const { guest, via = "program" } = options;
    if (guest !== undefined) requireText(guest, "options.guest");
    if (via !== "program" && via !== "signal") {
      throw invalidValue("options.via", via, 'must be "program" or "signal"');
    }
    await this.#changes.run(async () => {
      if (guest === undefined) await this.#policies.reload(policy, { via });
      else await this.#policies.reloadOwn(guest, policy, { via });
      this.steering.reloaded(guest);
    });
  }

  /**
   * Opens the audit file anew, after somebody has moved it: lines go to a new one from then on. Rejects with
   * SystemError where that cannot be opened; they go to the old one then.
   */
  reopenAudit(): Promise<void> {
    return this.#audit.reopen();
  }

  /**
   * The same of the file of flow records; their socket is connected to anew. Rejects as reopenAudit().
   */
  async reopenFlows(): Promise<void> {
    await this.#parts.flows?.reopen();
  }

  /**
   * What guests and their peers say to each other, from now on: each stream that carries bytes or datagrams, whole
   * where it begins from now on. Throws FollowersError where too many follow, TypeError and RangeError with Node's
   * codes.
   */
  conversations(options: ConversationsOptions = {}): Conversations {
    requireOpen(this.#context);
    requireConversations(options);
    return new Conversations((asked) => this.#follows.begin(asked), options);
  }

  /** What the reactor has counted so far. */
  counters(): CounterValues {
    return this.#counters.read();
  }

  /**
   * Memory of the reactor's isolate, in bytes; after a collection where `gc` is true and Node runs with --expose-gc.
   */
  async memoryUsage(options: { readonly gc?: boolean } = {}): Promise<ReactorMemory> {
    requireOpen(this.#context);
    requireObject(options, "options", "an object such as { gc: true }");
    return await this.#reactor.memory(options.gc ?? false);
  }

  /**
   * Takes no more guests, streams or connections, lets transfers finish for at most `drainMs`, then ends everything.
   * Repeated calls wait for the first. There is an end to it, whatever a disk does: work that it does not finish keeps
   * its thread, and the memory that it reads or writes, until the process ends. Throws RangeError (MONITOR_BOUNDS).
   */
  async close(options: { readonly drainMs?: number } = {}): Promise<void> {
    requireObject(options, "options", "an object such as { drainMs: 1000 }");
    requireWithin("drainMs", options.drainMs);
    await this.#close(options.drainMs ?? DEFAULT_DRAIN_MS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close({ drainMs: 0 });
  }

  #close(drainMs: number): Promise<void> {
    this.#closed ??= this.#end(drainMs);
    return this.#closed;
  }

  #end(drainMs: number): Promise<void> {
    const ending = {
      ...this.#parts,
      log: this.#log,
      socketFiles: this.#socketFiles,
      reactor: this.#reactor,
      follows: this.#follows,
      admin: () => this.#closeAdmin(),
      names: this.#names,
      vms: this.#vms,
      audit: this.#audit,
      hasFailed: () => this.#failure !== undefined,
    };
    return end(ending, drainMs);
  }

  /** Not before whoever has asked is answered. */
  #drainAsked(drainMs: number | undefined, by: Changer): void {
    setImmediate(() => {
      if (this.emit("drain", { by, ...(drainMs === undefined ? {} : { drainMs }) })) return;
      this.close(drainMs === undefined ? {} : { drainMs }).catch(() => {});
    });
  }

  #closeAdmin(): void {
    this.#admin?.close();
    // Nobody was to be served yet.
    if (!this.#isAdminTaken && this.#parts.admin !== undefined) closeFd(this.#parts.admin.fd);
  }

  /**
   * A part is gone for good. Everything is closed, at once; a program that goes on must not count on its descriptors.
   */
  #failed({ part, error }: PartFailure): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#log.fatal({ err: error }, `${part} failed`);
    this.#close(0).catch(() => {});
    this.#tellFailure(error);
  }

  #onMessage(message: Told): void {
    switch (message.kind) {
      case "ready":
        this.#ready.resolve(message.published);
        return;
      case "resolve":
        this.#names.resolve(message);
        return;
      case "reverse":
        this.#names.reverse(message);
        return;
      case "resolve-cancel":
        this.#names.cancel(message.id);
        return;
      case "vm-ended":
        this.#vms.ended(message.name);
        this.#policies.deleteOwn(message.name);
        return;
      case "mark":
        this.#mark(message);
        return;
      case "flow-records":
        this.#takeRecords(message);
        return;
      case "unfollowed":
        this.#follows.unfollowed(message.id);
        return;
      case "followed":
        this.#follows.told(message.id);
        return;
      default:
        this.#reports.tell(message);
    }
  }

  #takeRecords({ records, lost }: FlowRecordsMessage): void {
    const { flows } = this.#parts;
    const lines = records.map((record) => flowRecordLine(record, this.#labels.of(record.guest).labels));
    flows?.write(lines.join(""), lines.length);
    if (lost > 0) flows?.lose(lost);
  }

  #mark({ id, key }: Extract<Told, { kind: "mark" }>): void {
    const taken = (): void => this.#reactor.send({ kind: "taken", id });
    if (key === undefined) taken();
    else this.#audit.mark(key, taken);
  }
}
