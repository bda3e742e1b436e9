// Ports of the host that the operator has published. Each leads to a port of the guests that have one name, and is the
// host's whether one of them is there or not. What a guest listens on at that port (tcp-listen.ts) has the connections
// that come here, beside those of its own socket where a rule lets it have one.
//
//   BOUND ── a guest of that name listens at its port ──▶ LISTENS ── the last of those listeners is over ──▶ BOUND
//
// BOUND: nobody else can have the port, and a connection is refused at once, as by a server that is down. One that was
// held would look like a server that hangs, also to whoever balances loads, and would be given to a later life of the
// guest than the one that it was for.
//
// Several guests of one name share the connections of a port: whoever looks first takes one. So a guest that comes
// before the last one is quite gone is served, too.
//
// Invariant: a port is watched only while a listener that has a stream to spare wants that (LSN-4).

import type { InetAddress } from "@ringway/control";
import { closeFd, EPOLLIN, Errno, errnoOf, listen, setReuseAddress, shutdownBoth } from "@ringway/linux";
import type { OwnPorts } from "../policy/own-ports.ts";
import type { Reactor } from "../reactor/reactor.ts";
import type { Door } from "./door.ts";
import { boundSocket } from "./tcp-sockets.ts";

/** The rule that allows a guest to listen where no rule of its policy does. */
export const PUBLISHED = "published";

export interface Publication {
  /** Its address, as text: no other has it. */
  readonly id: string;
  readonly address: InetAddress;
  /** The guests that have this name. */
  readonly tenant: string;
  /** What they listen on. */
  readonly port: number;
}

/** What a guest listens on. */
export interface PublishedListener {
  readonly tenant: string;
  /** Whose it is. */
  readonly guest: object;
  readonly port: number;
  readonly backlog: number;
  /** Connections come there, too. */
  addDoor(door: Door): void;
  /** And there no more. */
  removeDoor(door: Door): void;
  /** There may be one: looks for it in its guest's turn. */
  later(): void;
}

/** A listener's place at a published port. */
class Seat implements Door {
  readonly fd: number;
  readonly listener: PublishedListener;
  readonly #port: PublishedPort;

  constructor(port: PublishedPort, listener: PublishedListener) {
    this.fd = port.fd;
    this.listener = listener;
    this.#port = port;
  }

  watch(on: boolean): void {
    this.#port.want(this, on);
  }

  leave(): void {
    this.#port.leave(this);
  }
}

class PublishedPort {
  readonly fd: number;
  readonly publication: Publication;
  readonly #reactor: Reactor;
  readonly #seats: Set<Seat> = new Set();
  /** Those that wait for a connection. */
  readonly #wanting: Set<Seat> = new Set();
  /** While it listens. */
  #slot = -1;

  /** `fd` is bound, and is this object's from now on. */
  constructor(reactor: Reactor, publication: Publication, fd: number) {
    this.#reactor = reactor;
    this.publication = publication;
    this.fd = fd;
  }

  get listeners(): number {
    return this.#seats.size;
  }

