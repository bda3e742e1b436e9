// A record of each stream that has ended: who, to where, by which rule, how much, from when to when, and how it ended.
//
//   add() ──▶ KEPT, up to RECORDS_MAX; more are lost ── LATE_MS later, and the batch before was taken ──▶ one message
//
// Nobody waits for them: where the main thread does not take them in time, they are lost, counted, and said. Of the
// audit, which loses none that must be written, these are no part.

import type { ConversationEnd } from "./conversations/records.ts";
import type { Labels } from "./labels.ts";

export interface FlowRecord {
  readonly guest: string;
  readonly protocol: string;
  readonly what: string;
  readonly rule: string;
  /** "" where it never led anywhere. */
  readonly address: string;
  /** Milliseconds of Unix time: since it was opened, or where it never was, allowed. */
  readonly startMs: number;
  readonly endMs: number;
  readonly bytesToHost: number;
  readonly bytesToGuest: number;
  readonly reason: ConversationEnd;
}

/** Records together, and how many were lost after them. */
export interface FlowRecordsMessage {
  readonly kind: "flow-records";
  readonly records: readonly FlowRecord[];
  readonly lost: number;
}

/** How late a record may be, in milliseconds. */
const LATE_MS = 20;
/** That wait to be posted: what they quote of guests is a name or a path, some megabytes in all. */
const RECORDS_MAX = 8192;

/** What it needs of the reactor's thread. */
export interface FlowRecordsHost {
  after(delayMs: number, callback: () => void): void;
  post(message: FlowRecordsMessage): void;
  /** Calls back once the main thread has taken everything that was posted so far. */
  whenTaken(callback: () => void): void;
}

export class FlowRecords {
  readonly #host: FlowRecordsHost;
  #records: FlowRecord[] = [];
  #lost = 0;
  /** A batch will be posted, or was and is not taken yet. */
  #isDue = false;

  constructor(host: FlowRecordsHost) {
    this.#host = host;
  }

  add(record: FlowRecord): void {
    if (this.#records.length < RECORDS_MAX) this.#records.push(record);
    else this.#lost++;
    if (this.#isDue) return;
    this.#isDue = true;
    this.#host.after(LATE_MS, this.#post);
  }

  /** Posts what is kept, now: at the end there is no later. */
  flush(): void {
    if (this.#records.length === 0) return;
    const message: FlowRecordsMessage = { kind: "flow-records", records: this.#records, lost: this.#lost };
    this.#records = [];
    this.#lost = 0;
    this.#host.post(message);
  }

  readonly #post = (): void => {
    this.flush();
    this.#host.whenTaken(this.#taken);
  };

  readonly #taken = (): void => {
    if (this.#records.length > 0) this.#host.after(LATE_MS, this.#post);
    else this.#isDue = false;
  };
}

/** As it is written. */
export function flowRecordLine(record: FlowRecord, labels: Labels | undefined): string {
  const { guest, startMs, endMs, ...rest } = record;
  const whose = labels === undefined ? { guest } : { guest, labels };
  const times = { start: new Date(startMs).toISOString(), end: new Date(endMs).toISOString() };
  return `${JSON.stringify({ ...times, ...whose, ...rest })}\n`;
}
