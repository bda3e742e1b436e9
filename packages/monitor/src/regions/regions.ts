// The regions of guests that are processes, as the reactor sees them. Each is made for one guest, and unmade after it:
// none is ever given to another, and it counts for the guest's key from the asking until its pages are free.
//
//   make() ── those of its key that are being unmade leave room ──▶ a guest's ── its last hold is gone
//                                                                                    ├─ few pages ──▶ gone
//                                                                                    └─▶ UNMAKING ──▶ gone
//
// A region is made here: two mappings in which nothing is yet, some 40 us. Its first pages come as they are written, in
// pieces of work that have room for them. To post that to a thread takes 20 us, and its answer is another piece, which
// meets another round trip of a neighbour's. The same holds where few pages are to be let go of. All else is let go of
// by a thread (regions-main.ts), since 256 MiB that were touched take 90 ms. To make one and to let go of one are
// pieces of the reactor's (Reactor.soon()).
//
// Invariant: the buffer of a region lives until zero pages are in its place. So V8 never gives the range to somebody
// else while the thread still changes mappings there.

import { type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import {
  drainEventfd,
  EPOLLIN,
  fstat,
  type Mapping,
  ringEventfd,
  SharedMemory,
  type Unmake,
  unmakeMapping,
} from "@ringway/linux";
import type { Account } from "../accounts/accounts.ts";
import type { Reactor } from "../reactor/reactor.ts";
import type { RegionPort, UnmadeRegion, UnmakeRegion } from "./thread.ts";

/** So much of a region is let go of here: some 30 us. What a guest adds while that is looked at is little more. */
const UNMADE_HERE_BYTES: number = 256 * 1024;
/** Of st_blocks. */
const BLOCK_BYTES = 512;

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
  readonly #reactor: Reactor;
  readonly #port: MessagePort;
  readonly #wakeFd: number;
  readonly #unmade: () => void;
  /** They wait for others of their keys to be unmade. */
  readonly #requests: Set<RegionRequest> = new Set();
  /** What is to be done when the thread has unmade one. */
  readonly #unmaking: Map<number, () => void> = new Map();
  #nextId = 1;
  /** #makeOne() is to come. */
  #isMaking = false;

  /** `unmade` is called when another region's addresses wait for nothing but their collection. */
  constructor(reactor: Reactor, { port, wakeFd }: RegionPort, unmade: () => void) {
    this.#reactor = reactor;
    this.#port = port;
    this.#wakeFd = wakeFd;
    this.#unmade = unmade;
    reactor.watchForNobody(wakeFd, EPOLLIN, () => this.#collect());
  }

  /** Regions that are asked for, or being unmade. */
  get load(): number {
    return this.#requests.size + this.#unmaking.size;
  }

  /** Calls `done`, in a piece to come, with the region, or with why there is none: SystemError (ENOMEM, EMFILE). */
  make(request: RegionRequest): void {
    const { account, bytes } = request;
    account.retain();
    account.regions++;
    account.regionBytes += bytes;
    this.#requests.add(request);
    this.#makeLater();
  }

  /** No answer is taken any more. */
  close(): void {
    this.#port.close();
  }

  #makeLater(): void {
    if (this.#isMaking || this.#requests.size === 0) return;
    this.#isMaking = true;
    this.#reactor.soon(this.#makeOne);
  }

  /** The next that there is room for. */
  readonly #makeOne = (): void => {
    this.#isMaking = false;
    for (const request of this.#requests) {
      const { account, bytesTotal } = request;
      // There is room for it, once others of its key have gone.
      if (account.leavingBytes > 0 && account.regionBytes > bytesTotal) continue;
      this.#requests.delete(request);
      this.#makeLater();
      request.done(this.#makeNow(request));
      return;
    }
  };

  #makeNow({ account, name, bytes }: RegionRequest): SharedMemory | Error {
    const gone = (): void => {
      account.regions--;
      account.regionBytes -= bytes;
      account.release();
    };
    const unmake: Unmake = (mapping, done) => {
      account.leavingBytes += bytes;
      this.#unmake(mapping, () => {
        account.leavingBytes -= bytes;
        gone();
        done();
        this.#unmade();
        this.#makeLater();
      });
    };
    try {
      return SharedMemory.create(name, bytes, unmake);
    } catch (error) {
      gone();
      return error as Error;
    }
  }

  #unmake(mapping: Mapping, unmade: () => void): void {
    const id = this.#nextId++;
    this.#unmaking.set(id, unmade);
    this.#reactor.soon(() => this.#letGo(id, mapping));
  }

  #letGo(id: number, mapping: Mapping): void {
    const stat = fstat(mapping.fd);
    if (typeof stat !== "number" && stat.blocks * BLOCK_BYTES <= UNMADE_HERE_BYTES) {
      unmakeMapping(mapping, true);
      this.#isUnmade(id);
    } else this.#port.postMessage({ id, mapping } satisfies UnmakeRegion);
  }

  #isUnmade(id: number): void {
    const unmade = this.#unmaking.get(id)!;
    this.#unmaking.delete(id);
    unmade();
  }

  /** One answer: all others have their turns before the next. */
  #collect(): void {
    drainEventfd(this.#wakeFd);
    const received = receiveMessageOnPort(this.#port);
    if (received === undefined) return;
    const { id } = received.message as UnmadeRegion;
    // Others may have been answered meanwhile, and their ring was taken with this one's.
    if (this.#unmaking.size > 1) ringEventfd(this.#wakeFd);
    this.#isUnmade(id);
  }
}
