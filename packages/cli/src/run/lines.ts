// What comes out of a child process: text by its lines, and its pipes beyond the usual three.

import type { ChildProcess } from "node:child_process";
import type { Readable } from "node:stream";

/** The one that spawn() was asked for at this descriptor, with "pipe". */
export function pipeOf(child: ChildProcess, fd: number): Readable {
  return (child.stdio as readonly unknown[])[fd] as Readable;
}

/** Of one that never ends a line: as much of it is kept. */
const LINE_BYTES_MAX = 64 * 1024;

export function onLines(stream: Readable, take: (line: string) => void): void {
  let rest = "";
  stream.setEncoding("utf8");
  stream.on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!.slice(0, LINE_BYTES_MAX);
    for (const line of lines) take(line);
  });
  stream.on("end", () => {
    if (rest !== "") take(rest);
  });
  stream.on("error", () => {});
}
