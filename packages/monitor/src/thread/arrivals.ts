// How guests come to a reactor, and who is there: over the attach socket, by the program's attach(), and on VMs.
//
//   a connection ──▶ its turn (links/attach-socket.ts) ──▶ a region (links/beginnings.ts) ──▶ a guest ──▶ gone()
//                     at the monitor's socket, or at that of a tenant, a guest that the host has named (tenants.ts)
//   attach()     ──▶ its key's gate (links/attach-calls.ts) ─▲
//   a VM         ──▶ its doorbell answers (links/vm.ts) ────────────────────────────────────▶ a guest, again and again

import type { SharedMemory } from "@ringway/linux";
import type { Account, Accounts } from "../accounts/accounts.ts";
import { type DiskPool, UNCOUNTED } from "../disk/pool.ts";
import { type Admitted, Attachment, type AttachmentHost } from "../guests/attachment.ts";
import { type AttachCall, AttachCalls } from "../links/attach-calls.ts";
import { AttachLines, AttachSocket, type AttachSocketHost } from "../links/attach-socket.ts";
import { type Beginner, Beginnings, type NewGuest } from "../links/beginnings.ts";
import type { GuestLink } from "../links/link.ts";
import { SocketLink } from "../links/process.ts";
import { SocketCloser } from "../links/socket-closer.ts";
import { Vm, type VmHost } from "../links/vm.ts";
import type { PolicyState } from "../policy/in-force.ts";
import type { OwnSockets } from "../policy/own-sockets.ts";
import { Counter } from "../reactor/counters.ts";
import type { Regions } from "../regions/regions.ts";
import type { ToReactor } from "./messages.ts";
import { Places } from "./places.ts";
import type { Tenants } from "./tenants.ts";

/** What those that come need of their reactor's thread. */
export interface ArrivalsHost {
  readonly accounts: Accounts;
  readonly disk: DiskPool;
  readonly regions: Regions;
  readonly ownSockets: OwnSockets;
  readonly tenants: Tenants;
  /** Guests at once. */
  readonly maxGuests: number;
  /** In force for guests that have none of their own. */
  readonly policy: PolicyState;
  /** A VM was removed, and nothing of this thread uses its memory any more. */
  vmEnded(name: string): void;
}

export class Arrivals {
  readonly guests: Set<Attachment> = new Set();
  readonly #host: ArrivalsHost;
  readonly #guestHost: AttachmentHost;
  readonly #places: Places;
  readonly #closer: SocketCloser;
  readonly #beginnings: Beginnings;
  readonly #attachCalls: AttachCalls;
  readonly #lines: AttachLines;
  /** None once they were closed. */
  #attachSockets: AttachSocket[] = [];
  readonly #vms: Map<string, Vm> = new Map();
  readonly #vmHost: VmHost;
  #nextSerial = 1;
  #closed = false;

