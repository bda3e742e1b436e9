// Whose CPU time a hypervisor's is: the guest's, in threads that run its processors, or the host's, in all others.

import { readdirSync, readFileSync } from "node:fs";
import type { CpuOfBoth } from "../turns.ts";

export interface ThreadTime {
  readonly name: string;
  readonly seconds: number;
}

/** QEMU's own names, under `-name debug-threads=on`: "CPU 0/TCG", "CPU 1/KVM". */
const PROCESSOR = /^CPU \d+\//;
const NANOSECONDS = 1e9;

export function machineCpu(pid: number): CpuOfBoth {
  return split(threadTimes(pid));
}

export function split(threads: readonly ThreadTime[]): CpuOfBoth {
  let [guest, host] = [0, 0];
  for (const { name, seconds } of threads) {
    if (PROCESSOR.test(name)) guest += seconds;
    else host += seconds;
  }
  return { guest, host };
}

/** Of all threads; one that ends meanwhile is left out. `proc` is /proc. */
export function threadTimes(pid: number, proc = "/proc"): ThreadTime[] {
  const tasks = `${proc}/${pid}/task`;
  return readdirSync(tasks).flatMap((thread) => {
    try {
      const name = readFileSync(`${tasks}/${thread}/comm`, "utf8").trim();
      // Time on a processor, time waiting for one, both in nanoseconds, and how often it got one.
      const [ran] = readFileSync(`${tasks}/${thread}/schedstat`, "utf8").split(" ");
      return [{ name, seconds: Number(ran) / NANOSECONDS }];
    } catch {
      return [];
    }
  });
}
