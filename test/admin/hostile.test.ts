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
import { Home, start } from "../support/ringway.ts";
import { echoServer } from "../support/tcp.ts";
import { until } from "../support/wait.ts";

const hold = heldForAll();
let socket: string;
let monitor: Program;
let admin: AdminClient;
let connection: GuestSocket;
const POLICY = "version: 1\nconnect:\n  - { id: local, allow: 127.0.0.1 }\n";

beforeAll(async () => {
  const home = hold(new Home(POLICY));
  socket = join(home.folder, "admin.sock");
  monitor = await home.ready(["--admin", socket]);
  admin = hold(new AdminClient({ socket }));
  const echo = hold(await echoServer());
  const guest = hold(await Guest.attach(home.path));
  connection = await guest.connect({ host: "127.0.0.1", port: echo.port });
  await admin.guests();
  // An answer that no connection holds unread: its history.
  await admin.putPolicy(`${POLICY}${`# ${"x".repeat(99)}\n`.repeat(2400)}`);
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
      "PUT /v1/policy HTTP/1.1\r\nhost: x\r\ncontent-type: text/yaml\r\ncontent-length: 900000\r\n\r\nversion",
      true,
    ],
    [200, "requests without waiting for answers", GET("/v1/streams").repeat(2000), true],
    [200, "readers of events that read nothing", GET("/v1/events"), false],
    // One process may have 48 under way, and here others() is of the same.
    [40, "readers of answers that read nothing", GET("/v1/policy/history"), false],
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
    // Each has come as far as it says: none was turned away for what it has left out.
    for (const { text } of all) expect(text).not.toMatch(/^HTTP\/1.1 4(?!08|31)/);
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

it("carries out so many requests of one process at once, also of who does not wait, and tells others to ask again", async () => {
  // Each takes the loader's thread a while.
  const text = `version: 1\nconnect:\n${"  - { allow: nonsense..example }\n".repeat(2000)}`;
  const head = `PUT /v1/policy HTTP/1.1\r\nhost: x\r\ncontent-type: text/yaml\r\ncontent-length: ${text.length}`;
  const gone = Array.from({ length: 12 }, () => attack(`${head}\r\n\r\n${text}`));
  await until("all answers", () => gone.every((attacker) => attacker.text !== ""), 60_000);
  const busy = gone.find((attacker) => attacker.text.startsWith("HTTP/1.1 503 "))!;
  expect(busy.text).toMatch(/^retry-after: 1\r$/im);
  for (const { socket: theirs } of gone) theirs.destroy();
  await others();
  const put = async (): Promise<boolean> => {
    const error = await admin.putPolicy("version: 1\nconect: []\n").catch((thrown: unknown) => thrown);
    const { status } = error as { status: number };
    expect([422, 503]).toContain(status);
    return status === 422;
  };
  await until("its turn", put, 60_000);
});

it("leaves others a place to follow events, whoever has followed before", async () => {
  const following = Array.from({ length: 12 }, () => attack(GET("/v1/events")));
  const refused = () => following.filter(({ text }) => text.startsWith("HTTP/1.1 429 ")).length;
  await until("all answers", () => following.every(({ text }) => text !== ""));
  expect(refused()).toBe(4);
  const other = start([
    ...["curl", "-sN", "-m", "60", "--unix-socket", socket],
    "http://ringway/v1/events?after=0&follow=false",
  ]);
  expect(await other.ended).toMatchObject({ code: 0, stdout: expect.stringContaining("event: changed") });
  for (const { socket: theirs } of following) theirs.destroy();
});
