// ringway run by a user who is not root, for tests that root runs: no root user is needed, as docs/run.md says. (Where
// an ordinary user runs the tests, the others show it.)

import {
  chmodSync,
  chownSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { BUILD_MS } from "../agent/agent.ts";
import { run, titled } from "../native/toolchain.ts";
import { heldForAll } from "../support/held.ts";
import { LOADED_MS } from "../support/processes.ts";
import { RINGWAY } from "../support/ringway.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { buildStaticAgent, FIXTURES, HostServer, Inside, noRun, startRun } from "./inside.ts";
import { triesToGetOut } from "./ways-out.ts";

/** In no /etc/passwd. */
const USER = 54321;
const AS = ["setpriv", "--reuid", String(USER), "--regid", String(USER), "--clear-groups", "--"];

function asUser(...command: readonly string[]): boolean {
  const [program, ...words] = [...AS, ...command];
  return run(program!, words).status === 0;
}

function whyNot(): string | undefined {
  if (noRun !== undefined) return noRun;
  if (process.getuid!() !== 0) return "the tests are an ordinary user's already";
  if (run("setpriv", ["--version"]).status !== 0) return "no setpriv";
  return asUser(process.execPath, RINGWAY, "--version")
    ? undefined
    : "others than root may not read this folder";
}
const reason = whyNot();

describe.skipIf(reason !== undefined)(titled("ringway run, as an ordinary user", reason), () => {
  let folder: string;
  let policy: string;
  let server: HostServer;
  const hold = heldForAll();
  const env = (): NodeJS.ProcessEnv => ({ TMPDIR: folder, HOME: "/home/user" });

  beforeAll(async () => {
    buildStaticAgent();
    folder = realpathSync(temporaryFolder("run-user"));
    server = hold(await HostServer.start(() => "a server of the host\n"));
    for (const name of ["data", "work"]) mkdirSync(join(folder, name));
    writeFileSync(join(folder, "data/greeting.txt"), "a file of the host\n");
    policy = join(folder, "policy.yaml");
    writeFileSync(
      policy,
      `version: 1
connect: [{ allow: 127.0.0.1, ports: ${server.port} }]
files:
  - { guest: /fixtures, host: ${FIXTURES}, access: ro }
  - { guest: /data, host: ./data, access: ro }
  - { guest: /project, host: ./work, access: rw }
`,
    );
    for (const name of ["", "work"]) chownSync(join(folder, name), USER, USER);
    for (const name of ["", "data", "work"]) chmodSync(join(folder, name), 0o755);
  }, BUILD_MS);

  const GET = `import sys, urllib.request as r; sys.stdout.write(r.urlopen(sys.argv[1]).read().decode())`;

  test("a signal, an exit code, input and output are handed through", async () => {
    using program = startRun(["--policy", policy], ["sh", "-c", "echo up; read line; echo $line; exit 7"], {
      env: env(),
      under: AS,
    });
    await program.line("up", LOADED_MS);
    program.child.stdin!.write("a line\n");
    expect(await program.ended).toEqual({ code: 7, stdout: "up\na line\n", stderr: "" });
    using other = startRun(["--policy", policy], ["sh", "-c", "echo up; read line"], {
      env: env(),
      under: AS,
    });
    await other.line("up", LOADED_MS);
    other.kill("SIGTERM");
    expect(await other.ended).toMatchObject({ code: 143 });
  });

  const noFuse = asUser("test", "-w", "/dev/fuse")
    ? undefined
    : "no /dev/fuse that others than root may open";
  describe.each([
    ["bind", undefined],
    ["mount", noFuse],
  ] as const)("--files %s", (files, lacking) => {
    describe.skipIf(lacking !== undefined)(titled("there", lacking), () => {
      let inside: Inside;
      beforeAll(async () => {
        const options = ["--policy", policy, "--files", files];
        inside = hold(await Inside.start(options, { env: env(), under: AS }));
      });

      test("the network is the policy's", async () => {
        expect(await inside.run("python3", "-c", GET, `http://host.ringway:${server.port}/`)).toEqual({
          code: 0,
          out: "a server of the host\n",
          err: "",
        });
        expect((await inside.run("python3", "-c", GET, "http://elsewhere.example/")).code).toBe(1);
      });

      test("what the program makes is the user's, and what is to be read is not written", async () => {
        const name = `made-${files}`;
        expect(await inside.run("sh", "-c", `id -u; cat /data/*; echo new > /project/${name}`)).toEqual({
          code: 0,
          out: `${USER}\na file of the host\n`,
          err: "",
        });
        expect(readFileSync(join(folder, "work", name), "utf8")).toBe("new\n");
        expect(statSync(join(folder, "work", name)).uid).toBe(USER);
        const { code, err } = await inside.run("sh", "-c", "echo new > /data/new");
        // What belongs to another user the kernel may refuse before the policy does.
        expect({ code, err }).toEqual({
          code: 2,
          err: expect.stringMatching(/Read-only file system|Permission denied/),
        });
      });

      if (files === "bind") triesToGetOut(() => inside, hold);
    });
  });
});
