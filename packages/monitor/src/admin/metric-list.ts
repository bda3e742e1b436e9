// All metrics: their names, what each is, and where its numbers come from. docs/operate.md has the same table, which a
// test compares with what is served.

import type { CounterName } from "../reactor/counters.ts";
import type { MetricKey } from "../thread/census-rows.ts";

export interface Metric {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  /** In the order of a row's columns: guest where it has that, then first and second. */
  readonly labels: readonly string[];
  readonly from: MetricSource;
}

export type MetricSource =
  /** Rows of the reactor's thread, and of how it is asked. */
  | { readonly rows: MetricKey }
  /** One of the monitor's counters; two: each with the value of the label. */
  | { readonly counters: Readonly<Record<string, CounterName>> }
  | { readonly only: "info" | "cpu" | "resident" | "start" };

type Given = readonly [name: string, help: string, labels: readonly string[], from: MetricSource];

const of =
  (type: Metric["type"]) =>
  ([name, help, labels, from]: Given): Metric => ({ name, type, help, labels, from });

const rows = (key: MetricKey): MetricSource => ({ rows: key });
const counter = (name: CounterName): MetricSource => ({ counters: { "": name } });
const ways = (toHost: CounterName, toGuest: CounterName): MetricSource => ({
  counters: { to_host: toHost, to_guest: toGuest },
});

const WAY = ["direction"];
const GUEST = ["guest"];
const GUEST_WAY = ["guest", "direction"];
const GUEST_PROTOCOL = ["guest", "protocol"];

const OF_GUESTS: readonly Metric[] = [
  ...(
    [
      ["ringway_guests", "Guests that are there", GUEST, rows("guests")],
      ["ringway_streams_open", "Streams that are open", GUEST_PROTOCOL, rows("open")],
      ["ringway_ring_bytes", "Bytes in rings, not taken yet", GUEST_WAY, rows("ring-bytes")],
      ["ringway_ring_capacity_bytes", "Bytes that rings may hold", GUEST_WAY, rows("ring-capacity")],
      ["ringway_ring_fullest_ratio", "How full the fullest ring is, 0 to 1", GUEST_WAY, rows("ring-fullest")],
      ["ringway_guest_info", "1; the labels that the host has given to guests", GUEST, { only: "info" }],
    ] satisfies Given[]
  ).map(of("gauge")),
  ...(
    [
      ["ringway_bytes_total", "Payload of what was allowed", [...GUEST_PROTOCOL, ...WAY], rows("bytes")],
      ["ringway_streams_opened_total", "Streams that were opened", GUEST_PROTOCOL, rows("opened")],
      [
        "ringway_refusals_total",
        "Refusals by a rule, as the audit has them",
        [...GUEST_PROTOCOL, "rule"],
        rows("refused"),
      ],
      [
        "ringway_quota_hits_total",
        "Times that a limit or a rate of the policy was reached",
        ["guest", "quota"],
        rows("used-up"),
      ],
      ["ringway_doorbells_total", "Times that one side was rung awake", GUEST_WAY, rows("rings")],
      [
        "ringway_doorbells_spared_total",
        "Times that a guest was awake, and was not rung",
        GUEST,
        rows("rings-spared"),
      ],
    ] satisfies Given[]
  ).map(of("counter")),
];

const OF_ALL: readonly Metric[] = [
  ...(
    [
      ["ringway_connect_seconds", "How long it took to connect", ["protocol"], rows("connect")],
      ["ringway_reactor_lag_seconds", "How late a reactor sees what comes", ["reactor"], rows("lag")],
    ] satisfies Given[]
  ).map(of("histogram")),
  of("gauge")(["ringway_disk_operations", "Operations on disk", ["state"], rows("disk")]),
  ...(
    [
      [
        "ringway_relayed_bytes_total",
        "Payload of sockets and pings",
        WAY,
        ways("bytesToHost", "bytesToGuest"),
      ],
      ["ringway_guests_attached_total", "Guests that have attached", [], counter("guestsAttached")],
      ["ringway_violations_total", "Violations of the protocol by guests", [], counter("violations")],
      ["ringway_connections_total", "Connections that were made for guests", [], counter("connections")],
      ["ringway_accepted_total", "Connections that came to guests", [], counter("accepted")],
      [
        "ringway_accept_failures_total",
        "Connections that could not be accepted",
        [],
        counter("acceptFailures"),
      ],
      ["ringway_file_read_bytes_total", "Bytes read from files", [], counter("fileBytesRead")],
      ["ringway_file_written_bytes_total", "Bytes written to files", [], counter("fileBytesWritten")],
      ["ringway_file_operations_total", "Operations on files", [], counter("fileOperations")],
      ["ringway_udp_sockets_total", "UDP sockets that were made", [], counter("udpSockets")],
      ["ringway_datagrams_total", "Datagrams", WAY, ways("datagramsToHost", "datagramsToGuest")],
      ["ringway_datagrams_lost_total", "Datagrams that found no room", [], counter("datagramsLost")],
      ["ringway_lookups_total", "Names and addresses that were looked up", [], counter("lookups")],
      [
        "ringway_addresses_left_out_total",
        "Addresses of names that the policy does not allow",
        [],
        counter("addressesLeftOut"),
      ],
      ["ringway_reactor_sleeps_total", "Times that the reactor slept", [], counter("sleeps")],
      ["ringway_reactor_polls_total", "Times that it looked for work before", [], counter("polls")],
      ["ringway_reactor_poll_hits_total", "Times that it found some", [], counter("pollHits")],
      ["process_cpu_seconds_total", "CPU time of the monitor's process", [], { only: "cpu" }],
    ] satisfies Given[]
  ).map(of("counter")),
  ...(
    [
      [
        "process_resident_memory_bytes",
        "Its resident memory, with guests' regions",
        [],
        { only: "resident" },
      ],
      ["process_start_time_seconds", "When it was started, since 1970", [], { only: "start" }],
    ] satisfies Given[]
  ).map(of("gauge")),
];

export const METRICS: readonly Metric[] = [...OF_GUESTS, ...OF_ALL];
