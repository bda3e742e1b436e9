// Answers what the admin API asks of guests and streams (census-rows.ts). A walk over thousands of streams is work in
// pieces that are nobody's (reactor/pieces.ts), each posted by itself: no guest waits for more than one of them.
//
//   ask() ── a piece ──▶ rows are posted ── not through ──▶ the next piece ── through ──▶ the last is posted
//
// Whoever comes or goes meanwhile may be there or not; all others are there once. Rings are looked at as they are now:
// what a guest has written there is judged, and nothing of it is taken.

import { protocolName } from "@ringway/control";
import type { Attachment } from "../guests/attachment.ts";
import { LifeState, stateName } from "../guests/life.ts";
import { type Stream, StreamState } from "../guests/stream.ts";
import { type Fields, GUEST_ROWS, type Question, STREAM_ROWS } from "./census-rows.ts";
import type { FromReactor } from "./messages.ts";

/** Of rows: some 50 us, and as much again for posting them. */
const ROWS_PER_PIECE = 32;
/** Guests that are only passed by. */
const GUESTS_PER_PIECE = 1024;

export interface CensusHost {
  readonly guests: ReadonlySet<Attachment>;
  /** Calls back in a turn to come, as a piece by itself. */
  soon(run: () => void): void;
  post(message: FromReactor): void;
}

export class Census {
  readonly #host: CensusHost;

  constructor(host: CensusHost) {
    this.#host = host;
  }

  ask(id: number, question: Question): void {
    const guests = this.#host.guests.values();
    const walk =
      question.what === "guests" ? new GuestWalk(guests, question) : new StreamWalk(guests, question);
    this.#host.soon(() => this.#piece(id, walk));
  }

  #piece(id: number, walk: Walk): void {
    const fields: Fields = [];
    const isLast = walk.piece(fields);
    if (isLast || fields.length > 0) this.#host.post({ kind: "answer", id, fields, isLast });
    if (!isLast) this.#host.soon(() => this.#piece(id, walk));
  }
}

interface Walk {
  /** Puts some rows. True: it is through. */
  piece(fields: Fields): boolean;
}

type GuestQuestion = Extract<Question, { what: "guests" }>;

class GuestWalk implements Walk {
  readonly #guests: Iterator<Attachment>;
  readonly #question: GuestQuestion;
  #left: number;

  constructor(guests: Iterator<Attachment>, question: GuestQuestion) {
    this.#guests = guests;
    this.#question = question;
    this.#left = question.most;
  }

  piece(fields: Fields): boolean {
    let rows = ROWS_PER_PIECE;
    for (let passed = 0; passed < GUESTS_PER_PIECE && rows > 0; passed++) {
      if (this.#left === 0) return true;
      const { done, value: guest } = this.#guests.next();
      if (done === true) return true;
      if (!this.#asksFor(guest)) continue;
      putGuest(fields, guest);
      this.#left--;
      rows--;
    }
    return false;
  }

  #asksFor({ serial, name }: Attachment): boolean {
    const { after, only } = this.#question;
    return serial > after && (only === undefined || only === serial || only === name);
  }
}

type StreamQuestion = Extract<Question, { what: "streams" }>;

class StreamWalk implements Walk {
  readonly #guests: Iterator<Attachment>;
  readonly #question: StreamQuestion;
  #left: number;
  #guest: Attachment | undefined;
  /** Of its streams, those up to this id are behind. */
  #passed = 0;

  constructor(guests: Iterator<Attachment>, question: StreamQuestion) {
    this.#guests = guests;
    this.#question = question;
    this.#left = question.most;
  }

  piece(fields: Fields): boolean {
    let rows = ROWS_PER_PIECE;
    for (let passed = 0; passed < GUESTS_PER_PIECE && rows > 0; passed++) {
      if (this.#guest === undefined && !this.#nextGuest()) return true;
      while (this.#guest !== undefined && rows > 0) {
        if (this.#left === 0) return true;
        const stream = this.#guest.streams.behind(this.#passed);
        if (stream === undefined) {
          this.#guest = undefined;
          break;
        }
        this.#passed = stream.id;
        putStream(fields, this.#guest, stream);
        this.#left--;
        rows--;
      }
    }
    return false;
  }

  /** False: there is none. One that is none of those asked for is passed by. */
  #nextGuest(): boolean {
    const { done, value: guest } = this.#guests.next();
    if (done === true) return false;
    const { after, only } = this.#question;
    const isAsked = guest.serial >= after.guest && (only === undefined || only === guest.serial);
    this.#guest = isAsked ? guest : undefined;
    this.#passed = guest.serial === after.guest ? after.stream : 0;
    return true;
  }
}

function putGuest(fields: Fields, guest: Attachment): void {
  const { serial, name, tenant = "", account, pid, life, streams, reports, memory, held, share } = guest;
  GUEST_ROWS.put(fields, {
    guest: serial,
    name,
    tenant,
    key: account.key,
    pid,
    state: stateName(LifeState, life.state).toLowerCase(),
    ageMs: guest.ageMs,
    streams: streams.count,
    ...reports.traffic,
    regionBytes: memory.buffer.byteLength,
    held,
    parked: share.parked,
  });
}

function putStream(fields: Fields, { serial, name }: Attachment, stream: Stream): void {
  const { flow, pipe, protocol, state } = stream;
  const { toHost, toGuest, generation } = pipe;
  STREAM_ROWS.put(fields, {
    guest: serial,
    stream: stream.id,
    generation,
    name,
    protocol: protocol === 0 ? "" : protocolName(protocol),
    target: flow?.asked.what ?? "",
    rule: flow?.asked.rule ?? "",
    address: flow?.address ?? "",
    state: stateName(StreamState, state).toLowerCase(),
    ageMs: flow?.ageMs ?? -1,
    bytesToHost: flow?.bytesToHost ?? 0,
    bytesToGuest: flow?.bytesToGuest ?? 0,
    toHostFill: unlessNonsense(() => toHost.readable()),
    toHostBytes: toHost.capacity,
    toGuestFill: unlessNonsense(() => toGuest.capacity - toGuest.writable()),
    toGuestBytes: toGuest.capacity,
  });
}

/** -1 where the guest has written what cannot be: its own turn finds that, too. */
function unlessNonsense(look: () => number): number {
  try {
    return look();
  } catch {
    return -1;
  }
}
