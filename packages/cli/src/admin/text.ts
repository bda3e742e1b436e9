// Tables for people. What a guest has chosen, a name or a path, is text in a cell and no more: whatever a terminal
// would obey, or that would turn the order of what is read, is written as its number.

import type { GuestStatus } from "@ringway/monitor";

/** Control, format, surrogates, private, unassigned; separators of lines and paragraphs. */
const OBEYED = /[\p{C}\p{Zl}\p{Zp}]/gu;

export function plain(text: string): string {
  return text.replace(OBEYED, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`);
}

/** The same of JSON, which has a way of its own to write it. */
export function jsonText(value: unknown, indent?: number): string {
  const escaped = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(value, null, indent).replace(/[^\n -~]/g, escaped);
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** `512 B`, `1.5 KiB`. */
export function bytes(count: number): string {
  let value = count;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

/** `0.4 s`, `59 s`, `3 min`, `5 h`, `2 d`. */
export function age(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.floor(seconds)} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} d`;
}

export interface Column<T> {
  readonly title: string;
  readonly right?: boolean;
  of(row: T): string;
}

/** A line for the titles, and one for each row. `width`: where lines are cut. */
export function table<T>(
  columns: readonly Column<T>[],
  rows: readonly T[],
  width: number = Number.POSITIVE_INFINITY,
): string[] {
  const cells = rows.map((row) => columns.map((column) => plain(column.of(row))));
  const widths = columns.map(({ title }, i) =>
    cells.reduce((most, row) => Math.max(most, row[i]!.length), title.length),
  );
  const lineOf = (texts: readonly string[]): string =>
    texts
      .map((text, i) => (columns[i]!.right ? text.padStart(widths[i]!) : text.padEnd(widths[i]!)))
      .join("  ")
      .trimEnd()
      .slice(0, width);
  return [columns.map(({ title }) => title), ...cells].map(lineOf);
}

/** `team=a tier=front`. */
export function labelsText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([key, text]) => `${key}=${text}`)
    .join(" ");
}

export function stateOf({ state, held, parked }: GuestStatus): string {
  return `${state}${held ? ", held" : ""}${parked ? ", parked" : ""}`;
}
