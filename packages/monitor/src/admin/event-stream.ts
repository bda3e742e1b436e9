// One reader of events: server-sent events (text/event-stream) as fast as it takes them, and no faster. Nothing is
// kept for it but its place in the log (event-log.ts).
//
// It is told how many it has lost of the kinds that it asked for, and nothing of others.
//
//   WRITES ── its connection has no room ──▶ WAITS ── room ──▶ WRITES: a gap where the log has gone on without it
//      ├── nothing for BEAT_MS ──▶ a comment, so that either side notices that the other is gone
//      └── not to follow, and all is written that was kept when it was asked ──▶ ENDED

import type { ServerResponse } from "node:http";
import type { EventLog } from "./event-log.ts";

/** Less than what closes a connection on which nothing moves (server.ts). */
const BEAT_MS = 10_000;

export interface EventsAsked {
  /** Id of the last event that the reader has; undefined: only what comes. */
  readonly after: string | undefined;
  /** Undefined: all. */
  readonly kinds: ReadonlySet<string> | undefined;
  /** False: what is kept, and no more. */
  readonly follow: boolean;
}

export class EventStream {
  readonly #log: EventLog;
  readonly #response: ServerResponse;
  readonly #kinds: ReadonlySet<string> | undefined;
  /** Of the next that it is to have. */
  #at: number;
  /** Where it ends. */
  readonly #until: number;
  /** How many of its kinds there were before #at, and before #until. */
  #passed: number;
  readonly #most: number;
  #waits = false;
  readonly #beat: NodeJS.Timeout;

  /** Answers, until the connection is closed, or there is no more of what was asked. */
  constructor(log: EventLog, response: ServerResponse, { after, kinds, follow }: EventsAsked) {
    this.#log = log;
    this.#response = response;
    this.#kinds = kinds;
    const behind = after === undefined ? log.end : log.behind(after);
    const gone = log.gone(kinds);
    // Of some kinds, nobody knows how many were lost since then; of all, their positions tell.
    const isGap = behind === undefined || (kinds !== undefined && gone.last >= behind);
    this.#at = isGap || kinds !== undefined ? Math.max(behind ?? 0, log.first) : behind;
    this.#until = follow ? Number.POSITIVE_INFINITY : log.end;
    this.#passed = this.#at < log.first ? this.#at - 1 : gone.count + this.#wanted(log.first, this.#at);
    this.#most = follow ? Number.POSITIVE_INFINITY : gone.count + this.#wanted(log.first, log.end);
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    response.on("drain", this.#onRoom);
    response.once("close", () => this.#end());
    // For clients that wait for the headers.
    this.#write(": ringway\n\n");
    if (isGap) this.#gap(undefined);
    log.follow(this.#look);
    this.#beat = setInterval(() => {
      if (!this.#waits) this.#write(": alive\n\n");
    }, BEAT_MS);
    this.#beat.unref();
    this.#look();
  }

  /** How many of its kinds are kept from one position to before another. */
  #wanted(from: number, to: number): number {
    if (this.#kinds === undefined) return to - from;
    let count = 0;
    for (let at = from; at < to; at++) if (this.#kinds.has(this.#log.at(at).kind)) count++;
    return count;
  }

  #end(): void {
    clearInterval(this.#beat);
    this.#log.unfollow(this.#look);
  }

  readonly #onRoom = (): void => {
    this.#waits = false;
    this.#look();
  };

  readonly #look = (): void => {
    const log = this.#log;
    while (!this.#waits && this.#at < Math.min(log.end, this.#until)) {
      if (this.#at < log.first) {
        const gone = Math.min(log.gone(this.#kinds).count, this.#most);
        const lost = gone - this.#passed;
        this.#at = Math.min(log.first, this.#until);
        this.#passed = gone;
        if (lost > 0) this.#gap(lost);
        continue;
      }
      const position = this.#at++;
      const { kind, data } = log.at(position);
      if (this.#kinds !== undefined && !this.#kinds.has(kind)) continue;
      this.#passed++;
      this.#write(`id: ${log.idOf(position)}\nevent: ${kind}\ndata: ${data}\n\n`);
    }
    if (this.#at < this.#until) return;
    this.#end();
    this.#response.end();
  };

  /** `lost`: undefined where nobody knows how many, since another monitor has counted. */
  #gap(lost: number | undefined): void {
    this.#write(`event: gap\ndata: ${JSON.stringify(lost === undefined ? {} : { lost })}\n\n`);
  }

  #write(text: string): void {
    if (!this.#response.write(text)) this.#waits = true;
  }
}
