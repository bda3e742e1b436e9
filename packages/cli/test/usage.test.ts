import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ROOT, ringway, start } from "../../../test/support/ringway.ts";
import { ringwayHere } from "../../../test/support/ringway-here.ts";

describe("help", () => {
  it.each([["--help"], ["-h"], ["help"]])("comes on stdout with %s, and exits 0", async (option) => {
    const { code, stdout, stderr } = await ringway(option);
    expect(code).toBe(0);
    expect(stderr).toBe("");
    for (const command of ["run", "monitor", "vm", "policy", "inspect", "demo", "bench", "conformance"])
      expect(stdout).toMatch(new RegExp(`^  ${command}\\b`, "m"));
    expect(stdout).toContain("Exit codes: 0 done, 1 failed, 2 wrong usage");
  });

  it.each([
    [
      ["monitor", "--help"],
      [
        ...[
          "--policy <file>",
          "--listen <socket>",
          "--busy-poll-us <n>",
          "--drain-ms <n>",
          "--log-level <level>",
        ],
        ...["RINGWAY_TRACE=streams,bells", "0 stopped by a signal"],
      ],
    ],
    [
      ["run", "--help"],
      [
        ...["-- COMMAND [ARGS...]", "--policy <file>", "--attach <socket>", "--cwd <path>", "--user <user>"],
        ...["--learn <file>", "$RINGWAY_AGENT", "125 ringway failed"],
      ],
    ],
    [
      ["vm", "--help"],
      [
        "-- qemu-system-x86_64 [ARGS...]",
        "--policy <file>",
        "--memory <size>",
        "--accel <name>",
        "--grace-ms <n>",
        "--boot-timeout <time>",
      ],
    ],
    [
      ["policy", "--help"],
      ["init", "check", "explain"],
    ],
    [
      ["policy", "explain", "--help"],
      ["--write", "--udp", "--resolve", "--name-server", "--address", "0 allowed, 3 refused"],
    ],
    [
      ["bench", "--help"],
      ["--vm", "--quick", "--only", "--json", "--markdown"],
    ],
    [
      ["inspect", "--help"],
      ["<file|pid>", "--region <n>", "--json", "0 sound, 1 a clause is broken"],
    ],
    [["demo", "--help"], ["Usage: ringway demo"]],
    [
      ["conformance", "--help"],
      ["-- COMMAND [ARGS...]", "--only <text...>", "--json", "--timeout-ms <n>", "0 nothing failed"],
    ],
  ])("%j tells of its options", async (args, texts) => {
    const { code, stdout } = await ringwayHere(...args);
    expect(code).toBe(0);
    for (const text of texts) expect(stdout).toContain(text);
  });

  it("names every environment variable of ours that a command reads", async () => {
    const helps = [["run"], ["monitor"], ["vm"], ["bench"], []].map((command) =>
      ringwayHere(...command, "--help"),
    );
    const told = (await Promise.all(helps)).map(({ stdout }) => stdout).join();
    const sources = readdirSync(join(ROOT, "packages"))
      .map((name) => join(ROOT, "packages", name, "src"))
      .flatMap((src) =>
        readdirSync(src, { recursive: true, encoding: "utf8" }).map((file) => join(src, file)),
      )
      .filter((file) => file.endsWith(".ts"))
      .map((file) => readFileSync(file, "utf8"));
    const read = sources.flatMap((text) => [
      ...text.matchAll(/\benv(?:ironment)?\.(\w+)|\{ ([\w, ]+) \} = process\.env/g),
    ]);
    const names = read.flatMap(([, one, several]) => one ?? several!.split(", "));
    const ours = new Set(names.filter((name) => name.startsWith("RINGWAY_")));
    expect([...ours].sort()).toEqual(["RINGWAY_AGENT", "RINGWAY_CACHE", "RINGWAY_DEBUG", "RINGWAY_TRACE"]);
    for (const name of ours) expect(told).toContain(name);
  });

  it("shows what --vm is by default, and not an empty list", async () => {
    const { stdout } = await ringwayHere("monitor", "--help");
    expect(stdout).toMatch(/default: the\s+policy's\s+vms/);
    expect(stdout).not.toContain("[]");
  });

  it("is there through npx from the root", async () => {
    const { code, stdout } = await start(["npx", "--no-install", "ringway", "--version"]).ended;
    expect(code).toBe(0);
    const { version } = JSON.parse(readFileSync(join(ROOT, "packages/cli/package.json"), "utf8"));
    expect(stdout).toBe(`${version}\n`);
  });
});

describe("wrong usage exits 2, says what is wrong and where help is", () => {
  it.each([
    [["moniter"], "unknown command 'moniter' (Did you mean monitor?)", "ringway"],
    [["policy", "chek", "x"], "unknown command 'chek' (Did you mean check?)", "ringway policy"],
    [["monitor", "--polcy", "x"], "unknown option '--polcy' (Did you mean --policy?)", "ringway monitor"],
    [["monitor"], "expected --policy FILE, or --config FILE with one: what guests may do", "ringway monitor"],
    [
      ["monitor", "--policy", join(ROOT, "packages/demo/host/policy.yaml")],
      "expected --listen SOCKET, where processes attach, or --vm, or vms in the policy",
      "ringway monitor",
    ],
    [
      ["monitor", "--policy", "x", "--vm", "web"],
      '--vm: expected NAME:memory=FILE,doorbell=SOCKET[,size=SIZE], with a name of letters and digits; found "web"',
      "ringway monitor",
    ],
    [
      ["monitor", "--policy", "x", "--vm", "web:memory=a"],
      "--vm: expected NAME:memory=FILE,doorbell=SOCKET[,size=SIZE]; doorbell is missing",
      "ringway monitor",
    ],
    [
      ["monitor", "--policy", "x", "--vm", "web:memory=a,doorbell=b,bell=c"],
      '--vm: expected memory=FILE, doorbell=SOCKET, size=SIZE, policy=FILE or label=KEY=VALUE, found "bell=c"',
      "ringway monitor",
    ],
    [
      ["monitor", "--policy", "x", "--vm", "web:memory=a,doorbell=b,size=big"],
      '--vm: size: expected a size such as 64M or 1G, found "big"',
      "ringway monitor",
    ],
    [
      ["monitor", "--policy", "x", "--vm", "web:memory=a,doorbell=b,size=0"],
      `--vm: size: a PCI device's memory is a power of two, here from 1M to 4G; found "0"`,
      "ringway monitor",
    ],
    [
      ["monitor", "--policy", "x", "--vm", "web:memory=~/a,doorbell=b"],
      '--vm: memory: "~/a" has "~", which is not expanded: write out what it stands for',
      "ringway monitor",
    ],
    [
      ["monitor", "--policy", "x", "--vm", "web:memory=a,memory=b"],
      "--vm: expected one memory, found two",
      "ringway monitor",
    ],
    [
      [
        ...[
          "monitor",
          "--policy",
          join(ROOT, "packages/demo/host/policy.yaml"),
          "--listen",
          "/nowhere/socket",
        ],
        ...["--name-server", "192.0.2.1", "--name-server", "ns.example.com"],
      ],
      "--name-server: expected a name server such as 192.0.2.1, 192.0.2.1:5353, 2001:db8::1 or [2001:db8::1]:5353; " +
        'found "ns.example.com"',
      "ringway monitor",
    ],
    [["monitor", "--policy"], "option '--policy <file>' argument missing", "ringway monitor"],
    [
      ["monitor", "--policy", "x", "--listen", "y", "--busy-poll-us", "-1"],
      "option '--busy-poll-us <n>' argument '-1' is invalid. Expected a whole number from 0 to 1000000.",
      "ringway monitor",
    ],
    [
      ["monitor", "--log-level", "loud"],
      "option '--log-level <level>' argument 'loud' is invalid. Allowed choices are trace, " +
        "debug, info, warn, error, fatal, silent.",
      "ringway monitor",
    ],
    [["policy", "check"], "missing required argument 'file'", "ringway policy check"],
    [
      ["policy", "init", "a", "b"],
      "too many arguments for 'init'. Expected 1 argument but got 2.",
      "ringway policy init",
    ],
    [
      ["policy", "explain", "x", "conect", "a:1"],
      "command-argument value 'conect' is invalid for argument 'what'. Allowed choices are " +
        "connect, listen, file. (Did you mean connect?)",
      "ringway policy explain",
    ],
    [
      ["policy", "explain", "x", "connect", "example.com"],
      'expected HOST:PORT, such as example.com:443 or [2001:db8::1]:443, or the path of a socket, such as /run/app.sock; found "example.com"',
      "ringway policy explain",
    ],
    [
      ["policy", "explain", "x", "listen", "::1:80"],
      'expected ADDRESS:PORT, such as 127.0.0.1:8000 or [::1]:8000, or the path of a socket, such as /run/app.sock; found "::1:80"',
      "ringway policy explain",
    ],
    [
      ["policy", "explain", "x", "connect", "a:1", "--write"],
      "--write goes with file only",
      "ringway policy explain",
    ],
    [["demo", "now"], "too many arguments for 'demo'. Expected 0 arguments but got 1.", "ringway demo"],
  ])("%j", async (args, message, command) => {
    // A monitor may have begun to serve, as far as its stderr.
    const said = args[0] === "monitor" ? ringway(...args) : ringwayHere(...args);
    const { code, stdout, stderr } = await said;
    expect(stderr).toBe(`ringway: ${message}\nTry '${command} --help'.\n`);
    expect(stdout).toBe("");
    expect(code).toBe(2);
  });

  it.each([
    [["monitor", "--busy-poll-us"], "1000001", "<n>", "a whole number from 0 to 1000000."],
    [["monitor", "--drain-ms"], "3600001", "<n>", "a whole number from 0 to 3600000."],
    [["monitor", "--max-guests"], "0", "<n>", "a whole number from 1 to 100000."],
    [["vm", "--grace-ms"], "3600001", "<n>", "a whole number from 0 to 3600000."],
    [["vm", "--boot-timeout"], "0", "<time>", "a time from 1ms to 24h, such as 90s, 2m, or 90 for seconds."],
    [["conformance", "--timeout-ms"], "0", "<n>", "a whole number from 1 to 3600000."],
  ])("%j %s is out of bounds", async ([command, option], value, form, expected) => {
    const { code, stderr } = await ringwayHere(command!, option!, value);
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr:
        `ringway: option '${option} ${form}' argument '${value}' is invalid. Expected ` +
        `${expected}\nTry 'ringway ${command} --help'.\n`,
    });
  });

  it.each([[[]], [["policy"]]])("%j alone shows the help, on stderr", async (args: string[]) => {
    const { code, stdout, stderr } = await ringway(...args);
    expect(code).toBe(2);
    expect(stdout).toBe("");
    expect(stderr).toMatch(/^Usage: ringway/);
  });
});
