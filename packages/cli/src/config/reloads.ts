// What SIGHUP does to a monitor's policies and to what --config says, one SIGHUP after the other.
//
//   asked ──> the file read again ──> machines removed ──> each policy read again ──> over
//                └── bad: it is refused, and all is as the old one says; the policies are read all the same
//
// Then each machine that the file has and the monitor does not serve is added, once the memory of one that had its name
// is free: one that is new, could not be served before, or was removed by an operator. An attach socket, and what the
// monitor itself is started with, do not come and go: a line says that this takes a restart, at each SIGHUP until there
// was one.

import { isDeepStrictEqual } from "node:util";
import {
  type GuestOptions,
  type Labels,
  type Monitor,
  PolicyError,
  type PublishOptions,
  type VmOptions,
} from "@ringway/monitor";
import type { Logger } from "pino";
import { hostPortText } from "../admin/host-port.ts";
import type { Learning } from "../learn/learning.ts";
import type { MonitorCommandOptions } from "./options.ts";

const SIGNAL = { via: "signal" } as const;

export class Reloads {
  readonly #monitor: Monitor;
  readonly #again: () => Promise<MonitorCommandOptions>;
  readonly #log: Logger;
  readonly #learning: Learning | undefined;
  /** What is in force; of its machines, some may not be served. */
  #now: MonitorCommandOptions;
  /** Machines of the file as it was read last. */
  #wanted: readonly VmOptions[];
  /** Ports that the file publishes, as it was read last; those of #now are published. */
  #publishes: readonly PublishOptions[];
  #last: Promise<unknown> = Promise.resolve();
  /** The first that was refused of what is read now. */
  #problem: string | undefined;

  constructor(
    monitor: Monitor,
    options: MonitorCommandOptions,
    again: () => Promise<MonitorCommandOptions>,
    log: Logger,
    learning: Learning | undefined,
  ) {
    this.#learning = learning;
    this.#monitor = monitor;
    this.#now = options;
    this.#wanted = options.vms;
    this.#publishes = options.publishes;
    this.#again = again;
    this.#log = log;
  }

  /** Resolves once it is over, with what of it was refused. */
  ask(): Promise<string | undefined> {
    const mine = this.#last
      .then(() => this.#reload())
      .catch((error: Error) => {
        this.#log.error({ err: error }, `SIGHUP: not all was read again: ${error.message}`);
        return error.message;
      });
    this.#last = mine;
    return mine;
  }

  async #reload(): Promise<string | undefined> {
    this.#problem = undefined;
    const { config } = this.#now;
    const missing = config === undefined ? [] : await this.#readFile(config);
    const { policy, guests, vms } = this.#now;
    await this.#reloadPolicy(policy);
    for (const { name, policy: own, labels } of [...guests, ...vms]) {
      if (typeof own === "string") await this.#reloadPolicy(own, { guest: name, ...(labels && { labels }) });
    }
    for (const vm of missing) this.#addOnceFree(vm);
    await this.#publish();
    return this.#problem;
  }

