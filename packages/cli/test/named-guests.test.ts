// ringway monitor --listen NAME=SOCKET[,policy=FILE][,label=KEY=VALUE]: guests with a name, and policies of their own.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Guest } from "@ringway/guest";
import { describe, expect, it, onTestFinished } from "vitest";
import { ringway } from "../../../test/support/ringway.ts";
import { temporaryFolder } from "../../../test/support/temporary.ts";
import { until } from "../../../test/support/wait.ts";
import { UsageError } from "../src/errors.ts";
import { guestsOf } from "../src/guests/options.ts";
import { startMonitor } from "./ready-monitor.ts";

async function argvOf(socket: string): Promise<readonly string[]> {
  const guest = await Guest.attach(socket);
  onTestFinished(() => guest.close());
  return (await guest.args()).argv;
}

const saying = (word: string): string => `version: 1\nguest: { argv: [${word}] }\n`;

describe("ringway monitor", () => {
  it("serves guests with a name by their own policies, which SIGHUP reads again, each by itself", async () => {
    const folder = temporaryFolder();
    const at = (name: string): string => join(folder, name);
    writeFileSync(at("web.yaml"), saying("web"));
    writeFileSync(at("build.yaml"), saying("build"));
    const monitor = await startMonitor(
      ...["--listen", `web=${at("web.sock")},policy=${at("web.yaml")},label=team=a,label=tier=front`],
      ...["--listen", `build=${at("build.sock")},policy=${at("build.yaml")}`],
      ...["--listen", `plain=${at("plain.sock")}`],
    );
    expect(await argvOf(at("web.sock"))).toEqual(["web"]);
    expect(await argvOf(at("build.sock"))).toEqual(["build"]);
    expect(await argvOf(at("plain.sock"))).toEqual(["before"]);
    expect(await argvOf(monitor.socket)).toEqual(["before"]);
    const attached = await monitor.process.logged("guest attached");
    expect(attached).toMatchObject({ guest: "web-1", labels: { team: "a", tier: "front" } });

    writeFileSync(at("web.yaml"), saying("again"));
    writeFileSync(at("build.yaml"), "version: 1\nconect: []\n");
    monitor.process.kill("SIGHUP");
    const refused = await monitor.process.logged("policy refused, the old one stays");
    expect(refused).toMatchObject({
      guest: "build",
      problems: [`${at("build.yaml")}:2:1: unknown key "conect"; did you mean "connect"?`],
    });
    const reloaded = monitor.process.log.filter(({ msg }) => msg === "policy reloaded");
    expect(reloaded.map(({ guest, labels }) => ({ guest, labels }))).toEqual([
      { guest: undefined, labels: undefined },
      { guest: "web", labels: { team: "a", tier: "front" } },
    ]);
    expect(await argvOf(at("web.sock"))).toEqual(["again"]);
    expect(await argvOf(at("build.sock"))).toEqual(["build"]);
  });

  it("reads no policy of a machine that is not served", async () => {
    const folder = temporaryFolder();
    const at = (name: string): string => join(folder, name);
    writeFileSync(at("memory"), Buffer.alloc(1 << 20, 1));
    writeFileSync(at("vm.yaml"), saying("vm"));
    const vm = `vm:memory=${at("memory")},doorbell=${at("doorbell")},policy=${at("vm.yaml")}`;
    const listen = `web=${at("web.sock")},policy=${at("vm.yaml")}`;
    const monitor = await startMonitor("--vm", vm, "--listen", listen);
    monitor.process.kill("SIGHUP");
    await until("the last policy to be read", () =>
      monitor.process.log.some(({ msg, guest }) => msg === "policy reloaded" && guest === "web"),
    );
    monitor.process.kill("SIGTERM");
    await monitor.process.logged("monitor has stopped");
    const errors = monitor.process.log.filter(({ level }) => level === "error").map(({ msg }) => msg);
    expect(errors).toEqual([expect.stringContaining("the VM is not served")]);
  });

  it("does not start with a bad policy of one guest: its report, exit 1", async () => {
    const folder = temporaryFolder();
    const [common, own] = [join(folder, "policy.yaml"), join(folder, "own.yaml")];
    writeFileSync(common, "version: 1\n");
    writeFileSync(own, "version: 1\nconnect:\n  - allow: 10.0.0.0/33\n");
    const listen = `web=${join(folder, "web.sock")}`;
    const bad = await ringway("monitor", "--policy", common, "--listen", `${listen},policy=${own}`);
    expect(bad.code).toBe(1);
    expect(bad.stderr).toContain(`${own}:3:12: `);
    const missing = join(folder, "missing.yaml");
    const none = await ringway("monitor", "--policy", common, "--listen", `${listen},policy=${missing}`);
    expect(none.code).toBe(1);
    expect(none.stderr).toBe(`${missing}: cannot be read: ENOENT: no such file or directory\n`);
    const twice = await ringway("monitor", "--policy", common, "--listen", listen, "--listen", listen);
    expect(twice.code).toBe(2);
    expect(twice.stderr).toMatch(
      /^ringway: --listen, --vm: two guests are called "web"\nTry 'ringway monitor/,
    );
  });
});

describe("a guest with a name that makes no sense is wrong usage, with a sentence", () => {
  it.each([
    [["web="], '--listen: expected SOCKET or NAME=SOCKET[,policy=FILE][,label=KEY=VALUE], found "web="'],
    [
      ["web=s,polcy=x"],
      '--listen: expected policy=FILE or label=KEY=VALUE, found "polcy=x"; did you mean "policy"?',
    ],
    [
      ["8x=s,policy=a"],
      '--listen: "8x" is no name of a guest: expected up to 64 letters, digits, ".", "_" and "-", a letter first; ' +
        "a path is written ./8x=s,policy=a",
    ],
    [
      ["=s"],
      '--listen: "" is no name of a guest: expected up to 64 letters, digits, ".", "_" and "-", a letter first; ' +
        "a path is written ./=s",
    ],
    [
      ["/run/s,policy=a"],
      "--listen: a guest of its own has a name: expected SOCKET or NAME=SOCKET[,policy=FILE][,label=KEY=VALUE], " +
        'found "/run/s,policy=a"',
    ],
    [["web=s,policy=a,policy=b"], "--listen: expected one policy, found two"],
    [["web=s,label=team"], '--listen: expected label=KEY=VALUE, found "label=team"'],
    [["web=s,label=a=1,label=a=2"], "--listen: expected one label a, found two"],
    [["web=~/s"], '--listen: "~/s" has "~", which is not expanded: write out what it stands for'],
    [["web=s", "web=t"], '--listen, --vm: two guests are called "web"'],
    [["web=s", "build=s"], '--listen, --vm: two guests attach at "s"'],
    [["web=s", "s"], '--listen, --vm: two guests attach at "s"'],
    [["guest=s"], '--listen, --vm: "guest" is what guests without a name are called'],
    [["a", "b"], "--listen: expected one SOCKET without a name, found two; give them names: NAME=SOCKET"],
  ])("%j", (listen, message) => {
    expect(() => guestsOf(listen, [])).toThrow(new UsageError(message));
  });

  it("may have a label of any key", () => {
    const { guests } = guestsOf(["web=s,label=__proto__=a,label=constructor=b"], []);
    expect(Object.entries(guests[0]!.labels!)).toEqual([
      ["__proto__", "a"],
      ["constructor", "b"],
    ]);
    expect(() => guestsOf(["web=s,label=__proto__=a,label=__proto__=b"], [])).toThrow(/found two/);
  });
});
