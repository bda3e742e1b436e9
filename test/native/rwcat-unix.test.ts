// rwcat -U, built with sanitizers, against a real monitor and Unix sockets of the host.

import { once } from "node:events";
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

async function listening(path: string, onSocket: (socket: Socket) => void): Promise<Server & AsyncDisposable> {
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
    const policy = `version: 1\nsockets:\n${["node", "socat", "none"].map(rule).join("")}`;
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

  test("gives socat 4 MiB and takes them back, unchanged", async () => {
    const path = join(folder, "socat");
    using server = new Program("socat", [`UNIX-LISTEN:${path}`, "PIPE"]);
    const bytes = pattern(4 * MiB, 5);
    let last: Ran | undefined;
    await until("socat", async () => {
      last = await ran(["-U", "/run/socat"], bytes);
      return !/No such file|refused/.test(last.stderr);
    });
    expect({ code: last!.code, stderr: last!.stderr }).toEqual({ code: 0, stderr: "" });
    expect(sha256(last!.stdout)).toBe(sha256(bytes));
    expect((await server.exited).code).toBe(0);
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

  test.each([[["-U"]], [["-U", "/a", "80"]], [["-U", "/a", "-l"]], [["-U", "/a", "--get", "/b"]]])(
    "calls %j wrong usage, and exits 2",
    async (args) => {
      const { code, stderr } = await ran(args);
      expect({ code, stderr }).toEqual({
        code: 2,
        stderr: expect.stringMatching(/^rwcat: .+\nTry rwcat --help\.\n$/),
      });
    },
  );
});
