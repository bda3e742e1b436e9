import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { type Api, apiOf, firstDifference } from "../../scripts/lint/api.ts";

/** A package with these declarations, and what is imported from it beside its index. */
function packageOf(declarations: Readonly<Record<string, string>>, ...entries: string[]): string {
  const folder = mkdtempSync(join(tmpdir(), "ringway-api-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const typed = (name: string): [string, object] => [`./${name}`, { types: `./dist/${name}.d.ts` }];
  const exports = {
    ".": { types: "./dist/index.d.ts" },
    "./data.json": "./data.json",
    ...Object.fromEntries(entries.map(typed)),
  };
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "pack", exports }));
  for (const [file, text] of Object.entries(declarations)) {
    const path = join(folder, "dist", file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  return folder;
}

const body = ({ text }: Api): string[] => text.split("```")[1]!.split("\n").slice(1, -1);

test("the report has what is exported, by name, without comments and without what is private", () => {
  const folder = packageOf({
    "index.d.ts": 'export { b, A as Z } from "./deep/a.ts";\nexport * from "./c.ts";\n',
    "deep/a.d.ts":
      "/** Says what it is. */\nexport declare class A {\n    #private;\n    private x;\n    private constructor();\n" +
      "    y(): void;\n}\nexport declare function b(n: number): void;\nexport declare function b(s: string): void;\n",
    "c.d.ts": "export declare const c = 1;\ndeclare const hidden = 2;\n",
  });
  expect(body(apiOf(folder))).toEqual([
    "// A as Z",
    "class A {",
    "    private constructor();",
    "    y(): void;",
    "}",
    "function b(n: number): void;",
    "function b(s: string): void;",
    "const c = 1;",
  ]);
});

test("it says where a name comes from that another package declares", () => {
  const folder = packageOf({
    "index.d.ts": 'export { E } from "other";\nexport * as all from "./all.ts";\n',
    "all.d.ts": "export interface I {}\n",
  });
  expect(body(apiOf(folder))).toEqual(['export { E } from "other";', "// all.I", "interface I {}"]);
});

test("it has each entry of the package", () => {
  const folder = packageOf(
    { "index.d.ts": "export declare const a = 1;\n", "node.d.ts": "export declare const b = 2;\n" },
    "node",
  );
  expect(apiOf(folder).text).toMatch(/^const a = 1;\n```\n\n## pack\/node\n\n```ts\nconst b = 2;\n```\n$/m);
});

test("it names each type that a caller meets and cannot import", () => {
  const folder = packageOf({
    "index.d.ts": [
      'import type { H } from "./h.ts";',
      "interface Own {}",
      "export interface A extends Own { h: H; n: Map<string, Date>; }",
    ].join("\n"),
    "h.d.ts": "export interface H {}\n",
  });
  expect(apiOf(folder).hidden).toEqual(["H, in A", "Own, in A"]);
});

test("a change is shown at its first line, and none where there is none", () => {
  const folder = packageOf({ "index.d.ts": "export declare const a = 1;\nexport declare const b = 2;\n" });
  const file = join(folder, "report.md");
  expect(firstDifference(file, "x\n")).toEqual(["line 1", "- (nothing)", "+ x"]);
  writeFileSync(file, apiOf(folder).text);
  expect(firstDifference(file, apiOf(folder).text)).toEqual([]);
  writeFileSync(
    join(folder, "dist/index.d.ts"),
    "export declare const a = 1;\nexport declare const b = 3;\n",
  );
  expect(firstDifference(file, apiOf(folder).text)).toEqual(["line 7", "- const b = 2;", "+ const b = 3;"]);
});
