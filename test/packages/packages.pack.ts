// What somebody gets who installs the packages: their tarballs, looked at and used outside of the repository.

import { spawnSync } from "node:child_process";
import { lstatSync, mkdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { FOLDERS, Outside, ROOT, run } from "./outside.ts";

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly repository: { readonly url: string; readonly directory: string };
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, string | { readonly types: string }>>;
}

const manifestAt = (path: string): Manifest => JSON.parse(readFileSync(join(path, "package.json"), "utf8"));
const manifests = FOLDERS.map((name) => manifestAt(join(ROOT, "packages", name)));
const versions = new Map(manifests.map(({ name, version }) => [name, version]));
/** What a program may import, JSON aside. */
const imports = manifests.flatMap(({ name, exports }) =>
  Object.keys(exports)
    .filter((path) => !path.endsWith(".json"))
    .map((path) => name + path.slice(1)),
);
const tool = (name: string): string => join(ROOT, "node_modules/.bin", name);

let outside: Outside;
beforeAll(() => {
  outside = new Outside();
});
afterAll(() => outside?.[Symbol.dispose]());

describe.each(FOLDERS)("the tarball of packages/%s", (folder) => {
  const { name, version } = manifestAt(join(ROOT, "packages", folder));
  const file = `${name.replace("@", "").replace("/", "-")}-${version}.tgz`;
  const tarball = (): string => outside.tarballs.find((path) => basename(path) === file)!;

  test("has code in few files, sources, README and license, and nothing that the compiler left", () => {
    const files = run("tar", ["-tzf", tarball()], ROOT).trim().split("\n");
    const own = ["README.md", "LICENSE", "package.json", "lib/index.js", "dist/index.d.ts", "src/index.ts"];
    expect(files).toEqual(expect.arrayContaining(own.map((path) => `package/${path}`)));
    expect(
      files.filter((path) =>
        /tsbuildinfo|\/test\/|node_modules|tsconfig|validator|\/dist\/.*\.js/.test(path),
      ),
    ).toEqual([]);
    const license = join(outside.app, "node_modules", name, "LICENSE");
    expect(readFileSync(license, "utf8")).toBe(readFileSync(join(ROOT, "LICENSE"), "utf8"));
  });

  test("says where it comes from, and names the others by the version that they have", () => {
    const installed = join(outside.app, "node_modules", name);
    expect(lstatSync(installed).isDirectory()).toBe(true);
    const { repository, license, dependencies = {}, exports } = manifestAt(installed);
    expect(repository).toEqual({
      type: "git",
      url: expect.stringMatching(/^git\+https:/),
      directory: `packages/${folder}`,
    });
    expect(license).toBe("MIT");
    for (const [other, wanted] of Object.entries(dependencies))
      expect(wanted).toBe(versions.get(other) ?? wanted);
    expect(Object.values(dependencies).filter((wanted) => !/^\d+\.\d+\.\d+$/.test(wanted))).toEqual([]);
    const typed = Object.values(exports).filter((entry) => typeof entry !== "string");
    expect(typed.map((entry) => Object.keys(entry)[0])).toEqual(typed.map(() => "types"));
  });

  test("is right to publint and to attw", () => {
    expect(run(tool("publint"), ["--strict", tarball()], ROOT)).toContain("All good!");
    run(tool("attw"), ["--profile", "esm-only", tarball()], ROOT);
  });
});

