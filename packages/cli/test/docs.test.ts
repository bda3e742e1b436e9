// Runs the examples of the documents, and of the packages' READMEs, as they stand there. In a document's folder: blocks
// of yaml and js whose first line is a comment with a file's name become files; blocks of sh run one after the other in
// one shell; a block of text after one of sh is what it prints, but for times, and with /home/you as the folder. The
// command is where README.md says. A block of sh behind <!-- needs: PROGRAM --> runs where this machine has that
// program, and lets it do its work.

import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { dirname, join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { missing } from "../../../test/agent/agent.ts";
import { buildStaticAgent, noRun } from "../../../test/run/inside.ts";
import { FIND_RINGWAY, ROOT, start } from "../../../test/support/ringway.ts";
import { temporaryFolder } from "../../../test/support/temporary.ts";
import { planArguments } from "../src/vm/arguments.ts";

interface Block {
  readonly needs: string | undefined;
  readonly language: string;
  readonly text: string;
}

const BLOCK = /(?:^<!-- needs: (\w+) -->\n)?^```(\w+)\n([\s\S]*?)^```$/gm;

function blocksOf(document: string): Block[] {
  const found = readFileSync(join(ROOT, document), "utf8").matchAll(BLOCK);
  return [...found].map(([, needs, language, text]) => ({ needs, language: language!, text: text! }));
}

/** Those of packages. */
const READMES = readdirSync(join(ROOT, "packages")).map((name) => `packages/${name}/README.md`);

const withoutTimes = (text: string): string => text.replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME");

/** Bash, with an output file for each block. */
function scriptOf(blocks: readonly Block[]): string {
  const shell = blocks.flatMap(({ language, text }, i) =>
    language === "sh" ? [`exec > out.${i} 2>&1\n${text}`] : [],
  );
  return ["set -eu", FIND_RINGWAY, agent, "trap 'kill $(jobs -p) 2> /dev/null || :' EXIT", ...shell].join(
    "\n",
  );
}

const runs = (program: string, ...args: string[]): boolean => spawnSync(program, args).status === 0;
const forQemu = runs("qemu-system-x86_64", "--version") ? "" : " (skipped: no qemu-system-x86_64 in PATH)";

/** Programs that a block may need. */
const works: Readonly<Record<string, boolean>> = {
  unshare: runs("unshare", "--user", "--map-root-user", "--net", "true"),
  bwrap: runs(
    "bwrap",
    "--unshare-all",
    "--dev",
    "/dev",
    "--ro-bind",
    "/usr",
    "/usr",
    "--symlink",
    "usr/lib",
    "/lib",
    "--symlink",
    "usr/lib64",
    "/lib64",
    "/usr/bin/true",
  ),
  curl: runs("curl", "--version"),
  run: noRun === undefined && missing("curl") === undefined,
};
const agent = works.run ? `PATH=${dirname(buildStaticAgent())}:$PATH` : ":";
const absent = Object.keys(works).filter((program) => !works[program]);
const without =
  absent.length === 0 ? "" : ` (what needs ${absent.join(", ")} is left out: not here, or not allowed)`;

describe.each<[document: string, without: string, skipped: string]>([
  ["README.md", without, ""],
  ["docs/monitor.md", "", ""],
  ["docs/policy.md", "", ""],
  ["docs/inspect.md", "", ""],
  ["docs/messages.md", "", ""],
  ["docs/operate.md", "", ""],
  ["docs/vm.md", "", forQemu],
  ...READMES.filter((name) => blocksOf(name).length > 0).map((name): [string, string, string] => [
    name,
    "",
    "",
  ]),
])("%s%s%s", (document, _, skipped) => {
  it.skipIf(skipped !== "")("has examples that run, and print what it says", async () => {
    const left = blocksOf(document).filter(({ language }) => language !== "xml");
    const runnable = ({ needs }: Block): boolean => needs === undefined || works[needs]!;
    // What is left out takes what it prints along.
    const blocks = left.filter((block, i) => runnable(block.language === "text" ? left[i - 1]! : block));
    expect(["yaml", "js", "sh", "text"]).toEqual(
      expect.arrayContaining(blocks.map(({ language }) => language)),
    );
    const folder = temporaryFolder();
    // What lies beside README.md.
    for (const name of ["node_modules", "packages"]) symlinkSync(join(ROOT, name), join(folder, name));
    for (const { language, text } of blocks) {
      if (language !== "yaml" && language !== "js") continue;
      const name = /^(?:#|\/\/) (\S+)\n/.exec(text)?.[1];
      expect(name, `the first line of\n${text}`).toBeDefined();
      writeFileSync(join(folder, name!), text);
    }
    const script = scriptOf(blocks);
    const { code, stderr } = await start(["bash", "-c", script], { cwd: folder }).ended;
    const printed = blocks.map(({ language }, i) =>
      language === "sh" ? readFileSync(join(folder, `out.${i}`), "utf8") : "",
    );
    expect(code, `${stderr}${printed.join("")}`).toBe(0);
    for (const [i, { language, text }] of blocks.entries()) {
      const asThere = (output: string): string => withoutTimes(output.replaceAll(folder, "/home/you"));
      if (language === "text") expect(asThere(printed[i - 1]!)).toBe(withoutTimes(text));
    }
  });
});

const documents = [
  "README.md",
  "CONTRIBUTING.md",
  "SECURITY.md",
  ...readdirSync(join(ROOT, "docs")).map((name) => `docs/${name}`),
];

describe("the READMEs of packages", () => {
  it("of those that are published with code to try, each has a block that runs", () => {
    const run = READMES.filter((name) => blocksOf(name).some(({ language }) => language === "sh"));
    expect(run).toEqual(
      ["cli", "conformance", "guest", "messages", "monitor"].map((name) => `packages/${name}/README.md`),
    );
  });

  it("install what is published", () => {
    const manifests = readdirSync(join(ROOT, "packages")).map(
      (name) =>
        JSON.parse(readFileSync(join(ROOT, "packages", name, "package.json"), "utf8")) as Record<
          string,
          unknown
        >,
    );
    const published = manifests.flatMap(({ name, private: isPrivate }) => (isPrivate ? [] : [name]));
    for (const readme of READMES) {
      const text = readFileSync(join(ROOT, readme), "utf8");
      const named = [...text.matchAll(/^ {4}npm install (.*)$/gm)].flatMap(([, names]) => names!.split(" "));
      expect(published, readme).toEqual(expect.arrayContaining(named));
    }
  });
});

describe.each([...documents, ...READMES])("%s", (document) => {
  const text = readFileSync(join(ROOT, document), "utf8");

  it("names files that are there", () => {
    for (const [, target] of text.matchAll(/\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)/g)) {
      expect(existsSync(join(ROOT, dirname(document), target!)), target).toBe(true);
    }
  });

  it("starts nothing by npx that signals are for", () => {
    const code = [...text.matchAll(/^(?: {4}.*|```[\s\S]*?^```)$/gm)].map(([block]) => block);
    expect(code.filter((block) => /\bnpx\b.*\bringway (monitor|vm)\b/.test(block))).toEqual([]);
  });
});

describe("README.md", () => {
  it.skipIf(!works.bwrap)(
    "shows a way to shut a program in that hides the host's files, sockets and network",
    async () => {
      const folder = temporaryFolder();
      for (const name of ["node_modules", "packages"]) symlinkSync(join(ROOT, name), join(folder, name));
      for (const name of ["guest.mjs", "ringway.sock", "secret"]) writeFileSync(join(folder, name), "");
      const web = createServer().listen(0, "127.0.0.1");
      const other = createServer().listen(join(folder, "other.sock"));
      onTestFinished(() => {
        web.close();
        other.close();
      });
      await Promise.all([once(web, "listening"), once(other, "listening")]);
      const { port } = web.address() as AddressInfo;
      const { text } = blocksOf("README.md").find(({ needs }) => needs === "bwrap")!;
      const outside = join(folder, "other.sock");
      const program = `
      import { readdirSync } from "node:fs";
      import { connect } from "node:net";
      console.log(readdirSync("/").sort().join(), readdirSync("/app").sort().join());
      for (const to of [{ port: ${port}, host: "127.0.0.1" }, { path: "${outside}" }])
        connect(to).on("connect", () => console.log("reached", to)).on("error", ({ code }) => console.log(code));`;
      writeFileSync(join(folder, "guest.mjs"), program);
      const { code, stdout, stderr } = await start(["bash", "-c", text], { cwd: folder }).ended;
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      const [seen, ...refusals] = stdout.trim().split("\n");
      expect(seen).toBe("app,dev,lib,lib64,node,usr guest.mjs,node_modules,packages,ringway.sock");
      expect(refusals.sort()).toEqual(["ECONNREFUSED", "ENOENT"]);
    },
  );

  it("says how a program elsewhere has the packages", async () => {
    const text = readFileSync(join(ROOT, "README.md"), "utf8");
    const lines = /^ {4}mkdir -p node_modules\/@ringway\n {4}ln -s .*$/m.exec(text)![0];
    const program = `
      import { Guest } from "@ringway/guest";
      import { Monitor } from "@ringway/monitor";
      console.log(typeof Guest.attach, typeof Monitor.start);`;
    const script = `set -e\n${lines.replaceAll("/path/to/ringway", ROOT)}\nnode --input-type=module -e '${program}'`;
    const { code, stdout, stderr } = await start(["bash", "-c", script], { cwd: temporaryFolder() }).ended;
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: "function function\n", stderr: "" });
  });

  it("leads to every document", () => {
    const text = readFileSync(join(ROOT, "README.md"), "utf8");
    expect(documents.filter((name) => name !== "README.md" && !text.includes(`](${name}`))).toEqual([]);
  });
});

