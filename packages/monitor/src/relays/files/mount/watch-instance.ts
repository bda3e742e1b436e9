// The inotify instance of a mount's watches (watches.ts), which the host's kernel fills for whoever changes what.
//
//   none ── begin() ──▶ WATCHED by epoll ── an event ──▶ READY: not watched, read as the ring has room
//                              ▲──────── empty ──────────────┘
//   WATCHED, READY ── close() ──▶ none

import { Errno, type Refusal } from "@ringway/control";
import {
  createInotify,
  EPOLLIN,
  errnoOf,
  readWatchEvents,
  removeWatch,
  type WatchEvent,
} from "@ringway/linux";
import { refusal } from "../../../policy/refusal.ts";
import { closeOnDisk } from "../access.ts";
import type { MountCore } from "./core.ts";

/** Events that are taken before others get their turn. */
const PIECE = 32;

export class WatchInstance {
  readonly #core: MountCore;
  #fd = -1;
  #slot = -1;
  #isReady = false;
  /** Of the kernel's batch, those that are not taken yet; the last came first. */
  #events: WatchEvent[] = [];

  constructor(core: MountCore) {
    this.#core = core;
  }

  /** For a worker, which puts watches into it. */
  get fd(): number {
    return this.#fd;
  }

  /** Makes it, where it is not there. */
  begin(): Refusal | undefined {
    if (this.#fd >= 0) return undefined;
    const { stream, host } = this.#core;
    const { budget } = stream.guest;
    const tooMany = budget.takeWatcher();
    if (tooMany !== undefined) return tooMany;
    const fd = createInotify();
    if (fd < 0) {
      budget.giveWatcher();
      budget.giveFile();
      return refusal(fd === -Errno.EMFILE ? Errno.ENOSPC : -fd, "the host has no more watches to give");
    }
    try {
      this.#slot = host.reactor.watch(fd, EPOLLIN, { onEvents: () => this.#ready() });
    } catch (error) {
      budget.giveWatcher();
      closeOnDisk(host, stream, fd);
      return refusal(errnoOf(error, Errno.ENOMEM), "the host has no more watches to give");
    }
    this.#fd = fd;
    return undefined;
  }

  #ready(): void {
    this.#isReady = true;
    this.#core.host.reactor.modify(this.#fd, 0, this.#slot);
    this.#core.stream.perform(() => this.#core.stream.run());
  }

  /** The next events, in the order in which they came. None: epoll tells when there are more. */
  take(): readonly WatchEvent[] {
    if (!this.#isReady) return [];
    if (this.#events.length === 0) {
      const events = readWatchEvents(this.#fd);
      if (typeof events === "number") throw new Error(`reading inotify failed: ${events}`);
      // The last is the first that came.
      this.#events = events.reverse();
    }
    if (this.#events.length === 0) {
      this.#isReady = false;
      this.#core.host.reactor.modify(this.#fd, EPOLLIN, this.#slot);
      return [];
    }
    return this.#events.splice(-PIECE).reverse();
  }

  /** One of its watches ends. */
  remove(number: number): void {
    removeWatch(this.#fd, number);
  }

  /** A worker closes it, and all of its watches with it: that may take a while. */
  close(): void {
    if (this.#fd < 0) return;
    const { host, stream } = this.#core;
    const fd = this.#fd;
    this.#fd = -1;
    host.reactor.forget(fd, this.#slot);
    stream.guest.budget.giveWatcher();
    closeOnDisk(host, stream, fd);
  }
}
