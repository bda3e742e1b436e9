// The share of the processor that a hypervisor or a cgroup gives a guest nobody trusts: what others leave (SCHED_IDLE,
// which is cpu.idle of a cgroup). The monitor shares its own time out among guests; that of the machine is the host's
// to give.

import { readdirSync } from "node:fs";
import { outcome, scratch, syscall } from "../../packages/linux/src/libc.ts";
import { check } from "../../packages/linux/src/system-error.ts";

const SCHED_OTHER = 0;
const SCHED_IDLE = 5;
const SYS_SCHED_SETSCHEDULER = process.arch === "x64" ? 144 : 119;
const setSchedulerCall = syscall(["int", "int", "uintptr_t"]);
/** All parameters of this policy are zero. */
const parameters = scratch(4);

/** All threads of this process, and those that they start, run when nobody else wants to. */
export function confine(): void {
  schedule(SCHED_IDLE);
}

/** They run as others do again. */
export function release(): void {
  schedule(SCHED_OTHER);
}

function schedule(policy: number): void {
  for (const thread of readdirSync("/proc/self/task")) {
    const result = setSchedulerCall(SYS_SCHED_SETSCHEDULER, Number(thread), policy, parameters.address);
    check(outcome(result), "sched_setscheduler");
  }
}
