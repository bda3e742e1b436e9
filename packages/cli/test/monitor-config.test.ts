// ringway monitor --config ringway.yaml.

import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Guest } from "@ringway/guest";
import { AdminClient } from "@ringway/monitor";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { LOADED_MS, loadedInTurn, type Program } from "../../../test/support/processes.ts";
import { RINGWAY, ringway, start } from "../../../test/support/ringway.ts";
import { temporaryFolder } from "../../../test/support/temporary.ts";
import { until } from "../../../test/support/wait.ts";
import { inProcess } from "./in-process.ts";

const saying = (word: string): string => `version: 1\nguest: { argv: [${word}] }\n`;

async function argvOf(socket: string): Promise<readonly string[]> {
  const guest = await Guest.attach(socket);
  onTestFinished(() => guest.close());
  return (await guest.args()).argv;
}

class Files {
  readonly folder: string = temporaryFolder();
  readonly config: string = this.at("ringway.yaml");

  at(name: string): string {
    return join(this.folder, name);
  }

  write(files: Readonly<Record<string, string>>): void {
    for (const [name, text] of Object.entries(files)) writeFileSync(this.at(name), text);
  }
}

/** Ready, in another folder than the files'. */
async function serving(...args: string[]): Promise<Program> {
  return await loadedInTurn(async () => {
    const monitor = start([process.execPath, RINGWAY, "monitor", ...args], { cwd: "/" });
    await monitor.logged("monitor is ready", LOADED_MS);
    return monitor;
  });
}

const messages = ({ log }: Program, level: string): string[] =>
  log.filter((line) => line.level === level).map(({ msg }) => String(msg));

