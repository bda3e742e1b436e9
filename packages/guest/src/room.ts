// Room: how large the rings of a new stream are, and whose turn it is while the host has no room for another.
//
// Sizes. Large rings are fast and few, small ones are many. A stream has the rings that suit it while what is used of the region,
// this stream included, stays within a share for rings of that size. In 256 MiB:
//
//   up to 1/4   any size               127 streams of two rings of 256 KiB
//   up to 1/2   64 KiB at the most     496 more
//   up to 5/8   16 KiB                 910 more
//   the rest    4 KiB                  8000 more
//
// Turns. A call that the host refuses for want of room (streams, pages, open files, requests, descriptors) waits in line:
//
//   run() ─ nobody waits ─▶ TRYING ─ refused for want of room ─▶ WAITING ─ its turn ─▶ TRYING
//     └──── others wait ─▶ WAITING       └─ anything else: its result     └─ abort, detach: its error
//
// Each stream that this guest gives back lets the first in line try. So the line moves as fast as room comes, and the host refuses
// little. Room that comes from elsewhere (the host's descriptors, a large stream in whose place many small ones fit) is found by trying
// every RETRY_MS, and on from there until the host refuses.
//
// Nobody waits for what cannot come: where this guest holds nothing, or nothing has moved for `waitMs`, the host's refusal is the
// result. WAITING_MAX bounds the line.

import { PAGE_BYTES } from "@ringway/control";
import { onAbort } from "./abort.ts";
import { integer } from "./argument-errors.ts";

/** Sizes of the two rings of a stream, in bytes: a wish, which the host rounds. */
export interface Rings {
  readonly toHostBytes: number;
  readonly toGuestBytes: number;
}

export interface RingWish extends Rings {
  /** The program has named the size: it is made smaller only where the host has no room. */
  readonly named: boolean;
}

/** Two rings of what the program has named, or else those that suit. */
export function ringWish(namedBytes: number | undefined, suits: Rings): RingWish {
  if (namedBytes === undefined) return { ...suits, named: false };
  integer(namedBytes, "options.ringBytes", 0, 0xffff_ffff);
  return { toHostBytes: namedBytes, toGuestBytes: namedBytes, named: true };
}

/** One that carries bytes both ways: measured, larger ones are hardly faster. */
export const STREAM_RINGS: Rings = { toHostBytes: 256 * 1024, toGuestBytes: 256 * 1024 };

export const SMALLEST_RING_BYTES: number = PAGE_BYTES;

/** Rings of at most `bytes` while at most `share` of the region is used. */
const STEPS: readonly { readonly bytes: number; readonly share: number }[] = [
  { bytes: Number.POSITIVE_INFINITY, share: 1 / 4 },
  { bytes: 256 * 1024, share: 1 / 4 },
  { bytes: 64 * 1024, share: 1 / 2 },
  { bytes: 16 * 1024, share: 5 / 8 },
  { bytes: SMALLEST_RING_BYTES, share: 1 },
];

/** What a program may have under way beyond what there is room for; each that waits takes about a kilobyte. */
const WAITING_MAX = 65_536;
const RETRY_MS = 50;

/** Refusals that something else's end may undo. */
const NO_ROOM: ReadonlySet<string | undefined> = new Set(["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"]);

export function isNoRoom(error: unknown): boolean {
  const { code, rule } = error as { code?: string; rule?: string };
  return NO_ROOM.has(code) && rule === undefined;
}

/** Pages of the region that a stream takes: its header's, and its rings'. */
export function pagesOf({ toHostBytes, toGuestBytes }: Rings): number {
  return 1 + Math.ceil(toHostBytes / PAGE_BYTES) + Math.ceil(toGuestBytes / PAGE_BYTES);
}

export interface RoomInit {
  /** How long nothing may move before those that wait are refused, in milliseconds; 0: nobody waits. */
  readonly waitMs: number;
  /** Pages of the region, as of now. */
  regionPages(): number;
  /** Something waits that should keep the process alive, or does no longer. */
  hold(): void;
  unhold(): void;
}

interface Place {
  /** Calls are served in the order of these. */
  readonly ticket: number;
  /** When the call was made. */
  readonly sinceMs: number;
}

interface Waiter extends Place {
  readonly go: (turn: Turn) => void;
  readonly fail: (error: Error) => void;
}

