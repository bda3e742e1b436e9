// File systems that are made for a test: small ones, and one that stands still when it is told to.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const run = (command: string, ...args: string[]): void => {
  execFileSync(command, args, { stdio: ["ignore", "ignore", "pipe"] });
};

/** Mounts something for these tests; says why not where that cannot be. */
export function mounted(mount: (folder: string) => void): { folder: string; missing: string } {
  if (process.getuid?.() !== 0) return { folder: "", missing: "mounting needs root" };
  const folder = mkdtempSync(join(tmpdir(), "ringway-mount-"));
  try {
    mount(folder);
    return { folder, missing: "" };
  } catch (error) {
    rmSync(folder, { recursive: true });
    return { folder: "", missing: (error as Error).message };
  }
}

export function unmount(folder: string): void {
  run("umount", folder);
  rmSync(folder, { recursive: true });
}

/** A file system in a file. While it is frozen, reading goes on, and whatever would change it waits. */
export class SlowDisk {
  readonly folder: string;
  /** Why there is none here, or "". */
  readonly missing: string;
  #image = "";
  #frozen = false;

  constructor() {
    const { folder, missing } = mounted((at) => {
      this.#image = `${at}.img`;
      run("truncate", "-s", "32M", this.#image);
      run("mkfs.ext4", "-q", this.#image);
      run("mount", "-o", "loop", this.#image, at);
      try {
        run("fsfreeze", "-f", at);
        run("fsfreeze", "-u", at);
      } catch (error) {
        run("umount", at);
        throw error;
      }
    });
    this.folder = folder;
    this.missing = missing;
  }

  freeze(): void {
    run("fsfreeze", "-f", this.folder);
    this.#frozen = true;
  }

  thaw(): void {
    if (this.#frozen) run("fsfreeze", "-u", this.folder);
    this.#frozen = false;
  }

  /** Nothing may use it any more. */
  remove(): void {
    if (this.missing !== "") return;
    this.thaw();
    unmount(this.folder);
    rmSync(this.#image);
  }
}
