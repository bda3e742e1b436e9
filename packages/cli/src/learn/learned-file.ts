// The file that a learned policy is written to: whoever reads it sees one that is whole, the old one or the new one. A
// monitor's main thread does not wait for its disk.

import { statSync } from "node:fs";
import { rename, rm, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { errorLine, Failure, UsageError } from "../errors.ts";

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

  /** Does nothing where it has that text. Throws Failure. */
  async write(text: string): Promise<void> {
    if (text === this.#written) return;
    const made = `${this.#file}.${process.pid}.new`;
    try {
      await writeFile(made, text);
      await rename(made, this.#file);
    } catch (error) {
      await rm(made, { force: true }).catch(() => {});
      throw new Failure(`cannot write ${this.#file}: ${errorLine(error)}`, { cause: error });
    }
    this.#written = text;
  }
}

function isSame(one: string, other: string): boolean {
  const [a, b] = [one, other].map((path) => statSync(path, { throwIfNoEntry: false, bigint: true }));
  return resolve(one) === resolve(other) || (a !== undefined && a.dev === b?.dev && a.ino === b.ino);
}
