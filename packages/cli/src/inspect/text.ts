// A report of ringway inspect for people.

import {
  Closed,
  GuestState,
  HostState,
  type RegionReport,
  type RingPicture,
  violationName,
} from "@ringway/control";

type Row = readonly string[];

/** Streams whose bit is set that are named one by one. */
const PENDING_SHOWN = 20;

/** Ends without a line feed. */
export function formatReport(report: RegionReport): string {
  const { bells, pipes, notes, findings } = report;
  const lines = superblockLines(report);
  if (bells !== undefined) {
    lines.push(`doorbell  to the host: ${bellLine(bells.toHost)}; to the guest: ${bellLine(bells.toGuest)}`);
  }
  if (pipes.length > 0) lines.push("", ...table(pipeRows(report)));
  if (notes.length > 0) lines.push("", ...notes.map((note) => `note: ${note}`));
  lines.push("", ...findingLines(report));
  lines.push(findings.length === 0 ? "sound: it breaks no clause" : `broken: ${countOf(findings.length)}`);
  return lines.join("\n");
}

function superblockLines({ superblock, unused }: RegionReport): string[] {
  const { versionMajor, versionMinor, regionPages, maxStreamId, epoch, hostState, guestState } = superblock;
  const { attachRequest, attachReply, violation } = superblock;
  const failed = violation === 0 ? "" : `, violation ${violationName(violation)}`;
  const answer = attachRequest === attachReply ? "answered" : `not answered (${attachReply})`;
  const lines = [
    `region    version ${versionMajor}.${versionMinor}, ${regionPages} pages, stream ids up to ${maxStreamId}`,
    `host      ${nameOf(HostState, hostState)}, epoch ${epoch}${failed}`,
    `guest     ${nameOf(GuestState, guestState)}, attach request ${attachRequest} ${answer}`,
  ];
  if (unused !== undefined) lines.push(`          not looked at beyond the superblock: ${unused}`);
  return lines;
}

function nameOf(states: Readonly<Record<string, number>>, value: number): string {
  return Object.entries(states).find(([, number]) => number === value)?.[0] ?? String(value);
}

function bellLine({ asleep, pending }: NonNullable<RegionReport["bells"]>["toHost"]): string {
  const sleep = asleep === 1 ? "asleep" : asleep === 0 ? "awake" : `asleep ${asleep}`;
  const streams = pending.filter((id) => id !== 0);
  const more = streams.length > PENDING_SHOWN ? ` and ${streams.length - PENDING_SHOWN} more` : "";
  const shown = `stream ${streams.slice(0, PENDING_SHOWN).join(", ")}${more}`;
  const all = [...(pending.includes(0) ? ["control pipe"] : []), ...(streams.length > 0 ? [shown] : [])];
  return `${sleep}, ${all.length === 0 ? "nothing pending" : `pending: ${all.join(", ")}`}`;
}

const HEAD: Row = [
  "pipe",
  "page",
  "ring",
  "capacity",
  "fill",
  "written",
  "read",
  "producer",
  "consumer",
  "wants",
];

function pipeRows({ pipes }: RegionReport): Row[] {
  const rows = pipes.flatMap((pipe) => {
    const sure = pipe.from === "page" ? "?" : "";
    const name = pipe.from === "superblock" ? "control" : `${pipe.id}.${pipe.generation}${sure}`;
    const moving = pipe.still ? "" : " (moving)";
    return [
      [`${name}${moving}`, String(pipe.page), "toHost", ...ringCells(pipe.toHost)],
      ["", "", "toGuest", ...ringCells(pipe.toGuest)],
    ];
  });
  return [HEAD, ...rows];
}

function ringCells(ring: RingPicture): Row {
  const wants = [
    ...(ring.wantSpace === 0 ? [] : [`space ${ring.wantSpace}`]),
    ...(ring.wantData === 0 ? [] : ["data"]),
  ];
  return [
    ring.capacity === undefined ? "?" : String(ring.capacity),
    String(ring.fill),
    String(ring.written),
    String(ring.read),
    nameOf(Closed, ring.producerClosed).toLowerCase(),
    ring.consumerClosed === 0 ? "reads" : ring.consumerClosed === 1 ? "closed" : String(ring.consumerClosed),
    wants.join(", "),
  ];
}

/** Columns as wide as they must be; numbers stand on the right. */
function table(rows: readonly Row[]): string[] {
  // Row by row: there may be more of them than a call takes arguments.
  const widths = HEAD.map((_, column) => rows.reduce((most, row) => Math.max(most, row[column]!.length), 0));
  return rows.map((row) =>
    row
      .map((cell, i) => (/^\d+$/.test(rows[1]![i]!) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join("  ")
      .trimEnd(),
  );
}

function findingLines({ findings }: RegionReport): string[] {
  return findings.map(({ clause, by, offset, where, what }) => {
    const who = by === "either" ? "host or guest" : by;
    return `${clause.padEnd(8)}${who.padEnd(15)}0x${offset.toString(16)}  ${where}: ${what}`;
  });
}

function countOf(count: number): string {
  return count === 1 ? "1 finding" : `${count} findings`;
}
