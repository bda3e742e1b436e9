// One reader of events: server-sent events (text/event-stream) as fast as it takes them, and no faster. Nothing is
// kept for it but its place in the log (event-log.ts).
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
  #waits = false;
  readonly #beat: NodeJS.Timeout;

  /** Answers, until the connection is closed, or there is no more of what was asked. */
  constructor(log: EventLog, response: ServerResponse, { after, kinds, follow }: EventsAsked) {
    this.#log = log;
    this.#response = response;
    this.#kinds = kinds;
    const behind = after === undefined ? log.end : log.behind(after);
    this.#at = behind ?? log.first;
    this.#until = follow ? Number.POSITIVE_INFINITY : log.end;
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    response.on("drain", this.#onRoom);
    response.once("close", () => this.#end());
    // For clients that wait for the headers.
    this.#write(": ringway\n\n");
    if (behind === undefined) this.#gap(undefined);
    log.follow(this.#look);
    this.#beat = setInterval(() => {
      if (!this.#waits) this.#write(": alive\n\n");
    }, BEAT_MS);
    this.#beat.unref();
    this.#look();
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
        const to = Math.min(log.first, this.#until);
        const lost = to - this.#at;
        this.#at = to;
        this.#gap(lost);
        continue;
      }
      const position = this.#at++;
      const { kind, data } = log.at(position);
      if (this.#kinds !== undefined && !this.#kinds.has(kind)) continue;
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
