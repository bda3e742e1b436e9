// The last words of a program that has ended: its kernel still delivers what it has written, as long as the agent, to
// which that goes, is there. And whether it has asked its network for anything at all.

import { readFileSync } from "node:fs";

const LOOK_MS = [1, 2, 5, 10, 20];

/** ESTABLISHED, FIN_WAIT1, CLOSE_WAIT, LAST_ACK and CLOSING: somebody still has something to send, or to be told. */
const UNDER_WAY = new Set(["01", "04", "08", "09", "0B"]);

/** Resolves when the agent `pid` sleeps and no connection of its network is under way, or the time is over. */
export async function drained(pid: number, limitMs: number): Promise<void> {
  const end = performance.now() + limitMs;
  for (let look = 0; isBusy(pid) && performance.now() < end; look++) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS[Math.min(look, LOOK_MS.length - 1)]));
  }
}

function isBusy(pid: number): boolean {
  return runs(pid) || hasUnderWay(pid);
}

/** It has not taken yet what has come to it: one that has waits for more. */
function runs(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).startsWith("R");
  } catch {
    return false;
  }
}

function hasUnderWay(pid: number): boolean {
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

const SENT_BY_IPV6 = /^Udp6OutDatagrams\s+[1-9]/m;

/** Has anybody in the network in which `pid` lives connected to anything, or sent a datagram? */
export function hasAsked(pid: number): boolean {
  const read = (file: string): string => {
    try {
      return readFileSync(`/proc/${pid}/net/${file}`, "latin1");
    } catch {
      return "";
    }
  };
  return (
    countOf(read("snmp"), "Tcp", "ActiveOpens") > 0 ||
    countOf(read("snmp"), "Udp", "OutDatagrams") > 0 ||
    SENT_BY_IPV6.test(read("snmp6"))
  );
}

/** Of a line of names, and one of numbers below it. */
function countOf(table: string, kind: string, name: string): number {
  const [names, numbers] = table
    .split("\n")
    .filter((line) => line.startsWith(`${kind}:`))
    .map((line) => line.split(" "));
  return Number(numbers?.[names?.indexOf(name) ?? -1] ?? 0);
}
