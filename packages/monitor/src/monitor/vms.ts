// The virtual machines that a monitor serves, by name, each with its memory, which stays mapped until nothing of the
// reactor's thread uses it any more.
//
//   open() ──> mapped ── serve() ──> SERVED ── remove() ──> REMOVED ── "vm-ended" ──> its memory is free
//                                      └───── the monitor stops ─────────┘
//
// Where a dead disk, or a reactor that has failed, keeps the memory, it is kept until the process ends: settle() tells
// who waits.

import { checkSocketPath, type SharedMemory } from "@ringway/linux";
import type { Logger } from "pino";
import { mapVmMemory, NotARegionError, VmMemoryError } from "../links/vm-memory.ts";
import type { Loader } from "../loading/loader.ts";
import type { LoadedPolicy } from "../loading/messages.ts";
import { type KeptPlace, placesOfVm } from "../loading/root-problems.ts";
import { labelBytes } from "../observe/labels.ts";
import { DEFAULT_VM_MEMORY_BYTES, isVmMemorySize, VM_MEMORY_EXPECTED } from "../policy/defaults.ts";
import type { Policy, VmEntry } from "../policy/types.ts";
import { type Context, requireOpen } from "./context.ts";
import { forReactor } from "./for-reactor.ts";
import type { VmOptions } from "./options.ts";
import { type Pending, pending } from "./pending.ts";
import { type GuestOptions, nameClash } from "./tenant-options.ts";

/** A VM whose memory is mapped. */
export interface OpenVm {
  readonly options: VmOptions;
  /** A reload may remove it. */
  readonly ofPolicy: boolean;
  readonly memory: SharedMemory;
  /** Its own, where it has one. */
  readonly policy?: LoadedPolicy | undefined;
}

interface ServedVm extends OpenVm {
  /** Set when it is being removed. */
  removed: Pending<void> | undefined;
}

export interface OpenVmsOptions {
  readonly ofPolicy: boolean;
  /** Names that are taken. */
  readonly served: readonly string[];
  readonly guests: readonly Pick<GuestOptions, "name">[] | undefined;
  readonly log: Logger;
  /**
   * One whose memory holds something else is said, and left out: its guest may have written that, and is nobody else's
   * problem. Default true.
   */
  readonly sayOthers?: boolean;
}

/** Opens the memory of all of them or, where it throws, of none. */
export async function openVms(
  loader: Loader,
  vms: readonly VmOptions[],
  { ofPolicy, served, guests = [], log, sayOthers = true }: OpenVmsOptions,
): Promise<OpenVm[]> {
  const opened: OpenVm[] = [];
  try {
    for (const options of vms) {
      const { name, memory, memoryBytes = DEFAULT_VM_MEMORY_BYTES, doorbell } = options;
      checkSocketPath(doorbell, "connect");
      if (served.includes(name) || opened.some(({ options }) => options.name === name)) {
        throw new VmMemoryError(`a VM called ${name} is served already`);
      }
      const clash = nameClash(name, guests);
      if (clash !== undefined) throw new VmMemoryError(clash);
      if (!isVmMemorySize(memoryBytes)) {
        throw new VmMemoryError(`${memoryBytes} bytes asked for: expected ${VM_MEMORY_EXPECTED}`);
      }
      try {
        const open = await loader.openVmMemory(memory, memoryBytes);
        opened.push({ options, ofPolicy, memory: mapVmMemory(open) });
      } catch (error) {
        if (!sayOthers || !(error instanceof NotARegionError)) throw error;
        const { labels } = options;
        log.error({ guest: name, ...(labels && { labels }) }, `the VM is not served: ${error.message}`);
      }
    }
  } catch (error) {
    freeVms(opened);
    throw error;
  }
  return opened;
}

export function freeVms(vms: readonly OpenVm[]): void {
  for (const { memory } of vms) memory[Symbol.dispose]();
}

export class ServedVms {
  readonly #context: Context;
  readonly #vms: Map<string, ServedVm> = new Map();
  /** What is not over by now never will be. */
  #settled = false;

  constructor(context: Context) {
    this.#context = context;
  }

  get size(): number {
    return this.#vms.size;
  }

