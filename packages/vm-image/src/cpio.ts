// Archives as Linux unpacks them at boot: cpio, "newc". Made here rather than by cpio(1), which takes owners and device
// nodes from the file system and so needs root. Several of them, one after the other, are one archive to the kernel.

import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join, posix } from "node:path";

const DIRECTORY = 0o040000;
const FILE = 0o100000;
const LINK = 0o120000;
const CHARACTER_DEVICE = 0o020000;

export class Cpio {
  readonly #parts: Buffer[] = [];
  readonly #directories = new Set<string>(["."]);
  #inode = 0;

  /** With the folders above it, which must come first. */
  directory(path: string, mode = 0o755): this {
    if (this.#directories.has(path)) return this;
    this.directory(posix.dirname(path));
    this.#directories.add(path);
    return this.#entry(path, DIRECTORY | mode);
  }

  file(path: string, bytes: Uint8Array | string, mode = 0o644): this {
    return this.directory(posix.dirname(path)).#entry(path, FILE | mode, Buffer.from(bytes));
  }

  link(path: string, target: string): this {
    return this.directory(posix.dirname(path)).#entry(path, LINK | 0o777, Buffer.from(target));
  }

  characterDevice(path: string, major: number, minor: number): this {
    return this.directory(posix.dirname(path)).#entry(path, CHARACTER_DEVICE | 0o600, undefined, [
      major,
      minor,
    ]);
  }

  /** A file, or everything below a folder, of this machine. */
  tree(path: string, from: string): this {
    const { mode } = lstatSync(from);
    const kind = mode & 0o170000;
    if (kind === DIRECTORY) {
      this.directory(path);
      for (const name of readdirSync(from).sort()) this.tree(posix.join(path, name), join(from, name));
    } else if (kind === LINK) this.link(path, readlinkSync(from));
    else this.file(path, readFileSync(from), mode & 0o777);
    return this;
  }

  /** The archive, a multiple of four bytes long, so that another may follow. */
  end(): Buffer {
    return Buffer.concat([...this.#parts, header("TRAILER!!!", 0, 0, 0, [0, 0])]);
  }

  #entry(
    path: string,
    mode: number,
    bytes = Buffer.alloc(0),
    device: readonly [number, number] = [0, 0],
  ): this {
    this.#parts.push(header(path, ++this.#inode, mode, bytes.length, device), bytes, padding(bytes.length));
    return this;
  }
}

// Magic, then thirteen numbers of eight hexadecimal digits, then the name, which ends with NUL, padded to four bytes.
function header(
  path: string,
  inode: number,
  mode: number,
  bytes: number,
  [major, minor]: readonly [number, number],
): Buffer {
  const owner = 0;
  const links = 1;
  const modified = 0;
  const onDevice = [0, 0];
  const numbers = [inode, mode, owner, owner, links, modified, bytes, ...onDevice, major, minor];
  const checksum = 0;
  const fields = [...numbers, Buffer.byteLength(path) + 1, checksum];
  const digits = fields.map((number) => number.toString(16).padStart(8, "0")).join("");
  const text = Buffer.from(`070701${digits}${path}\0`);
  return Buffer.concat([text, padding(text.length)]);
}

function padding(bytes: number): Buffer {
  return Buffer.alloc(-bytes & 3);
}