describe("a program outside of the repository", () => {
  test.each([
    ["nodenext", "nodenext"],
    ["esnext", "bundler"],
  ])(
    "is compiled as %s, resolved as for %s, with every type of the packages checked",
    (module, resolution) => {
      const lines = imports.map((name, i) => `import * as part${i} from ${JSON.stringify(name)};`);
      const uses = `
      import { Guest } from "@ringway/guest";
      import { Monitor, parsePolicy } from "@ringway/monitor";
      const policy = parsePolicy("version: 1", { file: "policy.yaml" });
      const monitor: Promise<Monitor> = Monitor.start({ policy });
      const guest: Promise<Guest> = Guest.attach("ringway.sock");
      // @ts-expect-error: a port is no object
      guest.then((it) => it.connect({ port: {} }));
      export default [monitor, guest, ${imports.map((_, i) => `part${i}`).join(", ")}];`;
      outside.write("program.ts", lines.join("\n") + uses);
      const compilerOptions = {
        module,
        moduleResolution: resolution,
        target: "es2022",
        lib: ["es2023", "esnext.disposable"],
        strict: true,
        noEmit: true,
        typeRoots: [join(ROOT, "node_modules/@types")],
        types: ["node"],
      };
      outside.write("tsconfig.json", JSON.stringify({ compilerOptions, files: ["program.ts"] }));
      expect(run(tool("tsc"), ["-p", "tsconfig.json"], outside.app)).toBe("");
    },
  );

  test("is compiled with what the SDK's README says of tsconfig.json, every type of the SDK checked", () => {
    const readme = readFileSync(join(outside.app, "node_modules/@ringway/guest/README.md"), "utf8");
    const { compilerOptions } = JSON.parse(/^ {4}(\{ "compilerOptions": .*\})$/m.exec(readme)![1]!);
    outside.write(
      "typed.ts",
      `import { Guest } from "@ringway/guest";
      await using guest = await Guest.attach("ringway.sock");
      const text: string = await guest.readFile("/data/x", "utf8");
      export default text;`,
    );
    const typeRoots = [join(ROOT, "node_modules/@types")];
    const options = { ...compilerOptions, noEmit: true, typeRoots };
    outside.write("tsconfig.json", JSON.stringify({ compilerOptions: options, files: ["typed.ts"] }));
    expect(run(tool("tsc"), ["-p", "tsconfig.json"], outside.app)).toBe("");
  });

  test("imports every entry", () => {
    const code = `for (const name of ${JSON.stringify(imports)}) {
      if (Object.keys(await import(name)).length === 0) throw name;
    }`;
    run(process.execPath, ["--input-type=module", "--eval", code], outside.app);
  });

  test("finds the policy's schema beside the monitor", () => {
    const code = `console.log(import.meta.resolve("@ringway/monitor/policy.schema.json"));`;
    const url = run(process.execPath, ["--input-type=module", "--eval", code], outside.app).trim();
    expect(JSON.parse(readFileSync(new URL(url), "utf8"))).toHaveProperty("properties");
  });

  test("finds the vectors beside the suite", () => {
    const code = `console.log(import.meta.resolve("@ringway/conformance/vectors/ring.json"));`;
    const url = run(process.execPath, ["--input-type=module", "--eval", code], outside.app).trim();
    expect(JSON.parse(readFileSync(new URL(url), "utf8"))[0]).toHaveProperty("kind", "ring");
  });

  test("has a command that says its version, and a monitor that serves a guest of the SDK", () => {
    expect(run("node_modules/.bin/ringway", ["--version"], outside.app).trim()).toBe(versions.get("ringway"));
    mkdirSync(join(outside.app, "input"));
    outside.write("input/hello", "from a file");
    outside.write(
      "policy.yaml",
      `version: 1
connect: [{ id: local, allow: 127.0.0.1 }]
files: [{ id: input, guest: /input, host: ./input, access: ro }]`,
    );
    outside.write(
      "guest.mjs",
      `import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { Guest } from "@ringway/guest";

const options = ["--policy", "policy.yaml", "--listen", "ringway.sock"];
const monitor = spawn(process.execPath, ["node_modules/ringway/bin/ringway.js", "monitor", ...options]);
const log = createInterface({ input: monitor.stderr });
await new Promise((resolve) => log.on("line", (line) => line.includes("monitor is ready") && resolve()));
const server = createServer((socket) => socket.end("from a server")).listen(0, "127.0.0.1");
await once(server, "listening");

const guest = await Guest.attach("ringway.sock");
console.log(await guest.readFile("/input/hello", "utf8"));
console.log(await text(await guest.connect({ host: "127.0.0.1", port: server.address().port })));
await guest.close();
server.close();
monitor.kill();
const [code] = await once(monitor, "exit");
process.exitCode = code;`,
    );
    expect(run(process.execPath, ["guest.mjs"], outside.app)).toBe("from a file\nfrom a server\n");
  });

  test("has no demo and no benchmarks, and is told where they are", () => {
    for (const command of ["demo", "bench"]) {
      const { status, stderr } = spawnSync("node_modules/.bin/ringway", [command], {
        cwd: outside.app,
        encoding: "utf8",
      });
      expect([status, stderr]).toEqual([
        2,
        expect.stringMatching(/^ringway: \w+ is not installed here; .*\n$/),
      ]);
    }
  });

  test("has a guest that conforms", () => {
    expect(run("node_modules/.bin/ringway", ["conformance"], outside.app)).toMatch(/\b0 failed\b/);
  });
});
