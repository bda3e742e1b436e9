// The well-behaved guest: one connection that sends without end and checks every byte that comes back, and 64 bytes to
// and fro on another. argv: attach socket, port of the echo server; and with "connects" as the third, these are each on
// a connection of their own, which is part of the round trip. Lines on stdin, one line of JSON for each: "measure
// <ms>" goes as fast as it can for the first half, and looks at round trips in the second; "rest <ms>" goes on slowly,
// as between these; "quit".

import { once } from "node:events";
import { createInterface } from "node:readline";
import { Guest, type GuestSocket } from "@ringway/guest";
import { Incoming } from "../support/incoming.ts";

/** A prime, so that no length of a chunk or ring hides a shift. */
const PERIOD = 65_521;
const CHUNK = 64 * 1024;
const pattern = new Uint8Array(PERIOD + CHUNK * 16);
for (let i = 0; i < PERIOD; i++) pattern[i] = (Math.imul(i + 1, 2_654_435_761) >>> 13) & 0xff;
for (let i = PERIOD; i < pattern.length; i++) pattern[i] = pattern[i - PERIOD]!;

const [path, port, connects] = process.argv.slice(2);
const say = (value: object): void => void process.stdout.write(`${JSON.stringify(value)}\n`);
const fail = (why: string): never => {
  process.stdout.write(`${JSON.stringify({ wrong: why })}\n`);
  process.exit(4);
};

// Another user than the hostile guest, where that can be: budgets belong to users.
if (process.getuid?.() === 0) process.setuid!(65534);
const guest = await Guest.attach(path!);
guest.on("detach", (error) => fail(`detached: ${error?.message}`));
const connect = async (): Promise<GuestSocket> => {
  const socket = await guest.connect({ host: "127.0.0.1", port: Number(port) });
  socket.on("error", (error) => fail(`connection: ${error.message}`));
  socket.on("end", () => fail("the end came early"));
  return socket;
};

let received = 0;
const bulk = await connect();
bulk.on("data", (chunk: Uint8Array) => {
  for (let at = 0; at < chunk.length; ) {
    const part = Math.min(chunk.length - at, CHUNK);
    const expected = (received + at) % PERIOD;
    const same =
      Buffer.compare(chunk.subarray(at, at + part), pattern.subarray(expected, expected + part)) === 0;
    if (!same) fail(`wrong bytes at ${received + at}`);
    at += part;
  }
  received += chunk.length;
});
let fast = false;
void (async () => {
  for (let sent = 0; ; sent = (sent + CHUNK) % PERIOD) {
    if (!bulk.write(pattern.subarray(sent, sent + CHUNK))) await once(bulk, "drain");
    if (!fast) await new Promise((resolve) => setTimeout(resolve, 10));
  }
})();

let trips: number[] = [];
let small = await connect();
let answers = new Incoming(small);
void (async () => {
  for (let n = 0; ; n++) {
    const message = Buffer.alloc(64, n);
    const startMs = performance.now();
    if (connects !== undefined) {
      small.destroy();
      small = await connect();
      answers = new Incoming(small);
    }
    small.write(message);
    const answer = await answers.take(64);
    if (!answer.equals(message)) fail("wrong bytes on the small connection");
    trips.push((performance.now() - startMs) * 1000);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
})();

// The monitor's disk workers start with the first use, and stay.
await guest.stat("/ro/fixed");
say({ ready: true });
for await (const line of createInterface({ input: process.stdin })) {
  if (line === "quit") {
    guest.removeAllListeners("detach");
    process.exit(0);
  }
  const [what, duration] = line.split(" ");
  const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
  const halfMs = Number(duration) / 2;
  fast = what === "measure";
  const before = received;
  const startMs = performance.now();
  await sleep(halfMs);
  const tookMs = performance.now() - startMs;
  const got = received - before;
  fast = false;
  // What was under way comes to rest.
  await sleep(halfMs / 5);
  trips = [];
  await sleep(halfMs);
  const sorted = trips.toSorted((a, b) => a - b);
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 1e9;
  say({
    mibPerS: got / 2 ** 20 / (tookMs / 1000),
    trips: sorted.length,
    p50Us: Math.round(at(0.5)),
    p99Us: Math.round(at(0.99)),
  });
}
