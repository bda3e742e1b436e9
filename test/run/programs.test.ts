// ringway run: programs that know nothing of Ringway, with the network and the folders of a policy; and what one gets
// that tries to get out.

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { BUILD_MS, missing } from "../agent/agent.ts";
import { run, titled } from "../native/toolchain.ts";
import { heldForAll } from "../support/held.ts";
import { Program } from "../support/processes.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { until } from "../support/wait.ts";
import { buildStaticAgent, FIXTURES, HostServer, Inside, noRun } from "./inside.ts";
import { triesToGetOut } from "./ways-out.ts";

const noCurl = missing("curl");
const noGit = missing("git");

describe.skipIf(noRun !== undefined)(titled("ringway run", noRun), () => {
  let inside: Inside;
  let folder: string;
  let server: HostServer;
  let refused: HostServer;
  let closed: number;
  const hold = heldForAll();

  beforeAll(async () => {
    buildStaticAgent();
    folder = temporaryFolder("run");
    server = hold(await HostServer.start((path) => (path === "/" ? "a server of the host\n" : fileOf(path))));
    refused = hold(await HostServer.start(() => "never\n"));
    const bound = hold(new Program("python3", ["-c", BINDS]));
    closed = Number(await bound.line(""));
    for (const name of ["data", "tools", "work", "work/fixed", "work/upper", "work/upper/deep"])
      mkdirSync(join(folder, name));
    symlinkSync(join(folder, "tools"), join(folder, "tools-link"));
    writeFileSync(join(folder, "data/greeting.txt"), "a file of the host\n");
    writeFileSync(join(folder, "secret.txt"), "not for the program\n");
    writeFileSync(join(folder, "tools/tool"), "a tool of the host\n");
    symlinkSync(join(folder, "secret.txt"), join(folder, "data/link"));
    if (noGit === undefined) makeRepository(folder);
    const policy = join(folder, "policy.yaml");
    writeFileSync(
      policy,
      `version: 1
connect:
  - { allow: 127.0.0.1, ports: [${server.port}, ${closed}] }
run: { system: [default, ${join(folder, "tools-link")}] }
files:
  - { guest: /fixtures, host: ${FIXTURES}, access: ro }
  - { guest: /data, host: ./data, access: ro }
  - { guest: /fixed, host: ./work/fixed, access: ro }
  - { guest: /deep, host: ./work/upper/deep, access: ro }
  - { guest: /project, host: ./work, access: rw }
`,
    );
    inside = hold(await Inside.start(["--policy", policy]));
  }, BUILD_MS);

  const fileOf = (path: string): Uint8Array | undefined => {
    try {
      return readFileSync(join(folder, "www", path.split("?")[0]!));
    } catch {
      return undefined;
    }
  };
  const at = (port: number): string => `http://host.ringway:${port}/`;
  const python = (text: string): Promise<{ code: number; out: string; err: string }> =>
    inside.run("python3", "-c", text);

  // ── The network ────────────────────────────────────────────────────────────────────────────────────────────────

  test.skipIf(noCurl !== undefined)(
    titled("curl reaches what the policy allows, and nothing else", noCurl),
    async () => {
      expect(await inside.run("curl", "-sS", at(server.port))).toEqual({
        code: 0,
        out: "a server of the host\n",
        err: "",
      });
      expect(await inside.run("curl", "-sS", at(refused.port))).toMatchObject({ code: 7, out: "" });
      expect(await inside.run("curl", "-sS", at(closed))).toMatchObject({ code: 7, out: "" });
      expect(await inside.run("curl", "-sS", "http://elsewhere.example/")).toMatchObject({
        code: 6,
        out: "",
      });
    },
  );

  test("Python's urllib has the server's answer, and the errors of a real network", async () => {
    const { out, err } = await python(`
import errno, urllib.error, urllib.request
def get(url):
    try: return urllib.request.urlopen(url, timeout=30).read().decode()
    except urllib.error.URLError as e: return errno.errorcode.get(e.reason.errno, str(e.reason))
for url in ["${at(server.port)}", "${at(closed)}", "${at(refused.port)}", "http://elsewhere.example/"]: print(get(url).strip())`);
    expect({ lines: out.split("\n").slice(0, 3), err }).toEqual({
      lines: ["a server of the host", "ECONNREFUSED", "EHOSTUNREACH"],
      err: "",
    });
    expect(out).toMatch(/\[Errno -\d\] .*\n$/);
  });

  test("Node's fetch has the server's answer, and the errors of a real network", async () => {
    const { out, err } = await inside.run(
      "node",
      "-e",
      `const get = (url) => fetch(url).then((answer) => answer.text(), ({ cause }) => cause.code);
       (async () => { for (const url of process.argv.slice(1)) console.log((await get(url)).trim()); })();`,
      ...[server.port, closed, refused.port].map(at),
      "http://elsewhere.example/",
    );
    expect({ lines: out.trim().split("\n"), err }).toEqual({
      lines: [
        "a server of the host",
        "ECONNREFUSED",
        "EHOSTUNREACH",
        expect.stringMatching(/^E(AI_AGAIN|NOTFOUND)$/),
      ],
      err: "",
    });
  });

  test.skipIf(noGit !== undefined)(titled("git clones over http", noGit), async () => {
    const url = `${at(server.port)}project.git`;
    expect(await inside.run("git", "clone", "-q", url, "/project/clone")).toEqual({
      code: 0,
      out: "",
      err: "",
    });
    expect(readFileSync(join(folder, "work/clone/file.txt"), "utf8")).toBe("a file of git's\n");
    const no = await inside.run("git", "clone", "-q", `${at(refused.port)}project.git`, "/project/none");
    expect(no).toMatchObject({ code: 128, err: expect.stringContaining("unable to access") });
  });

  test("a program's own servers are its own, on any port", async () => {
    const { out } = await python(`
import socket
s = socket.create_server(("127.0.0.1", 80))
c = socket.create_connection(("localhost", 80))
s.accept()[0].send(b"its own")
print(c.recv(100).decode())`);
    expect(out).toBe("its own\n");
  });

  test("what is refused is a line on stderr, once for each", async () => {
    const tries = `
import socket
for at in [("elsewhere.example", 80), ("host.ringway", ${refused.port})]:
    for _ in range(3):
        try: socket.create_connection(at)
        except OSError: pass`;
    await python(tries);
    const told = (what: string): number =>
      inside.program.errors
        .split("\n")
        .filter((line) => /^ringway: refused: .* \(rule default\)$/.test(line) && line.includes(what)).length;
    const asked = ["elsewhere.example", `host.ringway:${refused.port}`];
    await until("both lines", () => asked.every((what) => told(what) > 0));
    expect(asked.map(told)).toEqual([1, 1]);
  });

  // ── Files ──────────────────────────────────────────────────────────────────────────────────────────────────────

  test("folders of the policy are read, or read and written, at their places", async () => {
    expect((await inside.run("cat", "/data/greeting.txt")).out).toBe("a file of the host\n");
    expect(await inside.run("sh", "-c", "echo new > /project/made.txt")).toMatchObject({ code: 0 });
    expect(readFileSync(join(folder, "work/made.txt"), "utf8")).toBe("new\n");
    for (const path of ["/data/made.txt", "/fixed/made.txt", "/project/fixed/made.txt"]) {
      const { code, err } = await inside.run("sh", "-c", `echo new > ${path}`);
      expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining("Read-only file system") });
    }
  });

  test("a folder inside one that is written keeps its place, and so do the folders on the way to it", async () => {
    for (const name of ["fixed", "upper", "upper/deep"]) {
      const { code, err } = await inside.run("mv", "-T", `/project/${name}`, `/project/${name}-moved`);
      expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining("Device or resource busy") });
    }
    expect((await inside.run("rmdir", "/project/upper/deep")).err).toMatch(/busy|Read-only/);
    expect(await inside.run("sh", "-c", "echo new > /project/upper/made.txt")).toMatchObject({ code: 0 });
    expect((await inside.run("touch", "/project/upper/deep/made.txt")).err).toContain(
      "Read-only file system",
    );
  });

  test("what the policy adds to the system is at its own place, read-only", async () => {
    const tool = join(folder, "tools/tool");
    expect((await inside.run("cat", tool, join(folder, "tools-link/tool"))).out).toBe(
      "a tool of the host\n".repeat(2),
    );
    expect((await inside.run("touch", tool)).err).toContain("Read-only file system");
  });

  test("nothing else of the host's files is there", async () => {
    expect((await inside.run("cat", "/data/link")).err).toContain("No such file or directory");
    expect((await inside.run("ls", folder)).out).toBe("tools\ntools-link\n");
    const { out } = await inside.run("ls", "/", "/etc", "/run", "/tmp");
    const [root, etc, runs, tmp] = out.split("\n\n").map((part) => part.split("\n").slice(1));
    expect(root).toEqual(expect.arrayContaining(["data", "dev", "etc", "proc", "project", "tmp", "usr"]));
    expect(root).not.toContain("sys");
    for (const secret of ["shadow", "ssh", "sudoers", "machine-id"]) expect(etc).not.toContain(secret);
    const [first] = relative("/tmp", folder).split("/");
    expect({ runs, tmp: tmp!.filter((name) => name !== "") }).toEqual({
      runs: ["ringway"],
      tmp: first === ".." ? [] : [first],
    });
  });

  test("it has an /etc of its own, with its user and the resolver", async () => {
    expect((await inside.run("cat", "/etc/resolv.conf", "/etc/hostname")).out).toBe(
      "nameserver 127.0.0.1\nringway\n",
    );
    const { out } = await inside.run(
      "sh",
      "-c",
      'id -un; echo "$HOME"; cd; touch file; hostname 2> /dev/null || :',
    );
    expect(out.split("\n").slice(0, 2)).toEqual([run("id", ["-un"]).stdout.trim(), process.env.HOME]);
  });

  test("of the environment it has what describes the terminal, the language and the user", async () => {
    const { out } = await inside.run("env");
    expect(out).toMatch(/^PATH=/m);
    expect(out).not.toMatch(/^VITEST/m);
  });

  triesToGetOut(() => inside, hold);
});

/** Holds a port on which nobody listens, and says which. */
const BINDS = `
import socket, sys
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1], flush=True)
sys.stdin.read()`;

/** www/project.git, as a plain web server serves it. */
function makeRepository(folder: string): void {
  const git = (...args: readonly string[]): void => {
    const who = [
      "-c",
      "user.name=Somebody",
      "-c",
      "user.email=somebody@example.com",
      "-c",
      "init.defaultBranch=main",
    ];
    execFileSync("git", [...who, ...args], { cwd: folder, stdio: "ignore" });
  };
  git("init", "project");
  writeFileSync(join(folder, "project/file.txt"), "a file of git's\n");
  git("-C", "project", "add", ".");
  git("-C", "project", "commit", "-m", "A file");
  git("clone", "--bare", "project", "www/project.git");
  git("-C", "www/project.git", "update-server-info");
}
