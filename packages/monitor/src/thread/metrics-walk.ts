// Reads out what is counted for the metrics, in pieces as every walk (census-walk.ts): what each guest has carried,
// then what its streams are doing, and then a row for each number.
//
//   guests tell ──▶ streams are looked at ──▶ rows of each tally ──▶ rows of all
//
// Counts stand in the tallies, which only grow: whoever comes or goes meanwhile makes none of them fall. What is
// looked at is of this walk alone.

import { protocolName } from "@ringway/control";
import type { Tallies, Tally } from "../accounts/tally.ts";
import type { Attachment } from "../guests/attachment.ts";
import { type Stream, StreamState } from "../guests/stream.ts";
import { COUNTERS, type CounterName } from "../reactor/counters.ts";
import type { Histogram } from "../reactor/histogram.ts";
import { histogramRows, METRIC_ROWS, type MetricRow, metricRow as row } from "./census-rows.ts";
import { EachStream, type Walk, walked } from "./census-walk.ts";
import { fillToGuest, fillToHost } from "./ring-fill.ts";

export interface MetricsHost {
  readonly guests: ReadonlySet<Attachment>;
  readonly tallies: Tallies;
  readonly disk: { readonly running: number; readonly waiting: number };
  /** By Protocol. */
  readonly connectTimes: ReadonlyMap<number, Histogram>;
}

/** To look at a stream takes an eighth of what a row takes. */
const STREAMS_PER_ROW = 8;

/** All rings of one direction. */
class Rings {
  bytes = 0;
  capacity = 0;
  /** Of the fullest, 0 to 1. */
  fullest = 0;

  /** `bytes`: below 0 where nobody knows. */
  add(bytes: number, capacity: number): void {
    this.capacity += capacity;
    this.bytes += Math.max(0, bytes);
    this.fullest = Math.max(this.fullest, bytes / capacity);
  }
}

/** What is there of one tally, as it is seen on the way. */
class Seen {
  guests = 0;
  /** Streams, by Protocol. */
  readonly open: Map<number, number> = new Map();
  readonly toHost: Rings = new Rings();
  readonly toGuest: Rings = new Rings();

  look({ state, protocol, pipe }: Stream): void {
    if (state === StreamState.RUNNING) this.open.set(protocol, (this.open.get(protocol) ?? 0) + 1);
    this.toHost.add(fillToHost(pipe), pipe.toHost.capacity);
    this.toGuest.add(fillToGuest(pipe), pipe.toGuest.capacity);
  }
}

export function metricsWalk(host: MetricsHost): Walk {
  const seen = new Map<Tally, Seen>();
  const seenOf = (tally: Tally): Seen => {
    const known = seen.get(tally) ?? new Seen();
    seen.set(tally, known);
    return known;
  };
  const guests = host.guests.values();
  const each = new EachStream(host.guests, () => true);
  const rows = allRows(host, seenOf);
  let part: "guests" | "streams" | "rows" = "guests";
  let streams = 0;
  return walked((fields) => {
    if (part === "guests") {
      const { done, value: guest } = guests.next();
      if (done === true) {
        part = "streams";
        return "passed";
      }
      guest.reports.tellTraffic();
      seenOf(guest.account.tally).guests++;
      return "taken";
    }
    if (part === "streams") {
      const step = each.step();
      if (typeof step === "string") {
        if (step === "end") part = "rows";
        return "passed";
      }
      seenOf(each.guest!.account.tally).look(step);
      return ++streams % STREAMS_PER_ROW === 0 ? "taken" : "passed";
    }
    const { done, value: row } = rows.next();
    if (done === true) return "end";
    METRIC_ROWS.put(fields, row);
    return "taken";
  });
}

function* allRows(host: MetricsHost, seenOf: (tally: Tally) => Seen): Generator<MetricRow> {
  for (const tally of host.tallies.all) {
    yield* counted(tally);
    yield* looked(tally, seenOf(tally));
  }
  for (const [protocol, times] of host.connectTimes)
    yield* histogramRows("connect", protocolName(protocol), times);
  yield row("disk", "", "running", "", host.disk.running);
  yield row("disk", "", "waiting", "", host.disk.waiting);
}

function* counted({ name, traffic, opened, refused, hits, rung, spared, rang }: Tally): Generator<MetricRow> {
  for (const [protocol, { bytesToHost, bytesToGuest }] of traffic) {
    yield row("bytes", name, protocol, "to_host", bytesToHost);
    yield row("bytes", name, protocol, "to_guest", bytesToGuest);
  }
  for (const [protocol, count] of opened) yield row("opened", name, protocolName(protocol), "", count);
  for (const { protocol, rule, count } of refused.values()) yield row("refused", name, protocol, rule, count);
  for (const [counter, count] of hits) yield row("used-up", name, quotaName(COUNTERS[counter]!), "", count);
  yield row("rings", name, "to_guest", "", rung);
  yield row("rings", name, "to_host", "", rang);
  yield row("rings-spared", name, "", "", spared);
}

function* looked({ name, opened }: Tally, { guests, open, toHost, toGuest }: Seen): Generator<MetricRow> {
  yield row("guests", name, "", "", guests);
  for (const protocol of opened.keys()) {
    yield row("open", name, protocolName(protocol), "", open.get(protocol) ?? 0);
  }
  for (const [direction, { bytes, capacity, fullest }] of [
    ["to_host", toHost],
    ["to_guest", toGuest],
  ] as const) {
    yield row("ring-bytes", name, direction, "", bytes);
    yield row("ring-capacity", name, direction, "", capacity);
    yield row("ring-fullest", name, direction, "", fullest);
  }
}

/** "quotaOpenFiles" is "open_files", "rateDatagrams" is "rate_datagrams". */
function quotaName(counter: CounterName): string {
  return counter.replace(/[A-Z]/g, (capital) => `_${capital.toLowerCase()}`).replace(/^quota_/, "");
}
