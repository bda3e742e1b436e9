// Before the first test: the guests' images, and in a folder of this run what each boots into, with the product as it
// is now.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { kernel } from "@ringway/vm-image";
import type { TestProject } from "vitest/node";
import type { Image } from "../machine/machine.ts";
import { debian, debianWith } from "./debian.ts";
import { initramfs } from "./initramfs.ts";
import { node } from "./node.ts";
import { agent, packages, programs } from "./product.ts";

export type GuestName = "busybox" | "debian" | "node";

/** Of the matrix (test/run/matrix), beside curl and wget. */
const PROGRAMS = [
  ...["git", "python3", "python3-requests", "openssh-client", "bind9-dnsutils"],
  ...["postgresql-client", "redis-tools", "iperf3"],
  // For a folder that is mounted.
  ...["make", "tcc", "libc6-dev"],
];

declare module "vitest" {
  export interface ProvidedContext {
    images: Record<GuestName, Image> & { programs: Image | undefined };
  }
}

export default async function setup(project: TestProject): Promise<() => void> {
  const built = await kernel();
  const { image } = built;
  const { disk, busybox, curl } = await debian();
  const alone = await initramfs(built, busybox, [curl]);
  const withDisk = await initramfs(built, busybox);
  const nodeDisk = await node();
  // Some hundred packages: when they are asked for.
  const withPrograms = process.env.RINGWAY_VM_PROGRAMS ? await debianWith(PROGRAMS) : undefined;
  const folder = mkdtempSync(join(tmpdir(), "ringway-machine-images-"));
  const initrd = (name: string, base: string, ...product: Buffer[]): string => {
    const file = join(folder, name);
    writeFileSync(file, Buffer.concat([readFileSync(base), ...product]));
    return file;
  };
  project.provide("images", {
    busybox: { kernel: image, initrd: initrd("busybox", alone, agent()), disks: [], memoryMib: 192 },
    debian: { kernel: image, initrd: initrd("debian", withDisk, agent()), disks: [disk], memoryMib: 192 },
    programs:
      withPrograms === undefined
        ? undefined
        : {
            kernel: image,
            initrd: initrd("programs", withDisk, agent()),
            disks: [withPrograms, nodeDisk],
            memoryMib: 512,
          },
    node: {
      kernel: image,
      initrd: initrd("node", withDisk, agent(), packages(), await programs()),
      disks: [disk, nodeDisk],
      memoryMib: 320,
    },
  });
  return () => rmSync(folder, { recursive: true, force: true });
}
