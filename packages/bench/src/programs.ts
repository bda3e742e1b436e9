// The C programs of native/bench: compiled once for each state of the sources, into native/build, which git ignores.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const PROGRAMS = [
  "relay",
  "guest",
  "plain",
  "server",
  "fileread",
  "udpplain",
  "udpserver",
  "preadv",
] as const;
export type Program = (typeof PROGRAMS)[number];
export type Programs = Readonly<Record<Program, string>>;

/** The repository's folder of C. */
export const NATIVE: string = fileURLToPath(new URL("../../../native/", import.meta.url));
const FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-O2", "-pthread", "-Wall", "-Wextra", "-Werror"];

export interface Compiled {
  /** Undefined where nothing could be compiled; `problem` says why. */
  readonly programs?: Programs;
  readonly problem?: string;
  /** First line of `cc --version`. */
  readonly compiler?: string;
}

/** Compiles what is out of date. `scratch` is a folder of this run, used where native/build cannot be written. */
export function compilePrograms(scratch: string): Compiled {
  const sources = join(NATIVE, "bench");
  if (!existsSync(sources))
    return { problem: "the C sources of the benchmarks are not in this installation" };
  const compiler = [process.env.CC, "cc", "gcc", "clang"].find((name) => name && findProgram(name));
  if (compiler === undefined) return { problem: "there is no C compiler (cc, gcc or clang)" };
  const version = spawnSync(compiler, ["--version"], { encoding: "utf8" }).stdout?.split("\n")[0] ?? compiler;

  const hash = createHash("sha256").update(JSON.stringify([version, FLAGS]));
  for (const file of inputs(sources)) hash.update(file).update(readFileSync(file));
  const folder = join(cacheFolder() ?? scratch, `bench-${hash.digest("hex").slice(0, 16)}`);
  if (!existsSync(folder)) {
    // Made aside and then renamed: whoever finds the folder finds all of it.
    const partial = `${folder}.${process.pid}`;
    mkdirSync(partial, { recursive: true });
    for (const program of PROGRAMS) {
      const args = [...FLAGS, "-o", join(partial, program), ...sourcesOf(sources, program)];
      const { status, stderr, error } = spawnSync(compiler, args, { encoding: "utf8" });
      if (status !== 0) {
        rmSync(partial, { recursive: true });
        return { problem: `${compiler} does not compile ${program}: ${error?.message ?? stderr.trim()}` };
      }
    }
    try {
      renameSync(partial, folder);
    } catch (cause) {
      rmSync(partial, { recursive: true });
      if (!existsSync(folder)) throw cause;
    }
  }
  const entries = PROGRAMS.map((program) => [program, join(folder, program)]);
  return { programs: Object.fromEntries(entries) as Programs, compiler: version };
}

/** Those of a program: a file of its name, or all in a folder of its name. */
function sourcesOf(folder: string, program: Program): string[] {
  const parts = join(folder, program);
  return existsSync(parts) ? filesIn(parts).filter((file) => file.endsWith(".c")) : [`${parts}.c`];
}

/** Every file that a program is made of: the library's ring is compiled into two of them. */
function inputs(sources: string): string[] {
  const folders = PROGRAMS.map((program) => join(sources, program)).filter((path) => existsSync(path));
  return [sources, ...folders, join(NATIVE, "lib")].flatMap(filesIn);
}

function filesIn(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => /\.[ch]$/.test(name))
    .sort()
    .map((name) => join(folder, name));
}

function cacheFolder(): string | undefined {
  const folder = join(NATIVE, "build");
  try {
    mkdirSync(folder, { recursive: true });
    accessSync(folder, constants.W_OK);
    return folder;
  } catch {
    return undefined;
  }
}

/** The agent, static, where it can be built; else `problem` says why not. */
export function makeAgent(): { readonly program?: string; readonly problem?: string } {
  const program = join(NATIVE, "build/ringway-agent");
  if (findProgram("make") === undefined) return { problem: "make is not installed" };
  const { status, stderr, error } = spawnSync("make", ["-s", "-C", NATIVE, "agent"], { encoding: "utf8" });
  if (status === 0 && existsSync(program)) return { program };
  return { problem: `ringway-agent cannot be built (${error?.message ?? stderr.trim().split("\n")[0]})` };
}

/** Full path of a program on PATH. */
export function findProgram(name: string): string | undefined {
  const folders = name.includes("/") ? [""] : (process.env.PATH ?? "").split(delimiter);
  for (const folder of folders) {
    const path = folder === "" ? name : join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not here.
    }
  }
  return undefined;
}