  /** The machines in it that are not served, or not by what it said before. */
  async #readFile(config: string): Promise<readonly VmOptions[]> {
    let next: MonitorCommandOptions;
    try {
      next = await this.#again();
    } catch (error) {
      const problems = (error as Error).message.split("\n");
      this.#problem ??= problems[0];
      this.#log.error({ problems }, `${config} refused, the old one stays: ${problems[0]}`);
      return [];
    }
    const served = this.#now.vms.filter(({ name }) => this.#monitor.servesVm(name));
    const now = { ...this.#now, vms: served };
    for (const key of fixedChanges(now, next)) this.#restart(`${config}: ${key} has changed`);
    const guests = this.#changed(now.guests, next.guests, config);
    for (const { name } of added(now.guests, next.guests))
      this.#restart(`${config}: guest ${name} is new`, name);
    for (const { name } of added(next.guests, now.guests))
      this.#restart(`${config}: guest ${name} is gone`, name);
    const gone = added(next.vms, now.vms);
    for (const { name } of gone) this.#removeVm(name);
    const vms = this.#changed(
      now.vms.filter((vm) => !gone.includes(vm)),
      next.vms,
      config,
    );
    this.#now = { ...now, policy: next.policy, guests, vms };
    this.#wanted = next.vms;
    this.#publishes = next.publishes;
    return added(now.vms, next.vms);
  }

  /** Those that are in force, with the policies that they are to have from now on. */
  #changed<T extends GuestOptions | VmOptions>(now: readonly T[], next: readonly T[], config: string): T[] {
    return now.map((guest) => {
      const to = next.find(({ name }) => name === guest.name);
      if (to === undefined) return guest;
      if (!isDeepStrictEqual({ ...guest, policy: "" }, { ...to, policy: "" })) {
        this.#restart(`${config}: ${guest.name} has changed`, guest.name);
      }
      if (to.policy !== undefined) return { ...guest, policy: to.policy };
      if (guest.policy !== undefined)
        this.#restart(`${config}: the policy of ${guest.name} is gone`, guest.name);
      return guest;
    });
  }

  #restart(what: string, guest?: string): void {
    this.#log.warn(guest === undefined ? {} : { guest }, `${what}: that takes a restart`);
  }

  /** Nobody waits until its memory is free: a disk may keep it. */
  #removeVm(name: string): void {
    this.#log.info({ guest: name }, "the VM is served no more");
    this.#monitor.removeVm(name).catch((error: Error) => this.#log.error({ guest: name }, error.message));
  }

  /** Nor for the memory of one that had its name. */
  #addOnceFree(vm: VmOptions): void {
    const { name } = vm;
    const free = this.#monitor.servesVm(name) ? Promise.resolve() : this.#monitor.removeVm(name);
    const add = (): void => {
      this.#last = this.#last.then(() => this.#addVm(vm));
    };
    free.then(add, (error: Error) =>
      this.#log.error({ guest: name }, `the VM is not served: ${error.message}`),
    );
  }

  async #addVm(vm: VmOptions): Promise<void> {
    // The file was read again meanwhile.
    if (!this.#wanted.includes(vm)) return;
    const { name, labels } = vm;
    const about = { guest: name, ...(labels && { labels }) };
    try {
      await this.#monitor.addVm(vm);
      this.#now = { ...this.#now, vms: [...this.#now.vms, vm] };
      this.#log.info(about, "the VM is served");
    } catch (error) {
      this.#log.error(
        { ...about, problems: problemsOf(error) },
        `the VM is not served: ${(error as Error).message}`,
      );
    }
  }

  /** What is new in the file is published, what is gone no more; an operator may have done either before. */
  async #publish(): Promise<void> {
    const { steering } = this.#monitor;
    const isIn = (all: readonly PublishOptions[], one: PublishOptions): boolean =>
      all.some((other) => isDeepStrictEqual(one, other));
    const kept: PublishOptions[] = [];
    for (const publish of this.#now.publishes) {
      if (isIn(this.#publishes, publish)) kept.push(publish);
      else await this.#unpublish(publish);
    }
    for (const publish of this.#publishes) {
      if (isIn(kept, publish)) continue;
      try {
        await steering.publish(publish, SIGNAL);
        kept.push(publish);
      } catch (error) {
        const { message } = error as Error;
        this.#problem ??= message;
        this.#log.error({ guest: publish.guest }, message);
      }
    }
    this.#now = { ...this.#now, publishes: kept };
  }

  /** Takes it back, where it is what the file has said, and not another that has been published there since. */
  async #unpublish(publish: PublishOptions): Promise<void> {
    const { steering } = this.#monitor;
    const place = hostPortText(publish);
    const there = (await steering.publishes()).find(({ id }) => id === place);
    const { guest, port, guestPort = port } = publish;
    if (there !== undefined && (there.guest !== guest || there.guestPort !== guestPort)) return;
    await steering.unpublish(place, SIGNAL).catch((error: Error) => this.#log.error(error.message));
  }

  async #reloadPolicy(
    file: string,
    about: { readonly guest?: string; readonly labels?: Labels } = {},
  ): Promise<void> {
    const { guest } = about;
    try {
      const learning = guest === undefined ? this.#learning : undefined;
      const source = learning === undefined ? file : await learning.widened(file);
      await this.#monitor.reload(source, { via: "signal", ...(guest === undefined ? {} : { guest }) });
      await learning?.begin();
    } catch (error) {
      const { code, message } = error as Error & { readonly code?: string };
      // A machine that is not served: the start has said so.
      if (guest !== undefined && code === "ERR_INVALID_ARG_VALUE") return;
      this.#problem ??= message;
      this.#log.error(
        { ...about, problems: problemsOf(error) },
        `policy refused, the old one stays: ${message}`,
      );
    }
  }
}

function problemsOf(error: unknown): string[] {
  return error instanceof PolicyError ? error.report().split("\n") : [(error as Error).message];
}

/** Those of `next` whose names are not in `now`. */
function added<T extends { readonly name: string }>(now: readonly T[], next: readonly T[]): readonly T[] {
  const names = new Set(now.map(({ name }) => name));
  return next.filter(({ name }) => !names.has(name));
}

/** Keys of what a monitor is started with. */
function fixedChanges(now: MonitorCommandOptions, next: MonitorCommandOptions): string[] {
  const [one, other] = [now, next].map(
    ({ policy, guests, vms, publishes, ...fixed }) => fixed as Record<string, unknown>,
  );
  const keys = new Set([...Object.keys(one!), ...Object.keys(other!)]);
  return [...keys].filter((key) => !isDeepStrictEqual(one![key], other![key]));
}
