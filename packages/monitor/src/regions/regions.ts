// The regions of guests that are processes, as the reactor sees them. Each is made for one guest, and unmade after it: none is ever
// given to another. Both are done by a thread (worker.ts), and counted for the guest's key from the asking until its pages are free.
//
//   make() ── those of its key that are being unmade leave room ──▶ MAKING ──▶ a guest's ── last hold is gone ──▶ UNMAKING ──▶ gone
//
// Invariant: the buffer of a region lives until the thread has put zero pages in its place. So V8 never gives the range to somebody else
// while the thread still writes mappings there.

import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import {
  drainEventfd,
  EPOLLIN,
  type MemoryWorks,
  ringEventfd,
  SharedMemory,
  SystemError,
} from "@ringway/linux";
import type { Account } from "../accounts.ts";
import type { Reactor } from "../reactor/reactor.ts";
import type { RegionAnswer, RegionPort, RegionWork } from "./thread.ts";

/** Regions that the thread makes at once: enough that it never waits for this one. */
const MAKING_MAX = 8;

export interface RegionRequest {
  /** Whose it is to be. */
  readonly account: Account;
  /** Shows in /proc/<pid>/maps. */
  readonly name: string;
  readonly bytes: number;
  /** Bytes of all regions that its key may have. */
  readonly bytesTotal: number;
  readonly done: (made: SharedMemory | Error) => void;
}

export class Regions {
  readonly #port: MessagePort;
  readonly #wakeFd: number;
  readonly #unmade: () => void;
  readonly #requests: Set<RegionRequest> = new Set();
  readonly #asked: Map<number, (answer: RegionAnswer) => void> = new Map();
  #making = 0;
  #nextId = 1;

  /** `unmade` is called when another region's addresses wait for nothing but their collection. */
  constructor(reactor: Reactor, { port, wakeFd }: RegionPort, unmade: () => void) {
    this.#port = port;
    this.#wakeFd = wakeFd;
    this.#unmade = unmade;
    reactor.watch(wakeFd, EPOLLIN, { onEvents: () => this.#collect() });
  }

  /** Regions that are asked for, or being unmade. */
  get load(): number {
    return this.#requests.size + this.#asked.size;
  }

  /** Calls `done` in a later turn, with the region, or with why there is none: SystemError (ENOMEM, EMFILE). */
  make(request: RegionRequest): void {
    const { account, bytes } = request;
    account.retain();
    account.regions++;
    account.regionBytes += bytes;
    this.#requests.add(request);
    this.#begin();
  }

  /** No answer is taken any more. */
  close(): void {
    this.#port.close();
  }

  #begin(): void {
    for (const request of this.#requests) {
      if (this.#making === MAKING_MAX) return;
      const { account, bytesTotal } = request;
      // There is room for it, once others of its key have gone.
      if (account.leavingBytes > 0 && account.regionBytes > bytesTotal) continue;
      this.#requests.delete(request);
      this.#making++;
      SharedMemory.createBy(this.#worksFor(account), request.name, request.bytes, (made) => {
        this.#making--;
        request.done(made);
        this.#begin();
      });
    }
  }

  #worksFor(account: Account): MemoryWorks {
    const gone = (bytes: number): void => {
      account.regions--;
      account.regionBytes -= bytes;
      account.release();
    };
    return {
      make: (name, bytes, viewAddress, done) => {
        this.#ask({ kind: "make", id: this.#nextId, name, bytes, viewAddress }, (answer) => {
          if (answer.kind === "made") done(answer.mapping);
          else if (answer.kind === "not-made") {
            gone(bytes);
            const { errno, syscall, path } = answer.failure;
            done(new SystemError(errno, syscall, path));
          }
        });
      },
      unmake: (mapping, done) => {
        const { bytes } = mapping;
        account.leavingBytes += bytes;
        this.#ask({ kind: "unmake", id: this.#nextId, mapping }, () => {
          account.leavingBytes -= bytes;
          gone(bytes);
          done();
          this.#unmade();
          this.#begin();
        });
      },
    };
  }

  #ask(work: RegionWork, answered: (answer: RegionAnswer) => void): void {
    this.#nextId++;
    this.#asked.set(work.id, answered);
    this.#port.postMessage(work);
  }

  /** One answer: a guest begins by it, and all others have their turns before the next. */
  #collect(): void {
    drainEventfd(this.#wakeFd);
    const received = receiveMessageOnPort(this.#port);
    if (received === undefined) return;
    ringEventfd(this.#wakeFd);
    const answer = received.message as RegionAnswer;
    const answered = this.#asked.get(answer.id)!;
    this.#asked.delete(answer.id);
    answered(answer);
  }
}
