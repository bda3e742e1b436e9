// What scripts/bundle.mjs makes of a package that tsc has compiled.

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { expect, onTestFinished, test } from "vitest";

const BUNDLE = fileURLToPath(new URL("../../scripts/bundle.mjs", import.meta.url));

/** A checkout with one package: its modules, compiled, by their paths in dist. Returns the package's lib. */
function packageOf(modules: Readonly<Record<string, string>>): { root: string; lib: string } {
  const root = mkdtempSync(join(tmpdir(), "ringway-bundle-"));
  onTestFinished(() => rmSync(root, { recursive: true }));
  const folder = join(root, "packages/a");
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  };
  write("package.json", '{"type":"module"}');
  for (const [path, text] of Object.entries(modules)) {
    write(`dist/${path}`, text);
    write(`src/${path.replace(/\.js$/, ".ts")}`, "");
  }
  return { root, lib: join(folder, "lib") };
}

function bundle(root: string): { status: number | null; stderr: string } {
  return spawnSync(process.execPath, [BUNDLE, root], { encoding: "utf8" });
}

const PACKAGE = {
  "index.js":
    'export { Part, WORK } from "./deep/part.js"; export const more = () => import("./deep/more.js");',
  "deep/part.js":
    "export class Part { static make() { return new Part(); } }\n" +
    'export const WORK = new URL("./work-main.js", import.meta.url);',
  "deep/work-main.js": 'import { Part } from "./part.js"; console.log(Part.make());',
  "deep/more.js": "export const on = 'demand';",
};

test("what others import, and each thread, is a file of lib; what is loaded on demand has its own", async () => {
  const { root, lib } = packageOf(PACKAGE);
  mkdirSync(lib);
  writeFileSync(join(lib, "old.js"), "");
  expect(bundle(root)).toMatchObject({ status: 0, stderr: "" });
  const code = readdirSync(lib).filter((name) => name.endsWith(".js"));
  expect(code.sort()).toEqual(["index.js", expect.stringMatching(/^more-\w+\.js$/), "work-main.js"]);
  const { Part, WORK, more } = await import(/* @vite-ignore */ pathToFileURL(join(lib, "index.js")).href);
  expect(Part.make().constructor.name).toBe("Part");
  expect((await more()).on).toBe("demand");
  const { stdout } = spawnSync(process.execPath, [fileURLToPath(WORK)], { encoding: "utf8" });
  expect(stdout).toBe("Part {}\n");
});

test("a thread is a file of CommonJS, and whoever starts it finds it", async () => {
  const { root, lib } = packageOf({
    ...PACKAGE,
    "deep/work-main.js":
      'import { Part } from "./part.js";\nfunction threadLoaded() {}\nthreadLoaded();\n' +
      "console.log(Part.make(), import.meta.url, typeof require);",
  });
  expect(bundle(root)).toMatchObject({ status: 0, stderr: "" });
  const { WORK } = await import(/* @vite-ignore */ pathToFileURL(join(lib, "index.js")).href);
  const thread = join(lib, "work-main.cjs");
  expect(fileURLToPath(WORK)).toBe(thread);
  const { stdout } = spawnSync(process.execPath, [thread], { encoding: "utf8" });
  expect(stdout).toBe(`Part {} ${pathToFileURL(thread).href} function\n`);
});

test("nothing is written again that is the same", () => {
  const { root, lib } = packageOf(PACKAGE);
  bundle(root);
  const written = (): bigint[] =>
    readdirSync(lib).map((name) => statSync(join(lib, name), { bigint: true }).ctimeNs);
  const before = written();
  expect(bundle(root).status).toBe(0);
  expect(written()).toEqual(before);
});

test.each(["./deep/work-main.js", "../../far/folder/"])(
  "a URL of a file that is nowhere is refused: %s",
  (named) => {
    const { root } = packageOf({
      ...PACKAGE,
      "index.js": `export const at = new URL("${named}", import.meta.url);`,
    });
    const { status, stderr } = bundle(root);
    expect(status).toBe(1);
    expect(stderr).toContain(`packages/a/lib/index.js names ${named}, and there is none`);
  },
);

test("two threads' modules of one name are refused", () => {
  const { root } = packageOf({ ...PACKAGE, "work-main.js": "" });
  const { status, stderr } = bundle(root);
  expect(status).toBe(1);
  expect(stderr).toContain("work-main");
});
