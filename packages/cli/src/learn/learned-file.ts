// The file that a learned policy is written to: whoever reads it sees one that is whole, the old one or the new one,
// also after a loss of power. It is its owner's alone, unless there is one already that others may read. A monitor's
// main thread does not wait for its disk.

import { randomBytes } from "node:crypto";
import { statSync } from "node:fs";
import { open, rename, rm, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { errorLine, Failure, UsageError } from "../errors.ts";

const OWNERS = 0o600;
const PERMISSIONS = 0o777;

export class LearnedFile {
  readonly #file: string;
  #written = "";

  /** `sources`: what it is learned from, and the policy in force. Throws UsageError where it is one of them. */
  constructor(file: string, sources: readonly (string | undefined)[]) {
    this.#file = file;
    if (sources.some((source) => source !== undefined && isSame(file, source))) {
      throw new UsageError(`${file} is what is learned from: choose another file to write to`);
    }
  }

  /** Whether it could be written, without a change of it. Throws Failure. */
  async prove(): Promise<void> {
    await this.#beside(async (made) => {
      const there = await stat(this.#file).catch(() => undefined);
      if (there?.isDirectory()) throw new Error("it is a folder");
      await rm(made);
    }, "");
  }

  /** Does nothing where it has that text. Throws Failure. */
  async write(text: string): Promise<void> {
    if (text === this.#written) return;
    await this.#beside((made) => rename(made, this.#file), text);
    this.#written = text;
  }

  /** With a new file in its folder that has this text. */
  async #beside(use: (made: string) => Promise<void>, text: string): Promise<void> {
    const made = `${this.#file}.${randomBytes(8).toString("hex")}.new`;
    try {
      await this.#make(made, text);
      await use(made);
    } catch (error) {
      await rm(made, { force: true }).catch(() => {});
      throw new Failure(`cannot write ${this.#file}: ${errorLine(error)}`, { cause: error });
    }
  }

  async #make(made: string, text: string): Promise<void> {
    // Its name is nobody's guess, and nothing that is there is followed or written to.
    await using handle = await open(made, "wx", OWNERS);
    const there = await stat(this.#file).catch(() => undefined);
    if (there?.isFile()) await handle.chmod(there.mode & PERMISSIONS);
    await handle.writeFile(text);
    await handle.sync();
  }
}

function isSame(one: string, other: string): boolean {
  const [a, b] = [one, other].map((path) => statSync(path, { throwIfNoEntry: false, bigint: true }));
  return resolve(one) === resolve(other) || (a !== undefined && a.dev === b?.dev && a.ino === b.ino);
}
