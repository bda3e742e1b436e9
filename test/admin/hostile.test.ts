// A hostile client of the admin socket costs bounded memory, is cut off or answered, and neither another client nor a
// guest waits for it.

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { Guest, type GuestSocket } from "@ringway/guest";
import { AdminClient } from "@ringway/monitor";
import { beforeAll, describe, expect, it } from "vitest";
import { MiB } from "../support/bytes.ts";
import { heldForAll } from "../support/held.ts";
import type { Program } from "../support/processes.ts";
import { Home } from "../support/ringway.ts";
import { echoServer } from "../support/tcp.ts";
import { until } from "../support/wait.ts";

const hold = heldForAll();
let socket: string;
let monitor: Program;
let admin: AdminClient;
let connection: GuestSocket;

beforeAll(async () => {
  const home = hold(new Home("version: 1\nconnect:\n  - { id: local, allow: 127.0.0.1 }\n"));
  socket = join(home.folder, "admin.sock");
  monitor = await home.ready(["--admin", socket]);
  admin = hold(new AdminClient({ socket }));
  const echo = hold(await echoServer());
  const guest = hold(await Guest.attach(home.path));
  connection = await guest.connect({ host: "127.0.0.1", port: echo.port });
  await admin.guests();
});

/** Of the monitor, in bytes. */
function memory(): number {
  const status = readFileSync(`/proc/${monitor.child.pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) * 1024;
}

/** The guest's stream goes on, and another client is answered. */
async function others(): Promise<void> {
  connection.write("ping");
  expect(String((await once(connection, "data"))[0])).toBe("ping");
  expect(await admin.guests()).toMatchObject({ items: [{ state: "attached" }] });
}

interface Attacker {
  readonly socket: Socket;
  text: string;
  /** Why it was closed; "" where that was in order. */
  closed: string | undefined;
}

function attack(bytes: string | Buffer, reads = true): Attacker {
  const attacker: Attacker = { socket: connect(socket), text: "", closed: undefined };
  attacker.socket.on("error", ({ message }) => {
    attacker.closed = message;
  });
  attacker.socket.on("close", () => {
    attacker.closed ??= "";
  });
  if (reads) {
    attacker.socket.on("data", (chunk) => {
      attacker.text += String(chunk).slice(0, 1000);
    });
  } else attacker.socket.pause();
  attacker.socket.write(bytes);
  return attacker;
}

const GET = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`;

/**
 * Without bounds, a thousand that send requests without waiting cost 4 GB. What is left is garbage that was not
 * collected yet.
 */
const MEMORY = 400 * MiB;

describe("the admin socket", () => {
  it.each<[number, string, string | Buffer, boolean]>([
    [1000, "connections that say nothing", "", true],
    [1000, "half requests", "GET /v1/guests HTTP/1.1\r\nhost", true],
    [
      1000,
      "bodies that never come",
      "PUT /v1/policy HTTP/1.1\r\nhost: x\r\ncontent-length: 900000\r\n\r\nversion",
      true,
    ],
    [200, "requests without waiting for answers", GET("/v1/streams").repeat(2000), true],
    [200, "readers of events that read nothing", GET("/v1/events"), false],
    [100, "readers of answers that read nothing", GET("/v1/openapi.json").repeat(200), false],
  ])("bounds %i %s", async (count, _, bytes, reads) => {
    await others();
    const before = memory();
    const all: Attacker[] = [];
    for (let i = 0; i < count; i++) {
      all.push(attack(bytes, reads));
      if (i % 50 === 49) await others();
      else await turn();
    }
    await others();
    expect(memory() - before).toBeLessThan(MEMORY);
    for (const { socket: theirs } of all) theirs.destroy();
    await others();
  });

  it.each<[string, string, RegExp]>([
    [
      "a giant body",
      "PUT /v1/policy HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: 1000000000\r\n\r\n",
      /^HTTP\/1.1 413 /,
    ],
    ["giant headers", `GET /v1/guests HTTP/1.1\r\nhost: x\r\nx: ${"y".repeat(9000)}`, /^HTTP\/1.1 431 /],
    ["no HTTP", "\0\x01\x02 nonsense\r\n\r\n", /^HTTP\/1.1 400 /],
    ["a giant path", GET(`/v1/guests/${"z".repeat(5000)}`), /^HTTP\/1.1 4\d\d /],
    [
      "deep JSON",
      `POST /v1/drain HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 16000\r\n\r\n${"[".repeat(16_000)}`,
      /^HTTP\/1.1 400 /,
    ],
    [
      "a key of JavaScript's own",
      `POST /v1/drain HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 22\r\n\r\n{"__proto__":{"a":1}} `,
      /^HTTP\/1.1 400 /,
    ],
  ])("answers %s with what is wrong", async (_, bytes, answer) => {
    const attacker = attack(bytes);
    await until("an answer", () => attacker.text !== "" || attacker.closed !== undefined);
    expect(attacker.text, attacker.closed).toMatch(answer);
    attacker.socket.destroy();
    await others();
  });
});
