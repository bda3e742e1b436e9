// Locks of an open file of guest.fs: open file description locks of the host, which whoever locks there meets too.

import { Done, mountMessages as m } from "@ringway/control";
import { requireKeys } from "@ringway/linux";
import type { AbortOptions } from "../abort.ts";
import { onAbort, throwIfAborted } from "../abort.ts";
import { boolean, integer } from "../argument-errors.ts";
import type { ErrorContext } from "../errors.ts";
import type { MountStream } from "./connection.ts";

export interface LockRange {
  /** First byte. Default 0. */
  readonly start?: number | undefined;
  /** How many; 0: to the end, however far that is. Default 0. */
  readonly length?: number | undefined;
}
export interface LockOptions extends LockRange, AbortOptions {
  /** Beside no other; else beside shared ones. Default true. */
  readonly exclusive?: boolean | undefined;
  /** Until it is free; else EAGAIN where it is not. Default true. */
  readonly wait?: boolean | undefined;
}
/** A lock that is in the way. */
export interface FoundLock {
  readonly exclusive: boolean;
  readonly start: number;
  readonly length: number;
}

const { NONE, SHARED, EXCLUSIVE } = m.MountLockKind;

/** All three calls take what lock() takes. */
const KEYS = ["start", "length", "exclusive", "wait", "signal"];

function rangeOf(range: LockRange): { start: number; bytes: number } {
  requireKeys(range, "option", KEYS);
  const { start, length } = range;
  return { start: integer(start ?? 0, "start", 0), bytes: integer(length ?? 0, "length", 0) };
}

function kindOf({ exclusive = true }: Pick<LockOptions, "exclusive">): number {
  boolean(exclusive, "exclusive");
  return exclusive ? EXCLUSIVE : SHARED;
}

/** Of one handle. */
export class LateLocks {
  /** No lock that was given up is on its way to be had, or to be given back. */
  settled: Promise<unknown> = Promise.resolve();
}

export async function lock(
  stream: MountStream,
  handle: number,
  context: ErrorContext,
  options: LockOptions,
  late: LateLocks,
): Promise<void> {
  const { wait = true, signal } = options;
  boolean(wait, "wait");
  const range = rangeOf(options);
  const request = { handle, kind: kindOf(options), wait, ...range };
  // A handle's locks are all the same: what is given back late must not be one that was asked for since.
  await late.settled;
  throwIfAborted(signal);
  let sent: number | undefined;
  let givenBack: Promise<unknown> = Promise.resolve();
  // A request that waits is taken back; where it was too late for that, what it locked is given back. That it was too
  // late is known before the answer to the cancel (MNT-19).
  const stop = onAbort(signal, () => {
    if (sent === undefined) return;
    const cancelled = ignored(stream.call(m.MountCancel, { id: sent }, Done, context));
    late.settled = cancelled.then(() => givenBack);
  });
  const onLate = (): void => {
    givenBack = ignored(unlock(stream, handle, context, range));
  };
  const onSent = (id: number): void => {
    sent = id;
  };
  try {
    await stream.call(m.MountLock, request, Done, context, signal, { onSent, onLate });
  } finally {
    stop();
  }
}

const ignored = (work: Promise<unknown>): Promise<unknown> => work.catch(() => {});

export async function unlock(
  stream: MountStream,
  handle: number,
  context: ErrorContext,
  range: { readonly start: number; readonly bytes: number },
): Promise<void> {
  const request = { handle, kind: NONE, wait: false, ...range };
  await stream.call(m.MountLock, request, Done, context);
}

/** What a program means by a range. */
export const lockedRange = (range: LockRange): { start: number; bytes: number } => rangeOf(range);

export async function testLock(
  stream: MountStream,
  handle: number,
  context: ErrorContext,
  options: LockOptions,
): Promise<FoundLock | undefined> {
  const request = { handle, kind: kindOf(options), ...rangeOf(options) };
  const found = await stream.call(m.MountTestLock, request, m.MountLockFound, context, options.signal);
  if (found.kind === NONE) return undefined;
  return { exclusive: found.kind === EXCLUSIVE, start: found.start, length: found.bytes };
}
