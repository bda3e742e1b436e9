// The core's unit tests, in C, under sanitizers; and its encoders, read by the TypeScript codec.

import { join } from "node:path";
import {
  Accept,
  type Body,
  ConnectRequest,
  Exit,
  fileMessages,
  fsMessages,
  ListenRequest,
  Log,
  NewStream,
  Open,
  Ping,
} from "@ringway/control";
import { beforeAll, describe, expect, test } from "vitest";
import { buildForTests, noCompiler, noSanitizers, run, titled } from "./toolchain.ts";

const SLOW_MS = 180_000;
const title = noSanitizers === undefined ? "the core in C" : `the core in C (no sanitizers: ${noSanitizers})`;

const f = fileMessages;
const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text));
const loopback = { family: 4, port: 8080, address: Uint8Array.of(127, 0, 0, 1) } as const;
const time = (seconds: number, nanoseconds: number) => ({ seconds, nanoseconds });

function fields<T>(codec: Pick<Body<T>, "encode">, value: T): string {
  return Buffer.from(codec.encode(value)).toString("hex");
}

/** What `unit encode` must print, by the other implementation. */
const encodings: Readonly<Record<string, string>> = {
  NewStream: fields(NewStream, { toHostBytes: 4096, toGuestBytes: 65536 }),
  Log: fields(Log, { level: 30, text: "hé" }),
  Exit: fields(Exit, { code: 255 }),
  Ping: fields(Ping, { data: bytes("abc") }),
  Open: fields(Open, { protocol: 6, body: bytes("xy") }),
  ConnectRequest: fields(ConnectRequest, { port: 443, timeoutMs: 1000, host: "example.test" }),
  ListenRequest: fields(ListenRequest, { backlog: 7, address: loopback }),
  FileOpen: fields(f.FileOpen, { flags: 3, mode: 0o644, path: "/a/b" }),
  FileStreamOpen: fields(f.FileStreamOpen, {
    direction: 2,
    flags: 6,
    mode: 0o600,
    offset: 0x123456789abcd,
    length: Number.MAX_SAFE_INTEGER,
    path: "/c",
  }),
  Accept: fields(Accept, { id: 32767, generation: 0xffffffff }),
  Read: fields(f.Read, { bytes: 65536 }),
  ReadAt: fields(f.ReadAt, { offset: 0x100000001, bytes: 9 }),
  WriteAt: fields(f.WriteAt, { offset: 77, data: new Uint8Array(0) }),
  Seek: fields(f.Seek, { whence: 2, offset: -5_000_000_000 }),
  Truncate: fields(f.Truncate, { bytes: 1 }),
  Sync: fields(f.Sync, { dataOnly: 1 }),
  Stat: fields(fsMessages.Stat, { path: "/p" }),
  Mkdir: fields(fsMessages.Mkdir, { mode: 0o755, parents: true, path: "/d/e" }),
  Rename: fields(fsMessages.Rename, { from: "/from", to: "/to" }),
  Chmod: fields(fsMessages.Chmod, { mode: 0o700, path: "/p" }),
  Utimes: fields(fsMessages.Utimes, { accessed: time(-1, 5), modified: time(1700000000123, 0), path: "/p" }),
};

describe.skipIf(noCompiler !== undefined)(titled(title, noCompiler), () => {
  let unit: string;

  beforeAll(() => {
    unit = join(buildForTests(), "unit");
  }, SLOW_MS);

  test("passes its unit tests", () => {
    const { status, stdout, stderr } = run(unit, []);
    expect(stderr).toBe("");
    expect(status).toBe(0);
    const names = run(unit, ["list"]).stdout.trim().split("\n");
    expect(names.length).toBeGreaterThan(25);
    expect(stdout.trim().split("\n")).toEqual(names.map((name) => `ok ${name}`));
  });

  test("is not harmed by a hostile host, whatever the seed", () => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    const { status, stderr } = run(unit, ["hostile", String(seed), "1000"]);
    expect({ seed, status, stderr }).toEqual({ seed, status: 0, stderr: "" });
  });

  test("encodes what the TypeScript codec encodes", () => {
    const { stdout } = run(unit, ["encode"]);
    const lines = stdout.trim().split("\n");
    expect(Object.fromEntries(lines.map((line) => line.split(" ")))).toEqual(encodings);
  });
});
