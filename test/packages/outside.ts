// A folder outside of the repository in which the packages are installed, from the tarballs that `npm pack` makes. What
// they depend on comes from the registry that npm is set up for.

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT: string = fileURLToPath(new URL("../..", import.meta.url));

/** Folders below packages/ of what is published, those that others depend on first. */
export const FOLDERS: readonly string[] = [
  "control",
  "messages",
  "linux",
  "monitor",
  "guest",
  "conformance",
  "cli",
];

/** What it printed. Throws, with all of it, where it ends with another code than 0. */
export function run(command: string, args: readonly string[], cwd: string): string {
  const { status, signal, error, stdout, stderr } = spawnSync(command, args, { cwd, encoding: "utf8" });
  if (error !== undefined) throw error;
  if (status === 0) return stdout;
  throw new Error(`${command} ${args.join(" ")}: ${signal ?? `exit code ${status}`}\n${stdout}${stderr}`);
}

export class Outside implements Disposable {
  readonly #folder: string = mkdtempSync(join(tmpdir(), "ringway-packages-"));
  /** The program's folder, with node_modules. */
  readonly app: string = join(this.#folder, "app");
  readonly tarballs: readonly string[];

  constructor() {
    const packages = FOLDERS.map((name) => `./packages/${name}`);
    run("npm", ["pack", "--silent", "--pack-destination", this.#folder, ...packages], ROOT);
    this.tarballs = readdirSync(this.#folder)
      .filter((name) => name.endsWith(".tgz"))
      .map((name) => join(this.#folder, name));
    mkdirSync(this.app);
    this.write("package.json", JSON.stringify({ name: "outside", private: true, type: "module" }));
    const quiet = ["--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"];
    run("npm", ["install", ...quiet, ...this.tarballs], this.app);
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.app, name), text);
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
