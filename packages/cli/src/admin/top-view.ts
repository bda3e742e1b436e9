// What `ringway top` shows: guests with their rates, sorted. From two looks at a monitor to the lines of a screen; no
// terminal, no clock.

import type { GuestStatus } from "@ringway/monitor";
import { age, bytes, type Column, stateOf, table } from "./text.ts";

/** What guests were at a moment. */
export interface Look {
  readonly atMs: number;
  readonly guests: readonly GuestStatus[];
  /** There are more. */
  readonly isCut?: boolean | undefined;
}

export interface Row extends GuestStatus {
  /** Bytes in a second. */
  readonly toHostRate: number;
  readonly toGuestRate: number;
}

/** By a key of the keyboard, and by a word. */
export const SORTS: Readonly<Record<string, { readonly key: string; value(row: Row): number | string }>> = {
  rate: { key: "r", value: ({ toHostRate, toGuestRate }) => -(toHostRate + toGuestRate) },
  bytes: { key: "b", value: ({ bytesToHost, bytesToGuest }) => -(bytesToHost + bytesToGuest) },
  streams: { key: "s", value: ({ streams }) => -streams },
  memory: { key: "m", value: ({ regionBytes }) => -regionBytes },
  age: { key: "a", value: ({ ageMs }) => -ageMs },
  name: { key: "n", value: ({ name }) => name },
};

/** `r rate, b bytes, ...`. */
export const KEYS: string = [
  ...Object.entries(SORTS).map(([word, { key }]) => `${key} ${word}`),
  "q quit",
].join(", ");

const COLUMNS: readonly Column<Row>[] = [
  { title: "ID", right: true, of: ({ id }) => id },
  { title: "NAME", of: ({ name }) => name },
  { title: "STATE", of: stateOf },
  { title: "AGE", right: true, of: ({ ageMs }) => age(ageMs) },
  { title: "STREAMS", right: true, of: ({ streams }) => String(streams) },
  { title: "TO HOST/s", right: true, of: ({ toHostRate }) => bytes(toHostRate) },
  { title: "TO GUEST/s", right: true, of: ({ toGuestRate }) => bytes(toGuestRate) },
  { title: "TO HOST", right: true, of: ({ bytesToHost }) => bytes(bytesToHost) },
  { title: "TO GUEST", right: true, of: ({ bytesToGuest }) => bytes(bytesToGuest) },
  { title: "MEMORY", right: true, of: ({ regionBytes }) => bytes(regionBytes) },
];

/** Of a guest that has come between the two, since it came. */
export function rowsOf(before: Look, now: Look): Row[] {
  const earlier = new Map(before.guests.map((guest) => [guest.id, guest]));
  return now.guests.map((guest) => {
    const known = earlier.get(guest.id);
    const seconds = Math.max(1, known === undefined ? guest.ageMs : now.atMs - before.atMs) / 1000;
    const rate = (count: number, had: number | undefined): number =>
      Math.max(0, count - (had ?? 0)) / seconds;
    return {
      ...guest,
      toHostRate: rate(guest.bytesToHost, known?.bytesToHost),
      toGuestRate: rate(guest.bytesToGuest, known?.bytesToGuest),
    };
  });
}

export interface Room {
  readonly columns: number;
  readonly lines: number;
  /** Of guests there are more. */
  readonly isCut?: boolean | undefined;
}

/** As many lines as there is room for. */
export function screenOf(
  rows: readonly Row[],
  sort: string,
  { columns, lines, isCut = false }: Room,
): string[] {
  const { value } = SORTS[sort]!;
  const sorted = rows.toSorted((a, b) => compare(value(a), value(b)) || compare(a.name, b.name));
  const sum = (of: (row: Row) => number): number => rows.reduce((all, row) => all + of(row), 0);
  const head =
    `${rows.length}${isCut ? " and more" : ""} guests by ${sort}, ${sum(({ streams }) => streams)} streams, ` +
    `to host ${bytes(sum(({ toHostRate }) => toHostRate))}/s, ` +
    `to guests ${bytes(sum(({ toGuestRate }) => toGuestRate))}/s`;
  const room = Math.max(0, lines - 2);
  return [head.slice(0, columns), ...table(COLUMNS, sorted.slice(0, room), columns)].slice(0, lines);
}

function compare(a: number | string, b: number | string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