describe("CONTRIBUTING.md", () => {
  it("names the packages that .ci/run installs", () => {
    const text = readFileSync(join(ROOT, "CONTRIBUTING.md"), "utf8");
    const told = /^ {4}apt-get install ((?:.*\\\n)*.*)$/m.exec(text)![1]!.split(/[\s\\]+/);
    const gate = readFileSync(join(ROOT, ".ci/run"), "utf8");
    const pairs = /^for pair in ([\s\S]*?); do$/m.exec(gate)![1]!.split(/[\s\\]+/);
    const alone = [...gate.matchAll(/missing\+=\(([\w.-]+)\)/g)].map(([, name]) => name!);
    expect(told.sort()).toEqual([...pairs.map((pair) => pair.split(":")[1]!), ...alone].sort());
  });
});

describe("docs/vm.md", () => {
  it("gives QEMU the devices that ringway vm gives it, by hand and under libvirt", () => {
    // Without names that anybody may choose.
    const kind = (argument: string): string =>
      argument
        .replaceAll(/\b(id|mem-path|path|memdev|chardev|bus)=[^,]*/g, "$1")
        .replaceAll(/,(id|bus)\b/g, "")
        .replace(/size=\w+/, "size");
    const devices = { memoryFd: 3, memoryBytes: 2 ** 26, doorbell: "doorbell" };
    const added = planArguments(["-accel", "kvm", "-nic", "none"], devices, undefined).added.map(kind);
    const { text } = blocksOf("docs/vm.md").find((block) => block.text.startsWith("qemu-system-x86_64"))!;
    const words = text.split(" 2>")[0]!.split(/[\s\\]+/);
    const byHand = words.slice(words.indexOf("-object")).map(kind);
    expect(byHand).toEqual(added);
    const xml = blocksOf("docs/vm.md").find(({ language }) => language === "xml")!.text;
    const underLibvirt = [...xml.matchAll(/qemu:arg value='([^']*)'/g)].map(([, value]) => kind(value!));
    expect(underLibvirt).toEqual(added.slice(0, underLibvirt.length));
    expect(xml).toContain("name='org.ringway.doorbell'");
  });
});
