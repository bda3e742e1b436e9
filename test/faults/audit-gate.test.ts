// With `audit: required`, while more lines wait to be written than the monitor may hold, no guest begins, by whatever
// way it comes.

import { execFileSync } from "node:child_process";
import { closeSync, constants, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { Errno, fileMessages, Protocol } from "@ringway/control";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Declined } from "../support/declined.ts";
import { startMonitor, type TestMonitor } from "../support/monitor.ts";
import { RawGuest } from "../support/raw-guest.ts";
import { temporaryFolder } from "../support/temporary.ts";

/** Which audit lines have six times as many bytes. */
const PATH = `/${"\u0001".repeat(255)}`.repeat(15);
/** What a guest does that nobody lets in: it waits for its greeting. */
const IS_KEPT_WAITING_MS = 500;

let folder: string;
let reader: number;
let host: TestMonitor;
const guests: RawGuest[] = [];

beforeEach(async () => {
  folder = temporaryFolder("gate");
  const audit = join(folder, "audit");
  execFileSync("mkfifo", [audit]);
  reader = openSync(audit, constants.O_RDONLY | constants.O_NONBLOCK);
  const policy =
    "version: 1\naudit: required\nlimits: { regionBytes: 1MiB, logLines: 1000, logBytes: 64MiB }\n";
  host = await startMonitor(policy, { audit });
});
afterEach(async () => {
  for (const guest of guests.splice(0)) guest.vanish();
  await host[Symbol.asyncDispose]();
  closeSync(reader);
});

async function attach(): Promise<RawGuest> {
  const guest = await RawGuest.attach(host.monitor.attach().fd);
  guests.push(guest);
  return guest;
}

/**
 * Each guest causes a line and waits behind it, until they are as many as may wait. Resolves with one that is kept
 * waiting.
 */
async function fill(): Promise<{ readonly kept: Promise<RawGuest | Declined> }> {
  for (;;) {
    const next = attach().catch((error: Declined) => error);
    const limit = new Promise<undefined>((resolve) => setTimeout(resolve, IS_KEPT_WAITING_MS, undefined));
    const guest = await Promise.race([next, limit]);
    if (guest === undefined) return { kept: next };
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

test("attach() is no way around: its guest waits, and begins once the lines are written", async () => {
  const { kept } = await fill();
  const chunk = Buffer.alloc(1024 * 1024);
  const reading = setInterval(() => {
    try {
      readSync(reader, chunk);
    } catch {
      // EAGAIN: what was written has been read.
    }
  }, 1);
  expect(await kept).toBeInstanceOf(RawGuest);
  clearInterval(reading);
});

test("who waits when the monitor stops is told so", async () => {
  const { kept } = await fill();
  const closed = host.monitor.close({ drainMs: 0 });
  expect(await kept).toMatchObject({ errno: Errno.ESHUTDOWN });
  await closed;
});
