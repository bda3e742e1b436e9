// What file, file-stream and fs share: a path is judged and placed below a root, flags are checked, and work goes to
// the disk pool while the root and the memory that it uses are kept.

import { Errno, fileMessages, PERMISSION_BITS, type Refusal } from "@ringway/control";
import { errnoMessage, OpenFlags } from "@ringway/linux";
import type { Place } from "../../disk/judgement.ts";
import type { DiskOperation, DiskResult } from "../../disk/operations.ts";
import type { RelayGuest } from "../../guests/relay.ts";
import type { Stream } from "../../guests/stream.ts";
import { denial, isDenial, refusal } from "../../policy/refusal.ts";
import type { FileDecision } from "../../policy/types.ts";
import { Counter } from "../../reactor/counters.ts";
import type { RelayHost } from "../host.ts";

/** Only a folder has a name like that (FILE-1). */
export const ENDS_AS_FOLDER: RegExp = /\/\.?$/;

/** Where a guest path lies on the host, or why the guest may not have it. */
export function place(guest: RelayGuest, protocol: number, path: string, write: boolean): Place | Refusal {
  const decision = guest.policy.matcher.file(path, write);
  if (!decision.allowed) return denial(guest, protocol, path, decision);
  return placeOf(guest, path, decision);
}

/** Where a guest path lies that the policy has allowed just now, or why its folder cannot be had. */
export function placeOf(
  { policy }: RelayGuest,
  path: string,
  { rule, ruleIndex: root, relativePath }: FileDecision,
): Place | Refusal {
  const { fd, reason } = policy.folders.root(root);
  if (fd < 0) return refusal(-fd, `the folder of rule "${rule}": ${reason}`);
  return { tree: policy.folders.tree, root, path: relativePath, asFolder: ENDS_AS_FOLDER.test(path) };
}

/** Why an operation on `path` failed: the policy says no, or the file system. */
export function explainFailure(
  guest: RelayGuest,
  protocol: number,
  path: string,
  { errno, denied, unusable = 0 }: DiskResult,
): Refusal {
  if (denied !== undefined) {
    return denial(guest, protocol, path, { ...denied, reason: `${path} ${denied.reason}` });
  }
  const names = unusable === 0 ? "" : `: ${unusable} of its names are not UTF-8, and no guest can use them`;
  return refusal(errno, `${path}: ${errnoMessage(errno)}${names}`);
}

/** The same where nobody is left to be told: a denial is in the audit log all the same. */
export function auditFailure(guest: RelayGuest, protocol: number, path: string, result: DiskResult): void {
  if (result.denied === undefined) return;
  const failure = explainFailure(guest, protocol, path, result);
  if (isDenial(failure)) guest.reports.audit(failure);
}

/** Open flags for the kernel, or undefined where the guest's make no sense (FILE-2). */
export function openFlags(flags: number, mode: number): number | undefined {
  const { READ, WRITE, CREATE, EXCLUSIVE, APPEND, TRUNCATE } = fileMessages.FileFlags;
  const has = (flag: number): boolean => (flags & flag) !== 0;
  if ((flags & ~fileMessages.FILE_FLAGS_ALL) !== 0 || (mode & ~PERMISSION_BITS) !== 0) return undefined;
  if (!has(READ) && !has(WRITE)) return undefined;
  if (!has(WRITE) && has(CREATE | EXCLUSIVE | APPEND | TRUNCATE)) return undefined;
  if (has(EXCLUSIVE) && !has(CREATE)) return undefined;
  return (
    (has(READ) && has(WRITE)
      ? OpenFlags.READ_WRITE
      : has(WRITE)
        ? OpenFlags.WRITE_ONLY
        : OpenFlags.READ_ONLY) |
    (has(CREATE) ? OpenFlags.CREATE : 0) |
    (has(EXCLUSIVE) ? OpenFlags.EXCLUSIVE : 0) |
    (has(APPEND) ? OpenFlags.APPEND : 0) |
    (has(TRUNCATE) ? OpenFlags.TRUNCATE : 0)
  );
}

export const OVER_QUOTA: Refusal = refusal(
  Errno.EDQUOT,
  "the limit of file bytes written is reached (fileBytesWritten)",
);

/** Work on disk that was asked for. */
export interface DiskWork {
  /** Takes it back where no worker has begun it: then it is never done. Closing a file cannot be taken back. */
  cancel(): boolean;
}

/** What they do to a file has been told when they begin. */
const CLOSING: ReadonlySet<DiskOperation["kind"]> = new Set(["close", "endListener"]);
const IN_MEMORY: ReadonlySet<DiskOperation["kind"]> = new Set(["readInto", "writeFrom", "appendFrom"]);

/**
 * Gives an operation to the disk pool. The policy's roots, and the guest's memory where it is worked in, stay until
 * `done` has returned; a violation that it finds is the stream's.
 */
export function onDisk(
  { disk, counters }: RelayHost,
  stream: Stream,
  operation: DiskOperation,
  done: (result: DiskResult) => void,
): DiskWork {
  const { guest } = stream;
  const { policy } = guest;
  const inMemory = IN_MEMORY.has(operation.kind);
  const memory = inMemory ? guest.memory.retain() : undefined;
  policy.retain();
  guest.account.retain();
  const isClosing = CLOSING.has(operation.kind);
  if (!isClosing) stream.working();
  const release = (): void => {
    if (!isClosing) stream.worked();
    policy.release();
    guest.account.release();
    memory?.[Symbol.dispose]();
  };
  counters.add(Counter.fileOperations);
  const job = disk.submit(guest.account, operation, guest.budget, (result) => {
    guest.share.perform(() => {
      stream.guard(() => done(result));
      release();
    });
  });
  return {
    cancel() {
      if (operation.kind === "close" || !disk.cancel(job)) return false;
      release();
      return true;
    },
  };
}

/** Gives back a descriptor that counts as one of the guest's open files; `closed` is called when it is. */
export function closeOnDisk(host: RelayHost, stream: Stream, fd: number, closed?: () => void): void {
  const { budget } = stream.guest;
  budget.takeClosing();
  budget.giveFile();
  onDisk(host, stream, { kind: "close", fd }, () => {
    budget.giveClosing();
    closed?.();
  });
}
