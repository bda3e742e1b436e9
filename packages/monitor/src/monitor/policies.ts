// The policies that guests are judged by, and their changes: the monitor's, and those that guests with a name have of
// their own.
//
//   reload() ── its turn ──> loaded, roots open ──> VMs' memories open ──> IN FORCE ──> new VMs served, others removed
//                  └───────────────┴─────────────────────┴── throws: the old one stays, and what was opened is closed

import { join } from "node:path";
import { invalidValue } from "@ringway/linux";
import { letGo } from "../loading/loader.ts";
import type { LoadedPolicy } from "../loading/messages.ts";
import type { KeptPlace, RootProblem } from "../loading/root-problems.ts";
import { formatProblem, PolicyError } from "../policy/errors.ts";
import type { Policy } from "../policy/types.ts";
import { type Context, requireOpen } from "./context.ts";
import { forReactor } from "./for-reactor.ts";
import type { VmOptions } from "./options.ts";
import { type Parts, requireAudit, requireNoVms } from "./parts.ts";
import { type Changer, PolicyHistory, PROGRAM, START } from "./policy-history.ts";
import type { OpenVm, ServedVms } from "./vms.ts";

type LoadedParts = Pick<Parts, "policy" | "tenants" | "vms">;

/** A policy's text that is in no file. */
export interface PolicyText {
  readonly text: string;
  /** Of its relative paths; undefined: that of the file which it stands for. */
  readonly folder?: string;
}

/** The policy itself, the path of its file, or its text. */
export type PolicySource = Policy | string | PolicyText;

export class Policies {
  readonly #context: Context;
  readonly #vms: ServedVms;
  #current: Policy;
  /** By the names of those that have them. */
  readonly #own: Map<string, Policy> = new Map();
  /** Their files, by the same names, and that of the monitor's, by "". */
  readonly #files: Map<string, KeptPlace> = new Map();
  readonly history: PolicyHistory = new PolicyHistory();

  constructor(context: Context, vms: ServedVms, parts: LoadedParts, source: Policy | string) {
    this.#context = context;
    this.#vms = vms;
    this.#current = parts.policy.policy;
    this.#keepFile("", fileOf(source));
    this.#warn(parts.policy, source);
    this.#record(parts.policy, source, START);
    // Those of machines are set when they are served.
    for (const { options } of parts.tenants) context.labels.setSocket(options.name, options.labels);
    for (const { options, policy } of [...parts.tenants, ...parts.vms]) {
      if (policy !== undefined) this.#addOwn(options.name, policy, options.policy!, START);
    }
  }

