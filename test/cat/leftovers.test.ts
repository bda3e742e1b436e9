// What ringway cat leaves behind, and what it cuts off: programs (-e), sockets with a path, an output that is full.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { RINGWAY } from "../support/ringway.ts";
import { readAll, tcpClient } from "../support/tcp.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { until } from "../support/wait.ts";
import { cat, ended, portsOf, program, said } from "./cats.ts";

const AT = ["-L", "127.0.0.1:0"];

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return readFileSync(`/proc/${pid}/stat`, "utf8").split(" ")[2] !== "Z";
  } catch {
    return false;
  }
}

describe("programs", () => {
  test.each(["SIGTERM", "--timeout"])("go with it, deaf ones and what they started too: %s", async (how) => {
    const command = `trap "" TERM; (sleep 1000; true) & echo $! $$ >&2; while true; do sleep 1000; done`;
    const timeout = how === "--timeout" ? ["--timeout", "2s"] : [];
    const server = cat(["-e", command, ...timeout, ...AT], "");
    const [port] = await portsOf(server);
    await tcpClient(port!);
    await said(server, /^\d+ \d+\n/m);
    const pids = /^(\d+) (\d+)$/m.exec(server.errors)!.slice(1).map(Number);
    if (how === "SIGTERM") server.child.kill("SIGTERM");
    const exit = await ended(server);
    expect(exit.signal ?? exit.code).toBe(how === "SIGTERM" ? "SIGTERM" : 124);
    await until("all to be gone", () => !pids.some(isThere));
  });

  test("one that only reads gets all of it, and one that has read enough is no failure", async () => {
    const file = join(temporaryFolder("cat-programs"), "upload");
    const reader = cat(["-e", `exec >&-; cat > ${file}; echo done >&2`, ...AT], "");
    const [port] = await portsOf(reader);
    const client = await tcpClient(port!);
    const end = readAll(client);
    client.write("first ");
    await until("the first", () => existsSync(file) && readFileSync(file, "utf8") === "first ");
    await end;
    const start = performance.now();
    // Longer than the patience with one whose connection is gone.
    await until("a while", () => performance.now() - start > 5_500);
    client.end("last");
    await said(reader, "done");
    expect(readFileSync(file, "utf8")).toBe("first last");

    const head = cat(["-e", "head -c 1", "-l", "127.0.0.1:0"], "");
    const [other] = await portsOf(head);
    const loud = await tcpClient(other!);
    loud.write(Buffer.alloc(4 * 1024 * 1024, "x"));
    loud.resume();
    expect((await ended(head)).code, head.errors).toBe(0);
  });

  test("without descriptors for one, its peer is closed, and the others stay", async () => {
    const limited = ["sh", "-c", 'ulimit -n 64; exec "$@"', "sh", process.execPath, RINGWAY, "cat"];
    const server = program([...limited, "-e", "cat", ...AT], "");
    const [port] = await portsOf(server);
    const first = await tcpClient(port!);
    let heard = "";
    first.on("data", (chunk: Buffer) => {
      heard += chunk;
    });
    for (let i = 0; i < 30; i++) {
      const client = await tcpClient(port!);
      client.resume();
    }
    await said(server, "EMFILE");
    first.write("still there");
    await until("the echo", () => heard === "still there");
    expect(server.isOver).toBe(false);
  });
});

test("sockets with a path go with it, and one that is deserted is taken over", async () => {
  const folder = temporaryFolder("cat-sockets");
  const path = join(folder, "a.sock");
  const killed = cat(["-L", path], "");
  await said(killed, "listening at");
  killed.child.kill("SIGKILL");
  await ended(killed);
  expect(existsSync(path)).toBe(true);
  const next = cat(["-L", path], "");
  await said(next, "listening at");
  const second = cat(["-L", path], "");
  expect((await ended(second)).code).toBe(1);
  expect(second.errors).toContain("EADDRINUSE");
  next.child.kill("SIGTERM");
  expect((await ended(next)).signal).toBe("SIGTERM");
  expect(existsSync(path)).toBe(false);
});

test("an output that is full is a failure that is told", async () => {
  const command = 'exec "$@" > /dev/full';
  const full = program(
    ["sh", "-c", command, "sh", process.execPath, RINGWAY, "cat", "-l", "127.0.0.1:0"],
    "",
  );
  const [port] = await portsOf(full);
  const client = await tcpClient(port!);
  client.write("some");
  expect((await ended(full)).code).toBe(1);
  expect(full.errors).toMatch(/^ringway: stdout: .*ENOSPC.*$/m);
  expect(full.errors).not.toMatch(/^ +at /m);
});
