// One QEMU. All that are compared are the same machine but for `devices`.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Child, Children } from "../children.ts";
import { findProgram } from "../programs.ts";
import type { Image } from "./image.ts";

export const QEMU = "qemu-system-x86_64";
/** Linux takes the largest TCP buffers from it: with 128 MiB, passt is at a third of its speed inwards. */
export const MEMORY_MIB = 512;

export interface MachineOptions {
  readonly name: string;
  readonly image: Image;
  /** Words of the kernel's command line: see image.ts. */
  readonly words: readonly string[];
  readonly devices: readonly string[];
}

const KERNEL = ["quiet", "console=ttyS0", "panic=-1", "mitigations=off", "no_timer_check", "tsc=reliable"];

export function startMachine(children: Children, options: MachineOptions): Child {
  return children.start([...dying(), QEMU, ...argumentsOf(options, children.folder)], options.name);
}

/** What it says at boot, in this file of the run's folder. */
function consoleOf(folder: string, name: string): string {
  return join(folder, `${name}.console`);
}

/** Of the console, for the message of what failed. */
export function lastWords(folder: string, name: string): string {
  try {
    const lines = readFileSync(consoleOf(folder, name), "utf8").trim().split(/\r?\n/).slice(-5);
    return lines.join("") === "" ? "" : `; its console: ${lines.join(" | ")}`;
  } catch {
    return "";
  }
}

// At most one processor runs, but two are possible, or TCG would leave out the locks of locked instructions, by which
// both sides of a shared memory know of each other. The names of threads tell the guest's time from QEMU's own.
function argumentsOf({ name, image, words, devices }: MachineOptions, folder: string): string[] {
  return [
    ...["-name", `${name},debug-threads=on`],
    ...["-accel", "tcg", "-cpu", "qemu64", "-smp", "1,maxcpus=2", "-m", `${MEMORY_MIB}M`],
    ...["-machine", "q35", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"],
    ...["-serial", `file:${consoleOf(folder, name)}`],
    ...["-kernel", image.kernel, "-initrd", image.initrd, "-append", [...KERNEL, ...words].join(" ")],
    ...devices,
  ];
}

/** In front of a command: it is killed with the thread that starts it, however that ends. */
export function dying(): string[] {
  return findProgram("setpriv") === undefined ? [] : ["setpriv", "--pdeathsig", "KILL", "--"];
}
