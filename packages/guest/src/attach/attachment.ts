// What a guest runs on, a region and a bell, and how what is not there yet is waited for.

import { type RegionMemory, regionMemory } from "@ringway/control";
import { Errno, SharedMemory } from "@ringway/linux";
import { delay, throwIfAborted } from "../abort.ts";
import { type ErrorContext, errnoError } from "../errors.ts";
import type { GuestBell } from "./bell.ts";

/** A region and a bell that the caller brings: a VM's, or a test's. */
export interface AttachMemory {
  readonly memory: ArrayBufferLike | SharedMemory | Uint8Array;
  readonly doorbell: GuestBell;
}

const LONGEST_PAUSE_MS = 16;

/** What a guest runs on. */
export interface Attachment {
  readonly memory: RegionMemory;
  readonly bell: GuestBell;
  /** Lets go of the memory, after the bell. */
  release(): void;
  /** A monitor that leaves amid the attach is succeeded by another on the same memory: attach to that. */
  readonly monitorReturns?: true;
}

export function attachmentOf({ memory, doorbell }: AttachMemory): Attachment {
  if (memory instanceof SharedMemory) {
    const hold = memory.retain();
    return { memory: regionMemory(memory.buffer), bell: doorbell, release: () => hold[Symbol.dispose]() };
  }
  return { memory: viewsOf(memory), bell: doorbell, release: () => {} };
}

function viewsOf(memory: ArrayBufferLike | Uint8Array): RegionMemory {
  if (!ArrayBuffer.isView(memory)) return regionMemory(memory);
  const { buffer, byteOffset, byteLength } = memory;
  return { words: new Int32Array(buffer, byteOffset, Math.floor(byteLength / 4)), bytes: memory };
}

/** Asks again, with growing pauses, until there is a result, the time is over, or the signal aborts. */
export async function retry<T>(
  deadline: number,
  signal: AbortSignal | undefined,
  context: ErrorContext,
  attempt: () => T | undefined,
): Promise<T> {
  for (let pauseMs = 1; ; pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)) {
    throwIfAborted(signal);
    const result = attempt();
    if (result !== undefined) return result;
    if (performance.now() >= deadline) throw errnoError(Errno.ETIMEDOUT, context);
    await delay(pauseMs, signal);
  }
}
