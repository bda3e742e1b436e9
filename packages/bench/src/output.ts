// Where a run's results go beside the terminal, and what they say of the machine.

import { readFileSync, writeFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import type { Compiled } from "./programs.ts";

/** Lines of a Markdown file: the text between them is a run's. */
export interface Markers {
  readonly begin: string;
  readonly end: string;
}

export function aboutMachine(compiled: Compiled): Record<string, string | number> {
  const processors = cpus();
  return {
    CPU: `${processors.length} × ${processors[0]?.model ?? "unknown"}`,
    memoryGiB: Math.round(totalmem() / 1024 ** 3),
    kernel: release(),
    node: process.versions.node,
    ...(compiled.compiler === undefined ? {} : { compiler: compiled.compiler }),
  };
}

/** Before anything is measured. */
export function checkMarkers(file: string, { begin, end }: Markers): void {
  const text = readFileSync(file, "utf8");
  const at = text.indexOf(begin);
  if (at < 0 || text.indexOf(end) < at) throw new Error(`${file} has no ${begin} ... ${end}`);
}

export function replaceBetween(file: string, markers: Markers, tables: string): void {
  const text = readFileSync(file, "utf8");
  const begin = text.indexOf(markers.begin) + markers.begin.length;
  writeFileSync(file, `${text.slice(0, begin)}\n\n${tables}\n\n${text.slice(text.indexOf(markers.end))}`);
}
