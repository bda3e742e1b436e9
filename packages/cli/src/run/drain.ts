// The last words of a program that has ended: its kernel still delivers what it has written, as long as the agent, to
// which that goes, is there.

import { readFileSync } from "node:fs";

const LOOK_MS = [1, 2, 5, 10, 20];

/** ESTABLISHED, FIN_WAIT1, CLOSE_WAIT, LAST_ACK and CLOSING: somebody still has something to send, or to be told. */
const UNDER_WAY = new Set(["01", "04", "08", "09", "0B"]);

/** Resolves when no connection of the network in which `pid` lives is under way, or the time is over. */
export async function drained(pid: number, limitMs: number): Promise<void> {
  const end = performance.now() + limitMs;
  for (let look = 0; isBusy(pid) && performance.now() < end; look++) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS[Math.min(look, LOOK_MS.length - 1)]));
  }
}

function isBusy(pid: number): boolean {
  return ["tcp", "tcp6"].some((table) => {
    try {
      return hasConnections(readFileSync(`/proc/${pid}/net/${table}`, "latin1"));
    } catch {
      return false;
    }
  });
}

function hasConnections(table: string): boolean {
  //   0: 0100007F:0035 00000000:0000 0A 00000000:00000000 00:00000000 ...
  return table.split("\n").some((line) => UNDER_WAY.has(line.trim().split(/\s+/)[3] ?? ""));
}
