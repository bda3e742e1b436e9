// The thread that writes lines: whatever their destination does to it, nobody else waits.
//
//   sleeping ── lines ──> writing ── through ──> sleeping
//                           └── it would wait, or failed ──> again, from the line's beginning or where it stopped
//
// What could not be written stays in the ring and is tried again: a disk has room again, a reader comes back. What
// finds no room in the ring is the LogWriter's to count.

import { parentPort, workerData } from "node:worker_threads";
import { Errno, inCalls, scratch, threadLoaded } from "@ringway/linux";
import { Destination } from "./destination.ts";
import { Commands, LogRing, Word } from "./ring.ts";

export interface ThreadOptions {
  readonly memory: SharedArrayBuffer;
  /** One of the two. The descriptor is the thread's. */
  readonly path?: string;
  readonly fd?: number;
}

export type FromThread =
  /** It has loaded, and opens the path for the first time. */
  | { readonly kind: "opening" }
  /** The path is open, for the first time or anew; or could not be opened, and what was open stays. */
  | { readonly kind: "opened" }
  | { readonly kind: "not-opened"; readonly errno: number }
  /** Nothing can be written, for a while already or for good; said once for each errno, until "writing". */
  | { readonly kind: "failing"; readonly errno: number }
  | { readonly kind: "writing" }
  /** The answer to WANT_ROOM. */
  | { readonly kind: "room" }
  /** All was written, and CLOSE asked for. */
  | { readonly kind: "through" };

/** Between two tries of what failed; and the most that a wait for a reader takes before commands are looked at. */
const RETRY_MS = 200;
const BATCH_BYTES = 64 * 1024;

threadLoaded();
const { memory, path, fd } = workerData as ThreadOptions;
const post = (message: FromThread): void => parentPort!.postMessage(message);
const ring = new LogRing(memory);
const batch = scratch(BATCH_BYTES);
let destination: Destination | undefined;
/** Bytes of the ring's first line that are written. */
let written = 0;
/** The errno that was said last, or 0. */
let failing = 0;
let isClosing = false;

function open(): void {
  const opened = inCalls(() => (fd === undefined ? Destination.open(path!) : Destination.of(fd)));
  if (typeof opened === "number") {
    post({ kind: "not-opened", errno: -opened });
    return;
  }
  destination?.close();
  destination = opened;
  // A line that was begun in the old file is written anew, whole.
  written = 0;
  post({ kind: "opened" });
}

/** Takes what there is to do, without waiting. */
function obey(): void {
  const commands = Atomics.exchange(ring.words, Word.COMMANDS, 0);
  if ((commands & Commands.REOPEN) !== 0) open();
  if ((commands & Commands.CLOSE) !== 0) isClosing = true;
}

function writeSome(to: Destination): void {
  const length = ring.copy(batch.bytes, written, to.pieceBytes);
  const count = inCalls(() => to.write(batch.address, length));
  if (count < 0) {
    failed(to, -count);
    return;
  }
  Atomics.store(ring.words, Word.ERRNO, 0);
  if (failing !== 0) post({ kind: "writing" });
  failing = 0;
  const lines = batch.bytes.subarray(0, count).lastIndexOf(10) + 1;
  if (lines === 0) {
    written += count;
    return;
  }
  const room = ring.release(written + lines);
  written = count - lines;
  if (room) post({ kind: "room" });
}

function failed(to: Destination, errno: number): void {
  Atomics.store(ring.words, Word.ERRNO, errno);
  const isSlow = errno === Errno.EAGAIN;
  if (isSlow) {
    const startMs = performance.now();
    inCalls(() => to.wait(RETRY_MS));
    // Whoever reads is only slow.
    if (performance.now() - startMs < RETRY_MS / 2) return;
  }
  if (failing !== errno) post({ kind: "failing", errno });
  failing = errno;
  if (!isSlow) Atomics.wait(ring.words, Word.COMMANDS, 0, RETRY_MS);
}

post({ kind: "opening" });
open();
for (;;) {
  const wake = Atomics.load(ring.words, Word.WAKE);
  obey();
  if (destination !== undefined && ring.used > 0) writeSome(destination);
  else if (isClosing) {
    isClosing = false;
    post({ kind: "through" });
  } else Atomics.wait(ring.words, Word.WAKE, wake);
}