/** Why a call may try: "given": for one stream that was given back; "search": to see whether there is room; "last": and then no more. */
type Turn = "given" | "search" | "last";

export class Room {
  readonly #init: RoomInit;
  #usedPages = 0;
  #streams = 0;
  #nextTicket = 0;
  /** In the order of their tickets. */
  readonly #line: Waiter[] = [];
  #ticker: NodeJS.Timeout | undefined;
  #movedMs = 0;

  constructor(init: RoomInit) {
    this.#init = init;
  }

  /** Rings for one more stream, as of now: no smaller than `least`, a power of two. */
  fit({ toHostBytes, toGuestBytes, named }: RingWish, least: Rings): Rings {
    const cut = (bytes: number): Rings => ({
      toHostBytes: Math.max(least.toHostBytes, Math.min(bytes, toHostBytes)),
      toGuestBytes: Math.max(least.toGuestBytes, Math.min(bytes, toGuestBytes)),
    });
    if (named) return cut(Number.POSITIVE_INFINITY);
    const pages = this.#init.regionPages();
    const step = STEPS.find(({ bytes, share }) => this.#usedPages + pagesOf(cut(bytes)) <= share * pages);
    return cut((step ?? STEPS.at(-1)!).bytes);
  }

  /** A stream is asked for, or there. */
  take(rings: Rings): void {
    this.#usedPages += pagesOf(rings);
    this.#streams++;
  }

  /** It is not, any more. `useful`: it is not the trace of a call that had no room itself. */
  give(rings: Rings, useful: boolean): void {
    this.#usedPages -= pagesOf(rings);
    this.#streams--;
    if (useful) this.#next("given");
  }

  /** Does `attempt`, again and again while the host has no room for it, and no sooner than those that have waited longer. */
  async run<T>(attempt: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const place = { ticket: this.#nextTicket++, sinceMs: performance.now() };
    let turn: Turn = this.#line.length === 0 ? "given" : await this.#wait(place, signal);
    for (;;) {
      const held = this.#streams;
      try {
        const result = await attempt();
        this.#movedMs = performance.now();
        if (turn === "search") this.#next("search");
        return result;
      } catch (error) {
        // What there was may have been given back since the host looked.
        const mayCome = held > 0 || this.#streams > 0;
        const mayWait = mayCome && turn !== "last" && this.#init.waitMs > 0;
        if (!mayWait || !isNoRoom(error) || this.#line.length >= WAITING_MAX) throw error;
      }
      turn = await this.#wait(place, signal);
    }
  }

  /** The guest is detached. */
  lost(error: Error): void {
    for (const { fail } of this.#line.splice(0)) fail(error);
  }

  #wait(place: Place, signal: AbortSignal | undefined): Promise<Turn> {
    if (this.#line.length >= WAITING_MAX) return Promise.resolve("last");
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        stop();
        this.#init.unhold();
      };
      const waiter: Waiter = {
        ...place,
        go(turn) {
          settle();
          resolve(turn);
        },
        fail(error) {
          settle();
          reject(error);
        },
      };
      const stop = onAbort(signal, (error) => {
        this.#line.splice(this.#indexOf(place), 1);
        waiter.fail(error);
      });
      this.#init.hold();
      this.#line.splice(this.#indexOf(place), 0, waiter);
      this.#ticker ??= setInterval(() => this.#tick(), RETRY_MS).unref();
    });
  }

  /** Where in the line a call stands, or belongs. */
  #indexOf({ ticket }: Place): number {
    let low = 0;
    let high = this.#line.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#line[middle]!.ticket < ticket) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #next(turn: Turn): void {
    if (turn === "given") this.#movedMs = performance.now();
    this.#line.shift()?.go(turn);
  }

  #tick(): void {
    if (this.#line.length === 0) {
      clearInterval(this.#ticker);
      this.#ticker = undefined;
      return;
    }
    const tooOldMs = performance.now() - this.#init.waitMs;
    if (this.#movedMs <= tooOldMs) {
      const fresh = this.#line.findIndex(({ sinceMs }) => sinceMs > tooOldMs);
      for (const { go } of this.#line.splice(0, fresh < 0 ? this.#line.length : fresh)) go("last");
    }
    this.#next("search");
  }
}
