// The C toolchain, where there is one, and what native/Makefile builds with it.

import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const NATIVE: string = fileURLToPath(new URL("../../native/", import.meta.url));
/** For a program that includes ringway.h or ringway-posix.h. */
export const INCLUDES: readonly string[] = [`-I${NATIVE}lib`, `-I${NATIVE}posix`];
export const ROOT: string = fileURLToPath(new URL("../../", import.meta.url));

export interface Result {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export function run(program: string, args: readonly string[], cwd: string = NATIVE): Result {
  const { status, error, stdout, stderr } = spawnSync(program, args, {
    cwd,
    encoding: "utf8",
    timeout: 120_000,
  });
  return { status: error ? 127 : (status ?? 1), stdout: stdout ?? "", stderr: error?.message ?? stderr };
}

/** Why this compiler cannot be used here, or undefined: it must make a program, with these flags. */
export function lacks(compiler: string, flags: readonly string[] = []): string | undefined {
  const probe = ["-xc", "-o", "/dev/null", ...flags, "-"];
  const { status, error } = spawnSync(compiler, probe, {
    input: "int main(void) { return 0; }",
    encoding: "utf8",
  });
  if (error !== undefined) return `${compiler} is not installed`;
  return status === 0 ? undefined : `${compiler} cannot build with ${flags.join(" ") || "its libc"}`;
}

const SANITIZERS = "-fsanitize=address,undefined";
const noMake: string | undefined =
  run("make", ["--version"]).status === 0 ? undefined : "make is not installed";

/** Why nothing can be built here, or undefined. */
export const noCompiler: string | undefined = noMake ?? lacks("gcc");
export const noSanitizers: string | undefined = noCompiler ?? lacks("gcc", [SANITIZERS]);
export const noClang: string | undefined = noMake ?? lacks("clang");

/** A title that says why the tests below it are skipped, where they are. */
export function titled(title: string, lacking: string | undefined): string {
  return lacking === undefined ? title : `${title} (skipped: ${lacking})`;
}

/**
 * Runs make in native/; throws with what the compiler said. Two that build into one folder wait for each other: files
 * of one test run, or two runs of one checkout.
 */
export function make(...args: readonly string[]): void {
  const out = args.find((arg) => arg.startsWith("OUT="))?.slice("OUT=".length) ?? "build";
  const folder = resolve(NATIVE, out);
  mkdirSync(folder, { recursive: true });
  const command = ["make", "-s", "-j2", "-Otarget", "-C", NATIVE, ...args];
  const locked = run("flock", [join(folder, ".lock"), ...command]);
  const { status, stdout, stderr } = locked.status === 127 ? run(command[0]!, command.slice(1)) : locked;
  if (status !== 0) throw new Error(`make ${args.join(" ")}:\n${stdout}${stderr}`);
}

/**
 * Builds `targets` with a compiler, and returns the folder: all tests share one for each, and what is there already was
 * built without a warning, or it would not be there.
 */
export function buildWith(compiler: string, ...targets: readonly string[]): string {
  const out = `build/${compiler}`;
  const files = targets.map((target) => (/[.-]/.test(target) ? `${out}/${target}` : target));
  make(...files, `CC=${compiler}`, `OUT=${out}`);
  return join(NATIVE, out);
}

const SANITIZED: string = join(NATIVE, "build/sanitized");

/**
 * Builds everything with AddressSanitizer and UndefinedBehaviourSanitizer, or plainly where there are none. Returns the
 * folder.
 */
export function buildForTests(): string {
  if (noSanitizers === undefined) {
    make("sanitized");
    return SANITIZED;
  }
  make("all", "build/unit");
  return join(NATIVE, "build");
}

/**
 * Builds a program of these sources in test/native with the library, and with sanitizers where there are any. Returns
 * its path, in `folder`.
 */
export function buildProgram(folder: string, name: string, ...sources: readonly string[]): string {
  const library = join(buildForTests(), "libringway.a");
  const program = join(folder, name);
  const sanitize = noSanitizers === undefined ? ["-g", "-fsanitize=address,undefined"] : [];
  const warnings = ["-Wall", "-Wextra", "-Werror"];
  const files = sources.map((source) => join(NATIVE, "../test/native", source));
  const args = ["-std=c11", "-O1", ...warnings, ...sanitize, ...INCLUDES, ...files, library, "-o", program];
  const { status, stderr } = run("gcc", args);
  if (status !== 0) throw new Error(`gcc ${sources.join(" ")}:\n${stderr}`);
  return program;
}