  #addOwn(guest: string, loaded: LoadedPolicy, source: PolicySource, by: Changer): void {
    this.#own.set(guest, loaded.policy);
    this.#keepFile(guest, fileOf(source, guest));
    this.#warn(loaded, source);
    this.#record(loaded, source, by, guest);
  }

  /** A policy that came otherwise does not set its file free: whoever reads that again goes by it. */
  #keepFile(guest: string, file: KeptPlace | undefined): void {
    if (file !== undefined) this.#files.set(guest, file);
  }

  #record({ policy, text }: LoadedPolicy, source: PolicySource, by: Changer, guest?: string): void {
    this.history.add({
      policy,
      by,
      ...(guest === undefined ? {} : { guest }),
      ...(typeof source === "string" ? { file: source } : {}),
      ...(text === undefined ? {} : { text }),
    });
  }

  /** What no folder of any policy may hold. */
  #places(): readonly KeptPlace[] {
    const all = [...this.#context.kept, ...this.#files.values(), ...this.#vms.places];
    return [...new Map(all.map((place) => [place.path, place])).values()];
  }

  /** A machine is served no more. */
  deleteOwn(vm: string): void {
    this.#own.delete(vm);
    this.#files.delete(vm);
    this.history.delete(vm);
    this.#context.changed();
  }

  /** Those that guests with a name have of their own. */
  get own(): readonly Policy[] {
    return [...this.#own.values()];
  }

  /** The policy in force for guests that have none of their own. */
  get current(): Policy {
    return this.#current;
  }

  /** One that a guest has for itself, with its roots, which are the caller's. Throws PolicyError, NoAnswerError. */
  load(policy: Policy): Promise<LoadedPolicy> {
    return this.#context.loader.load(policy, this.#places());
  }

  /** The same of any source. */
  #load(source: PolicySource, guest: string, places: readonly KeptPlace[]): Promise<LoadedPolicy> {
    const { loader } = this.#context;
    if (typeof source === "string" || !("text" in source)) return loader.load(source, places);
    const { folder } = source;
    const { path } =
      folder === undefined
        ? (this.#files.get(guest) ?? { path: "policy" })
        : { path: join(folder, "policy") };
    return loader.load(path, places, new TextEncoder().encode(source.text));
  }

  /** As load(), from a file that no guest may reach, by a folder of this policy or of `others`. */
  async #loadKept(source: PolicySource, guest: string, others: readonly Policy[]): Promise<LoadedPolicy> {
    const places = this.#places();
    const file = fileOf(source, guest);
    if (file === undefined || places.some(({ path }) => path === file.path)) {
      return await this.#load(source, guest, places);
    }
    const { loader } = this.#context;
    const loaded = await this.#load(source, guest, [...places, file]);
    try {
      for (const other of others) requireNone(file, await loader.judge(other, [file]));
      return loaded;
    } catch (error) {
      letGo(loaded);
      throw error;
    }
  }

  /** One that a guest with a name is to have for itself, as load(). */
  async #loadOwn(guest: string, source: PolicySource): Promise<LoadedPolicy> {
    const others = [this.#current, ...this.own];
    const loaded = await this.#loadKept(source, guest, others);
    try {
      requireOpen(this.#context);
      requireAudit(loaded.policy, this.#context.audit);
      requireNoVms(loaded.policy, source);
      return loaded;
    } catch (error) {
      letGo(loaded);
      throw error;
    }
  }

  /** A machine that no guest may reach by a folder of any policy. */
  async addVm(options: VmOptions, by: Changer = PROGRAM): Promise<void> {
    const { name, policy } = options;
    const own = policy === undefined ? undefined : await this.#loadOwn(name, policy);
    const all = [this.#current, ...this.own, ...(own === undefined ? [] : [own.policy])];
    try {
      await this.#vms.add(options, all, own);
    } catch (error) {
      if (own !== undefined) letGo(own);
      throw error;
    }
    if (own === undefined) return;
    this.#addOwn(name, own, policy!, by);
    this.#context.changed();
  }

  /** Resolves once it is in force for the guest with this name, which has its own from then on. */
  async reloadOwn(guest: string, source: PolicySource, by: Changer = PROGRAM): Promise<void> {
    const { log, reactor, labels } = this.#context;
    requireOpen(this.#context);
    this.#requireServed(guest);
    const loaded = await this.#loadOwn(guest, source);
    try {
      // A machine may have been removed meanwhile: another of its name is not judged by this.
      this.#requireServed(guest);
    } catch (error) {
      letGo(loaded);
      throw error;
    }
    this.#addOwn(guest, loaded, source, by);
    this.#context.changed();
    const isInForce = await reactor.putInForce(forReactor(loaded), guest);
    if (isInForce) log.info({ guest, ...labels.of(guest) }, "policy reloaded");
  }

  /** The host has given it this name. */
  mayHaveOwn(guest: string): boolean {
    return this.#context.guests.some(({ name }) => name === guest) || this.#vms.serves(guest);
  }

  /** And is not being removed. */
  servesVm(name: string): boolean {
    return this.#vms.serves(name);
  }

  #requireServed(guest: string): void {
    if (this.mayHaveOwn(guest)) return;
    throw invalidValue("options.guest", guest, "must be the name of a guest or a VM");
  }

  /** Resolves once it is in force. */
  async reload(source: PolicySource, by: Changer = PROGRAM): Promise<void> {
    const { audit, log, reactor } = this.#context;
    const vms = this.#vms;
    requireOpen(this.#context);
    const loaded = await this.#loadKept(source, "", this.own);
    let added: OpenVm[];
    try {
      requireOpen(this.#context);
      requireAudit(loaded.policy, audit);
      const opening = vms.newOf(loaded.policy.vms);
      await vms.judge(opening, this.own);
      added = await vms.open(opening, { ofPolicy: true });
    } catch (error) {
      letGo(loaded);
      throw error;
    }
    this.#current = loaded.policy;
    this.#keepFile("", fileOf(source));
    this.#warn(loaded, source);
    this.#record(loaded, source, by);
    this.#context.changed();
    const inForce = reactor.putInForce(forReactor(loaded));
    // After the policy: none of them is judged by the old one.
    vms.serve(added);
    vms.removeOthers(loaded.policy.vms);
    if (await inForce) log.info("policy reloaded");
  }

  /** What a policy says that is seldom meant. */
  #warn({ warnings }: LoadedPolicy, source: PolicySource): void {
    const file = typeof source === "string" ? source : "policy";
    for (const warning of warnings) this.#context.log.warn(formatProblem(file, warning));
  }
}

/** Of a guest's own policy, or of the monitor's. */
function fileOf(source: PolicySource, guest = ""): KeptPlace | undefined {
  if (typeof source !== "string") return undefined;
  return { what: guest === "" ? "the policy" : `the policy of ${guest}`, path: source };
}

/** Throws PolicyError. */
function requireNone({ path: file }: KeptPlace, [problem]: readonly RootProblem[]): void {
  if (problem === undefined) return;
  throw new PolicyError(file, [{ line: 1, column: 1, path: "", message: problem.message }]);
}
