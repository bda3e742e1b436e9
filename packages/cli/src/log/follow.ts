// A file that grows, from its beginning on, as `tail -F` reads it: where another one has its name, a monitor's audit
// file that was moved away and opened anew, that one is read from then on.
//
//   reading ── nothing more ──> waiting ── LOOK_MS ──> reading
//                │  └── the name is another file's: what is left of the old one, then that one
//                └── the signal ──> over

import { type FileHandle, open, stat } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

/** How often it is looked whether there is more. */
const LOOK_MS = 250;
const CHUNK_BYTES = 64 * 1024;

/** `-` is standard input, to its end. `idle` is called whenever all that there is has been read. */
export async function* followed(
  file: string,
  signal: AbortSignal,
  idle: () => Promise<void> | void,
): AsyncGenerator<Buffer> {
  if (file === "-") {
    signal.addEventListener("abort", () => process.stdin.destroy(), { once: true });
    yield* process.stdin as AsyncIterable<Buffer>;
    return;
  }
  let grown = await Grown.open(file);
  try {
    for (;;) {
      // Before the last look: what was written before the signal is read.
      const isOver = signal.aborted;
      const next = await another(file, grown);
      yield* grown.rest();
      if (next !== undefined) {
        await grown.close();
        grown = next;
        continue;
      }
      await idle();
      if (isOver) return;
      await sleep(LOOK_MS, undefined, { signal }).catch(() => {});
    }
  } finally {
    await grown.close();
  }
}

class Grown {
  readonly #handle: FileHandle;
  readonly #file: string;
  #at = 0;

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
    // It was emptied, and begins anew.
    if ((await this.#handle.stat()).size < this.#at) this.#at = 0;
    for (;;) {
      const { bytesRead, buffer } = await this.#handle.read(
        Buffer.allocUnsafe(CHUNK_BYTES),
        0,
        CHUNK_BYTES,
        this.#at,
      );
      if (bytesRead === 0) return;
      this.#at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

/** The file that has the name now, where that is another one. */
async function another(file: string, grown: Grown): Promise<Grown | undefined> {
  try {
    if (grown.is(identityOf(await stat(file, { bigint: true })))) return undefined;
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
