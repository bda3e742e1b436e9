// rwcat -U, built with sanitizers, against a real monitor and Unix sockets of the host.

import { once } from "node:events";
import { existsSync, statSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { MiB, pattern, sha256 } from "../support/bytes.ts";
import { heldForAll } from "../support/held.ts";
import { policyOf, startMonitor, streamsAre, type TestMonitor } from "../support/monitor.ts";
import { Program } from "../support/processes.ts";
import { readAll } from "../support/tcp.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { until } from "../support/wait.ts";
import { type Ran, type Running, start } from "./rwcat-process.ts";
import { buildForTests, noCompiler, titled } from "./toolchain.ts";

async function listening(
  path: string,
  onSocket: (socket: Socket) => void,
): Promise<Server & AsyncDisposable> {
  const server = createServer({ allowHalfOpen: true }, onSocket).listen(path);
  await once(server, "listening");
  return server;
}

describe.skipIf(noCompiler !== undefined)(titled("rwcat -U", noCompiler), () => {
  let folder: string;
  let host: TestMonitor;
  let program: string;
  const go = (args: readonly string[], input?: Uint8Array | string): Running =>
    start(program, args, input, { RINGWAY_SOCKET: host.path });
  const ran = (args: readonly string[], input: Uint8Array | string = ""): Promise<Ran> =>
    go(args, input).done;

  const hold = heldForAll();
  beforeAll(async () => {
    program = join(buildForTests(), "rwcat");
    folder = temporaryFolder("rwcat-unix");
    const rule = (name: string): string =>
      `  - { id: ${name}, guest: /run/${name}, host: ${folder}/${name}, access: connect }\n`;
    const policy = `version: 1
sockets:
${["node", "socat", "none"].map(rule).join("")}
  - { id: mine, guest: /run/mine, host: ${folder}/mine, access: listen }
`;
    host = hold(await startMonitor(() => policyOf(policy, folder)));
  }, 180_000);

  test("half-closes as nc -N does, in both directions", async () => {
    await using _server = await listening(join(folder, "node"), (socket) => {
      void readAll(socket).then((question) => socket.end(sha256(question)));
    });
    const bytes = pattern(3 * MiB + 17);
    const { code, stdout, stderr } = await ran(["-v", "-U", "/run/node"], bytes);
    expect({ code, stderr, answer: stdout.toString() }).toEqual({
      code: 0,
      stderr: "rwcat: connected to /run/node\n",
      answer: sha256(bytes),
    });
    await streamsAre(host.monitor, 0);
  });

  test("gives socat 4 MiB, and prints what it makes of them", async () => {
    const path = join(folder, "socat");
    using server = new Program("socat", ["-dd", "-t10", `UNIX-LISTEN:${path}`, "SYSTEM:sha256sum"]);
    await until("socat", () => server.errors.includes("listening on"));
    const bytes = pattern(4 * MiB, 5);
    const { code, stdout, stderr } = await ran(["-U", "/run/socat"], bytes);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout.toString().split(" ")[0]).toBe(sha256(bytes));
    expect((await server.exited).code).toBe(0);
  });

  test("-l: takes one connection of socat, and the name goes with the listener", async () => {
    const it = go(["-v", "-l", "-U", "/run/mine"], "an answer");
    await it.said(/listening on \/run\/mine\n/);
    expect(statSync(join(folder, "mine")).mode & 0o777).toBe(0o600);
    using client = new Program("socat", ["-t5", "-", `UNIX-CONNECT:${join(folder, "mine")}`], {
      input: "a question",
    });
    await client.exited;
    const { code, stdout, stderr } = await it.done;
    expect({ code, stdout: stdout.toString() }).toEqual({ code: 0, stdout: "a question" });
    expect(stderr).toBe("rwcat: listening on /run/mine\nrwcat: connection on /run/mine\n");
    expect(client.output).toBe("an answer");
    await until("the name to be gone", () => !existsSync(join(folder, "mine")));
  });

  test("says why it may not, and that nobody listens", async () => {
    expect(await ran(["-U", "/run/other"])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^rwcat: \/run\/other: Permission denied: .+\n$/),
    });
    expect(await ran(["-U", "/run/none"])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^rwcat: \/run\/none: No such file or directory/),
    });
  });

  test.each([
    [["-U"], "missing value: -U"],
    [["-U", "/a", "80"], "nothing else goes with -U, --get and --put: 80"],
    [["-U", "/a", "-u"], "-u goes with HOST and PORT, not with a path"],
    [["-l", "--get", "/a"], "-l goes with PORT, or with -U"],
    [["-U", "/a", "--get", "/b"], "only one of -U, --get and --put at a time"],
  ])("calls %j wrong usage, and exits 2", async (args, why) => {
    const { code, stderr } = await ran(args);
    expect({ code, stderr }).toEqual({ code: 2, stderr: `rwcat: ${why}\nTry rwcat --help.\n` });
  });
});
