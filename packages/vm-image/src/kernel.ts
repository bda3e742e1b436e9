// Debian's cloud kernel: uncompressed, and modules in the order in which they load.
//
// QEMU enters an uncompressed kernel by its PVH note. Debian's file as it is takes longer, since TCG is slow where the
// kernel unpacks itself over code that ran before.

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { behind, unpackOne } from "./apt.ts";
import { cached } from "./cache.ts";
import { run } from "./run.ts";

/**
 * The doorbell's port, a disk, a network card; mounts of the agent's, and virtiofs beside them; every address
 * (--transparent). What is not among the package's files is part of the image.
 */
const MODULES = [
  "virtio_pci",
  "virtio_console",
  "virtio_blk",
  "virtio_net",
  "fuse",
  "virtiofs",
  "nft_tproxy",
  "nft_reject_inet",
];
/** Of what this file makes. */
const VERSION = "3";

/** By the first bytes of what they make, in hexadecimal. */
const UNPACKERS: Readonly<Record<string, readonly [string, ...string[]]>> = {
  "02214c18": ["lz4", "-dc"],
  "28b52ffd": ["zstd", "-dc"],
  fd377a58: ["xz", "-dc"],
};

export interface Kernel {
  /** An ELF file. */
  readonly image: string;
  /** The folder of the modules' files. */
  readonly modules: string;
  /** Their names, those that others depend on first. */
  readonly order: readonly string[];
}

export async function kernel(): Promise<Kernel> {
  const name = behind("linux-image-cloud-amd64", /^linux-image-/);
  const folder = await cached("kernel", [name, ...MODULES, VERSION], (to) => {
    const root = join(to, "root");
    unpackOne(name, root, join(to, "package"));
    const boot = join(root, "boot");
    const packed = join(boot, readdirSync(boot).find((file) => file.startsWith("vmlinuz"))!);
    writeFileSync(join(to, "image"), unpack(readFileSync(packed)));
    const libraries = [join(root, "lib/modules"), join(root, "usr/lib/modules")].find((path) =>
      existsSync(path),
    )!;
    mkdirSync(join(to, "modules"));
    writeFileSync(join(to, "modules", "order"), collect(libraries, join(to, "modules")));
    run("rm", ["-r", root, join(to, "package")]);
  });
  const modules = join(folder, "modules");
  const order = readFileSync(join(modules, "order"), "utf8").trim().split("\n");
  return { image: join(folder, "image"), modules, order };
}

// Linux, Documentation/x86/boot.rst: setup_sects at 0x1f1, payload_offset and payload_length at 0x248. The four bytes
// after what the compressor made are its size.
function unpack(kernel: Buffer): Buffer {
  const code = (kernel[0x1f1]! + 1) * 512;
  const start = code + kernel.readUInt32LE(0x248);
  const payload = kernel.subarray(start, start + kernel.readUInt32LE(0x24c) - 4);
  const magic = payload.toString("hex", 0, 4);
  const [command, ...args] = UNPACKERS[magic] ?? [];
  if (command === undefined) throw new Error(`a kernel packed in an unknown way: ${magic}`);
  return run(command, args, { input: payload });
}

/** Copies the modules, those that each depends on first. */
function collect(from: string, to: string): string {
  const files = new Map<string, string>();
  for (const entry of readdirSync(from, { recursive: true, encoding: "utf8" })) {
    const [, name] = /^(.+)\.ko(\.xz)?$/.exec(basename(entry)) ?? [];
    if (name !== undefined) files.set(name.replaceAll("-", "_"), join(from, entry));
  }
  const order: string[] = [];
  const add = (name: string): void => {
    const file = files.get(name);
    if (file === undefined || order.includes(`${name}.ko`)) return;
    const bytes = file.endsWith(".xz") ? run("xz", ["-dc", file]) : readFileSync(file);
    for (const other of dependencies(bytes)) add(other.replaceAll("-", "_"));
    writeFileSync(join(to, `${name}.ko`), bytes);
    order.push(`${name}.ko`);
  };
  for (const name of MODULES) add(name);
  return order.map((name) => `${name}\n`).join("");
}

// Section .modinfo: text=value, NUL after each. modules.dep is not in the package, but made when it is installed.
function dependencies(module: Buffer): string[] {
  const at = module.indexOf("\0depends=");
  if (at < 0) return [];
  const start = at + "\0depends=".length;
  return module.toString("latin1", start, module.indexOf(0, start)).split(",").filter(Boolean);
}
