// What /proc tells of a process: CPU time of all its threads, and memory; and of a socket, whether somebody listens.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";

/** USER_HZ, which is 100 on every Linux. */
const TICKS_PER_SECOND = 100;

/**
 * CPU seconds of all threads so far, to the nanosecond where the kernel counts so; a thread that has ended is left out.
 */
export function cpuSeconds(pid: number): number {
  let nanoseconds = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      nanoseconds += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]);
    } catch {
      // A thread that ended just now, or a kernel without CONFIG_SCHED_INFO.
    }
  }
  if (nanoseconds > 0) return nanoseconds / 1e9;
  return cpuSecondsWithChildren(pid);
}

/** cpuSeconds() of all threads but these. */
export function cpuSecondsAside(pid: number, threads: readonly string[]): number {
  const ofThread = (thread: string): number =>
    Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]) / 1e9;
  return threads.reduce((rest, thread) => rest - ofThread(thread), cpuSeconds(pid));
}

/** CPU seconds of the process and of the children that it has waited for, to 10 ms. */
export function cpuSecondsWithChildren(pid: number): number {
  // pid (name) state ppid ...: the name may hold anything, so count from its last parenthesis.
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  // utime, stime, cutime, cstime are fields 14 to 17 of proc(5).
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS_PER_SECOND;
}

export function childrenOf(pid: number): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
    return text === "" ? [] : text.split(" ").map(Number);
  } catch {
    return [];
  }
}

export interface Memory {
  /** Largest resident size since resetPeak(), shared memory included. */
  readonly peakKiB: number;
  /** Of the resident size now, what is the process's own. */
  readonly privateKiB: number;
}

/** Undefined where the process has gone. */
export function memoryOf(pid: number): Memory | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const field = (name: string): number =>
      Number(new RegExp(`^${name}:\\s*(\\d+)`, "m").exec(status)?.[1] ?? 0);
    return { peakKiB: field("VmHWM"), privateKiB: field("RssAnon") };
  } catch {
    return undefined;
  }
}

export function resetPeak(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, "5");
  } catch {
    // Then the peak is that of the whole run.
  }
}

/** TCP_LISTEN, as /proc has it. */
const LISTEN = "0A";

/** Does somebody listen at that TCP port, with IPv4? */
export function isListenedAt(port: number): boolean {
  // sl: local_address:port rem_address:port st ..., in hex
  const end = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return readFileSync("/proc/net/tcp", "utf8")
    .split("\n")
    .some((line) => {
      const [, local = "", , state] = line.trim().split(/\s+/);
      return local.endsWith(end) && state === LISTEN;
    });
}

/** __SO_ACCEPTCON, the only flag of a Unix socket that /proc shows. */
const LISTENS = "00010000";

/** Does somebody listen at that path? Its file is there a moment before. */
export function isListenedOn(path: string): boolean {
  // Num: RefCount Protocol Flags Type St Inode Path
  const lines = readFileSync("/proc/net/unix", "utf8").split("\n");
  return lines.some((line) => line.endsWith(` ${path}`) && line.split(/\s+/)[3] === LISTENS);
}
