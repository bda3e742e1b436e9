// What is compared: the same folder of the host in two machines, each with a process of the host that serves it.
//
//   ringway    program ── FUSE ── ringway-agent ── shared memory ── ringway monitor
//   virtiofs   program ── FUSE ── virtio queue ── virtiofsd
//
// The bench talks to vmload in the guest by the way that the machine has: the agent's forward, or a card of QEMU's own.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Children, until } from "../children.ts";
import { isListenedOn } from "../proc.ts";
import { findProgram } from "../programs.ts";
import type { Image } from "../vm/image.ts";
import { dying, MEMORY_MIB } from "../vm/machine.ts";
import { networkOfQemu, prepareRingway } from "../vm/media.ts";
import { MachineMedium, type Prepared } from "../vm/medium.ts";
import type { MediumName } from "./rows.ts";

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

export type Medium = MachineMedium<MediumName>;

/** Resolves when the guest has called back: the folder is there. */
export function startMedium(name: MediumName, where: Where): Promise<Medium> {
  const { children, image } = where;
  const prepareFor = (port: number): Promise<Prepared> => prepare(name, where, port);
  return MachineMedium.start({ name, children, image, isForeign: name === "virtiofs", prepare: prepareFor });
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
