import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { nameServer } from "../../../test/support/dns.ts";
import { unshare } from "../../../test/support/processes.ts";
import { RINGWAY, ringway, start } from "../../../test/support/ringway.ts";
import { ringwayHere } from "../../../test/support/ringway-here.ts";
import { temporaryFolder } from "../../../test/support/temporary.ts";

const folder = temporaryFolder();
const good = join(folder, "good.yaml");
mkdirSync(join(folder, "data"));
writeFileSync(
  good,
  `version: 1
connect:
  - { id: private, deny: [10.0.0.0/8, "fd00::/8"] }
  - { id: web, allow: "*.example.com", ports: 443 }
  - { id: inner, allow: inner.test, ports: 80, resolvesTo: 192.168.1.0/24 }
  - { allow: 192.0.2.7 }
listen:
  - { id: dev, allow: 127.0.0.1, ports: [0, 8000-8999] }
files:
  - { id: data, guest: /data, host: ./data, access: ro }
`,
);

function explain(...args: string[]): ReturnType<typeof ringwayHere> {
  return ringwayHere("policy", "explain", good, ...args);
}

describe("policy check", () => {
  it("counts the rules of a good file and exits 0", async () => {
    expect(await ringway("policy", "check", good)).toEqual({
      code: 0,
      stdout: `${good}: ok (4 connect rules, 1 listen rule, 1 files rule)\n`,
      stderr: "",
    });
  });

  it("says what a monitor must be given for it", async () => {
    const required = join(folder, "required.yaml");
    writeFileSync(required, "version: 1\naudit: required\n");
    const { code, stdout } = await ringwayHere("policy", "check", required);
    expect(code).toBe(0);
    expect(stdout).toMatch(/: ok \(.*\)\n {2}note: `audit: required` needs a monitor with --audit FILE\n$/);
  });

  it("reports every mistake at its line and column, and exits 1", async () => {
    const bad = join(folder, "bad.yaml");
    writeFileSync(
      bad,
      `version: 1
connect:
  - allow: example.com
    prots: 443
  - allow: 10.0.0.1/8
    ports: [80, http]
files:
  - guest: /x
    host: ./nowhere
    access: rw
`,
    );
    const { code, stdout, stderr } = await ringwayHere("policy", "check", bad);
    expect(code).toBe(1);
    expect(stdout).toBe("");
    expect(stderr.trimEnd().split("\n")).toEqual([
      `${bad}:4:5: connect[0]: unknown key "prots"; did you mean "ports"?`,
      `${bad}:5:12: connect[1].allow: expected a name pattern, an address or a CIDR; 10.0.0.1/8 ` +
        "has bits set below its prefix; the network is 10.0.0.0/8",
      `${bad}:6:17: connect[1].ports[1]: expected a port from 1 to 65535, or a range such as 8000-8100; found "http"`,
      `${bad}:9:11: files[0].host: expected a folder that exists; "${folder}/nowhere": ENOENT: ` +
        "no such file or directory",
    ]);
  });

  it("lists what is wrong with the text and with the folders of the host in one round", async () => {
    const bad = join(folder, "both.yaml");
    writeFileSync(
      bad,
      `version: 1
connect:
  - { allow: example.com, prots: 443 }
files:
  - { guest: /a, host: ./nowhere, access: ro }
  - { guest: /b, host: ~/b, access: ro }
  - { guest: /c, host: ./data, access: rx }
  - { guest: /d, host: ., access: ro }
  - { guest: /e, host: "\${HOME}/e", access: ro }
`,
    );
    const { code, stderr } = await ringwayHere("policy", "check", bad);
    expect(code).toBe(1);
    expect(stderr.trimEnd().split("\n")).toEqual([
      `${bad}:3:27: connect[0]: unknown key "prots"; did you mean "ports"?`,
      `${bad}:5:24: files[0].host: expected a folder that exists; "${folder}/nowhere": ENOENT: ` +
        "no such file or directory",
      `${bad}:6:24: files[1].host: expected a folder of the host; "~/b" has "~", which is not ` +
        "expanded: write out what it stands for",
      `${bad}:7:40: files[2].access: expected one of ro, rw; found "rx"`,
      `${bad}:8:24: files[3].host: "${folder}" holds the policy (${bad}), which no guest may ` +
        "reach: put one of the two elsewhere",
      `${bad}:9:24: files[4].host: expected a folder of the host; "\${HOME}/e" has "\${HOME}", ` +
        "which is not expanded: write out what it stands for",
    ]);
  });

  it("takes several files: each has its own result, and one that is bad fails all", async () => {
    const bad = join(folder, "several.yaml");
    writeFileSync(bad, "version: 2\n");
    const nothing = join(folder, "nothing.yaml");
    writeFileSync(nothing, "version: 1\n");
    expect(await ringwayHere("policy", "check", good, bad, nothing)).toEqual({
      code: 1,
      stdout:
        `${good}: ok (4 connect rules, 1 listen rule, 1 files rule)\n${nothing}: ok (0 connect ` +
        "rules, 0 listen rules, 0 files rules)\n",
      stderr: `${bad}:1:10: version: expected 1, found 2\n`,
    });
    expect((await ringwayHere("policy", "check", good, nothing)).code).toBe(0);
  });

  it("reads standard input for -, with folders relative to the one that it is run in", async () => {
    const check = (input: string | Uint8Array, ...args: string[]) =>
      start([process.execPath, RINGWAY, "policy", ...args], { cwd: folder, input }).ended;
    const text = readFileSync(good);
    const [alone, beside, long, explained, twice] = await Promise.all([
      check(text, "check", "-"),
      check("version: 2\n", "check", "-", good),
      check(`#${"x".repeat(2 ** 22)}`, "check", "-"),
      check(text, "explain", "-", "file", "/data/x"),
      check(text, "check", "-", "-"),
    ]);
    expect(alone).toEqual({
      code: 0,
      stdout: "<stdin>: ok (4 connect rules, 1 listen rule, 1 files rule)\n",
      stderr: "",
    });
    expect(beside).toMatchObject({
      code: 1,
      stdout: expect.stringContaining(`${good}: ok`),
      stderr: "<stdin>:1:10: version: expected 1, found 2\n",
    });
    expect(long).toMatchObject({ code: 1, stderr: "<stdin>:1:1: is longer than 1MiB\n" });
    expect(explained).toMatchObject({ code: 0 });
    expect(twice).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("- is standard input, which can be read once only"),
    });
  });

  it("reports a folder that is not there, and a file that cannot be read", async () => {
    const bad = join(folder, "folder.yaml");
    writeFileSync(bad, "version: 1\nfiles:\n  - { guest: /x, host: ./nowhere, access: rw }\n");
    const { code, stderr } = await ringwayHere("policy", "check", bad);
    expect(code).toBe(1);
    expect(stderr).toMatch(`${bad}:3:24: files[0].host: expected a folder that exists`);

    const missing = join(folder, "missing.yaml");
    expect(await ringwayHere("policy", "check", missing)).toEqual({
      code: 1,
      stdout: "",
      stderr: `${missing}: cannot be read: ENOENT: no such file or directory\n`,
    });
  });

  it("reports a folder that holds the policy itself, and the monitor one that holds its socket", async () => {
    const bad = join(folder, "own.yaml");
    writeFileSync(bad, "version: 1\nfiles:\n  - { guest: /x, host: ., access: ro }\n");
    const { code, stderr } = await ringwayHere("policy", "check", bad);
    expect(code).toBe(1);
    expect(stderr).toMatch(`${bad}:3:24: files[0].host: "${folder}" holds the policy (${bad})`);

    mkdirSync(join(folder, "run"));
    const withSocket = join(folder, "socket.yaml");
    writeFileSync(withSocket, "version: 1\nfiles:\n  - { guest: /x, host: ./run, access: rw }\n");
    expect((await ringwayHere("policy", "check", withSocket)).code).toBe(0);
    const socket = join(folder, "run/attach.sock");
    const monitor = await ringway("monitor", "--policy", withSocket, "--listen", socket);
    expect(monitor.code).toBe(1);
    expect(monitor.stderr).toMatch(
      `${withSocket}:3:24: files[0].host: "${folder}/run" holds the attach socket`,
    );
  });

  it("warns of what is seldom meant, and exits 0", async () => {
    const wide = join(folder, "wide.yaml");
    writeFileSync(wide, "version: 1\nconnect: [{ allow: 0.0.0.0/0 }]\n");
    const { code, stdout, stderr } = await ringwayHere("policy", "check", wide);
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: `${wide}: ok (1 connect rule, 0 listen rules, 0 files rules)\n`,
    });
    expect(stderr).toMatch(
      `${wide}:2:20: connect[0].allow: warning: allows 127.0.0.1 (loopback) and 169.254.169.254`,
    );
  });

  it("accepts the demo's policy where it stands", async () => {
    expect((await ringwayHere("policy", "check", "packages/demo/host/policy.yaml")).code).toBe(0);
  });
});

