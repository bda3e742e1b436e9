// guest.fs.watch(): changes as an async iterator. What the program does not take in time is bounded, and then it is
// told of an overflow, as where the host has lost events.

import { mountMessages as m } from "@ringway/control";
import { onAbort, throwIfAborted } from "../abort.ts";
import { resetError } from "../errors.ts";
import type { MountConnection, WatchUser } from "./connection.ts";
import { type MountPath, nameAs } from "./path.ts";

const BITS = m.MountEventBits;

/** What happened, one or more of them. */
export type MountChangeKind =
  | "created"
  | "removed"
  | "modified"
  | "attributes"
  | "movedFrom"
  | "movedTo"
  | "closed";

export interface MountChange<Name extends string | Buffer = string> {
  /**
   * As fs.watch() has it: "rename" where a name came or went, "change" else. "overflow": changes were lost, look for
   * yourself. "gone": what was watched is no more, or has too many folders below; nothing follows.
   */
  readonly eventType: "rename" | "change" | "overflow" | "gone";
  /** From what is watched; null for that itself. */
  readonly filename: Name | null;
  readonly kinds: readonly MountChangeKind[];
  readonly isFolder: boolean;
  /** Joins a "movedFrom" and a "movedTo"; else 0. */
  readonly cookie: number;
}

const KINDS: readonly (readonly [number, MountChangeKind])[] = [
  [BITS.CREATED, "created"],
  [BITS.REMOVED, "removed"],
  [BITS.MODIFIED, "modified"],
  [BITS.ATTRIBUTES, "attributes"],
  [BITS.MOVED_FROM, "movedFrom"],
  [BITS.MOVED_TO, "movedTo"],
  [BITS.CLOSED, "closed"],
];
const RENAMES = BITS.CREATED | BITS.REMOVED | BITS.MOVED_FROM | BITS.MOVED_TO;

/** Changes that wait for the program. */
const QUEUE_MAX = 2048;

export interface WatchInit {
  readonly path: MountPath;
  readonly recursive: boolean;
  readonly encoding: BufferEncoding | "buffer" | undefined;
  readonly signal: AbortSignal | undefined;
}

export class MountWatcher implements WatchUser {
  readonly #init: WatchInit;
  readonly #queue: m.MountEvent[] = [];
  #wake: (() => void) | undefined;
  #error: Error | undefined;
  #isOver = false;

  constructor(init: WatchInit) {
    this.#init = init;
  }

  event(event: m.MountEvent): void {
    if (this.#queue.length < QUEUE_MAX) this.#queue.push(event);
    else if (this.#queue.at(-1)!.events !== BITS.OVERFLOW || (event.events & BITS.GONE) !== 0) {
      const { watch } = event;
      this.#queue.push({ watch, events: BITS.OVERFLOW, cookie: 0, path: new Uint8Array(0) });
      if ((event.events & BITS.GONE) !== 0) this.#queue.push(event);
    }
    this.#wake?.();
  }

  lost(): void {
    this.#fail(resetError("watch"));
  }

  #fail(error: Error): void {
    this.#error ??= error;
    this.#isOver = true;
    this.#wake?.();
  }

  /** Begins to watch, and gives what comes until the program leaves the loop, or aborts. */
  async *changes(connection: MountConnection): AsyncGenerator<MountChange<string | Buffer>, void, void> {
    const { path, recursive, signal } = this.#init;
    throwIfAborted(signal);
    const context = { syscall: "watch", path: path.text };
    const request = { at: 0, flags: recursive ? m.MOUNT_WATCH_RECURSIVE : 0, path: path.bytes };
    const { stream, watch } = await connection.use("request", signal, async (stream) => ({
      stream,
      watch: await stream.watch(request, this, context, signal),
    }));
    const stop = onAbort(signal, (error) => this.#fail(error));
    const hold = stream.rpc.stream.engine;
    try {
      for (;;) {
        const event = this.#queue.shift();
        if (event !== undefined) {
          yield this.#change(event);
          if ((event.events & BITS.GONE) !== 0) return;
        } else if (this.#isOver) throw this.#error;
        else {
          hold.hold();
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
          this.#wake = undefined;
          hold.unhold();
        }
      }
    } finally {
      stop();
      await stream.unwatch(watch);
    }
  }

  #change({ events, cookie, path }: m.MountEvent): MountChange<string | Buffer> {
    const filename = path.length === 0 ? null : nameAs(path, this.#init.encoding);
    const kinds = KINDS.flatMap(([bit, kind]) => ((events & bit) === 0 ? [] : [kind]));
    const eventType =
      (events & BITS.GONE) !== 0
        ? "gone"
        : (events & BITS.OVERFLOW) !== 0
          ? "overflow"
          : (events & RENAMES) !== 0
            ? "rename"
            : "change";
    return { eventType, filename, kinds, isFolder: (events & BITS.FOLDER) !== 0, cookie };
  }
}
