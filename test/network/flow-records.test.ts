// A record of each stream that has ended, to a file and to a Unix socket: what it says, and what becomes of records
// that nobody takes.

import { once } from "node:events";
import { readFileSync, renameSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { Guest } from "@ringway/guest";
import { beforeAll, expect, test } from "vitest";
import { heldForAll } from "../support/held.ts";
import { startMonitor, type TestMonitor } from "../support/monitor.ts";
import { echoServer, freePort, readAll, type TestServer } from "../support/tcp.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { until } from "../support/wait.ts";

const hold = heldForAll();
const POLICY = "version: 1\naudited: refusals\nconnect: [{ id: local, allow: 127.0.0.1 }]\n";
let folder: string;
let echo: TestServer;

beforeAll(async () => {
  folder = temporaryFolder("flows");
  echo = hold(await echoServer());
});

const talk = async (guest: Guest): Promise<void> => {
  const socket = await guest.connect({ host: "127.0.0.1", port: echo.port });
  socket.end("hello");
  await readAll(socket);
};

async function started(flows: string): Promise<{ host: TestMonitor; guest: Guest }> {
  const host = hold(await startMonitor(POLICY, { flows }));
  return { host, guest: hold(await Guest.attach(host.path)) };
}

type Line = Readonly<Record<string, unknown>>;
const linesIn = (text: string): Line[] =>
  text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line);

test("each stream that has ended has a line, also one that never began; of a moved file there is a new one", async () => {
  const file = join(folder, "flows.json");
  const { host, guest } = await started(file);
  const before = Date.now();
  await talk(guest);
  await expect(guest.connect({ host: "127.0.0.1", port: await freePort() })).rejects.toThrow();
  const lines = await until("two lines", () => {
    const found = linesIn(readFileSync(file, "utf8"));
    return found.length === 2 && found;
  });
  const target = `127.0.0.1:${echo.port}`;
  expect(lines[0]).toEqual({
    start: expect.any(String),
    end: expect.any(String),
    guest: "guest-1",
    protocol: "tcp-connect",
    what: target,
    rule: "local",
    address: target,
    bytesToHost: 5,
    bytesToGuest: 5,
    reason: "Fin",
  });
  const [start, end] = [Date.parse(String(lines[0]!.start)), Date.parse(String(lines[0]!.end))];
  expect(start).toBeGreaterThanOrEqual(before - 1);
  expect(end).toBeGreaterThanOrEqual(start);
  expect(lines[1]).toMatchObject({ address: "", bytesToHost: 0, reason: "Refused" });
  renameSync(file, `${file}.1`);
  await host.monitor.reopenFlows();
  await talk(guest);
  await until("a line in the new file", () => linesIn(readFileSync(file, "utf8")).length === 1);
});

test("a guest that goes ends its streams' records, and they are written before the monitor is closed", async () => {
  const file = join(folder, "gone.json");
  const host = await startMonitor(POLICY, { flows: file });
  const guest = await Guest.attach(host.path);
  await guest.connect({ host: "127.0.0.1", port: echo.port });
  await guest.close();
  await host[Symbol.asyncDispose]();
  expect(linesIn(readFileSync(file, "utf8"))).toMatchObject([{ reason: "GuestGone" }]);
});

test("at a Unix socket nobody is waited for: what was lost is counted once somebody listens", async () => {
  const path = join(folder, "flows.sock");
  const { host, guest } = await started(`unix:${path}`);
  await talk(guest);
  await talk(guest);
  await until("that it was said", () =>
    host.lines.some(({ msg }) => msg.startsWith("flow records are not taken")),
  );
  let text = "";
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
    });
  });
  server.listen(path);
  await once(server, "listening");
  await host.monitor.reopenFlows();
  await until("somebody to listen", () => sockets.length > 0);
  const lines = (): Line[] => linesIn(text.slice(0, text.lastIndexOf("\n") + 1));
  let talks = 2;
  const first = await until("a record", async () => {
    await talk(guest);
    talks++;
    return lines().find(({ lost }) => lost === undefined);
  });
  expect(first).toMatchObject({ reason: "Fin", rule: "local" });
  // Records are a little late: of those before, all may have been lost, or some.
  await until("each to be there, or counted", () => {
    return lines().reduce((sum, { lost = 1 }) => sum + Number(lost), 0) === talks;
  });
  for (const socket of sockets) socket.destroy();
  server.close();
  rmSync(path, { force: true });
});

test("a file that cannot be opened is no start", async () => {
  await expect(startMonitor(POLICY, { flows: join(folder, "none/flows.json") })).rejects.toMatchObject({
    code: "ENOENT",
  });
});
