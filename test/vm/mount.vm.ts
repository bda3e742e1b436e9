// A folder of the host's in a machine, by the agent's --mount, under programs that people have: git with 20,000 files,
// npm, make with a C compiler. npm itself is read from a second folder of the host's. With RINGWAY_VM_PROGRAMS=1, as
// `npm run nightly` has it. What came of it is looked at on the host.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { titled } from "../native/toolchain.ts";
import { HostNetwork, SERVICES } from "../run/matrix/host.ts";
import { makeSite, OF_NPM } from "../run/matrix/site.ts";
import { heldForAll } from "../support/held.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { memoryFolder, REGION_MIB, RINGWAY } from "./host/host.ts";
import { devices } from "./machine/devices.ts";
import { Machine } from "./machine/machine.ts";

const FILES = 20_000;
const IN_FOLDER = 100;
const SOURCES = 40;
const START_MS = 180_000;
const WORK_MS = 1_800_000;
/** What a test has beside its longest wait, which says what did not come. */
const BESIDE_MS = 120_000;
/** 20,000 files and a commit of them are made first. */
const SETUP_MS = START_MS + 420_000;
const { host: web, port } = SERVICES.web;

/** Beside the Node that runs this, as its own packages have it; Debian has it elsewhere. */
const npm = [
  join(dirname(realpathSync(process.execPath)), "../lib/node_modules/npm"),
  "/usr/share/nodejs/npm",
].find((path) => existsSync(join(path, "bin/npm-cli.js")));

const image = inject("images").programs;
const reason = image === undefined ? "RINGWAY_VM_PROGRAMS is not set" : undefined;

describe.skipIf(reason !== undefined)(titled("a mounted folder in a virtual machine", reason), () => {
  let vm: Machine;
  let data: string;
  const hold = heldForAll();

  beforeAll(async () => {
    const folder = temporaryFolder("machine-mount");
    const at = (name: string): string => join(folder, name);
    data = at("data");
    mkdirSync(data);
    makeRepository(data);
    makeProject(join(data, "project"));
    const network = hold(await HostNetwork.make());
    makeSite(at("site"), `http://${web}:${port}`);
    const server = [
      "-u",
      "-m",
      "http.server",
      String(port),
      "--bind",
      "127.0.0.1",
      "--directory",
      at("site"),
    ];
    hold(network.start(["python3", ...server]));
    writeFileSync(at("policy.yaml"), JSON.stringify(policyOf(data)));
    const memory = join(memoryFolder(folder), `ringway-mount-${process.pid}`);
    const doorbell = at("doorbell.sock");
    const guest = `machine:memory=${memory},doorbell=${doorbell},size=${REGION_MIB}M`;
    const words = ["monitor", "--policy", at("policy.yaml"), "--vm", guest, "--log-level", "warn"];
    hold(network.start([process.execPath, RINGWAY, ...words]));
    vm = await Machine.start({
      image: image!,
      devices: devices({ memory, memoryMib: REGION_MIB, doorbell }),
    });
    await vm.output("mkdir /tmp/data /tmp/npm");
    const mounts = `--mount /data:/tmp/data${npm === undefined ? "" : " --mount /npm:/tmp/npm"}`;
    vm.start(`ringway-agent --transparent --socks off --http off ${mounts}`);
    await vm.output("until [ -d /tmp/data/project ]; do sleep 0.1; done", START_MS);
  }, SETUP_MS);
  afterAll(() => vm?.[Symbol.asyncDispose]());

  test(
    `git clones ${FILES} files, and finds them unchanged`,
    async () => {
      const clone = "cd /tmp/data && git clone -q --no-hardlinks many.git clone";
      expect(await vm.output(`${clone} && git -C clone status --porcelain`, WORK_MS)).toBe("");
      expect(git(data, "-C", "clone", "status", "--porcelain")).toBe("");
      expect(git(data, "-C", "clone", "ls-files").trim().split("\n")).toHaveLength(FILES);
    },
    WORK_MS + BESIDE_MS,
  );

  test.skipIf(npm === undefined)(
    titled("npm installs from a registry", npm === undefined ? "there is no npm" : undefined),
    async () => {
      const options =
        "--no-audit --no-fund --no-update-notifier --fetch-retries=0 --cache /tmp/data/npm-cache";
      const install = `node /tmp/npm/bin/npm-cli.js install ${options} --registry=http://${web}:${port}/npm/ thing`;
      const ran = `mkdir /tmp/data/app && cd /tmp/data/app && ${install} >&2 && node node_modules/thing`;
      expect(await vm.output(ran, WORK_MS)).toBe(OF_NPM);
      const installed = JSON.parse(readFileSync(join(data, "app/package.json"), "utf8"));
      expect(installed.dependencies).toEqual({ thing: "^1.2.3" });
    },
    WORK_MS + BESIDE_MS,
  );

  test(
    "make builds a program, only what has changed, and it runs",
    async () => {
      const make = "make -s -j 2 -C /tmp/data/project CC=tcc";
      expect(await vm.output(`${make} && /tmp/data/project/sum`, WORK_MS)).toBe(String(sumOf(SOURCES)));
      expect(await vm.output(`${make} -q && echo nothing to do`, WORK_MS)).toBe("nothing to do");
      const changed = "echo 'int f1(void) { return 1001; }' > /tmp/data/project/f1.c";
      expect(await vm.output(`${changed}; ${make} && /tmp/data/project/sum`, WORK_MS)).toBe(
        String(sumOf(SOURCES) + 1000),
      );
    },
    4 * WORK_MS + BESIDE_MS,
  );
});