  get names(): readonly string[] {
    return [...this.#vms.keys()];
  }

  /** Those that are not being removed. */
  get served(): readonly VmOptions[] {
    return [...this.#vms.values()].flatMap(({ options, removed }) =>
      removed === undefined ? [options] : [],
    );
  }

  /** And is not being removed. */
  serves(name: string): boolean {
    const vm = this.#vms.get(name);
    return vm !== undefined && vm.removed === undefined;
  }

  /** What no folder of a policy may hold. */
  get places(): KeptPlace[] {
    return [...this.#vms.values()].flatMap(({ options }) => placesOfVm(options));
  }

  /** For serve(). Throws what openVms() throws. */
  async open(
    vms: readonly VmOptions[],
    how: Pick<OpenVmsOptions, "ofPolicy" | "sayOthers">,
  ): Promise<OpenVm[]> {
    const { loader, log } = this.#context;
    const { guests } = this.#context;
    const opened = await openVms(loader, vms, { ...how, served: this.names, guests, log });
    if (this.#context.isClosing) freeVms(opened);
    requireOpen(this.#context);
    return opened;
  }

  /** Throws VmMemoryError where a guest could reach one of them by a folder of one of these policies. */
  async judge(vms: readonly (VmOptions | VmEntry)[], policies: readonly Policy[]): Promise<void> {
    if (vms.length === 0) return;
    for (const policy of policies) {
      const [problem] = await this.#context.loader.judge(policy, vms.flatMap(placesOfVm));
      if (problem !== undefined) throw new VmMemoryError(problem.message);
    }
  }

  /** One that no guest may reach by a folder of these policies. `own`: its policy, the caller's where this throws. */
  async add(options: VmOptions, policies: readonly Policy[], own: LoadedPolicy | undefined): Promise<void> {
    requireOpen(this.#context);
    await this.judge([options], policies);
    const [vm] = await this.open([options], { ofPolicy: false, sayOthers: false });
    this.serve([{ ...vm!, policy: own }]);
  }

  /** Takes them over. */
  serve(opened: readonly OpenVm[]): void {
    for (const vm of opened) {
      const { name, doorbell, labels } = vm.options;
      this.#vms.set(name, { ...vm, removed: undefined });
      this.#context.labels.setVm(name, labels);
      this.#context.changed();
      const policy = vm.policy && forReactor(vm.policy);
      this.#context.reactor.send({ kind: "tenant", name, policy, labelBytes: labelBytes(labels) });
      this.#context.reactor.send({ kind: "vm", name, memory: vm.memory.place, doorbell });
    }
  }

  /** Resolves when its memory is free; at once for a name nobody has. Rejects where it never will be. */
  remove(name: string): Promise<void> {
    const vm = this.#vms.get(name);
    if (vm === undefined) return Promise.resolve();
    if (vm.removed === undefined) {
      vm.removed = pending();
      // Who does not wait for it, as a reload, is told nothing.
      vm.removed.promise.catch(() => {});
      if (this.#settled) vm.removed.reject(memoryKept(name));
      else this.#context.reactor.send({ kind: "vm-removed", name });
    }
    return vm.removed.promise;
  }

  /** Those of a policy that are to be opened for it. Throws VmMemoryError for one that is served otherwise. */
  newOf(vms: readonly VmEntry[]): VmEntry[] {
    return vms.filter((vm) => {
      const served = this.#vms.get(vm.name);
      if (served === undefined) return true;
      const { memory, doorbell } = served.options;
      if (memory === vm.memory && doorbell === vm.doorbell && served.removed === undefined) return false;
      const how = "with another memory or doorbell, or still being removed";
      throw new VmMemoryError(`VM ${vm.name} is served ${how}: take it out first, then add it`);
    });
  }

  /** Removes those of the policy before that are not among `vms`. */
  removeOthers(vms: readonly VmEntry[]): void {
    const kept = new Set(vms.map(({ name }) => name));
    for (const [name, { ofPolicy }] of this.#vms) if (ofPolicy && !kept.has(name)) void this.remove(name);
  }

  /** Nothing of the reactor's thread uses its memory any more. */
  ended(name: string): void {
    const vm = this.#vms.get(name);
    this.#vms.delete(name);
    this.#context.labels.deleteVm(name);
    vm?.memory[Symbol.dispose]();
    vm?.removed?.resolve();
  }

  /** The reactor is gone. `isOver`: it is in no call, and no disk worker is, that could use the memories. */
  settle(isOver: boolean): void {
    this.#settled = true;
    if (isOver) for (const name of this.names) this.ended(name);
    for (const [name, { removed }] of this.#vms) removed?.reject(memoryKept(name));
  }
}

function memoryKept(name: string): Error {
  return new Error(`the monitor is closed, but something of it may still use the memory of VM ${name}`);
}
