// What the demo prints: a line for each thing that was shown, and a table at the end.

import Table from "cli-table3";

export interface Row {
  readonly what: string;
  readonly bytes?: number;
  readonly ms?: number;
  /** What was refused, and should be. */
  readonly refused?: string;
}

const LABEL_WIDTH = 12;

export function say(label: string, text: string): void {
  console.log(`  ${label.padEnd(LABEL_WIDTH)}${text}`);
}

function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 ** 2) return `${(bytes / 1024).toFixed(1)} KiB`;
  return `${(bytes / 1024 ** 2).toFixed(1)} MiB`;
}

export function formatTable(rows: readonly Row[]): string {
  const table = new Table({
    head: ["what was done", "bytes", "time", "rate", "refused"],
    colAligns: ["left", "right", "right", "right", "right"],
    style: { head: [], border: [] },
  });
  for (const { what, bytes, ms, refused } of rows) {
    const rate = bytes === undefined || ms === undefined ? "" : `${formatBytes((bytes / ms) * 1000)}/s`;
    table.push([
      what,
      bytes === undefined ? "" : formatBytes(bytes),
      ms === undefined ? "" : `${Math.round(ms)} ms`,
      rate,
      refused ?? "",
    ]);
  }
  return table.toString();
}