const sumOf = (count: number): number => (count * (count + 1)) / 2;

function git(folder: string, ...args: readonly string[]): string {
  const settings = ["user.name=Somebody", "user.email=somebody@example.com", "safe.directory=*"];
  const words = [...settings.flatMap((each) => ["-c", each]), ...args];
  return execFileSync("git", words, { cwd: folder, encoding: "utf8", maxBuffer: 64 << 20 });
}

/** many.git */
function makeRepository(folder: string): void {
  const many = join(folder, "many");
  for (let i = 0; i < FILES; i++) {
    const below = join(many, `d${Math.floor(i / IN_FOLDER)}`);
    if (i % IN_FOLDER === 0) mkdirSync(below, { recursive: true });
    writeFileSync(join(below, `f${i}`), `file ${i}\n`);
  }
  git(many, "init", "-q", "-b", "main");
  git(many, "add", ".");
  git(many, "commit", "-q", "-m", "Many files");
  git(folder, "clone", "-q", "--bare", "many", "many.git");
}

/** A program of many files, which prints the sum of what each of them has. */
function makeProject(folder: string): void {
  mkdirSync(folder);
  const numbers = Array.from({ length: SOURCES }, (_, i) => i + 1);
  for (const i of numbers) writeFileSync(join(folder, `f${i}.c`), `int f${i}(void) { return ${i}; }\n`);
  const declared = numbers.map((i) => `int f${i}(void);`).join(" ");
  const sum = numbers.map((i) => `f${i}()`).join(" + ");
  const main = `#include <stdio.h>\n${declared}\nint main(void) { printf("%d\\n", ${sum}); return 0; }\n`;
  writeFileSync(join(folder, "main.c"), main);
  const objects = ["main", ...numbers.map((i) => `f${i}`)].map((name) => `${name}.o`).join(" ");
  writeFileSync(
    join(folder, "Makefile"),
    `sum: ${objects}\n\t$(CC) -o $@ $^\n%.o: %.c\n\t$(CC) -c -o $@ $<\n`,
  );
}

/** In JSON, which is YAML as well. */
function policyOf(data: string): object {
  const ofNpm = npm === undefined ? [] : [{ guest: "/npm", host: npm, access: "ro" }];
  return {
    version: 1,
    connect: [{ allow: "127.0.0.1", ports: [port] }],
    hosts: { [web]: "127.0.0.1" },
    files: [{ guest: "/data", host: data, access: "rw" }, ...ofNpm],
  };
}