describe("policy init", () => {
  const init = (cwd: string, ...args: string[]) =>
    start([process.execPath, RINGWAY, "policy", "init", ...args], { cwd }).ended;

  it("writes policy.yaml: it passes the check, allows nothing, and names the schema for editors", async () => {
    const cwd = temporaryFolder();
    const { code, stdout, stderr } = await init(cwd);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toContain("policy.yaml: written");
    const file = join(cwd, "policy.yaml");
    expect((await ringwayHere("policy", "check", file)).stdout).toBe(
      `${file}: ok (0 connect rules, 0 listen rules, 0 files rules)\n`,
    );
    const [first] = readFileSync(file, "utf8").split("\n");
    const schema = /^# yaml-language-server: \$schema=(file:\S+)$/.exec(first!)![1]!;
    expect(JSON.parse(readFileSync(new URL(schema), "utf8"))).toMatchObject({ $id: "urn:ringway:policy:1" });
  });

  it("gives rules that pass the check when the # in front of them is taken away", async () => {
    const cwd = temporaryFolder();
    const { stdout } = await init(cwd, "-");
    const file = join(cwd, "all.yaml");
    writeFileSync(file, stdout.replaceAll(/^#(?=\S| {2})/gm, ""));
    for (const name of ["input", "output"]) mkdirSync(join(cwd, name));
    expect(await ringwayHere("policy", "check", file)).toEqual({
      code: 0,
      stdout: `${file}: ok (4 connect rules, 1 listen rule, 2 files rules, 1 sockets rule)\n`,
      stderr: "",
    });
  });

  it("never writes over a file, nor through a link", async () => {
    const cwd = temporaryFolder();
    writeFileSync(join(cwd, "mine.yaml"), "mine\n");
    symlinkSync("elsewhere.yaml", join(cwd, "link.yaml"));
    for (const name of ["mine.yaml", "link.yaml"]) {
      expect(await init(cwd, name)).toEqual({
        code: 1,
        stdout: "",
        stderr: `ringway: cannot write ${name}: it is there already, and stays as it is (EEXIST)\n`,
      });
    }
    expect(readFileSync(join(cwd, "mine.yaml"), "utf8")).toBe("mine\n");
    expect(existsSync(join(cwd, "elsewhere.yaml"))).toBe(false);
    expect((await init(cwd, "nowhere/policy.yaml")).stderr).toBe(
      "ringway: cannot write nowhere/policy.yaml: its folder does not exist; make it first (ENOENT)\n",
    );
  });

  it("names the schema of a node_modules above the file by a path that holds on other machines too", async () => {
    const cwd = temporaryFolder();
    const schema = "node_modules/@ringway/monitor/policy.schema.json";
    mkdirSync(join(cwd, "policies"), { recursive: true });
    mkdirSync(join(cwd, "node_modules/@ringway/monitor"), { recursive: true });
    writeFileSync(join(cwd, schema), "{}");
    expect((await init(cwd, "policies/policy.yaml")).code).toBe(0);
    const text = readFileSync(join(cwd, "policies/policy.yaml"), "utf8");
    expect(text.split("\n")[0]).toBe(`# yaml-language-server: $schema=../${schema}`);
  });
});

describe("policy explain", () => {
  it.each([
    [
      ["connect", "a.example.com:443"],
      'connecting to a.example.com:443 is allowed by rule "web" (*.example.com)',
      "web (connect[1])",
    ],
    [
      ["connect", "192.0.2.7:22"],
      'connecting to 192.0.2.7:22 is allowed by rule "connect[3]" (192.0.2.7)',
      "connect[3]",
    ],
    [
      ["listen", "127.0.0.1:8080"],
      'listening on 127.0.0.1:8080 is allowed by rule "dev" (127.0.0.1)',
      "dev (listen[0])",
    ],
    [["file", "/data/x"], 'reading "/data/x" is allowed by rule "data" (/data)', "data (files[0])"],
  ])("%j: allowed, exits 0", async (args, reason, rule) => {
    const { code, stdout, stderr } = await explain(...args);
    expect(stdout.split("\n").slice(0, 2)).toEqual([`allowed: ${reason}`, `  rule ${rule}`]);
    expect(stderr).toBe("");
    expect(code).toBe(0);
  });

  it.each([
    [
      ["connect", "a.example.com:80"],
      "no connect rule allows a.example.com:80",
      "default (built in)",
      "EACCES",
    ],
    [
      ["connect", "[fd00::1]:80"],
      'connecting to [fd00::1]:80 is denied by rule "private" (fd00::/8)',
      "private (connect[0])",
      "EACCES",
    ],
    [["connect", "a.example.com:99999"], "99999 is not a port from 1 to 65535", "port (built in)", "EINVAL"],
    [["listen", "0.0.0.0:8080"], "no listen rule allows 0.0.0.0:8080", "default (built in)", "EACCES"],
    [
      ["file", "/data/x", "--write"],
      'writing "/data/x" is denied by rule "data" (/data is read-only)',
      "data (files[0])",
      "EROFS",
    ],
    [["file", "/data/../x"], 'the path "/data/../x" has a ".."', "path (built in)", "EACCES"],
    [
      ["connect", "a.example.com:443", "--address", "10.1.1.1"],
      'connecting to a.example.com:443, which resolves to 10.1.1.1, is denied by rule "private" (10.0.0.0/8)',
      "private (connect[0])",
      "EACCES",
    ],
    [
      ["connect", "a.example.com:443", "--address", "127.0.0.1"],
      "a.example.com resolves to 127.0.0.1, which is not a public address (loopback, RFC 1122), " +
        'and no rule allows it (rule "web" could say resolvesTo)',
      "not-public (built in)",
      "EACCES",
    ],
  ])("%j: refused, exits 3", async (args, reason, rule, errno) => {
    const { code, stdout } = await explain(...args);
    expect(stdout).toBe(`refused: ${reason}\n  rule ${rule}; a guest gets ${errno}\n`);
    expect(code).toBe(3);
  });

  it("says of a name that its addresses count as well", async () => {
    const { stdout } = await explain("connect", "inner.test:80");
    expect(stdout).toContain("note: the addresses that inner.test resolves to are judged as well");
  });

  it("judges each address given, and allows where one is allowed", async () => {
    const { code, stdout } = await explain(
      "connect",
      "inner.test:80",
      "--json",
      "--address",
      "192.168.1.5",
      "10.0.0.1",
    );
    expect(code).toBe(0);
    const { allowed, decisions } = JSON.parse(stdout);
    expect(allowed).toBe(true);
    expect(decisions).toMatchObject([
      { address: "192.168.1.5", allowed: true, rule: "inner", place: "connect[2]" },
      { address: "10.0.0.1", allowed: false, rule: "private", errno: "EACCES" },
    ]);
  });

  it("judges all addresses of several --address, and says what a connect makes of them", async () => {
    const args = ["--address", "192.168.1.5", "--address", "10.0.0.1", "--address", "192.168.1.6"];
    const { code, stdout } = await explain("connect", "inner.test:80", ...args);
    expect(stdout.trimEnd().split("\n").at(-1)).toBe(
      "  note: a connect to inner.test uses the addresses that are allowed, 192.168.1.5, 192.168.1.6, and no other",
    );
    expect(stdout.match(/^(allowed|refused):/gm)).toEqual(["allowed:", "refused:", "allowed:"]);
    expect(code).toBe(0);
    expect(await explain("connect", "inner.test:80", "--address", "inner")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--address: expected an IPv4 or IPv6 address; found "inner"'),
    });
  });

  it(
    "asks the name server that --name-server names, with --resolve, and judges what --address " +
      "has as well",
    async () => {
      await using dns = await nameServer({
        "inner.test": ["192.168.1.7"],
        "a.example.com": ["64:ff9b::a00:1"],
      });
      const resolve = ["--resolve", "--name-server", dns.address];
      const args = ["--json", ...resolve, "--address", "10.0.0.1"];
      const { code, stdout } = await explain("connect", "inner.test:80", ...args);
      expect(code).toBe(0);
      expect(JSON.parse(stdout).decisions.map(({ address }: { address: string }) => address)).toEqual([
        "10.0.0.1",
        "192.168.1.7",
      ]);
      const translated = await explain("connect", "a.example.com:443", ...resolve);
      expect(translated).toMatchObject({ code: 3, stdout: expect.stringContaining("NAT64 of 10.0.0.1") });
      expect(dns.asked).toContain("ipv4only.arpa");
      expect(await explain("connect", "inner.test:80", "--name-server", dns.address)).toMatchObject({
        code: 2,
      });
      expect(
        await explain("connect", "inner.test:80", "--resolve", "--name-server", "nowhere"),
      ).toMatchObject({
        code: 2,
        stderr: expect.stringContaining("--name-server: expected a name server"),
      });
    },
  );

  it("knows the host's own addresses", () => {
    const asked = [good, "connect", "a.example.com:443", "--address", "8.8.4.4"];
    const command = `ip link set lo up; ip address add 8.8.4.4/32 dev lo; "$@"; test $? = 3`;
    const here = [...unshare("--net"), "sh", "-c", command, "sh"];
    const [program, ...args] = [...here, process.execPath, RINGWAY, "policy", "explain", ...asked];
    expect(execFileSync(program!, args, { encoding: "utf8" })).toContain("(an address of this host)");
  });

  it("resolves with --resolve: a name that the system points at loopback is refused", async () => {
    const any = join(folder, "any.yaml");
    writeFileSync(any, 'version: 1\nconnect:\n  - { id: any, allow: "*" }\n');
    const { code, stdout } = await ringwayHere(
      "policy",
      "explain",
      any,
      "connect",
      "localhost:80",
      "--resolve",
    );
    expect(code).toBe(3);
    expect(stdout).toContain("rule not-public (built in)");
  });

  it("judges the addresses that the policy gives a name, also without --resolve", async () => {
    const given = join(folder, "given.yaml");
    const rule = "{ id: net, allow: 10.1.2.3 }";
    writeFileSync(given, `version: 1\nconnect: [${rule}]\nhosts: { db.internal: [10.1.2.3, 10.1.2.4] }\n`);
    for (const how of [["--resolve"], []]) {
      const asked = ["explain", given, "connect", "DB.internal:5432", ...how, "--json"];
      const { code, stdout } = await ringwayHere("policy", ...asked);
      expect(code).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({
        allowed: true,
        decisions: [
          { address: "10.1.2.3", allowed: true, rule: "net" },
          { address: "10.1.2.4", allowed: false },
        ],
      });
    }
    const other = ["explain", given, "connect", "db.internal:5432", "--address", "10.1.2.4"];
    const refused = await ringwayHere("policy", ...other);
    expect(refused.code).toBe(3);
    expect(refused.stdout).not.toContain("10.1.2.3");
  });

  it("judges the addresses that localhost has by itself, as the monitor does, and check warns of them", async () => {
    const alone = join(folder, "localhost.yaml");
    writeFileSync(alone, "version: 1\nconnect: [{ allow: localhost }]\n");
    const explained = await ringwayHere("policy", "explain", alone, "connect", "localhost:80");
    expect(explained).toMatchObject({
      code: 3,
      stdout: expect.stringContaining("rule not-public (built in)"),
    });
    const { code, stderr } = await ringwayHere("policy", "check", alone);
    expect(stderr).toContain(
      "2:20: connect[0].allow: warning: leads nowhere: localhost is at 127.0.0.1 and ::1",
    );
    expect(code).toBe(0);
  });

  it("exits 1 with the report where the policy is bad", async () => {
    const bad = join(folder, "version.yaml");
    writeFileSync(bad, "version: 2\n");
    const { code, stderr } = await ringwayHere("policy", "explain", bad, "file", "/x");
    expect(code).toBe(1);
    expect(stderr).toMatch(`${bad}:1:10: version: `);
  });
});
