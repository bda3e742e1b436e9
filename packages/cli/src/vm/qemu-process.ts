// QEMU as a child of this process: on its terminal, with the region's memory as one more descriptor. It ends with it.
//
//   running ── by itself ─────────────────────────────────────────────> ended
//      └─ stop() ──> SIGTERM ── within the grace ─────────────────────────┤
//                       └─ after it, or stop() again ──> SIGKILL ─────────┘

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { accessSync, constants as fs, statSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, join } from "node:path";
import { Deadline } from "@ringway/linux";
import { Failure } from "../errors.ts";

/** Where a fourth descriptor is in the child: behind input, output and errors. */
export const INHERITED_FD = 3;
const NO_SUCH_COMMAND = 127;

export class QemuProcess {
  /** How it ended, as a shell would say: its exit code, or 128 and the number of the signal. */
  readonly ended: Promise<number>;
  readonly #child: ChildProcess;
  #asked = false;
  #kill: Deadline | undefined;

  /** `fd` becomes INHERITED_FD of the child; the caller keeps its own. */
  constructor(command: readonly string[], fd: number) {
    const [program, ...args] = [...diesWithParent(), ...command];
    this.#child = spawn(program!, args, { stdio: ["inherit", "inherit", "inherit", fd] });
    this.ended = new Promise((resolve, reject) => {
      this.#child.once("error", (error) => {
        reject(new Failure(`cannot start ${command[0]}: ${error.message}`, { cause: error }));
      });
      this.#child.once("exit", (code, signal) => {
        this.#kill?.cancel();
        resolve(code ?? 128 + constants.signals[signal!]);
      });
    });
  }

  stop(graceMs: number): void {
    // False where it has ended already.
    if (!this.#child.kill(this.#asked ? "SIGKILL" : "SIGTERM") || this.#asked) return;
    this.#asked = true;
    this.#kill = new Deadline(graceMs, () => this.#child.kill("SIGKILL"));
  }
}

/**
 * What to put in front of a command so that it ends even where this process is killed; nothing where there is no such
 * tool.
 */
function diesWithParent(): string[] {
  const prefix = ["setpriv", "--pdeathsig", "TERM", "--"];
  const [program, ...args] = [...prefix, "true"];
  return spawnSync(program!, args, { stdio: "ignore" }).status === 0 ? prefix : [];
}

/** As execvp() would look for it: throws Failure, with a shell's exit code for a command that is not there. */
export function requireProgram(name: string, path: string = process.env.PATH ?? ""): void {
  const places = name.includes("/")
    ? [name]
    : path.split(delimiter).map((folder) => join(folder || ".", name));
  if (places.some(isExecutable)) return;
  const where = name.includes("/") ? "" : " in any folder of PATH";
  throw new Failure(`cannot start ${name}: there is no such program${where}`, { exitCode: NO_SUCH_COMMAND });
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, fs.X_OK);
    return statSync(path, { bigint: true }).isFile();
  } catch {
    return false;
  }
}
