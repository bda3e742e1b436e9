// With `audit: required`, who causes more lines than the log takes waits for itself alone: other keys' guests are
// served, and begin, and their lines are not behind all of it. While more lines of a key wait to be written than the
// monitor may hold, no guest of it begins, by whatever way it comes.

import { execFileSync } from "node:child_process";
import { closeSync, constants, mkdirSync, openSync, readSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Errno, fileMessages, Protocol } from "@ringway/control";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Declined } from "../support/declined.ts";
import { policyOf, startMonitor, type TestMonitor } from "../support/monitor.ts";
import { RawGuest } from "../support/raw-guest.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { until } from "../support/wait.ts";

/** Which audit lines have six times as many bytes. */
const PATH = `/${"\u0001".repeat(255)}`.repeat(15);
const DEEP = `/${"\u0001".repeat(255)}`.repeat(8);
const POLICY = `version: 1
audit: required
files: [{ id: data, guest: /data, host: ./data, access: ro }]
limits: { regionBytes: 1MiB, logLines: 1000, logBytes: 64MiB, auditBytes: 64MiB }
`;

let folder: string;
let reader: number;
let host: TestMonitor;
const guests: RawGuest[] = [];

beforeEach(async () => {
  folder = temporaryFolder("gate");
  const audit = join(folder, "audit");
  execFileSync("mkfifo", [audit]);
  reader = openSync(audit, constants.O_RDONLY | constants.O_NONBLOCK);
  mkdirSync(join(folder, "data", DEEP), { recursive: true });
  writeFileSync(join(folder, "data", "file"), "");
  writeFileSync(join(folder, "data", DEEP, "file"), "");
  host = await startMonitor(() => policyOf(POLICY, folder), { audit });
});
afterEach(async () => {
  for (const guest of guests.splice(0)) guest.vanish();
  await host[Symbol.asyncDispose]();
  closeSync(reader);
});

async function attach(key?: string): Promise<RawGuest> {
  const guest = await RawGuest.attach(host.monitor.attach(key === undefined ? {} : { key }).fd);
  guests.push(guest);
  return guest;
}

const isLogFull = (): boolean =>
  host.lines.some(({ msg }) => msg.startsWith("audit lines cannot be written"));

/** Guests begin in the order in which they come: is one that came before kept waiting, while all others are there? */
async function isNobodyLetIn(): Promise<boolean> {
  await attach(`look-${guests.length}`);
  return host.monitor.counters().guests === guests.length;
}

/**
 * Each guest causes a line and waits behind it, until they are as many as may wait. Resolves with one that is kept
 * waiting.
 */
async function fill(key?: string): Promise<{ readonly kept: Promise<RawGuest | Declined> }> {
  for (;;) {
    let isGreeted = false;
    const next = attach(key)
      .catch((error: Declined) => error)
      .finally(() => {
        isGreeted = true;
      });
    if ((await isNobodyLetIn()) && !isGreeted) {
      // Until then lines go on into what the log's thread has.
      await until("the log to be full", isLogFull);
      if ((await isNobodyLetIn()) && !isGreeted) return { kept: next };
    }
    const guest = await next;
    if (!(guest instanceof RawGuest)) throw guest;
    expect(guests.length).toBeLessThan(250);
    // Before the gate is shut a guest may cause many, and afterwards one.
    const pipes = [];
    for (let i = 0; i < 8; i++) pipes.push(await guest.newStream(8192));
    const body = fileMessages.FileOpen.encode({ path: PATH, flags: fileMessages.FileFlags.READ, mode: 0 });
    for (const pipe of pipes) guest.sendOpen(pipe, Protocol.FILE, body);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** The log is read from now on. */
function readLog(): { text: string } & Disposable {
  const chunk = Buffer.alloc(1024 * 1024);
  const read = { text: "", [Symbol.dispose]: () => clearInterval(reading) };
  const reading = setInterval(() => {
    try {
      read.text += chunk.toString("utf8", 0, readSync(reader, chunk));
    } catch {
      // EAGAIN: what was written has been read.
    }
  }, 1);
  return read;
}

test.each([
  ["without a key", undefined],
  ["with one", "one"],
])(
  "attach() is no way around: its guest waits, and begins once the lines are written: %s",
  async (_, key) => {
    const { kept } = await fill(key);
    // Of another key.
    await attach("other");
    using _log = readLog();
    expect(await kept).toBeInstanceOf(RawGuest);
  },
);

/** Opens files one after the other, each of which has two lines. Resolves with how many, once `mayGoOn` says no. */
async function openFiles(guest: RawGuest, path: string, mayGoOn: (opened: number) => boolean): Promise<void> {
  const body = fileMessages.FileOpen.encode({ path, flags: fileMessages.FileFlags.READ, mode: 0 });
  for (let opened = 0; mayGoOn(opened); opened++) {
    const pipe = await guest.newStream(4096);
    guest.sendOpen(pipe, Protocol.FILE, body);
    await guest.opened(pipe);
    guest.finish(pipe);
  }
}

test("a key that fills a log that nobody reads keeps no other from being served, and from being written", async () => {
  const FILES = 40;
  const flooding = await attach("one");
  let opened = 0;
  let stopped = false;
  const flood = openFiles(flooding, `/data${DEEP}/file`, (count) => {
    opened = count;
    return !stopped;
  });
  await until("the log to be full", isLogFull);
  // What fits into the monitor is a part of what it would do.
  await openFiles(await attach("other"), "/data/file", (count) => count < FILES);
  stopped = true;
  using log = readLog();
  await flood;
  const lines = (what: string): number => log.text.split("\n").filter((line) => line.includes(what)).length;
  await until("all lines", () => lines('"closed"') === FILES + opened);
  expect(lines('"opened"')).toBe(FILES + opened);
  // Its lines were caused last, and are written long before the last of those that waited.
  const after = log.text.slice(log.text.lastIndexOf('"what":"/data/file"'));
  expect(after.length).toBeGreaterThan(100_000);
});

test("who waits when the monitor stops is told so", async () => {
  const { kept } = await fill();
  const closed = host.monitor.close({ drainMs: 0 });
  expect(await kept).toMatchObject({ errno: Errno.ESHUTDOWN });
  await closed;
});
