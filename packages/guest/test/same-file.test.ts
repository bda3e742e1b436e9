// A file that is copied onto another name of its own is left alone, whoever writes to it meanwhile.

import { linkSync, mkdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { Guest } from "@ringway/guest";
import { beforeAll, expect, it } from "vitest";
import { heldForAll } from "../../../test/support/held.ts";
import { isOneFile } from "../src/files/same-file.ts";
import type { GuestStats } from "../src/files/stats.ts";
import { type Host, startHost } from "./host.ts";

const hold = heldForAll();
let host: Host;
let guest: Guest;

beforeAll(async () => {
  host = hold(await startHost());
  guest = hold(await Guest.attach(host.path));
});

/** Appends to the file, in bursts, and counts what it has appended, until it is terminated. */
const WRITER = `
const { appendFileSync, rmSync } = require("node:fs");
const { workerData } = require("node:worker_threads");
const count = new Int32Array(workerData.count);
for (;;) {
  appendFileSync(workerData.path, "x");
  Atomics.add(count, 0, 1);
  if (Atomics.load(count, 0) % 20 === 0) Atomics.wait(count, 1, 0, 1);
}`;

it.each<[string, string, (name: string) => void, (name: string) => Promise<void>]>([
  [
    "copyFile() onto a hard link",
    "done",
    (name) => linkSync(join(host.data, name), join(host.data, `${name}-2`)),
    (name) => guest.copyFile(`/data/${name}`, `/data/${name}-2`),
  ],
  [
    "cp() by way of a symbolic link",
    "ERR_FS_CP_EINVAL",
    (name) => symlinkSync("/data", join(host.data, `${name}-2`)),
    (name) => guest.cp(`/data/${name}`, `/data/${name}-2/${name}`),
  ],
])("%s, while somebody appends", async (title, expected, prepare, copy) => {
  const name = title.slice(0, 2);
  const path = join(host.data, name);
  writeFileSync(path, "");
  prepare(name);
  const count = new Int32Array(new SharedArrayBuffer(8));
  const writer = new Worker(WRITER, { eval: true, workerData: { path, count: count.buffer } });
  try {
    for (let run = 0; run < 200; run++) {
      const before = Atomics.load(count, 0);
      const outcome = await copy(name).then(
        () => "done",
        (error) => error.code,
      );
      expect([outcome, statSync(path).size >= before]).toEqual([expected, true]);
    }
  } finally {
    await writer.terminate();
  }
});

it("a folder is not copied into itself by another name, while files come and go in it", async () => {
  mkdirSync(join(host.data, "folder"));
  symlinkSync("/data/folder", join(host.data, "to-folder"));
  const path = join(host.data, "folder/file");
  const count = new Int32Array(new SharedArrayBuffer(8));
  const writer = new Worker(
    WRITER.replace("appendFileSync(", "rmSync(workerData.path, { force: true }), appendFileSync("),
    {
      eval: true,
      workerData: { path, count: count.buffer },
    },
  );
  try {
    for (let run = 0; run < 100; run++) {
      const copied = guest.cp("/data/folder", "/data/to-folder/copy", { recursive: true });
      await expect(copied).rejects.toMatchObject({ code: "ERR_FS_CP_EINVAL" });
    }
  } finally {
    await writer.terminate();
  }
});

it("a file that changes at each look is not taken for another", async () => {
  let size = 0;
  const look = async (): Promise<GuestStats> => ({ ino: 1, size: size++ }) as GuestStats;
  const context = { syscall: "copyfile", path: "/a", dest: "/b" };
  await expect(isOneFile(look, look, context)).rejects.toMatchObject({ code: "EINVAL", path: "/a" });
});
