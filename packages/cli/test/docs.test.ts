// Runs the examples of the documents as they stand there. In a document's folder: blocks of yaml and js whose first line
// is a comment with a file's name become files; blocks of sh run one after the other in one shell; a block of text after
// one of sh is what it prints, but for times. The command is where README.md says.

import { spawnSync } from "node:child_process";
import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { planArguments } from "../src/vm/arguments.ts";
import { ROOT, start, temporaryFolder } from "./helpers.ts";

interface Block {
  readonly language: string;
  readonly text: string;
}

function blocksOf(document: string): Block[] {
  const found = readFileSync(join(ROOT, document), "utf8").matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm);
  return [...found].map(([, language, text]) => ({ language: language!, text: text! }));
}

const withoutTimes = (text: string): string => text.replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME");

/** Bash, with an output file for each block. */
/** The line of README.md by which a shell finds the command. */
const EXPORT_PATH = /^ {4}(export PATH=.*)$/m.exec(readFileSync(join(ROOT, "README.md"), "utf8"))![1]!;

function scriptOf(blocks: readonly Block[]): string {
  const shell = blocks.flatMap(({ language, text }, i) =>
    language === "sh" ? [`exec > out.${i} 2>&1\n${text}`] : [],
  );
  const find = `cd ${ROOT}; ${EXPORT_PATH}; cd "$OLDPWD"`;
  return ["set -eu", find, "trap 'kill $(jobs -p) 2> /dev/null || :' EXIT", ...shell].join("\n");
}

const hasQemu = spawnSync("qemu-system-x86_64", ["--version"]).status === 0;

const forQemu = hasQemu ? "" : " (skipped: no qemu-system-x86_64 in PATH)";

describe.each([
  ["README.md", ""],
  ["docs/monitor.md", ""],
  ["docs/vm.md", forQemu],
])("%s%s", (document, skipped) => {
  it.skipIf(skipped !== "")("has examples that run, and print what it says", async () => {
    const blocks = blocksOf(document).filter(({ language }) => language !== "xml");
    expect(new Set(blocks.map(({ language }) => language))).toEqual(new Set(["yaml", "js", "sh", "text"]));
    const folder = temporaryFolder();
    symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
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
      if (language === "text") expect(withoutTimes(printed[i - 1]!)).toBe(withoutTimes(text));
    }
  });
});

describe("README.md", () => {
  it("names files that are there", () => {
    const text = readFileSync(join(ROOT, "README.md"), "utf8");
    for (const [, target] of text.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)) {
      expect(() => readFileSync(join(ROOT, target!)), target).not.toThrow();
    }
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
