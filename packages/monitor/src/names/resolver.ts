// Names to addresses for the guests, on the main thread: for how long, and what became of each. The reactor asks for as
// many as there may be at once (lookups.ts). The way from a name to its addresses is a Lookup.
//
//   RUNNING ── the lookup's promise settles ─────────────────────▶ ENDED
//      │ cancel, time over: its signal is aborted                    ▲
//      └──▶ ABANDONED ── the promise settles, or 10 s over ──────────┘
//
// ENDED is told when it is so, and not before: until then a lookup keeps its place among those at once, and the guest's
// request (docs/security.md).

import { Errno } from "@ringway/control";
import { Deadline } from "@ringway/linux";

/**
 * All addresses of a name, in the order of preference. Rejects with a Node `code` (ENOTFOUND, EAI_AGAIN, ETIMEOUT).
 * What is known before the rest may be told to `early`; the promise then has the rest, which may be empty. When
 * `signal` is aborted, nobody wants to know any more: the promise should settle soon.
 */
export type Lookup = (
  name: string,
  signal: AbortSignal,
  early?: (addresses: readonly string[]) => void,
  details?: LookupDetails,
) => Promise<readonly string[]>;

/** What a lookup may make use of, or pass over. */
export interface LookupDetails {
  /** Addresses of the other family are of no use; 0: both are. */
  readonly family: 0 | 4 | 6;
  /** What is told next holds for so long. */
  ttl(seconds: number): void;
}

/** All names of an address; else as Lookup. */
export type ReverseLookup = (
  address: string,
  signal: AbortSignal,
  details?: Pick<LookupDetails, "ttl">,
) => Promise<readonly string[]>;

/** What is told of a lookup: addresses, or an address's names, once or several times; or why there are none. */
export interface Answer {
  readonly addresses: readonly string[];
  /** 0, or the Linux errno for the guest (TCP-6): there are no addresses, and none will come. */
  readonly errno: number;
  /** The lookup has ended: nothing more is told. */
  readonly ended: boolean;
  /** All that was told so far holds for so long, where the lookup has said so. */
  readonly ttlSeconds?: number;
}

const NO_NAMES: ReverseLookup = async () => [];

/** Told of a name or an address that nobody has answered for, why, and who has asked. */
export type OnFailure = (what: string, why: string, guest: string) => void;

/** Who asks, and for how long. */
export interface LookupRequest {
  /** The caller's. */
  readonly id: number;
  readonly guest: string;
  readonly timeoutMs: number;
}

/**
 * How long a lookup whose signal is aborted is waited for. One that takes longer counts as ended: it must not hold its
 * place for ever.
 */
const ABANDONED_MS = 10_000;

export class Resolver {
  readonly #lookup: Lookup;
  readonly #reverse: ReverseLookup;
  readonly #onFailure: OnFailure;
  /** As few as run at once. No Map, for what V8 keeps of one (lookups.ts). */
  readonly #resolutions: Resolution[] = [];

  constructor(lookup: Lookup, reverse: ReverseLookup = NO_NAMES, onFailure: OnFailure = () => {}) {
    this.#lookup = lookup;
    this.#reverse = reverse;
    this.#onFailure = onFailure;
  }

  /** Calls `tell` until an answer says `ended`. */
  resolve(request: LookupRequest, name: string, tell: (answer: Answer) => void, family: 0 | 4 | 6 = 0): void {
    const lookup: Running = (signal, early, ttl) => this.#lookup(name, signal, early, { family, ttl });
    this.#start(request, name, lookup, tell);
  }

  /** The same for the names of an address. */
  reverse(request: LookupRequest, address: string, tell: (answer: Answer) => void): void {
    const lookup: Running = (signal, _, ttl) => this.#reverse(address, signal, { ttl });
    this.#start(request, address, lookup, tell);
  }

  #start(request: LookupRequest, what: string, lookup: Running, tell: (answer: Answer) => void): void {
    const { id, guest, timeoutMs } = request;
    const ended = (answer: Answer): void => {
      if (answer.ended) this.#resolutions.splice(this.#resolutions.indexOf(resolution), 1);
      tell(answer);
    };
    const resolution = new Resolution(id, lookup, ended, (why) => this.#onFailure(what, why, guest));
    this.#resolutions.push(resolution);
    resolution.start(timeoutMs);
  }

