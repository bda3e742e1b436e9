// Guests that are other users: whose budgets an attachment uses is told by the credentials of whoever connects.

import { chmodSync } from "node:fs";
import { dirname } from "node:path";
import { check, connectUnix } from "@ringway/linux";
import { isX64, outcome, syscall } from "../../packages/linux/src/libc.ts";

/** Why there are no other users here, or "". */
export const noUsers: string = process.geteuid?.() === 0 ? "" : "(skipped: to be another user needs root)";

// Of this thread alone, as the kernel has it: libc's would stop every thread of the process for it, and change them
// all.
const setresuidCall = syscall(["intptr_t", "intptr_t", "intptr_t"]);
const SYS_SETRESUID: number = isX64 ? 117 : 147;

function become(uid: number): void {
  check(outcome(setresuidCall(SYS_SETRESUID, -1, uid, -1)), "setresuid");
}

/** Does it as that user, without capabilities: what this thread asks of the kernel. */
export function asUser<T>(uid: number, what: () => T): T {
  become(uid);
  try {
    return what();
  } finally {
    become(0);
  }
}

/** Lets every user connect. */
export function openToAll(socketPath: string): void {
  chmodSync(dirname(socketPath), 0o711);
  chmodSync(socketPath, 0o666);
}

/** A connection to an attach socket, made as that user: for RawGuest.attach(), or Guest.attach({ fd }). */
export function connectAs(uid: number, socketPath: string): number {
  return asUser(uid, () => connectUnix(socketPath));
}
