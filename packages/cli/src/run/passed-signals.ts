// The signals of `ringway run`, which mean something else in each part of its life:
//
//   before there is a program ── heed() ──> while it runs ── heed() ──> what it has sent goes out
//   the end, 128 and the number             they are the program's      the end is hurried
//
// What a terminal sends, it sends to the program as well, which must have it once. So SIGINT and SIGQUIT are not handed
// on by a process of the terminal's foreground, whoever sent them: nothing tells.

import { readFileSync } from "node:fs";
import { constants } from "node:os";
import type { Signals } from "../signals.ts";

/** It came before there was a program to heed it. */
export class SignalCame extends Error {
  readonly exitCode: number;

  constructor(signal: NodeJS.Signals) {
    super(signal);
    this.exitCode = 128 + constants.signals[signal];
  }
}

export class PassedSignals {
  /** Rejects with SignalCame; pending once there is a program. */
  readonly interrupted: Promise<never>;
  #pass: (signal: NodeJS.Signals) => void = () => {};
  #hasProgram = false;

  constructor(signals: Signals) {
    this.interrupted = new Promise((_, reject) => {
      this.#pass = (signal) => reject(new SignalCame(signal));
    });
    this.interrupted.catch(() => {});
    const take = (signal: NodeJS.Signals): void => {
      const isOfTerminal = (signal === "SIGINT" || signal === "SIGQUIT") && isForeground();
      if (!this.#hasProgram || !isOfTerminal) this.#pass(signal);
    };
    signals.take(take);
    for (const signal of ["SIGQUIT", "SIGUSR2"] as const) process.on(signal, take);
  }

  /** `hasProgram`: there is one, which has those of the terminal by itself. */
  heed(pass: (signal: NodeJS.Signals) => void, hasProgram: boolean): void {
    this.#pass = pass;
    this.#hasProgram = hasProgram;
  }
}

/** Does the terminal give its signals to this process, and so to the program? */
function isForeground(stat: string = readFileSync("/proc/self/stat", "latin1")): boolean {
  // 71 (a name) S parent group session terminal foreground ...
  const [, , group, , terminal, foreground] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return terminal !== "0" && group === foreground;
}