describe("ringway monitor --config", () => {
  it("serves its guests, and those that are typed; SIGHUP reads it and each policy again", async () => {
    const files = new Files();
    files.write({
      "all.yaml": saying("all"),
      "web.yaml": saying("web"),
      "other.yaml": saying("other"),
      "ringway.yaml": `version: 1
policy: all.yaml
listen: all.sock
guests:
  - { name: web, listen: web.sock, policy: web.yaml, labels: { team: a } }
  - { name: plain, listen: plain.sock }
audit: audit.log
admin: admin.sock
logLevel: debug
busyPollUs: 0
nameServers: 192.0.2.53
`,
    });
    const monitor = await serving(
      ...["--config", files.config, "--log-level", "info"],
      ...["--listen", `typed=${files.at("typed.sock")},policy=${files.at("other.yaml")}`],
    );
    expect(await argvOf(files.at("all.sock"))).toEqual(["all"]);
    expect(await argvOf(files.at("plain.sock"))).toEqual(["all"]);
    expect(await argvOf(files.at("typed.sock"))).toEqual(["other"]);
    expect(await argvOf(files.at("web.sock"))).toEqual(["web"]);
    await until("the line with the label", () =>
      monitor.log.some(
        ({ guest, labels }) => guest === "web-1" && (labels as { team?: string })?.team === "a",
      ),
    );
    expect(monitor.log.some(({ level }) => level === "debug")).toBe(false);
    using admin = new AdminClient({ socket: files.at("admin.sock") });
    expect((await admin.guests()).items.map(({ name }) => name)).toContain("web-1");

    files.write({
      "all.yaml": saying("again"),
      "ringway.yaml": `version: 1
policy: all.yaml
listen: all.sock
guests:
  - { name: web, listen: web.sock, policy: other.yaml, labels: { team: b } }
  - { name: new, listen: new.sock }
audit: audit.log
admin: admin.sock
`,
    });
    monitor.kill("SIGHUP");
    await until("the last policy to be read", () =>
      monitor.log.some(({ msg, guest }) => msg === "policy reloaded" && guest === "typed"),
    );
    expect(messages(monitor, "warn")).toEqual([
      `${files.config}: busyPollUs has changed: that takes a restart`,
      `${files.config}: nameServers has changed: that takes a restart`,
      `${files.config}: web has changed: that takes a restart`,
      `${files.config}: guest new is new: that takes a restart`,
      `${files.config}: guest plain is gone: that takes a restart`,
    ]);
    expect(await argvOf(files.at("web.sock"))).toEqual(["other"]);
    expect(await argvOf(files.at("plain.sock"))).toEqual(["again"]);

    files.write({ "ringway.yaml": "version: 1\npolcy: all.yaml\n", "other.yaml": saying("last") });
    monitor.kill("SIGHUP");
    const refused = await monitor.logged(`${files.config} refused, the old one stays`);
    expect(refused).toMatchObject({
      problems: [`${files.config}:2:1: unknown key "polcy"; did you mean "policy"?`],
    });
    await until(
      "the policies to be read all the same",
      () =>
        monitor.log.filter(({ msg, guest }) => msg === "policy reloaded" && guest === "typed").length === 2,
    );
    expect(await argvOf(files.at("web.sock"))).toEqual(["last"]);
  });

  it("serves machines that are new in it from a SIGHUP on, and those that are gone no more", async () => {
    const files = new Files();
    const vm = (name: string): string =>
      `  - { name: ${name}, memory: ${name}.mem, doorbell: ${name}.sock, size: 1M }\n`;
    const head = "version: 1\npolicy: all.yaml\n";
    files.write({ "all.yaml": "version: 1\n", "ringway.yaml": `${head}vms:\n${vm("one")}` });
    const monitor = await serving("--config", files.config);

    files.write({ "ringway.yaml": `${head}vms:\n${vm("two")}` });
    monitor.kill("SIGHUP");
    expect(await monitor.logged("the VM is served no more")).toMatchObject({ guest: "one" });
    await until("the other to be served", () =>
      monitor.log.some(({ msg, guest }) => msg === "the VM is served" && guest === "two"),
    );

    // Its memory holds something else: it is refused, and served once it does not.
    files.write({
      "three.mem": "x".repeat(1 << 20),
      "ringway.yaml": `${head}vms:\n${vm("two")}${vm("three")}`,
    });
    monitor.kill("SIGHUP");
    expect(await monitor.logged("the VM is not served: ")).toMatchObject({ guest: "three", level: "error" });
    rmSync(files.at("three.mem"));
    monitor.kill("SIGHUP");
    await until("the third to be served", () =>
      monitor.log.some(({ msg, guest }) => msg === "the VM is served" && guest === "three"),
    );
  });

  it("a SIGHUP serves what is not served: what failed at the start, was removed by an operator, or is on its way out", async () => {
    const files = new Files();
    const [head, vm] = ["version: 1\npolicy: all.yaml\nlisten: all.sock\nadmin: admin.sock\n", "vms:\n"];
    const one = "  - { name: one, memory: one.mem, doorbell: one.sock, size: 1M }\n";
    files.write({
      "all.yaml": "version: 1\n",
      "one.mem": "x".repeat(1 << 20),
      "ringway.yaml": `${head}${vm}${one}`,
    });
    // One that is typed stands above the file's.
    const monitor = await serving("--config", files.config, "--listen", files.at("typed.sock"));
    expect(existsSync(files.at("typed.sock"))).toBe(true);
    expect(existsSync(files.at("all.sock"))).toBe(false);
    const served = (times: number): Promise<unknown> =>
      until("it to be served", () => messages(monitor, "info").filter(isServed).length === times);
    const isServed = (msg: string): boolean => msg === "the VM is served";
    rmSync(files.at("one.mem"));
    monitor.kill("SIGHUP");
    await served(1);

    using admin = new AdminClient({ socket: files.at("admin.sock") });
    await admin.removeVm("one");
    monitor.kill("SIGHUP");
    await served(2);

    files.write({ "ringway.yaml": head });
    monitor.kill("SIGHUP");
    await monitor.logged("the VM is served no more");
    files.write({ "ringway.yaml": `${head}${vm}${one}` });
    monitor.kill("SIGHUP");
    await served(3);
    // Of the start alone.
    expect(messages(monitor, "error")).toEqual([expect.stringMatching(/^the VM is not served: /)]);
  });

  it("keeps the file from guests, under each of its names", async () => {
    const files = new Files();
    mkdirSync(files.at("shared"));
    const policy = "version: 1\nfiles:\n  - { guest: /s, host: ./shared, access: rw }\n";
    files.write({
      "all.yaml": policy,
      "shared/ringway.yaml": "version: 1\npolicy: ../all.yaml\nlisten: ../s.sock\n",
    });
    symlinkSync("shared/ringway.yaml", files.config);
    const { code, stderr } = await ringway("monitor", "--config", files.at("shared/ringway.yaml"));
    expect(code).toBe(1);
    expect(stderr).toContain("holds the monitor's configuration");
    files.write({ "shared/ringway.yaml": `version: 1\npolicy: ${files.at("all.yaml")}\nlisten: s.sock\n` });
    const link = await ringway("monitor", "--config", files.config);
    expect(link.stderr).toContain("holds the monitor's configuration");
    const checked = await ringway("monitor", "--config", files.config, "--check");
    expect(checked.code).toBe(1);
    expect(checked.stderr).toContain("holds the monitor's configuration");
  });

  it("tells all mistakes at once, each at its place", async () => {
    const files = new Files();
    files.write({
      "ringway.yaml": `version: 2
polcy: x.yaml
drainMs: soon
maxGuests: 0
nameServers: [192.0.2.53, nobody]
logLevel: loud
audit: ~/audit
guests:
  - { name: 8x, listen: a }
  - { name: web, listn: b }
  - { name: web, listen: c, labels: { team: a, 8: b, size: 3 } }
  - { name: web, listen: d }
  - { name: plain, listen: c }
vms:
  - { name: web, memory: m, doorbell: d, size: 3M }
  - { name: vm, memory: m, doorbell: d, size: [1] }
adminHttp: localhost:9000
`,
    });
    const { code, stderr } = await ringway("monitor", "--config", files.config);
    expect(code).toBe(1);
    const lines = stderr.trimEnd().split("\n");
    expect(lines.map((line) => line.replace(`${files.config}:`, ""))).toEqual(
      [
        "1:10: version: expected 1, found 2",
        '2:1: unknown key "polcy"; did you mean "policy"?',
        '3:10: drainMs: expected a number of milliseconds from 0 to 3600000, found "soon"',
        "4:12: maxGuests: expected a number of guests from 1 to 100000, found 0",
        expect.stringMatching(/^5:27: nameServers\[1\]: .*nobody/),
        '6:11: logLevel: expected one of trace, debug, info, warn, error, fatal, silent; found "loud"',
        '7:8: audit: expected a path; "~/audit" has "~", which is not expanded: write out what it stands for',
        expect.stringMatching(/^9:13: guests\[0\]\.name: "8x" is no name of a guest: /),
        '10:5: guests[1]: expected the key "listen", which is missing',
        '10:18: guests[1]: unknown key "listn"; did you mean "listen"?',
        expect.stringMatching(/^11:51: guests\[2\]\.labels\["8"\]: "8" is no label: /),
        "11:60: guests[2].labels.size: expected a string (numbers, true and null need quotes); found 3",
        '12:5: guests[3]: two guests are called "web"',
        '13:5: guests[4]: two guests attach at "PATH/c"',
        '15:5: vms[0]: two guests are called "web"',
        expect.stringMatching(/^15:48: vms\[0\]\.size: a PCI device's memory is a power of two/),
        "16:47: vms[1].size: expected a size such as 64M or 1G, found a list",
        '17:12: adminHttp: expected ADDRESS:PORT, such as 127.0.0.1:9000, found "localhost:9000"',
      ].map((line) => (typeof line === "string" ? line.replace("PATH", files.folder) : line)),
    );
  });

  it("--check tells what is wrong with its policies, and starts nothing", async () => {
    const files = new Files();
    files.write({
      "all.yaml": "version: 1\n",
      "web.yaml": "version: 1\naudit: required\n",
      "ringway.yaml":
        "version: 1\npolicy: all.yaml\nguests: [{ name: web, listen: web.sock, policy: web.yaml }]\n",
    });
    const bad = await ringway("monitor", "--config", files.config, "--check");
    expect(bad.code).toBe(1);
    expect(bad.stderr).toBe(
      `${files.at("web.yaml")}: \`audit: required\` needs --audit FILE, or audit in the file of --config\n`,
    );
    const good = await ringway(
      "monitor",
      "--config",
      files.config,
      "--check",
      "--audit",
      files.at("audit.log"),
    );
    expect(good.code).toBe(0);
    files.write({
      "all.yaml": "version: 1\nvms: [{ name: vm, memory: ./rw/vm.mem, doorbell: ./vm.sock }]\n",
      "web.yaml": "version: 1\nfiles: [{ guest: /rw, host: ./rw, access: rw }]\n",
    });
    mkdirSync(files.at("rw"));
    const reached = await inProcess("monitor", "--config", files.config, "--check");
    expect(reached.code).toBe(1);
    expect(reached.stderr).toMatch(/^\S+web\.yaml:2:\d+: .*vm\.mem/m);
    files.write({ "all.yaml": "version: 1\n", "none.yaml": "version: 1\npolicy: all.yaml\nadmin: true\n" });
    vi.stubEnv("XDG_RUNTIME_DIR", files.folder);
    onTestFinished(() => void vi.unstubAllEnvs());
    const none = await inProcess("monitor", "--config", files.at("none.yaml"), "--check");
    expect(none.code).toBe(2);
    expect(none.stderr).toContain(
      "expected --listen SOCKET, where processes attach, or --vm, or vms in the policy",
    );
    expect(existsSync(files.at("ringway"))).toBe(false);
    expect(good.stdout).toContain(`${files.config}: ok (1 guest, 0 VMs)\n${files.at("all.yaml")}: ok (`);
  });

  it("--check tells of folders that are none or not there yet, and of memories that no machine can have", async () => {
    const files = new Files();
    files.write({
      "all.yaml": "version: 1\n",
      file: "",
      odd: "x".repeat(1000),
      "ringway.yaml": `version: 1
policy: all.yaml
guests: [{ name: web, listen: none/web.sock }, { name: two, listen: file/x }, { name: loop, listen: loop/x }]
audit: none/audit.log
admin: admin.sock
adminHttp: 127.0.0.1:9000
adminToken: token
vms:
  - { name: one, memory: none/one.mem, doorbell: one.sock }
  - { name: four, memory: odd, doorbell: four.sock }
  - { name: three, memory: new.mem, doorbell: none/three.sock }
`,
    });
    symlinkSync("loop", files.at("loop"));
    const { code, stdout, stderr } = await inProcess("monitor", "--config", files.config, "--check");
    const none = files.at("none");
    expect(stderr.split("\n")).toEqual([
      `${files.config}: the attach socket of two: ${files.at("file")} is no folder`,
      expect.stringMatching(/: the attach socket of loop: its folder cannot be looked at: ELOOP: /),
      `${files.config}: the memory of one: its folder is not there yet: ${none}`,
      `${files.config}: the memory of four: ${files.at("odd")} has 1000 bytes: expected a power of two from 1MiB to 4GiB`,
      `${files.config}: the admin token: there is no file ${files.at("token")}`,
      "",
    ]);
    expect(stdout).toContain(
      `${files.at("new.mem")}: is not there yet, and is made at the start, for three\n`,
    );
    for (const what of ["the attach socket of web", "the audit file", "the doorbell of three"]) {
      expect(stdout).toContain(`${what}: its folder is not there yet: ${none}\n`);
    }
    expect([code, existsSync(files.at("new.mem"))]).toEqual([1, false]);
  });

  it("without a policy, or with guests of two names, is wrong usage", async () => {
    const files = new Files();
    files.write({ "ringway.yaml": "version: 1\nguests: [{ name: web, listen: web.sock }]\n" });
    const none = await ringway("monitor", "--config", files.config);
    expect(none.code).toBe(2);
    expect(none.stderr).toContain(
      `ringway: expected --policy FILE, or policy in ${files.config}: what guests may do\n`,
    );
    const twice = await ringway("monitor", "--config", files.config, "--listen", `web=${files.at("x")}`);
    expect(twice.code).toBe(2);
    expect(twice.stderr).toContain('two guests are called "web"');
    const missing = await ringway("monitor", "--config", files.at("none.yaml"));
    expect(missing).toMatchObject({
      code: 1,
      stderr: `${files.at("none.yaml")}: cannot be read: ENOENT: no such file or directory\n`,
    });
  });
});
