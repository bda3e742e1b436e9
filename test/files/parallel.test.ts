// Thousands of calls at once, on a fresh guest with the limits that a policy has by default: node:fs does them all, and
// so does the SDK.

import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Guest, type GuestFile } from "@ringway/guest";
import { afterEach, beforeAll, beforeEach, expect, it, onTestFinished } from "vitest";
import { heldForAll } from "../support/held.ts";
import { type Host, startHost, withLimits } from "./host.ts";

const hold = heldForAll();
let host: Host;
let guest: Guest;

beforeAll(async () => {
  host = hold(await startHost());
});
beforeEach(async () => {
  guest = await Guest.attach(host.path);
});
afterEach(async () => {
  await guest.close();
  for (const name of readdirSync(host.data)) rmSync(join(host.data, name), { recursive: true });
});

const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** How many failed with which code. */
async function codes(calls: Promise<unknown>[]): Promise<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const result of await Promise.allSettled(calls)) {
    if (result.status === "fulfilled") continue;
    const { code } = result.reason as { code: string };
    found[code] = (found[code] ?? 0) + 1;
  }
  return found;
}

it("3,000 tiny files are written at once, and read at once", async () => {
  const all = numbers(3000);
  expect(await codes(all.map((i) => guest.writeFile(`/data/${i}`, `file ${i}`)))).toEqual({});
  for (const i of all) expect(readFileSync(join(host.data, String(i)), "utf8")).toBe(`file ${i}`);
  const read = all.map(async (i) => expect(await guest.readFile(`/data/${i}`, "utf8")).toBe(`file ${i}`));
  expect(await codes(read)).toEqual({});
});

it("1,000 appends to one file are all there", async () => {
  expect(await codes(numbers(1000).map((i) => guest.appendFile("/data/log", `${i}\n`)))).toEqual({});
  const lines = readFileSync(join(host.data, "log"), "utf8").trimEnd().split("\n");
  expect(lines.map(Number).sort((a, b) => a - b)).toEqual(numbers(1000));
});

it("500 files are opened, written and closed at once, and as many streams", async () => {
  const opened = numbers(500).map(async (i) => {
    await using file = await guest.open(`/data/${i}`, "w");
    await file.write(`file ${i}`);
  });
  expect(await codes(opened)).toEqual({});
  expect(readdirSync(host.data)).toHaveLength(500);
  const streamed = numbers(500).map((i) => guest.createReadStream(`/data/${i}`, "utf8").toArray());
  expect(await codes(streamed)).toEqual({});
});

it.each([256, 3])("300 copies at once share %i open files, though each takes two", async (openFiles) => {
  await host.monitor.reload(withLimits(host.policy, { openFiles }));
  onTestFinished(() => host.monitor.reload(host.policy));
  writeFileSync(join(host.data, "from"), "content");
  expect(await codes(numbers(300).map((i) => guest.copyFile("/data/from", `/data/${i}`)))).toEqual({});
  expect(readdirSync(host.data)).toHaveLength(301);
});

it("while a program holds all files that it may, names answer; what needs one more waits until one is closed", async () => {
  const held: GuestFile[] = [];
  for (const i of numbers(256)) held.push(await guest.open(`/data/${i}`, "w"));
  const opening = guest.open("/data/0").then((file) => file.close());
  const waiting = Promise.all([guest.readdir("/data"), guest.readFile("/data/0"), opening]);
  expect(await codes(numbers(1000).map((i) => guest.stat(`/data/${i % 256}`)))).toEqual({});
  await held.pop()!.close();
  expect((await waiting)[0]).toHaveLength(256);
});

it("a guest at its limit of requests waits with names, too", async () => {
  await host.monitor.reload(withLimits(host.policy, { requests: 8 }));
  onTestFinished(() => host.monitor.reload(host.policy));
  const all = numbers(100);
  const calls = all.flatMap((i) => [
    guest.writeFile(`/data/${i}`, "x"),
    guest.mkdir(`/data/dir-${i}`),
    guest.readdir("/data"),
  ]);
  expect(await codes(calls)).toEqual({});
  expect(readdirSync(host.data)).toHaveLength(200);
});