  constructor(host: ArrivalsHost, guestHost: AttachmentHost) {
    this.#host = host;
    this.#guestHost = guestHost;
    this.#places = new Places(host.maxGuests, guestHost.descriptors, () => this.#processes());
    this.#lines = new AttachLines(host.maxGuests);
    const closer = new SocketCloser(host.disk);
    this.#closer = closer;
    const warn = (guest: string, reason: string): void => this.#warn(guest, reason);
    this.#beginnings = new Beginnings({
      regions: host.regions,
      closer,
      get policy() {
        return host.policy;
      },
      begin: (beginner, memory) => this.#makeProcess(beginner, memory),
      warn,
      soon: (work) => guestHost.reactor.soon(work),
    });
    this.#attachCalls = new AttachCalls({
      accounts: host.accounts,
      closer,
      auditGates: guestHost.auditGates,
      get policy() {
        return host.policy;
      },
      noPlace: (account, limits) => this.#places.none(account, limits),
      begin: (fd, name, account, own) =>
        this.#beginnings.add({ fd, name, account, own, attachMs: undefined }),
      warn,
    });
    this.#vmHost = this.#makeVmHost();
  }

  /** Connections of this listening socket are guests, of that tenant where one is named. */
  listen(listenFd: number, tenant?: string): void {
    const { auditGates, reactor } = this.#guestHost;
    const { accounts } = this.#host;
    let next = 1;
    const host: AttachSocketHost = {
      reactor,
      accounts,
      closer: this.#closer,
      lines: this.#lines,
      key: tenant === undefined ? undefined : `guest:${tenant}`,
      takesGuests: (account) => auditGates.takesGuests(account),
      noPlace: (account, waitingOfKey, waiting) =>
        this.#places.none(account, this.#policyFor(tenant).policy.limits, waitingOfKey, waiting),
      begin: (fd, account) => this.#beginConnection(fd, `${tenant ?? "guest"}-${next++}`, account, tenant),
      warn: (reason) => this.#warn(tenant ?? "", reason),
    };
    this.#attachSockets.push(new AttachSocket(host, listenFd));
  }

  #policyFor(tenant: string | undefined): PolicyState {
    return this.#host.tenants.policyOf(tenant) ?? this.#host.policy;
  }

  /** `own`: the guest's policy where it has one of its own, held for it by the caller until now. */
  attach(call: AttachCall, own: PolicyState | undefined): void {
    this.#attachCalls.add(call, own);
  }

  addVm({ name, memory, doorbell }: Extract<ToReactor, { kind: "vm" }>): void {
    if (this.#closed) {
      this.#host.vmEnded(name);
      return;
    }
    this.#host.ownSockets.addDoorbell(name, doorbell);
    this.#vms.set(name, new Vm(this.#vmHost, name, memory, doorbell));
  }

  removeVm(name: string): void {
    this.#host.ownSockets.removeDoorbell(name);
    this.#vms.get(name)?.remove();
    this.#vms.delete(name);
    this.#host.tenants.delete(name);
  }

  gone(guest: Attachment): void {
    this.guests.delete(guest);
    this.#guestHost.counters.add(Counter.guests, -1);
  }

  /** Nobody comes any more. */
  close(): void {
    this.#closed = true;
    for (const socket of this.#attachSockets.splice(0)) socket.close();
    this.#attachCalls.close();
    this.turnAwayBeginners();
    for (const vm of this.#vms.values()) vm.retire();
  }

  /** Nobody whose region is being made becomes a guest. */
  turnAwayBeginners(): void {
    this.#beginnings.close();
  }

  /** Undefined where that failed, which was said. */
  #make(link: () => GuestLink, admitted: Admitted): Attachment | undefined {
    try {
      return new Attachment(this.#guestHost, link(), admitted);
    } catch (error) {
      this.#warn(admitted.name, `turned away: ${(error as Error).message}`);
      return undefined;
    }
  }

  /** Undefined where that failed, which was said. */
  #greet(guest: Attachment): Attachment | undefined {
    try {
      guest.greet();
    } catch (error) {
      this.#warn(guest.name, `turned away: ${(error as Error).message}`);
      return undefined;
    }
    this.guests.add(guest);
    this.#guestHost.counters.add(Counter.guests);
    return guest;
  }

  #makeProcess({ fd, name, account, tenant, own }: Beginner, memory: SharedMemory): NewGuest | undefined {
    const link = (): GuestLink => new SocketLink(this.#guestHost.reactor, this.#closer, fd, account, memory);
    // A tenant's may be another by now.
    const isItsOwn = own !== undefined && tenant === undefined;
    const policy = isItsOwn ? own : this.#policyFor(tenant);
    const serial = this.#nextSerial++;
    const guest = this.#make(link, { serial, name, tenant, policy, ownPolicy: isItsOwn });
    if (guest === undefined) return undefined;
    const greet = (): Attachment | undefined => {
      // No reload since then was for it.
      if (!isItsOwn) guest.setPolicy(this.#policyFor(tenant));
      return this.#greet(guest);
    };
    return { greet, turnAway: () => guest.turnAway() };
  }

  #beginConnection(fd: number, name: string, account: Account, tenant: string | undefined): void {
    const { tenants } = this.#host;
    if (tenant !== undefined) account.labelBytes = tenants.labelBytes(tenant);
    const own = tenants.policyOf(tenant);
    own?.retain();
    const { attachMs } = this.#policyFor(tenant).policy.timeouts;
    this.#beginnings.add({ fd, name, tenant, account, own, attachMs });
  }

  #beginOnVm(vm: Vm): Attachment | undefined {
    const { name, account } = vm;
    account.labelBytes = this.#host.tenants.labelBytes(name);
    const serial = this.#nextSerial++;
    const admitted = { serial, name, tenant: name, policy: this.#policyFor(name), ownPolicy: false };
    const guest = this.#make(() => vm, admitted);
    return guest && this.#greet(guest);
  }

  #makeVmHost(): VmHost {
    const { auditGates, reactor } = this.#guestHost;
    const { accounts, disk } = this.#host;
    // Whose calls those of all doorbells are: a dead folder of theirs leaves guests the half of the disk workers.
    const doorbells = {};
    return {
      reactor,
      accounts,
      // It is tried again.
      begin: (vm) => (auditGates.takesGuests(vm.account) ? this.#beginOnVm(vm) : undefined),
      warn: (vm, reason) => this.#warn(vm.name, reason),
      call(path, done) {
        const job = disk.submit(doorbells, { kind: "call", path }, UNCOUNTED, ({ errno, value }) =>
          done(errno === 0 ? value : -errno),
        );
        return () => disk.cancel(job);
      },
      ended: (vm) => this.#host.vmEnded(vm.name),
    };
  }

  /** Guests that are processes, and those that are about to be. */
  #processes(): number {
    let count = this.guests.size + this.#beginnings.count;
    for (const vm of this.#vms.values()) if (vm.hasGuest) count--;
    return count;
  }

  #warn(guest: string, reason: string): void {
    this.#guestHost.post({ kind: "warning", guest, reason });
  }
}
