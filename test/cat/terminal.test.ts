// A terminal as input: each key is sent as it is typed, and the terminal is given back however it ends.

import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { LOADED_MS } from "../support/processes.ts";
import { RINGWAY, ROOT } from "../support/ringway.ts";
import { tcpServer } from "../support/tcp.ts";
import { until } from "../support/wait.ts";
import { ended, missing, program } from "./cats.ts";

/** Prints what the terminal is set to, before the command, as it types, and after; types what it reads itself. */
const SCRIPT = join(ROOT, "test/cat/terminal.py");

describe.skipIf(missing("python3") !== undefined)("ringway cat on a terminal", () => {
  test.each([
    ["Ctrl-D", "\\x04", "exit 0"],
    ["Ctrl-C", "\\x03", "signal 2"],
    ["SIGTERM", "signal:15", "signal 15"],
    ["SIGHUP", "signal:1", "signal 1"],
    ["the other side's end", "end", "exit 0"],
  ])("sends keys, and gives it back at %s", async (_, ending, end) => {
    await using server = await tcpServer();
    const args = [process.execPath, RINGWAY, "cat", "--exit-after-input", `127.0.0.1:${server.port}`];
    const terminal = program(["python3", SCRIPT, ...args]);
    await until("the connection", () => server.sockets.length === 1, LOADED_MS);
    let heard = "";
    server.sockets[0]!.on("data", (chunk: Buffer) => {
      heard += chunk;
    });
    server.sockets[0]!.once("end", () => server.sockets[0]!.end());
    await terminal.line("raw");
    terminal.child.stdin!.write("ab\\r\n");
    await until("the keys", () => heard === "ab\n");
    if (ending === "end") server.sockets[0]!.end();
    else terminal.child.stdin!.write(`${ending}\n`);
    await ended(terminal);
    expect(terminal.lines.at(-1)).toBe(`${end}, given back`);
  });
});
