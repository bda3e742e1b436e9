// ringway policy learn --from AUDIT.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { Guest } from "@ringway/guest";
import { PolicyMatcher, parsePolicy } from "@ringway/monitor";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { RINGWAY, ringway, start } from "../../../test/support/ringway.ts";
import { echoServer } from "../../../test/support/tcp.ts";
import { temporaryFolder } from "../../../test/support/temporary.ts";
import { until } from "../../../test/support/wait.ts";
import { inProcess } from "./in-process.ts";
import { startMonitor } from "./ready-monitor.ts";

const folder = temporaryFolder();
let files = 0;
function file(text: string | Uint8Array, ending = ""): string {
  const path = join(folder, `audit-${++files}${ending}`);
  writeFileSync(path, text);
  return path;
}

interface Line {
  readonly audit?: string;
  readonly time?: string;
  readonly guest?: string;
  readonly protocol: string;
  readonly what: string;
  readonly rule?: string;
  readonly [key: string]: unknown;
}

const TIME = "2026-11-27T10:00:00.000Z";
const lineOf = (line: Line): string =>
  `${JSON.stringify({ level: "warn", time: TIME, audit: "refused", guest: "web-1", rule: "default", ...line })}\n`;

async function learned(text: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await inProcess("policy", "learn", "--from", file(text), ...args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  parsePolicy(stdout, { file: "learned.yaml" });
  return stdout;
}

describe("policy learn", () => {
  it("allows what a real guest asked for, and nothing else: once more, and nothing is refused", async () => {
    await using server = await echoServer();
    const home = temporaryFolder();
    mkdirSync(join(home, "data"));
    writeFileSync(join(home, "data", "x"), "x");
    const policy = join(home, "policy.yaml");
    const audit = join(home, "audit");
    writeFileSync(
      policy,
      `version: 1
connect: [{ id: local, allow: "*", resolvesTo: 127.0.0.1 }]
listen: [{ id: own, allow: 127.0.0.1, ports: 0 }]
files: [{ id: data, guest: /data, host: ./data, access: rw }]
hosts: { server.test: 127.0.0.1 }
`,
    );
    const monitor = await startMonitor(
      "--audit",
      audit,
      "--listen",
      `web=${join(home, "s")},policy=${policy}`,
    );
    const guest = await Guest.attach(join(home, "s"));
    onTestFinished(() => guest.close());
    const socket = await guest.connect(server.port, "server.test");
    socket.end();
    const listener = await guest.listen(0, "127.0.0.1");
    await new Promise((done) => listener.close(done));
    expect(await guest.fs.readFile("/data/x", "utf8")).toBe("x");
    await expect(guest.connect(25, "192.0.2.7")).rejects.toThrow();
    await expect(guest.fs.readFile("/etc/passwd")).rejects.toThrow();
    await until("all lines", () => /passwd/.test(readFileSync(audit, "utf8")));
    monitor.process.kill("SIGTERM");
    await monitor.process.logged("monitor has stopped");

    const { code, stdout } = await ringway(
      "policy",
      "learn",
      "--from",
      audit,
      "--policy",
      policy,
      "--guest",
      "web",
    );
    expect(code).toBe(0);
    const times = /\d{4}-\d\d-\d\dT[\d:.]+Z( to \d{4}-\d\d-\d\dT[\d:.]+Z)?/g;
    expect(stdout.replaceAll(times, "TIME")).toBe(`# Learned from what was asked for 5 times, TIME, by web-1.
version: 1
connect:
  - { allow: server.test, ports: ${server.port}, resolvesTo: [127.0.0.1] } # once, TIME, by web-1
  - { allow: 192.0.2.7, ports: 25 } # once, TIME, by web-1
listen:
  - { allow: 127.0.0.1, ports: 0 } # once, TIME, by web-1
hosts:
  server.test: [127.0.0.1]
files:
  - { id: data, guest: /data, host: ${join(home, "data")}, access: ro } # once, TIME, by web-1; \
it was rw, and no file was written (what is done with names has no lines)
# /etc/passwd: no files rule has it; once, TIME, by web-1
`);
    const matcher = new PolicyMatcher(parsePolicy(stdout, { file: "learned.yaml" }));
    const named = matcher.connectName("server.test", server.port);
    expect(matcher.connectResolved("server.test", named.ruleIndex, "127.0.0.1", server.port).allowed).toBe(
      true,
    );
    expect(matcher.connectName("server.test", 80).allowed).toBe(false);
    expect(matcher.file("/data/x", true).allowed).toBe(false);
  });

  it("puts hosts together that are the same in all, and keeps what differs apart", async () => {
    const at = (minute: number): string => `2026-11-27T10:0${minute}:00.000Z`;
    const text = [
      lineOf({ protocol: "tcp-connect", what: "a.example:443", time: at(1) }),
      lineOf({ protocol: "tcp-connect", what: "B.example.:443", time: at(2) }),
      lineOf({ protocol: "tcp-connect", what: "a.example:443", time: at(3), guest: "web-2" }),
      lineOf({ protocol: "tcp-connect", what: "192.0.2.1:443" }),
      lineOf({ protocol: "udp-connect", what: "192.0.2.1:53" }),
      ...[8000, 8001, 8002, 80].map((port) =>
        lineOf({ protocol: "tcp-connect", what: `[2001:db8::1]:${port}` }),
      ),
      // A bound socket's peer, and its own address.
      lineOf({
        protocol: "udp-bind",
        what: "192.0.2.9:53",
        reason: "no connect rule allows UDP to 192.0.2.9:53",
      }),
      lineOf({
        protocol: "udp-bind",
        what: "127.0.0.1:5000",
        reason: "no listen rule allows UDP at 127.0.0.1:5000",
      }),
      lineOf({ protocol: "resolve", what: "c.example" }),
      lineOf({ protocol: "tcp-connect", what: "denied.example:1", rule: "no" }),
      lineOf({ protocol: "tcp-connect", what: "rebound.example:1", rule: "not-public" }),
      lineOf({ protocol: "unix-connect", what: "/run/app", guest: "vm" }),
    ].join("");
    expect(await learned(text)).toBe(`\
# Learned from what was asked for 13 times, ${TIME} to ${at(3)}, by web-1, web-2, vm.
version: 1
connect:
  - allow:
      - a.example # 2 times, ${at(1)} to ${at(3)}, by web-1, web-2
      - b.example # once, ${at(2)}, by web-1
      - 192.0.2.1 # 2 times, ${TIME}, by web-1
    ports: 443
  - allow:
      - 192.0.2.1 # 2 times, ${TIME}, by web-1
      - 192.0.2.9 # once, ${TIME}, by web-1
    ports: 53
    protocols: [udp]
  - { allow: "2001:db8::1", ports: [80, 8000-8002] } # 4 times, ${TIME}, by web-1
  # c.example: its name was looked up, and nothing else; once, ${TIME}, by web-1
listen:
  - { allow: 127.0.0.1, ports: 5000, protocols: [udp] } # once, ${TIME}, by web-1
# /run/app: no sockets rule has it; once, ${TIME}, by vm
`);
    const vm = await learned(text, "--guest", "vm");
    expect(vm).toContain("version: 1\n# /run/app");
    expect(await learned("")).toBe("# Learned from no audit line.\nversion: 1\n");
  });

  it("reads what was rotated, halves of lines, and other lines of a log", async () => {
    const one = lineOf({ protocol: "tcp-connect", what: "a.example:443" });
    const two = lineOf({ protocol: "tcp-connect", what: "b.example:443" });
    const log = '{"level":"info","msg":"monitor is ready"}\n\n';
    const compressed = file(gzipSync(`${one.slice(20)}${log}${one}`), ".gz");
    const plain = file(`null\n[1]\n"x"\n${two}${two.slice(0, 40)}`);
    const long = file(`${"x".repeat(3_000_000)}\n${one}`);
    const from = [compressed, plain, long].flatMap((path) => ["--from", path]);
    const { code, stdout } = await inProcess("policy", "learn", ...from);
    expect(code).toBe(0);
    expect(stdout).toContain("# 5 lines could not be read.\n");
    expect(stdout).toContain("      - a.example # 2 times");
    expect(stdout).toContain("      - b.example # once");
    const piped = await start([process.execPath, RINGWAY, "policy", "learn", "--from", "-"], { input: two })
      .ended;
    expect(piped.stdout).toContain("allow: b.example");
    const missing = await inProcess("policy", "learn", "--from", join(folder, "missing"));
    expect(missing).toMatchObject({ code: 1, stdout: "" });
    expect(missing.stderr).toContain("cannot read ");
    expect((await inProcess("policy", "learn")).code).toBe(2);
  });

  it("counts what began, once, also where only its end is in the lines; and nothing that teaches nothing", async () => {
    const flow = (audit: string, number: number): string =>
      lineOf({ audit, protocol: "tcp-connect", what: "a.example:443", rule: "x", flow: number });
    const denied = lineOf({ protocol: "tcp-connect", what: "b.example:443", rule: "no" });
    const all = [flow("closed", 1), flow("closed", 2), flow("opened", 3), flow("closed", 3), denied];
    const text = await learned(all.join(""));
    expect(text).toContain(`# Learned from what was asked for 3 times, ${TIME}, by web-1.\n`);
    expect(text).toContain(`{ allow: a.example, ports: 443 } # 3 times, ${TIME}, by web-1\n`);
    expect(await learned(denied)).toBe("# Learned from no audit line.\nversion: 1\n");
  });

  it("says that no line is of a guest, and of whom there are some", async () => {
    const text = lineOf({ protocol: "tcp-connect", what: "a.example:443" });
    expect(await inProcess("policy", "learn", "--from", file(text), "--guest", "nope")).toEqual({
      code: 1,
      stdout: "",
      stderr: "ringway: no line is of a guest nope; there are lines of web-1\n",
    });
  });

  it("makes no YAML of what a guest chose, and nothing that a terminal obeys", async () => {
    const evil = 'x"\n  - { allow: "*" }\n#\u2028\u0085\x1b[2J\u202e\u{1f600}';
    const text = [
      ...["tcp-connect", "udp-connect", "tcp-listen", "udp-bind", "resolve", "echo", "__proto__"].flatMap(
        (protocol) =>
          [
            evil,
            `${evil}:443`,
            `[${evil}]:443`,
            "*:443",
            "public:443",
            "0.0.0.0/0:443",
            ":443",
            "1.2:443",
          ].map((what) => lineOf({ protocol, what, guest: evil })),
      ),
      lineOf({ protocol: "file", what: `/${evil}`, guest: evil }),
      lineOf({ protocol: "mount", what: "/x", rule: evil, errno: "EROFS", guest: evil }),
      lineOf({ audit: "opened", protocol: "file", what: "/x", rule: evil, address: evil, time: evil }),
      lineOf({
        audit: "opened",
        protocol: "tcp-connect",
        what: "a.example:1",
        rule: "x",
        address: `${evil}:1`,
      }),
    ].join("");
    const policy = await learned(text);
    expect(policy).toMatch(/^[\n -~]*$/);
    const { connect, listen, files, sockets } = parsePolicy(policy, { file: "learned.yaml" });
    expect(connect.flatMap(({ names, networks }) => [...names, ...networks]).toSorted()).toEqual([
      "a.example",
      "public",
    ]);
    expect(connect.every(({ networks }) => networks.length === 0)).toBe(true);
    expect([listen, files, sockets]).toEqual([[], [], []]);
  });

  it("is right whatever was asked for: it allows that, and nothing beside it", async () => {
    const hosts = ["a.example", "b.example", "private", "true", "8.8.8.8", "10.0.0.1", "2001:db8::1"];
    const led = [undefined, "10.0.0.1", "10.0.0.2"];
    const asked = fc.record({
      host: fc.constantFrom(...hosts),
      port: fc.integer({ min: 1, max: 4 }),
      transport: fc.constantFrom("tcp" as const, "udp" as const),
      /** Not public: a name's, where a rule has allowed that. */
      at: fc.constantFrom(...led),
    });
    const { Learned } = await import("../src/learn/learned.ts");
    fc.assert(
      fc.property(fc.array(asked, { minLength: 1, maxLength: 30 }), (all) => {
        const lesson = new Learned({});
        for (const { host, port, transport, at } of all) {
          const what = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
          if (at === undefined || /^[\d:]/.test(host))
            lesson.add({ protocol: `${transport}-connect`, what, rule: "default" });
          else lesson.addAllowed({ list: "connect", host, port, transport }, [at]);
        }
        const matcher = new PolicyMatcher(parsePolicy(String(lesson), { file: "learned.yaml" }));
        for (const host of hosts) {
          for (const port of [1, 2, 3, 4, 5]) {
            for (const transport of ["tcp", "udp"] as const) {
              const same = all.filter((one) => one.port === port && one.transport === transport);
              const own = same.filter((one) => one.host === host);
              const what = `${host} ${port} ${transport}\n${lesson}`;
              const isAddress = /^[\d:]/.test(host);
              const named = isAddress ? undefined : matcher.connectName(host, port, transport);
              const decision = named ?? matcher.connectAddress(host, port, transport);
              expect(decision.allowed, what).toBe(own.length > 0);
              if (named?.allowed !== true) continue;
              for (const address of ["10.0.0.1", "10.0.0.2"]) {
                const { allowed } = matcher.connectResolved(host, named.ruleIndex, address, port, transport);
                // The address itself may have been asked for.
                const isWanted =
                  own.some(({ at }) => at === address) || same.some((one) => one.host === address);
                expect(allowed, `${address} of ${what}`).toBe(isWanted);
              }
            }
          }
        }
      }),
    );
  });
});
