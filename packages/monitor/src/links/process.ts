// The link of a guest that is a process: a region of its own, an eventfd each way, and the attach socket whose hang-up
// says that the guest is gone (PROTOCOL.md section 21).
//
// The bells' descriptors are the guest's as well, flags included: they are only used by calls that cannot wait.

import { encodeHello, PAGE_BYTES } from "@ringway/control";
import {
  closeFd,
  createEventfd,
  EPOLLET,
  EPOLLHUP,
  EPOLLIN,
  EPOLLRDHUP,
  Errno,
  errnoName,
  errnoOf,
  isReadable,
  peerCredentials,
  ringForeign,
  type SharedMemory,
  sendWithFds,
} from "@ringway/linux";
import type { Account } from "../accounts/accounts.ts";
import type { Reactor } from "../reactor/reactor.ts";
import type { GuestLink, LinkListener } from "./link.ts";
import type { SocketCloser } from "./socket-closer.ts";

/**
 * Edge-triggered: each ring is an event, and the counter need never be read. One that counts already is told of anew by
 * resume().
 */
const BELL_EVENTS = EPOLLIN | EPOLLET;

export class SocketLink implements GuestLink {
  readonly memory: SharedMemory;
  readonly account: Account;
  readonly #reactor: Reactor;
  readonly #closer: SocketCloser;
  readonly #socketFd: number;
  readonly #bellToHostFd: number;
  readonly #bellToGuestFd: number;
  #bellSlot = -1;
  #bellSuspended = false;
  #socketSlot = -1;
  #closed = false;

  /** Takes over `socketFd` and `memory`, also when it throws: SystemError (EMFILE), which the guest is told. */
  constructor(
    reactor: Reactor,
    closer: SocketCloser,
    socketFd: number,
    account: Account,
    memory: SharedMemory,
  ) {
    this.#reactor = reactor;
    this.#closer = closer;
    this.account = account;
    this.#socketFd = socketFd;
    const made: number[] = [];
    try {
      made.push(createEventfd());
      made.push(createEventfd());
    } catch (error) {
      for (const fd of made) closeFd(fd);
      memory[Symbol.dispose]();
      closer.turnAway(socketFd, account, errnoOf(error, Errno.ENOMEM));
      throw error;
    }
    this.memory = memory;
    this.#bellToHostFd = made[0]!;
    this.#bellToGuestFd = made[1]!;
  }

  get pid(): number {
    try {
      return peerCredentials(this.#socketFd).pid;
    } catch {
      return 0;
    }
  }

  /** Hands memory and bells to the guest (HEL-2). */
  greet(listener: LinkListener): void {
    const fds = [this.memory.fd, this.#bellToHostFd, this.#bellToGuestFd];
    const hello = encodeHello({ errno: 0, regionPages: this.memory.bytes / PAGE_BYTES });
    const sent = sendWithFds(this.#socketFd, hello, fds);
    if (sent < 0) throw new Error(`cannot greet the guest: ${errnoName(-sent)}`);
    this.#bellSlot = this.#reactor.watch(this.#bellToHostFd, BELL_EVENTS, {
      onEvents: () => listener.onBell(),
    });
    this.#socketSlot = this.#reactor.watch(this.#socketFd, EPOLLIN | EPOLLRDHUP, {
      onEvents: (events) => {
        if ((events & (EPOLLHUP | EPOLLRDHUP)) !== 0) listener.onHangup();
        else listener.onGarbage();
      },
    });
  }

  ring(): void {
    // Nobody has the bell yet, and whoever gets it looks first.
    if (this.#bellSlot < 0) return;
    ringForeign(this.#bellToGuestFd);
  }

  suspendBell(): void {
    this.#bellSuspended = true;
    this.#reactor.suspend(this.#bellToHostFd);
  }

  resumeBell(): void {
    this.#reactor.resume(this.#bellToHostFd, BELL_EVENTS, this.#bellSlot);
    this.#bellSuspended = false;
  }

  hangUp(): void {
    if (this.#socketSlot < 0) return;
    // It may be closed later.
    this.#reactor.forget(this.#socketFd, this.#socketSlot);
    this.#socketSlot = -1;
    this.#closer.close(this.#socketFd, this.account);
  }

  close(errno?: number): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#socketSlot >= 0) this.hangUp();
    else if (errno !== undefined) this.#closer.turnAway(this.#socketFd, this.account, errno);
    // The guest holds the bell too: closing alone would leave it in epoll.
    if (this.#bellSuspended) this.#reactor.unwatch(this.#bellSlot);
    else if (this.#bellSlot >= 0) this.#reactor.forget(this.#bellToHostFd, this.#bellSlot);
    closeFd(this.#bellToHostFd);
    closeFd(this.#bellToGuestFd);
    this.memory[Symbol.dispose]();
  }
}

/** A guest sends nothing on its socket (HEL-3): what can be read there is its end. */
export function hasGone(socketFd: number): boolean {
  return isReadable(socketFd);
}
