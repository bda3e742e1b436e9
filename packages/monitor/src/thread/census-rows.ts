// What the admin API asks of the reactor's thread, and the rows that it is answered with: flat, field by field, as
// what guests were allowed is told (observe/flow-lines.ts), since to post objects takes several times as long.

import type { InetAddress } from "@ringway/control";
import type { Rates } from "../policy/types.ts";
import type { Histogram } from "../reactor/histogram.ts";

/** A stream of a guest: no other has the same three numbers while its monitor runs. */
export interface StreamPlace {
  readonly guest: number;
  readonly stream: number;
  readonly generation: number;
}

export type Question =
  /** Guests behind this one, in the order in which they came, so many at the most. */
  | {
      readonly what: "guests";
      readonly after: number;
      /** The one with this number, or those with this name. */
      readonly only: number | string | undefined;
      readonly most: number;
    }
  /** Streams behind this one, of one guest or of all, in the order of their guests and their ids. */
  | {
      readonly what: "streams";
      readonly after: Pick<StreamPlace, "guest" | "stream">;
      readonly only: number | undefined;
      readonly most: number;
    }
  /** All that is counted for the metrics, as it is now. */
  | { readonly what: "metrics" }
  /** A port of the host leads to one of the guests of a name from now on: 0, or -errno. */
  | {
      readonly what: "publish";
      readonly id: string;
      readonly address: InetAddress;
      readonly tenant: string;
      readonly port: number;
    }
  /** And no more: whether it did. */
  | { readonly what: "unpublish"; readonly id: string }
  /** Of each, its id, and how many guests listen there. */
  | { readonly what: "published" }
  /** Ends it: whether it was there. */
  | ({ readonly what: "reset-stream" } & StreamPlace)
  | { readonly what: "close-guest"; readonly guest: number; readonly reason: string }
  /** Of one guest, in place of what its policy says. */
  | { readonly what: "set-rates"; readonly guest: number; readonly rates: Partial<Rates> }
  /** The same of one stream, for its bytes alone: 1 done, 0 it is not there, -1 it carries none over the network. */
  | ({ readonly what: "set-stream-rates"; readonly rates: Partial<Rates> } & StreamPlace)
  /**
   * Ends all streams that the policy does not allow which is in force now, for the guests of one name or for those that
   * have none of their own: how many.
   */
  | { readonly what: "cut"; readonly tenant: string | undefined };

export type Fields = (string | number | boolean)[];

export interface GuestRow {
  readonly guest: number;
  readonly name: string;
  /** "": it is none that the host has named. */
  readonly tenant: string;
  /** Who pays for it. */
  readonly key: string;
  /** 0 where it cannot be seen. */
  readonly pid: number;
  readonly state: string;
  readonly ageMs: number;
  readonly streams: number;
  readonly bytesToHost: number;
  readonly bytesToGuest: number;
  readonly regionBytes: number;
  /** It waits for the main thread, for the audit file, or for a quota of its lines. */
  readonly held: boolean;
  /** It has used up its looks in vain. */
  readonly parked: boolean;
}

export interface StreamRow extends StreamPlace {
  readonly name: string;
  readonly protocol: string;
  readonly target: string;
  readonly rule: string;
  readonly address: string;
  readonly state: string;
  readonly ageMs: number;
  readonly bytesToHost: number;
  readonly bytesToGuest: number;
  /** Bytes in the rings; -1 where the guest has written nonsense. */
  readonly toHostFill: number;
  readonly toHostBytes: number;
  readonly toGuestFill: number;
  readonly toGuestBytes: number;
}

/** One number of the metrics. */
export interface MetricRow {
  /** Which (admin/metric-list.ts). */
  readonly metric: MetricKey;
  /** A Tally's name; "": of all guests. */
  readonly guest: string;
  /** Values of further labels; "" where it has none. */
  readonly first: string;
  readonly second: string;
  readonly value: number;
}

export type MetricKey =
  | "guests"
  | "bytes"
  | "opened"
  | "open"
  | "refused"
  | "used-up"
  | "ring-bytes"
  | "ring-capacity"
  | "ring-fullest"
  | "rings"
  | "rings-spared"
  | "connect"
  | "lag"
  | "disk";

/** Rows of one kind as fields, and back. */
interface RowsOf<Row> {
  put(fields: Fields, row: Row): void;
  all(fields: Fields): Row[];
}

class Rows<Row extends { readonly [K in keyof Row]: string | number | boolean }> implements RowsOf<Row> {
  readonly #columns: readonly (keyof Row & string)[];

  constructor(columns: { readonly [K in keyof Row]: true }) {
    this.#columns = Object.keys(columns) as (keyof Row & string)[];
  }

  put(fields: Fields, row: Row): void {
    for (const column of this.#columns) fields.push(row[column]);
  }

  all(fields: Fields): Row[] {
    const rows: Row[] = [];
    for (let at = 0; at < fields.length; at += this.#columns.length) {
      rows.push(Object.fromEntries(this.#columns.map((column, i) => [column, fields[at + i]])) as Row);
    }
    return rows;
  }
}

export const GUEST_ROWS: RowsOf<GuestRow> = new Rows<GuestRow>({
  guest: true,
  name: true,
  tenant: true,
  key: true,
  pid: true,
  state: true,
  ageMs: true,
  streams: true,
  bytesToHost: true,
  bytesToGuest: true,
  regionBytes: true,
  held: true,
  parked: true,
});

export const STREAM_ROWS: RowsOf<StreamRow> = new Rows<StreamRow>({
  guest: true,
  stream: true,
  generation: true,
  name: true,
  protocol: true,
  target: true,
  rule: true,
  address: true,
  state: true,
  ageMs: true,
  bytesToHost: true,
  bytesToGuest: true,
  toHostFill: true,
  toHostBytes: true,
  toGuestFill: true,
  toGuestBytes: true,
});

export const METRIC_ROWS: RowsOf<MetricRow> = new Rows<MetricRow>({
  metric: true,
  guest: true,
  first: true,
  second: true,
  value: true,
});

export function metricRow(
  metric: MetricKey,
  guest: string,
  first: string,
  second: string,
  value: number,
): MetricRow {
  return { metric, guest, first, second, value };
}

/** A histogram's: `second` is the bound of each, or "sum". */
export function* histogramRows(metric: MetricKey, first: string, times: Histogram): Generator<MetricRow> {
  for (const [le, count] of times.upTo()) yield metricRow(metric, "", first, le, count);
  yield metricRow(metric, "", first, "sum", times.sum);
}