  /** 0, or -errno; EADDRINUSE: the same guest listens here already. */
  enter(listener: PublishedListener): number {
    for (const seat of this.#seats) if (seat.listener.guest === listener.guest) return -Errno.EADDRINUSE;
    const isFirst = this.#seats.size === 0;
    // What is left of earlier connections is in nobody's way.
    if (isFirst) setReuseAddress(this.fd);
    // One queue for all of them: none makes that of the others shorter.
    const backlogs = [...this.#seats].map((seat) => seat.listener.backlog);
    const result = listen(this.fd, Math.max(listener.backlog, ...backlogs));
    if (result >= 0 && isFirst) {
      try {
        this.#slot = this.#reactor.watchForNobody(this.fd, 0, () => this.#wake());
      } catch (error) {
        this.pause();
        return -errnoOf(error, Errno.ENOMEM);
      }
    }
    if (result < 0) {
      if (isFirst) this.pause();
      return result;
    }
    const seat = new Seat(this, listener);
    this.#seats.add(seat);
    listener.addDoor(seat);
    return 0;
  }

  leave(seat: Seat): void {
    this.want(seat, false);
    if (!this.#seats.delete(seat) || this.#seats.size > 0) return;
    this.#reactor.forget(this.fd, this.#slot);
    this.pause();
  }

  want(seat: Seat, on: boolean): void {
    const before = this.#wanting.size;
    if (on) this.#wanting.add(seat);
    else this.#wanting.delete(seat);
    const now = this.#wanting.size;
    if (before === 0 && now > 0) this.#reactor.modify(this.fd, EPOLLIN, this.#slot);
    else if (before > 0 && now === 0) this.#reactor.modify(this.fd, 0, this.#slot);
  }

  #wake(): void {
    for (const { listener } of this.#wanting) listener.later();
  }

  /**
   * Listens no more, and stays bound: what waits to be accepted is reset. Without SO_REUSEADDR nobody else who has it
   * may bind the port, and listen there meanwhile.
   */
  pause(): void {
    shutdownBoth(this.fd);
    setReuseAddress(this.fd, false);
  }

  close(): void {
    for (const seat of [...this.#seats]) seat.listener.removeDoor(seat);
    closeFd(this.fd);
  }
}

export class PublishedPorts {
  readonly #reactor: Reactor;
  readonly #ownPorts: OwnPorts;
  /** By their ids. */
  readonly #ports: Map<string, PublishedPort> = new Map();
  /** What guests that have a name listen on. */
  readonly #listeners: Set<PublishedListener> = new Set();
  #closed = false;

  constructor(reactor: Reactor, ownPorts: OwnPorts) {
    this.#reactor = reactor;
    this.#ownPorts = ownPorts;
  }

  /** 0, or -errno; EADDRINUSE: also where it is a port of the monitor's own; ESHUTDOWN: after closeAll(). */
  open(publication: Publication): number {
    if (this.#closed) return -Errno.ESHUTDOWN;
    const fd = boundSocket(publication.address, this.#ownPorts);
    if (fd < 0) return fd;
    const port = new PublishedPort(this.#reactor, publication, fd);
    // Who is bound there and does not listen yet shows here. It is pause() that keeps the port from others after that.
    const result = listen(fd, 1);
    port.pause();
    if (result < 0) {
      closeFd(fd);
      return result;
    }
    this.#ports.set(publication.id, port);
    for (const listener of this.#listeners) {
      const failure = leadsTo(port, listener) ? port.enter(listener) : 0;
      // A guest's second listener is none of the port's.
      if (failure === 0 || failure === -Errno.EADDRINUSE) continue;
      this.close(publication.id);
      return failure;
    }
    return 0;
  }

  /** Whether it was there. Connections that are open stay open. */
  close(id: string): boolean {
    const port = this.#ports.get(id);
    this.#ports.delete(id);
    port?.close();
    return port !== undefined;
  }

  /** For good. */
  closeAll(): void {
    this.#closed = true;
    for (const id of [...this.#ports.keys()]) this.close(id);
  }

  /** Leads a published port to what guests of this name listen on there? */
  has(tenant: string | undefined, port: number): boolean {
    for (const { publication } of this.#ports.values())
      if (publication.tenant === tenant && publication.port === port) return true;
    return false;
  }

  /** It listens from now on. 0, or the -errno of a port where it cannot. */
  join(listener: PublishedListener): number {
    this.#listeners.add(listener);
    let result = 0;
    for (const port of this.#ports.values()) {
      if (leadsTo(port, listener)) result = Math.min(result, port.enter(listener));
    }
    return result;
  }

  /** It has left its doors. */
  leave(listener: PublishedListener): void {
    this.#listeners.delete(listener);
  }

  /** How many listen at each: id, number, id, number. */
  list(): (string | number)[] {
    return [...this.#ports].flatMap(([id, { listeners }]) => [id, listeners]);
  }
}

function leadsTo({ publication }: PublishedPort, { tenant, port }: PublishedListener): boolean {
  return publication.tenant === tenant && publication.port === port;
}
