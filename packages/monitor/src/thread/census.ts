// Answers what is asked of guests and streams, and does to them what the operator wants (census-rows.ts). A walk over
// thousands of streams is work in pieces that are nobody's (reactor/pieces.ts), each posted by itself: no guest waits
// for more than one of them.
//
//   ask() ── a piece ──▶ rows are posted ── not through ──▶ the next piece ── through ──▶ the last is posted
//
// Whoever comes or goes meanwhile may be there or not; all others are there once. Rings are looked at as they are now:
// what a guest has written there is judged, and nothing of it is taken.

import { protocolName } from "@ringway/control";
import type { Attachment } from "../guests/attachment.ts";
import { LifeState, stateName } from "../guests/life.ts";
import type { Opener } from "../guests/opener.ts";
import { type Stream, StreamState } from "../guests/stream.ts";
import type { PolicyState } from "../policy/in-force.ts";
import type { PublishedPorts } from "../relays/published.ts";
import { type Fields, GUEST_ROWS, type Question, STREAM_ROWS } from "./census-rows.ts";
import { EachStream, type Walk, walked } from "./census-walk.ts";
import type { FromReactor } from "./messages.ts";
import { type MetricsHost, metricsWalk } from "./metrics-walk.ts";
import { fillToGuest, fillToHost } from "./ring-fill.ts";

export interface CensusHost extends MetricsHost {
  readonly opener: Opener;
  readonly published: PublishedPorts;
  /** In force for the guests of one name, or for those that have none of their own; undefined: there is none. */
  policyOf(tenant: string | undefined): PolicyState | undefined;
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
    const walk = this.#walk(question);
    this.#host.soon(() => this.#piece(id, walk));
  }

  #piece(id: number, walk: Walk): void {
    const fields: Fields = [];
    const isLast = walk.piece(fields);
    if (isLast || fields.length > 0) this.#host.post({ kind: "answer", id, fields, isLast });
    if (!isLast) this.#host.soon(() => this.#piece(id, walk));
  }

  #walk(question: Question): Walk {
    switch (question.what) {
      case "guests":
        return this.#guests(question);
      case "streams":
        return this.#streams(question);
      case "metrics":
        return metricsWalk(this.#host);
      case "cut":
        return this.#cut(this.#host.policyOf(question.tenant));
      case "reset-stream":
        return this.#reset(question);
      default:
        return {
          piece: (fields) => {
            fields.push(...this.#does(question));
            return true;
          },
        };
    }
  }

  #guests({ after, only, most }: Extract<Question, { what: "guests" }>): Walk {
    const guests = this.#host.guests.values();
    let left = most;
    return walked((fields) => {
      if (left === 0) return "end";
      const { done, value: guest } = guests.next();
      if (done === true) return "end";
      const { serial, name } = guest;
      if (serial <= after || (only !== undefined && only !== serial && only !== name)) return "passed";
      putGuest(fields, guest);
      left--;
      return "taken";
    });
  }

  #streams({ after, only, most }: Extract<Question, { what: "streams" }>): Walk {
    const isAsked = ({ serial }: Attachment): boolean =>
      serial >= after.guest && (only === undefined || only === serial);
    const each = new EachStream(this.#host.guests, isAsked, after);
    let left = most;
    return walked((fields) => {
      if (left === 0) return "end";
      const step = each.step();
      if (typeof step === "string") return step;
      putStream(fields, each.guest!, step);
      left--;
      return "taken";
    });
  }

  #cut(policy: PolicyState | undefined): Walk {
    const each = new EachStream(
      this.#host.guests,
      (guest) => policy !== undefined && guest.policy === policy,
    );
    const ends = new Ends();
    let isThrough = false;
    return walked((fields) => {
      const step = isThrough ? "end" : each.step();
      if (step === "end") {
        isThrough = true;
        return ends.tell(fields, () => ends.count);
      }
      if (typeof step === "string") return step;
      if (this.#isForbidden(each.guest!, step)) ends.end(each.guest!, step, true);
      return "taken";
    });
  }

  /** By the policy that is in force for its guest now. */
  #isForbidden(guest: Attachment, { protocol, granted, flow }: Stream): boolean {
    if (granted === undefined) return false;
    return !this.#host.opener.allowsStill(guest, protocol, granted, flow?.to);
  }

  #reset({ guest: serial, stream: id, generation }: Extract<Question, { what: "reset-stream" }>): Walk {
    const guest = this.#find(serial);
    const stream = guest?.streams.known(id, generation);
    const ends = new Ends();
    if (guest !== undefined && stream !== undefined) ends.end(guest, stream, false);
    return walked((fields) => ends.tell(fields, () => ends.count === 1));
  }

  #find(guest: number): Attachment | undefined {
    const found = [...this.#host.guests].find(({ serial }) => serial === guest);
    return found?.life.over === true ? undefined : found;
  }

  #does(
    question: Exclude<Question, { what: "guests" | "streams" | "metrics" | "cut" | "reset-stream" }>,
  ): Fields {
    const { published } = this.#host;
    switch (question.what) {
      case "publish":
        return [published.open(question)];
      case "unpublish":
        return [published.close(question.id)];
      case "published":
        return published.list();
      case "set-stream-rates":
        return [this.#setStreamRates(question)];
      default:
        return [this.#toGuest(question)];
    }
  }

  #setStreamRates(question: Extract<Question, { what: "set-stream-rates" }>): number {
    const guest = this.#find(question.guest);
    const stream = guest?.streams.known(question.stream, question.generation);
    if (guest === undefined || stream?.relay === undefined) return 0;
    if (!this.#host.opener.isOverNetwork(stream.protocol)) return -1;
    guest.budget.network.setStream(stream, question.rates);
    return 1;
  }

  /** Whether it was there. */
  #toGuest(question: Extract<Question, { what: "close-guest" | "set-rates" }>): boolean {
    const guest = this.#find(question.guest);
    if (guest === undefined) return false;
    if (question.what === "close-guest") guest.close(question.reason);
    else guest.budget.network.set(question.rates);
    return true;
  }
}

/** Streams that are ended in their guests' turns, which may be later ones: they count when they have been. */
class Ends {
  count = 0;
  #waiting = 0;

  end(guest: Attachment, stream: Stream, byPolicy: boolean): void {
    this.#waiting++;
    guest.share.perform(() => {
      this.#waiting--;
      stream.guard(() => {
        if (stream.cut(byPolicy)) this.count++;
      });
    });
  }

  /** A walk's last step: the answer, once nothing waits. */
  tell(fields: Fields, answer: () => Fields[number]): "wait" | "end" {
    if (this.#waiting > 0) return "wait";
    fields.push(answer());
    return "end";
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
    ...reports.traffic.total(),
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
    toHostFill: fillToHost(pipe),
    toHostBytes: toHost.capacity,
    toGuestFill: fillToGuest(pipe),
    toGuestBytes: toGuest.capacity,
  });
}
