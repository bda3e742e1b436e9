// Names to addresses, on the main thread: the system's resolver, a time limit, and few lookups at once, because each
// occupies a thread for as long as a name server keeps it waiting.

import { lookup as systemLookup } from "node:dns/promises";
import { Errno } from "@ringway/control";

/** All addresses of a name, in the order of preference. Rejects with a Node `code` (ENOTFOUND, EAI_AGAIN, ETIMEOUT). */
export type Lookup = (name: string, signal: AbortSignal) => Promise<readonly string[]>;

export interface Resolution {
  readonly addresses: readonly string[];
  /** 0, or the Linux errno for the guest (TCP-6). */
  readonly errno: number;
}

/** Lookups at once; the system's resolver runs on Node's thread pool. */
const LOOKUPS_MAX = 16;
/** Of these for one guest: one with dead names leaves room for the others'. */
const LOOKUPS_PER_GUEST = 4;

interface Waiting {
  readonly guest: string;
  readonly go: () => void;
}

export const lookupBySystem: Lookup = async (name) =>
  (await systemLookup(name, { all: true, verbatim: true })).map(({ address }) => address);

export class Resolver {
  readonly #lookup: Lookup;
  #waiting: Waiting[] = [];
  #running = 0;
  readonly #perGuest: Map<string, number> = new Map();

  constructor(lookup: Lookup = lookupBySystem) {
    this.#lookup = lookup;
  }

  /** Never rejects. The time limit covers the wait for a free lookup too. */
  async resolve(guest: string, name: string, timeoutMs: number): Promise<Resolution> {
    const abort = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<Resolution>((resolve) => {
      timer = setTimeout(() => {
        abort.abort();
        resolve({ addresses: [], errno: Errno.ETIMEDOUT });
      }, timeoutMs);
    });
    try {
      return await Promise.race([this.#attempt(guest, name, abort.signal), timeout]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #attempt(guest: string, name: string, signal: AbortSignal): Promise<Resolution> {
    if (!this.#mayRun(guest)) await this.#turn(guest, signal);
    if (signal.aborted) {
      // Its turn, if it had one, is another's.
      this.#next();
      return { addresses: [], errno: Errno.ETIMEDOUT };
    }
    this.#running++;
    this.#perGuest.set(guest, (this.#perGuest.get(guest) ?? 0) + 1);
    try {
      const addresses = await this.#lookup(name, signal);
      return { addresses, errno: addresses.length > 0 ? 0 : Errno.ENOENT };
    } catch (error) {
      return { addresses: [], errno: errnoOf((error as NodeJS.ErrnoException).code) };
    } finally {
      this.#running--;
      const left = this.#perGuest.get(guest)! - 1;
      if (left === 0) this.#perGuest.delete(guest);
      else this.#perGuest.set(guest, left);
      this.#next();
    }
  }

  #mayRun(guest: string): boolean {
    return this.#running < LOOKUPS_MAX && (this.#perGuest.get(guest) ?? 0) < LOOKUPS_PER_GUEST;
  }

  /** Resolves when it is this lookup's turn, or its time is over. */
  #turn(guest: string, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const waiting = { guest, go: resolve };
      this.#waiting.push(waiting);
      signal.addEventListener("abort", () => {
        this.#waiting = this.#waiting.filter((other) => other !== waiting);
        resolve();
      });
    });
  }

  #next(): void {
    const index = this.#waiting.findIndex(({ guest }) => this.#mayRun(guest));
    if (index >= 0) this.#waiting.splice(index, 1)[0]!.go();
  }
}

function errnoOf(code: string | undefined): number {
  switch (code) {
    case "ENOTFOUND":
    case "ENODATA":
    case "EAI_NONAME":
      return Errno.ENOENT;
    case "ETIMEOUT":
    case "ETIMEDOUT":
    case "ABORT_ERR":
      return Errno.ETIMEDOUT;
    default:
      return Errno.EAGAIN;
  }
}
