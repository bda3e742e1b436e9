// What RINGWAY_TRACE asks for, for whoever looks for a mistake in a guest, or here: a line for each state change of a
// stream ("streams"), and for each ring and each waking ("bells").
//
//   note() ──▶ KEPT, up to LINES_MAX; more are lost ── LATE_MS later, and the batch before was taken ──▶ one message
//
// Off, there is no Trace, and a place that would note something tests a field for undefined. On, it holds nobody up:
// lines that the main thread does not take in time are lost, and counted.

import type { Doorbell } from "@ringway/control";

const WORDS = ["streams", "bells"] as const;
export type TraceWord = (typeof WORDS)[number];

/** Becomes a line of the log: `text`, and the rest as fields. */
export interface TraceLine {
  readonly trace: TraceWord;
  readonly guest: string;
  readonly text: string;
  readonly stream?: number;
  readonly generation?: number;
  /** Which its Open has named, or its listener's; none before. */
  readonly protocol?: string;
  /** Positions of the host's ends: bytes taken, and bytes put, modulo 2^32. */
  readonly toHost?: number;
  readonly toGuest?: number;
}

/** Lines together, and how many were lost after them. */
export interface TraceMessage {
  readonly kind: "trace";
  readonly lines: readonly TraceLine[];
  readonly lost: number;
}

/** RINGWAY_TRACE names what is not traced. */
export class TraceError extends Error {
  override readonly name: string = "TraceError";
  readonly code: "ERR_RINGWAY_TRACE" = "ERR_RINGWAY_TRACE";
}

/**
 * The words of RINGWAY_TRACE, between commas; none where it is not set. Throws TraceError for one that is not known.
 */
export function traceWords(text: string | undefined): TraceWord[] {
  const words = (text ?? "").split(",").map((word) => word.trim());
  return words.filter((word) => word !== "").map(traceWord);
}

/** Of RINGWAY_TRACE, before there is a monitor: throws TraceError, as Monitor.start() would. */
export function checkTrace(text: string): void {
  traceWords(text);
}

function traceWord(word: string): TraceWord {
  const known = WORDS.find((each) => each === word);
  if (known !== undefined) return known;
  throw new TraceError(`RINGWAY_TRACE: unknown word ${JSON.stringify(word)}; known are ${WORDS.join(", ")}`);
}

/** How late a line may be, in milliseconds. */
const LATE_MS = 10;
/** Lines that wait to be posted: about a megabyte. */
const LINES_MAX = 4096;

/** What it needs of the reactor's thread. */
export interface TraceHost {
  after(delayMs: number, callback: () => void): void;
  post(message: TraceMessage): void;
  /** Calls back once the main thread has taken everything that was posted so far. */
  whenTaken(callback: () => void): void;
}

export class Trace {
  readonly #host: TraceHost;
  #lines: TraceLine[] = [];
  #lost = 0;
  /** A batch will be posted, or was and is not taken yet. */
  #isDue = false;

  constructor(host: TraceHost) {
    this.#host = host;
  }

  note(line: TraceLine): void {
    if (this.#lines.length < LINES_MAX) this.#lines.push(line);
    else this.#lost++;
    if (this.#isDue) return;
    this.#isDue = true;
    this.#host.after(LATE_MS, this.#post);
  }

  readonly #post = (): void => {
    this.flush();
    this.#host.whenTaken(this.#taken);
  };

  /** Posts what is kept, now: at the end there is no later. */
  flush(): void {
    if (this.#lines.length === 0) return;
    const message: TraceMessage = { kind: "trace", lines: this.#lines, lost: this.#lost };
    this.#lines = [];
    this.#lost = 0;
    this.#host.post(message);
  }

  readonly #taken = (): void => {
    if (this.#lines.length > 0) this.#host.after(LATE_MS, this.#post);
    else this.#isDue = false;
  };
}

/** The bell towards a guest, with a line for each ring. */
export function tracedBell(trace: Trace, guest: string, bell: Doorbell): Doorbell {
  return {
    ring: () => {
      trace.note({ trace: "bells", guest, text: "the host rings" });
      bell.ring();
    },
  };
}
