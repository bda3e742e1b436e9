// Collects what is broken. What the protocol's own code refuses by ProtocolError is told by the clause that it names.

import { ProtocolError } from "../errors.ts";
import type { Finding, Party } from "./report.ts";
import { nameOfWord, writerOfWord } from "./words.ts";

export class Findings {
  readonly all: Finding[] = [];

  add(clause: string, by: Party, offset: number, where: string, what: string): void {
    this.all.push({ clause, by, offset, where, what });
  }

  /** A word of the superblock is wrong. */
  word(clause: string, offset: number, what: string): void {
    this.add(clause, writerOfWord(offset), offset, nameOfWord(offset), what);
  }

  /** Runs a check that throws ProtocolError. True: it did not. */
  check(by: Party, offset: number, where: string, run: () => void): boolean {
    try {
      run();
      return true;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      const { clause, message } = error;
      // The clause is told beside the sentence.
      this.add(clause, by, offset, where, message.replace(` (${clause})`, ""));
      return false;
    }
  }
}
