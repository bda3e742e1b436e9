// A real file system whose disk does not answer, or no longer: fixtures/dying-disk.mjs.

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Program } from "./processes.ts";

const FIXTURE = fileURLToPath(new URL("../fixtures/dying-disk.mjs", import.meta.url));

/** Why there can be none here; empty where there can. */
export const noDyingDisk: string =
  process.getuid?.() !== 0 ? "mounting needs root" : existsSync("/dev/fuse") ? "" : "there is no /dev/fuse";

export class DyingDisk implements Disposable {
  readonly folder: string;
  readonly #server: Program;

  private constructor(folder: string, server: Program) {
    this.folder = folder;
    this.#server = server;
  }

  /** It holds a file "f"; opening that one is the last that it does. Or it is dead from the start. */
  static async mount(state: "dying" | "dead"): Promise<DyingDisk> {
    const folder = mkdtempSync(join(tmpdir(), "ringway-dying-"));
    const server = new Program(process.execPath, [FIXTURE, folder, state]);
    await server.line("mounted");
    return new DyingDisk(folder, server);
  }

  async dies(): Promise<void> {
    await this.#server.line("dead");
  }

  [Symbol.dispose](): void {
    this.#server[Symbol.dispose]();
    spawnSync("umount", ["-l", this.folder]);
    rmSync(this.folder, { recursive: true, force: true });
  }
}
