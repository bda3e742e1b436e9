// The demo's guest, a process of its own: whatever it gets from outside comes through its attach socket. It tells the
// host what it sees on stdout, a line of JSON each, and ends when its stdin does.

import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync, readlinkSync } from "node:fs";
import * as http from "node:http";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { Guest, RingwayError } from "@ringway/guest";
import { bodyOf, newSeed, pageOf, sha256 } from "./body.ts";
import {
  BODY_BYTES,
  type GuestEvent,
  type GuestTask,
  LARGE_FILE_BYTES,
  type Outcome,
  PAGE_BYTES,
  REQUESTS,
  type Request,
  SMALL_FILE_BYTES,
  SMALL_FILES,
} from "./plan.ts";

const PROGRESS_MS = 50;

const task = JSON.parse(process.argv[2]!) as GuestTask;
const input = createInterface({ input: process.stdin });
let finished = false;
input.on("close", () => {
  if (!finished) process.exit(1);
});

function tell(event: GuestEvent): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

function check(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(`in the guest: ${what}`);
}

// ── No network of its own ───────────────────────────────────────────────────────────────────────────────────────

async function lookAround(): Promise<void> {
  // Not os.networkInterfaces(): it leaves out those that are down.
  const interfaces = readFileSync("/proc/self/net/dev", "utf8")
    .split("\n")
    .slice(2)
    .map((line) => line.split(":", 1)[0]!.trim())
    .filter((name) => name !== "");
  const own = readlinkSync("/proc/self/ns/net") !== task.hostNamespace;
  tell({ event: "namespace", own, interfaces, direct: await connectDirectly() });
}

function connectDirectly(): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port: task.port, timeout: 2000 });
    const settle = (code: string | undefined): void => {
      socket.destroy();
      resolve(code);
    };
    socket.on("connect", () => settle(undefined));
    socket.on("timeout", () => settle("ETIMEDOUT"));
    socket.on("error", (error: NodeJS.ErrnoException) => settle(error.code ?? error.message));
  });
}

// ── Fetching ────────────────────────────────────────────────────────────────────────────────────────────────────

async function fetchBody(guest: Guest): Promise<void> {
  const start = performance.now();
  const agent = guest.httpAgent();
  const [response] = (await once(
    http.get({ host: "127.0.0.1", port: task.port, path: "/body", agent }),
    "response",
  )) as [http.IncomingMessage];
  check(response.statusCode === 200, `the file server answered ${response.statusCode}`);
  const hash = createHash("sha256");
  let bytes = 0;
  let told = start;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.length;
    const now = performance.now();
    if (now - told < PROGRESS_MS) continue;
    told = now;
    tell({ event: "progress", bytes });
  }
  check(bytes === BODY_BYTES, `${bytes} bytes came instead of ${BODY_BYTES}`);
  tell({ event: "fetched", bytes, sha256: hash.digest("hex"), ms: performance.now() - start });
  agent.destroy();
}

// ── Serving ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** Answers nobody until all the requests are there: so they are served at once, not one after the other. */
async function serve(guest: Guest): Promise<void> {
  const waiting: (() => void)[] = [];
  let atOnce = 0;
  const server = http.createServer((request, response) => {
    waiting.push(() => response.end(pageOf(request.url!, PAGE_BYTES)));
    atOnce = Math.max(atOnce, waiting.length);
    if (waiting.length === REQUESTS) for (const answer of waiting.splice(0)) answer();
  });
  const told = once(input, "line");
  const listener = await guest.listen({ host: "127.0.0.1", port: 0 }, (socket) => {
    server.emit("connection", socket);
  });
  tell({ event: "serving", port: listener.address()!.port });
  await told;
  await listener[Symbol.asyncDispose]();
  tell({ event: "served", atOnce });
}

// ── Files ───────────────────────────────────────────────────────────────────────────────────────────────────────

async function useFiles(guest: Guest): Promise<void> {
  const welcome = await guest.readFile("/library/welcome.txt", "utf8");
  check(welcome.startsWith("Welcome"), "the library's file reads otherwise");

  const folder = "/scratch/notes/2024";
  await guest.mkdir(folder, { recursive: true });
  const names = Array.from({ length: SMALL_FILES }, (_, i) => `note-${String(i).padStart(3, "0")}`);
  const large = [...bodyOf(newSeed(), LARGE_FILE_BYTES)].map((chunk) => Buffer.from(chunk));
  const expected = sha256(large);

  let start = performance.now();
  await Promise.all(
    names.map((name) => guest.writeFile(`${folder}/${name}`, pageOf(name, SMALL_FILE_BYTES))),
  );
  await guest.writeFile("/scratch/large.part", large);
  const writeMs = performance.now() - start;

  const listed = (await guest.readdir(folder)).sort();
  check(listed.join() === names.join(), `the folder lists ${listed.length} files instead of ${names.length}`);
  await guest.rename("/scratch/large.part", "/scratch/large");
  await guest.rename(folder, "/scratch/notes/all");
  const gone = await guest.stat(folder).then(
    () => "there",
    (error: RingwayError) => error.code,
  );
  check(gone === "ENOENT", `the renamed folder's old name is ${gone}`);
  check((await guest.stat("/scratch/large")).size === LARGE_FILE_BYTES, "the large file has another size");

  start = performance.now();
  const small = await Promise.all(names.map((name) => guest.readFile(`/scratch/notes/all/${name}`)));
  const back = await guest.readFile("/scratch/large");
  const readMs = performance.now() - start;
  for (const [i, bytes] of small.entries()) {
    check(bytes.equals(pageOf(names[i]!, SMALL_FILE_BYTES)), `${names[i]} reads back otherwise`);
  }
  const digest = sha256([back]);
  check(digest === expected, "the large file reads back otherwise");

  const bytes = LARGE_FILE_BYTES + SMALL_FILES * SMALL_FILE_BYTES;
  tell({ event: "files", bytesWritten: bytes, writeMs, bytesRead: bytes, readMs, sha256: digest });
}

// ── What must be refused ────────────────────────────────────────────────────────────────────────────────────────

async function tryForbidden(guest: Guest): Promise<void> {
  const outcomes: Outcome[] = [];
  for (const request of task.forbidden) {
    try {
      await attempt(guest, request);
      outcomes.push({ code: undefined, rule: undefined, reason: "it was allowed" });
    } catch (error) {
      if (!(error instanceof RingwayError)) throw error;
      outcomes.push({ code: error.code, rule: error.rule, reason: error.reason ?? error.message });
    }
  }
  tell({ event: "refusals", outcomes });
}

async function attempt(guest: Guest, request: Request): Promise<void> {
  switch (request.kind) {
    case "connect":
      (await guest.connect(request)).destroy();
      return;
    case "listen":
      (await guest.listen(request)).close();
      return;
    case "read":
      await guest.readFile(request.path);
      return;
    case "write":
      await guest.writeFile(request.path, "x");
  }
}

await lookAround();
const guest = await Guest.attach(task.socket);
await fetchBody(guest);
await serve(guest);
await useFiles(guest);
await tryForbidden(guest);
await guest.close();
finished = true;
input.close();
process.stdin.destroy();
