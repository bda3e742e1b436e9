// A machine in which vmload runs, and the process of the host that serves it: one of those that take turns.

import { rmSync } from "node:fs";
import type { Child, Children } from "../children.ts";
import { cpuSeconds } from "../proc.ts";
import type { CpuOfBoth, Measured } from "../turns.ts";
import { Control } from "./control.ts";
import { machineCpu } from "./cpu.ts";
import type { Image } from "./image.ts";
import { lastWords, startMachine } from "./machine.ts";

const BOOT_MS = 60_000;

/** Who serves the medium, beside QEMU, and the devices for it. */
export interface Prepared {
  readonly words: readonly string[];
  readonly devices: readonly string[];
  readonly server?: Child;
  /** A file that QEMU and the server have open from the start: it goes at once, so that nothing can leave it behind. */
  readonly memory?: string;
}

export interface MachineOptions<Name extends string> {
  readonly name: Name;
  readonly children: Children;
  readonly image: Image;
  readonly isForeign?: boolean;
  /** What vmload is asked before anything else. */
  readonly first?: string;
  /** With `port` the guest calls back. */
  prepare(port: number): Promise<Prepared>;
}

export class MachineMedium<Name extends string> implements Measured<Name>, Disposable {
  readonly name: Name;
  readonly isForeign: boolean;
  readonly #control: Control;
  readonly #machine: Child;
  readonly #server: Child | undefined;

  private constructor(
    { name, isForeign = false }: MachineOptions<Name>,
    control: Control,
    machine: Child,
    server: Child | undefined,
  ) {
    this.name = name;
    this.isForeign = isForeign;
    this.#control = control;
    this.#machine = machine;
    this.#server = server;
  }

  /** Resolves when the guest has called back. */
  static async start<Name extends string>(options: MachineOptions<Name>): Promise<MachineMedium<Name>> {
    const { name, children, image, first } = options;
    const control = await Control.listen(name);
    let server: Child | undefined;
    let machine: Child | undefined;
    try {
      const prepared = await options.prepare(control.port);
      server = prepared.server;
      const words = prepared.words.map((word) => `ringway.${word}`);
      machine = startMachine(children, { name, image, words, devices: prepared.devices });
      for (const child of [machine, server]) {
        void child?.ended.then((why) => control.end(`${child.name} ended: ${why ?? "exit code 0"}`));
      }
      await control.connected(BOOT_MS);
      if (prepared.memory !== undefined) rmSync(prepared.memory);
      if (first !== undefined) await control.request(first, BOOT_MS);
      return new MachineMedium(options, control, machine, server);
    } catch (error) {
      machine?.kill();
      server?.kill();
      control[Symbol.dispose]();
      throw new Error(`${(error as Error).message}${lastWords(children.folder, name)}`, { cause: error });
    }
  }

  /** Has vmload do what the line says: native/bench/vmload.c. */
  async request(line: string, timeoutMs: number): Promise<unknown> {
    return await this.#control.request(line, timeoutMs);
  }

  /** Of QEMU's processors, and of all else that works for the medium. */
  cpu(): CpuOfBoth {
    const { guest, host } = machineCpu(this.#machine.pid);
    return { guest, host: host + (this.#server === undefined ? 0 : cpuSeconds(this.#server.pid)) };
  }

  [Symbol.dispose](): void {
    this.#control[Symbol.dispose]();
    this.#machine.kill();
    this.#server?.kill();
  }
}
