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

export const lookupBySystem: Lookup = async (name) =>
  (await systemLookup(name, { all: true, verbatim: true })).map(({ address }) => address);

export class Resolver {
  readonly #lookup: Lookup;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(lookup: Lookup = lookupBySystem) {
    this.#lookup = lookup;
  }

  /** Never rejects. The time limit covers the wait for a free lookup too. */
  async resolve(name: string, timeoutMs: number): Promise<Resolution> {
    const abort = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<Resolution>((resolve) => {
      timer = setTimeout(() => {
        abort.abort();
        resolve({ addresses: [], errno: Errno.ETIMEDOUT });
      }, timeoutMs);
    });
    try {
      return await Promise.race([this.#attempt(name, abort.signal), timeout]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #attempt(name: string, signal: AbortSignal): Promise<Resolution> {
    if (this.#running >= LOOKUPS_MAX) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (signal.aborted) {
      this.#waiting.shift()?.();
      return { addresses: [], errno: Errno.ETIMEDOUT };
    }
    this.#running++;
    try {
      const addresses = await this.#lookup(name, signal);
      return { addresses, errno: addresses.length > 0 ? 0 : Errno.ENOENT };
    } catch (error) {
      return { addresses: [], errno: errnoOf((error as NodeJS.ErrnoException).code) };
    } finally {
      this.#running--;
      this.#waiting.shift()?.();
    }
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
