// Room: how large the rings of a new stream are, and whose turn it is while the host has no room for another.
//
// Sizes. Large rings are fast and few, small ones are many. A stream has the rings that suit it while what is used of
// the region, this stream included, stays within a share for rings of that size. In 256 MiB:
//
//   up to 1/4   any size               127 streams of two rings of 256 KiB
//   up to 1/2   64 KiB at the most     496 more
//   up to 5/8   16 KiB                 910 more
//   the rest    4 KiB                  8000 more
//
// Turns. A call that the host refuses for want of room waits in the line of what it lacked (a stream with its pages, an
// open file, ...):
//
//   run() ─ nobody waits ─▶ TRYING ─ refused for want of room ─▶ WAITING ─ its turn ─▶ TRYING
//     └──── others wait ─▶ WAITING       └─ anything else: its result     └─ abort, detach: its error
//
// A call passes those who wait for what it does not need: an open that waits for a file keeps no connect waiting. All
// calls need a stream, so the line for streams is everybody's.
//
// Each stream that this guest gives back lets the first try who waits for one, and the first who waits for what it
// carried. So the lines move as fast as room comes, and the host refuses little. A turn that found room, or did not
// need it, is the next one's. Room that comes from elsewhere (the host's descriptors, a large stream in whose place
// many small ones fit) is found by trying every RETRY_MS, and on from there until the host refuses.
//
// Nobody waits for what cannot come: where this guest holds nothing, or nothing has moved in the line for `waitMs`, the
// host's refusal is the result. WAITING_MAX bounds the lines together.

import { PAGE_BYTES } from "@ringway/control";
import { onAbort } from "../abort.ts";
import { integer } from "../argument-errors.ts";

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
function pagesOf({ toHostBytes, toGuestBytes }: Rings): number {
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

/** What a call may lack. "request": one of those that may be under way at a time. */
export type Resource = "stream" | "file" | "connection" | "listener" | "request";

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

/** Those who wait for the same, in the order of their tickets. */
interface Line {
  readonly waiters: Waiter[];
  /** When room last came, or was found. */
  movedMs: number;
}

/**
 * Does it once. `hasStream` is to be called when it has its stream: what is refused from then on is for want of its own
 * resource.
 */
type Attempt<T> = (hasStream: () => void) => Promise<T>;

/**
 * Why a call may try: "given": for one stream that was given back; "search": to see whether there is room; "last": and
 * then no more.
 */
type Turn = "given" | "search" | "last";

export class Room {
  readonly #init: RoomInit;
  #usedPages = 0;
  #streams = 0;
  #nextTicket = 0;
  readonly #lines: Readonly<Record<Resource, Line>> = {
    stream: { waiters: [], movedMs: 0 },
    file: { waiters: [], movedMs: 0 },
    connection: { waiters: [], movedMs: 0 },
    listener: { waiters: [], movedMs: 0 },
    request: { waiters: [], movedMs: 0 },
  };
  #waiting = 0;
  #ticker: NodeJS.Timeout | undefined;

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

  /** It is not, any more. `held`: what it was good for; nothing: it is the trace of a call that had no room itself. */
  give(rings: Rings, held: Resource | undefined): void {
    this.#usedPages -= pagesOf(rings);
    this.#streams--;
    if (held === undefined) return;
    const lines = [this.#lines.stream];
    if (held !== "stream") {
      const own = this.#lines[held];
      // Where nobody waits for the like, its descriptor may be what others lack.
      if (own.waiters.length > 0) lines.push(own);
      else lines.push(...Object.values(this.#lines).filter((line) => line !== this.#lines.stream));
      own.movedMs = performance.now();
    }
    this.#lines.stream.movedMs = performance.now();
    for (const line of lines) this.#wake(line, "given");
  }

  /**
   * Does `attempt`, again and again while the host has no room for it, and no sooner than those that have waited
   * longer.
   */
  async run<T>(kind: Resource, attempt: Attempt<T>, signal?: AbortSignal): Promise<T> {
    const place = { ticket: this.#nextTicket++, sinceMs: performance.now() };
    const { stream } = this.#lines;
    const own = this.#lines[kind];
    let line = [stream, own].find(({ waiters }) => waiters.length > 0);
    let turn: Turn = line === undefined ? "given" : await this.#wait(line, place, signal);
    for (;;) {
      const held = this.#streams;
      let lacks = stream;
      try {
        const result = await attempt(() => {
          lacks = own;
        });
        stream.movedMs = own.movedMs = performance.now();
        if (line !== undefined && turn === "search") this.#wake(line, turn);
        return result;
      } catch (error) {
        const noRoom = isNoRoom(error);
        if (line !== undefined && turn !== "last" && !(noRoom && lacks === line)) this.#wake(line, turn);
        // What there was may have been given back since the host looked.
        const mayCome = held > 0 || this.#streams > 0;
        const mayWait = mayCome && turn !== "last" && this.#init.waitMs > 0;
        if (!mayWait || !noRoom || this.#waiting >= WAITING_MAX) throw error;
      }
      line = lacks;
      turn = await this.#wait(line, place, signal);
    }
  }

  /** The guest is detached. */
  lost(error: Error): void {
    for (const { waiters } of Object.values(this.#lines)) {
      for (const { fail } of waiters.splice(0)) fail(error);
    }
  }

  #wait({ waiters }: Line, place: Place, signal: AbortSignal | undefined): Promise<Turn> {
    if (this.#waiting >= WAITING_MAX) return Promise.resolve("last");
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        stop();
        this.#waiting--;
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
        waiters.splice(indexOf(waiters, place), 1);
        waiter.fail(error);
      });
      this.#waiting++;
      this.#init.hold();
      waiters.splice(indexOf(waiters, place), 0, waiter);
      this.#ticker ??= setInterval(() => this.#tick(), RETRY_MS).unref();
    });
  }

  #wake({ waiters }: Line, turn: Turn): void {
    waiters.shift()?.go(turn);
  }

  #tick(): void {
    if (this.#waiting === 0) {
      clearInterval(this.#ticker);
      this.#ticker = undefined;
      return;
    }
    const tooOldMs = performance.now() - this.#init.waitMs;
    for (const line of Object.values(this.#lines)) {
      const { waiters } = line;
      if (line.movedMs <= tooOldMs) {
        const fresh = waiters.findIndex(({ sinceMs }) => sinceMs > tooOldMs);
        for (const { go } of waiters.splice(0, fresh < 0 ? waiters.length : fresh)) go("last");
      }
      this.#wake(line, "search");
    }
  }
}

/** Where in a line a call stands, or belongs. */
function indexOf(waiters: readonly Waiter[], { ticket }: Place): number {
  let low = 0;
  let high = waiters.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (waiters[middle]!.ticket < ticket) low = middle + 1;
    else high = middle;
  }
  return low;
}
