// A file that grows, from its beginning on, as `tail -F` reads it: where another one has its name, a monitor's audit
// file that was moved away and opened anew, that one is read from then on.
//
//   reading ── nothing more ──> waiting ── LOOK_MS ──> reading
//                │  └── the name is another file's, which has bytes: what is left of the old one, then that one
//                └── the signal ──> over
//
// Invariants: a file that was moved away is left only once the next one has bytes, since whoever writes goes on in the
// old one until then (logrotate's `create` makes the new one before); and a line never goes over two files.

import { type FileHandle, open, stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

/** How often it is looked whether there is more. */
const LOOK_MS = 250;
const CHUNK_BYTES = 64 * 1024;
const NEWLINE = Buffer.from("\n");

export interface Following {
  /** Whenever all that there is has been read. `hasMore`: there was something since the last time; at first, too. */
  readonly idle?: (hasMore: boolean) => Promise<void> | void;
  /** What cannot be read is told here and looked at again, in place of being thrown. */
  readonly trouble?: (error: Error) => void;
}

/** `-` is standard input, to its end. */
export async function* followed(
  file: string,
  signal: AbortSignal,
  { idle, trouble }: Following = {},
): AsyncGenerator<Buffer> {
  if (file === "-") {
    signal.addEventListener("abort", () => process.stdin.destroy(), { once: true });
    yield* process.stdin as AsyncIterable<Buffer>;
    return;
  }
  let grown: Grown | undefined;
  let next: Grown | undefined;
  let hasMore = true;
  try {
    for (;;) {
      // Before the last look: what was written before the signal is read.
      const isOver = signal.aborted;
      let isWhole = true;
      try {
        grown ??= await Grown.open(file);
        next = await another(file, grown);
        for await (const chunk of grown.rest()) {
          hasMore = true;
          yield chunk;
        }
      } catch (error) {
        if (trouble === undefined) throw error;
        trouble(error as Error);
        isWhole = false;
      }
      if (next !== undefined) {
        if (grown?.isInLine) yield NEWLINE;
        await grown?.close();
        [grown, next] = [next, undefined];
        continue;
      }
      if (isWhole) {
        await idle?.(hasMore);
        hasMore = false;
      }
      if (isOver) return;
      await sleep(LOOK_MS, undefined, { signal }).catch(() => {});
    }
  } finally {
    await grown?.close();
    await next?.close();
  }
}

class Grown {
  readonly #handle: FileHandle;
  readonly #file: string;
  #at = 0;
  /** What was read last was no end of a line. */
  isInLine = false;

  private constructor(handle: FileHandle, file: string) {
    this.#handle = handle;
    this.#file = file;
  }

  static async open(file: string): Promise<Grown> {
    const handle = await open(file, "r");
    return new Grown(handle, identityOf(await handle.stat({ bigint: true })));
  }

  is(file: string): boolean {
    return this.#file === file;
  }

  async *rest(): AsyncGenerator<Buffer> {
    if ((await this.#handle.stat()).size < this.#at) {
      // It was emptied, and begins anew.
      this.#at = 0;
      if (this.isInLine) yield NEWLINE;
      this.isInLine = false;
    }
    for (;;) {
      const { bytesRead, buffer } = await this.#handle.read(
        Buffer.allocUnsafe(CHUNK_BYTES),
        0,
        CHUNK_BYTES,
        this.#at,
      );
      if (bytesRead === 0) return;
      this.#at += bytesRead;
      this.isInLine = buffer[bytesRead - 1] !== NEWLINE[0];
      yield buffer.subarray(0, bytesRead);
    }
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

/** The file that has the name now, where that is another one and has bytes. */
async function another(file: string, grown: Grown): Promise<Grown | undefined> {
  try {
    const now = await stat(file, { bigint: true });
    if (grown.is(identityOf(now)) || now.size === 0n) return undefined;
    return await Grown.open(file);
  } catch (error) {
    // Moved away, and the new one is not there yet.
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function identityOf({ dev, ino }: { readonly dev: bigint; readonly ino: bigint }): string {
  return `${dev}:${ino}`;
}
