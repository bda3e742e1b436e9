// What is compared: the same folder of the host in two machines, each with a process of the host that serves it.
//
//   ringway    program ── FUSE ── ringway-agent ── shared memory ── ringway monitor
//   virtiofs   program ── FUSE ── virtio queue ── virtiofsd
//
// The bench talks to vmload in the guest by the way that the machine has: the agent's forward, or a card of QEMU's own.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Child, type Children, until } from "../children.ts";
import { cpuSeconds, isListenedOn } from "../proc.ts";
import { findProgram } from "../programs.ts";
import type { CpuOfBoth, Measured } from "../turns.ts";
import { Control } from "../vm/control.ts";
import { machineCpu } from "../vm/cpu.ts";
import type { Image } from "../vm/image.ts";
import { dying, lastWords, MEMORY_MIB, startMachine } from "../vm/machine.ts";
import { networkOfQemu, type Prepared, prepareRingway } from "../vm/media.ts";
import type { MediumName } from "./rows.ts";

const BOOT_MS = 60_000;
/** Where the folder is, with either. */
export const MOUNT_POINT = "/data";
/** QEMU's own of 7.2, and where others put theirs. */
const DAEMONS = ["/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd", "/usr/lib/virtiofsd"];

export interface Where {
  readonly children: Children;
  readonly ringway: readonly string[];
  readonly image: Image;
  /** The folder of the host's. */
  readonly data: string;
}

export class Medium implements Measured<MediumName>, Disposable {
  readonly name: MediumName;
  readonly isForeign: boolean;
  readonly #control: Control;
  readonly #machine: Child;
  readonly #server: Child;

  private constructor(name: MediumName, control: Control, machine: Child, server: Child) {
    this.name = name;
    this.isForeign = name === "virtiofs";
    this.#control = control;
    this.#machine = machine;
    this.#server = server;
  }

  /** Resolves when the guest has called back: the folder is there. */
  static async start(name: MediumName, where: Where): Promise<Medium> {
    const { children, image } = where;
    const control = await Control.listen(name);
    let server: Child | undefined;
    let machine: Child | undefined;
    try {
      const prepared = await prepare(name, where, control.port);
      server = prepared.server!;
      const words = prepared.words.map((word) => `ringway.${word}`);
      machine = startMachine(children, { name, image, words, devices: prepared.devices });
      for (const child of [machine, server]) {
        void child.ended.then((why) => control.end(`${child.name} ended: ${why ?? "exit code 0"}`));
      }
      await control.connected(BOOT_MS);
      return new Medium(name, control, machine, server);
    } catch (error) {
      machine?.kill();
      server?.kill();
      control[Symbol.dispose]();
      throw new Error(`${(error as Error).message}${lastWords(children.folder, name)}`, { cause: error });
    }
  }

  async request(line: string, timeoutMs: number): Promise<unknown> {
    return await this.#control.request(line, timeoutMs);
  }

  /** Of QEMU's processors, and of all else that works for the medium. */
  cpu(): CpuOfBoth {
    const { guest, host } = machineCpu(this.#machine.pid);
    return { guest, host: host + cpuSeconds(this.#server.pid) };
  }

  [Symbol.dispose](): void {
    this.#control[Symbol.dispose]();
    this.#machine.kill();
    this.#server.kill();
  }
}

/** Undefined, or what is missing for it. */
export function missingFor(name: MediumName, image: Image): string | undefined {
  if (name === "ringway") return image.noAgent;
  if (daemon() === undefined) return "virtiofsd is not installed";
  return process.getuid?.() === 0 ? undefined : "virtiofsd wants root";
}

const daemon = (): string | undefined => DAEMONS.find(existsSync) ?? findProgram("virtiofsd");

async function prepare(name: MediumName, where: Where, port: number): Promise<Prepared> {
  const { data } = where;
  if (name === "virtiofs") return await prepareVirtiofs(where, port);
  const words = ["medium=mount", `forward=${port}`, `control=127.0.0.1:${port}`];
  const files = [{ id: "data", guest: MOUNT_POINT, host: data, access: "rw" }];
  return await prepareRingway(where, name, words, { files });
}

/** The device reaches all of the guest's memory, so that is shared with the daemon. */
async function prepareVirtiofs({ children, data }: Where, port: number): Promise<Prepared> {
  const socket = join(children.folder, "virtiofs.socket");
  const options = ["-f", `--socket-path=${socket}`, "-o", `source=${data}`, "-o", "cache=auto"];
  const command = [...dying(), daemon()!, ...options, "-o", "sandbox=chroot"];
  const server = children.start(command, "virtiofsd");
  await until(() => isListenedOn(socket), "starting virtiofsd", server);
  const network = networkOfQemu(port);
  return {
    server,
    words: [...network.words, "medium=virtiofs"],
    devices: [
      ...network.devices,
      ...["-object", `memory-backend-memfd,id=memory,size=${MEMORY_MIB}M,share=on`],
      ...["-machine", "memory-backend=memory"],
      ...["-chardev", `socket,id=files,path=${socket}`],
      ...["-device", "vhost-user-fs-pci,chardev=files,tag=data,queue-size=1024"],
    ],
  };
}
