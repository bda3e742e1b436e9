// @ringway/control is ECMAScript and nothing else: a kernel, a test and a browser all import it.

import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { temporaryFolder } from "../../../test/support/temporary.ts";

const packageFolder = fileURLToPath(new URL("..", import.meta.url));
const sourceFolder = join(packageFolder, "src");
const compiler = fileURLToPath(new URL("../../../node_modules/typescript/bin/tsc", import.meta.url));
const scratch = temporaryFolder("purity");

const read = (path: string): string => readFileSync(path, "utf8");
const sources: string[] = readdirSync(sourceFolder, { recursive: true, encoding: "utf8" }).filter((name) =>
  name.endsWith(".ts"),
);

/**
 * Compiles with the language's own library alone: no DOM, no Node, no other types. What the compiler says, and its
 * status.
 */
function compile(name: string, include: string[]): { status: number | null; output: string } {
  const config = {
    extends: join(packageFolder, "tsconfig.json"),
    compilerOptions: {
      noEmit: true,
      composite: false,
      incremental: false,
      // ESNext.Disposable only types Symbol.dispose; the sources do not use it, and ES2023 is all there is.
      lib: ["ES2023"],
      types: [],
      typeRoots: [],
      rootDir: "/",
    },
    include,
    references: [],
  };
  const path = join(scratch, `${name}.json`);
  writeFileSync(path, JSON.stringify(config));
  const { status, stdout, stderr } = spawnSync(process.execPath, [compiler, "-p", path], {
    encoding: "utf8",
  });
  return { status, output: stdout + stderr };
}

describe("@ringway/control", () => {
  test("compiles with types: [] and the library of ECMAScript 2023 only", () => {
    const { status, output } = compile("pure", [sourceFolder]);
    expect(output).toBe("");
    expect(status).toBe(0);
  });

  test.each([
    "TextEncoder",
    "TextDecoder",
    "Buffer",
    "process",
    "setTimeout",
    "queueMicrotask",
    "console",
    "performance",
    "crypto",
    "AbortSignal",
    "URL",
    "window",
    "require",
  ])("would not compile if it used %s", (name) => {
    const file = join(scratch, `uses-${name}.ts`);
    writeFileSync(file, `export const value: unknown = ${name};\n`);
    const { status, output } = compile(`uses-${name}`, [file]);
    expect(output).toContain(`'${name}'`);
    expect(status).not.toBe(0);
  });

  test("would not compile if it imported from Node", () => {
    const file = join(scratch, "imports.ts");
    writeFileSync(
      file,
      'import { readFileSync } from "node:fs";\nexport const read: unknown = readFileSync;\n',
    );
    expect(compile("imports", [file]).status).not.toBe(0);
  });

  test("says types: [] in its own tsconfig, and refers to no other package", () => {
    const config = JSON.parse(read(join(packageFolder, "tsconfig.json")));
    expect(config.compilerOptions.types).toEqual([]);
    expect(config.compilerOptions.lib).toBeUndefined();
    expect(config.references).toEqual([]);
    const base = JSON.parse(read(join(packageFolder, "../../tsconfig.base.json")));
    expect(base.compilerOptions.lib).toEqual(["ES2023", "ESNext.Disposable"]);
  });

  test("imports nothing but its own files", () => {
    let imports = 0;
    for (const name of sources) {
      const file = join(sourceFolder, name);
      const specifiers = [...read(file).matchAll(/\b(?:from|import|require)\s*\(?\s*(["'])(.*?)\1/g)].map(
        (match) => match[2]!,
      );
      for (const specifier of specifiers) {
        imports++;
        expect([name, specifier]).toEqual([name, expect.stringMatching(/^\.\.?\/.*\.ts$/)]);
        expect(relative(sourceFolder, join(dirname(file), specifier))).not.toMatch(/^\.\./);
      }
    }
    expect(imports).toBeGreaterThan(40);
  });

  test("has no way around the compiler: no references, no globalThis, no dynamic import, no suppressions", () => {
    for (const name of sources) {
      const text = read(join(sourceFolder, name));
      expect([
        name,
        text.match(/\/\/\/\s*<|globalThis|import\s*\(|import\.meta|@ts-|\beval\b|\bFunction\s*\(|\bas any\b/),
      ]).toEqual([name, null]);
      // No clock and no chance either: whoever calls decides.
      expect([name, text.match(/Date\b|Math\.random|Atomics\.wait/)]).toEqual([name, null]);
    }
  });

  test("depends on no package", () => {
    const manifest = JSON.parse(read(join(packageFolder, "package.json")));
    for (const kind of ["dependencies", "devDependencies", "peerDependencies", "optionalDependencies"]) {
      expect(manifest[kind] ?? {}).toEqual({});
    }
    expect(manifest.type).toBe("module");
  });
});
