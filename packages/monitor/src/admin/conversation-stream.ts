// One who follows conversations over the admin API: records (observe/conversations/records.ts) as fast as it takes
// them. What it has not taken stays in the ring, which the reactor's thread fills, and then paces streams or loses.
//
//   WRITES ── its connection has no room ──▶ WAITS ── room ──▶ WRITES
//      ├── nothing for BEAT_MS ──▶ BEAT, so that either side notices that the other is gone
//      └── the monitor ends ──▶ what is there still, and the end: it waits for that, a second at the most

import type { ServerResponse } from "node:http";
import type { Follow } from "../monitor/follows.ts";
import { beatRecord } from "../observe/conversations/records.ts";
import { CONVERSATIONS_TYPE } from "./conversations-query.ts";

/** Less than what closes a connection on which nothing moves (server.ts). */
const BEAT_MS = 10_000;
const PIECE_BYTES: number = 256 * 1024;

export class ConversationStream {
  readonly #follow: Follow;
  readonly #response: ServerResponse;
  #waits = false;
  #isOver = false;
  readonly #beat: NodeJS.Timeout;

  /** Answers, until the connection is closed, or the monitor ends. */
  constructor(follow: Follow, response: ServerResponse) {
    this.#follow = follow;
    this.#response = response;
    response.writeHead(200, { "content-type": CONVERSATIONS_TYPE, "cache-control": "no-store" });
    response.on("drain", () => {
      this.#waits = false;
      this.#look();
    });
    response.once("finish", () => this.#follow.over());
    response.once("close", () => {
      this.#end();
      this.#follow.over();
    });
    // For clients that wait for the headers.
    this.#write(beatRecord());
    follow.onRecords = this.#look;
    this.#beat = setInterval(() => {
      if (!this.#waits) this.#write(beatRecord());
    }, BEAT_MS);
    this.#beat.unref();
    this.#look();
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearInterval(this.#beat);
    this.#follow.end();
  }

  readonly #look = (): void => {
    while (!this.#waits && !this.#isOver) {
      const bytes = this.#follow.take(PIECE_BYTES);
      if (bytes !== undefined) this.#write(bytes);
      else if (this.#follow.isOver) {
        this.#end();
        this.#response.end();
      } else if (this.#follow.isEmpty()) return;
    }
  };

  #write(bytes: Uint8Array): void {
    if (!this.#response.write(bytes)) this.#waits = true;
  }
}
