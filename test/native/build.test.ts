// The library builds without a warning, hosted and freestanding, and asks for nothing that a kernel does not have.

import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { temporaryFolder } from "../support/temporary.ts";
import { buildWith, INCLUDES, lacks, make, NATIVE, noClang, noCompiler, run, titled } from "./toolchain.ts";

const SLOW_MS = 120_000;
const HEADERS = readdirSync(`${NATIVE}lib`).filter((name) => /^ringway.*\.h$/.test(name));
const NO_LIBC = ["-ffreestanding", "-nostdlib", "-Wl,-e,main"];
let out: string;

beforeAll(() => {
  out = temporaryFolder("native");
});

/** Symbols that the archive's objects want and none of them has. */
function undefinedSymbols(archive: string): string[] {
  const symbols = (flag: string): string[] =>
    run("nm", [flag, archive])
      .stdout.split("\n")
      .filter((line) => / [A-Za-z] /.test(line))
      .map((line) => line.trim().split(/\s+/).at(-1)!);
  const defined = new Set(symbols("--defined-only"));
  return [...new Set(symbols("-u"))].filter((name) => !defined.has(name));
}

function buildsEverything(compiler: string): void {
  const folder = buildWith(compiler, "all", "freestanding", "static");
  expect(undefinedSymbols(join(folder, "freestanding/libringway.a"))).toEqual([]);
  expect(run(join(folder, "rwcat"), ["--help"]).stdout).toContain("usage: rwcat");
}

describe.skipIf(noCompiler !== undefined)(titled("with gcc", noCompiler), () => {
  test("everything builds, and the core wants nothing", () => buildsEverything("gcc"), SLOW_MS);

  test("the shared library shows rw_ functions and nothing else", () => {
    const { stdout } = run("nm", ["-D", "--defined-only", join(NATIVE, "build/gcc/libringway.so")]);
    const names = stdout
      .trim()
      .split("\n")
      .map((line) => line.split(" ").at(-1)!);
    expect(names.length).toBeGreaterThan(100);
    expect(names.filter((name) => !name.startsWith("rw_"))).toEqual([]);
  });

  test("the shared library shows every function of its headers", () => {
    const { stdout: shown } = run("nm", ["-D", "--defined-only", join(NATIVE, "build/gcc/libringway.so")]);
    const also = HEADERS.flatMap((header) => ["-include", header]);
    const { stdout: declared } = run("gcc", ["-E", "-P", ...INCLUDES, ...also, "posix/ringway-posix.h"]);
    const names = [...declared.matchAll(/\b(rw_\w+)\s*\(/g)].map((match) => match[1]!);
    expect(names.length).toBeGreaterThan(100);
    expect(names.filter((name) => !new RegExp(` ${name}$`, "m").test(shown))).toEqual([]);
  });

  test.each(HEADERS)("%s is plain C11 by itself, without a libc", (header) => {
    const source = join(out, "header.c");
    writeFileSync(source, `#include "${header}"\nint main(void) { return (int)rw_version(); }\n`);
    const flags = ["-std=c11", "-pedantic", "-ffreestanding", "-Wall", "-Wextra", "-Werror", "-nostdinc"];
    const builtin = run("gcc", ["-print-file-name=include"]).stdout.trim();
    const { stderr } = run("gcc", [
      ...flags,
      "-isystem",
      builtin,
      `-I${NATIVE}lib`,
      "-c",
      "-o",
      "/dev/null",
      source,
    ]);
    expect(stderr).toBe("");
  });

  const no32 = noCompiler ?? lacks("gcc", ["-m32", ...NO_LIBC]);
  test.skipIf(no32 !== undefined)(
    titled("on 32 bits the core wants nothing either, not even a division", no32),
    () => {
      make("freestanding", "OUT=build/m32", "CFLAGS=-O2 -m32 -fno-pie -no-pie");
      expect(undefinedSymbols(join(NATIVE, "build/m32/freestanding/libringway.a"))).toEqual([]);
    },
    SLOW_MS,
  );
});

describe.skipIf(noClang !== undefined)(titled("with clang", noClang), () => {
  test("everything builds, and the core wants nothing", () => buildsEverything("clang"), SLOW_MS);
});