  /** Nobody wants to know any more. The lookup's end is told all the same; nothing is for one that has ended. */
  cancel(id: number): void {
    this.#resolutions.find((each) => each.id === id)?.giveUp(0);
  }

  /** Cancels all that is under way. */
  close(): void {
    for (const resolution of [...this.#resolutions]) resolution.giveUp(0);
  }
}

type Running = (
  signal: AbortSignal,
  early: (addresses: readonly string[]) => void,
  ttl: (seconds: number) => void,
) => Promise<readonly string[]>;

class Resolution {
  readonly id: number;
  readonly #lookup: Running;
  readonly #tell: (answer: Answer) => void;
  readonly #failed: (why: string) => void;
  #limit: Deadline | undefined;
  /** For the end of a lookup that was given up. */
  #timer: NodeJS.Timeout | undefined;
  readonly #abort: AbortController = new AbortController();
  #found = false;
  /** The least that was told. */
  #ttlSeconds: number | undefined;
  /** Given up: only the end is still to be told. */
  #abandoned = false;
  #ended = false;

  constructor(id: number, lookup: Running, tell: (answer: Answer) => void, failed: (why: string) => void) {
    this.id = id;
    this.#lookup = lookup;
    this.#tell = tell;
    this.#failed = failed;
  }

  start(timeoutMs: number): void {
    this.#limit = new Deadline(timeoutMs, () => {
      if (!this.#found) this.#failed(`nothing within ${timeoutMs} ms (ETIMEDOUT)`);
      this.giveUp(Errno.ETIMEDOUT);
    });
    void this.#run();
  }

  giveUp(errno: number): void {
    if (this.#abandoned || this.#ended) return;
    this.#abandoned = true;
    if (errno !== 0 && !this.#found) this.#tell({ addresses: [], errno, ended: false });
    this.#limit?.cancel();
    this.#timer = setTimeout(() => this.#end([], 0), ABANDONED_MS);
    this.#timer.unref();
    this.#abort.abort();
  }

  async #run(): Promise<void> {
    // A lookup that throws at once rejects like any other.
    const lookup = async (): Promise<readonly string[]> =>
      await this.#lookup(
        this.#abort.signal,
        (known) => this.#early(known),
        (seconds) => {
          this.#ttlSeconds = Math.min(this.#ttlSeconds ?? seconds, seconds);
        },
      );
    try {
      const addresses = await lookup();
      this.#end(addresses, addresses.length === 0 ? Errno.ENOENT : 0);
    } catch (error) {
      const errno = errnoOfLookup((error as NodeJS.ErrnoException).code);
      if (errno !== Errno.ENOENT && !this.#abandoned && !this.#found) this.#failed(wordsOf(error));
      this.#end([], errno);
    }
  }

  #ttl(): Pick<Answer, "ttlSeconds"> {
    return this.#ttlSeconds === undefined ? {} : { ttlSeconds: this.#ttlSeconds };
  }

  #early(addresses: readonly string[]): void {
    if (this.#abandoned || this.#ended || addresses.length === 0) return;
    this.#found = true;
    this.#tell({ addresses, errno: 0, ended: false, ...this.#ttl() });
  }

  #end(addresses: readonly string[], errno: number): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#limit?.cancel();
    clearTimeout(this.#timer);
    const answer = { addresses, errno: this.#found ? 0 : errno, ended: true, ...this.#ttl() };
    this.#tell(this.#abandoned ? NOTHING_MORE : answer);
  }
}

const NOTHING_MORE: Answer = { addresses: [], errno: 0, ended: true };

/** Its code and its words, each once: a lookup of the program's own may throw whatever it likes. */
function wordsOf(error: unknown): string {
  const { code, message } = error instanceof Error ? (error as NodeJS.ErrnoException) : {};
  if (message === undefined) return String(error);
  return code === undefined || message.includes(code) ? message : `${message} (${code})`;
}

/** Codes of c-ares (node:dns) and of getaddrinfo, which a lookup of the program's own may use. */
function errnoOfLookup(code: string | undefined): number {
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
