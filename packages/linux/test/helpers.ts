// What several tests need: temporary directories, memory with an address, children that run a few lines.

import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { Epoll, type InetAddress, truncate } from "../src/index.ts";
import { addressOf, libcCall } from "../src/libc.ts";

export function temporaryDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), "ringway-linux-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** What addresses were told of: a call may write there after the last line of a test that mentions the bytes. */
const held: ArrayBuffer[] = [];

/** Bytes with their address, which stays theirs to the end of the test file. */
export function memory(content: number | string): { bytes: Buffer; address: number; length: number } {
  const source = typeof content === "string" ? Buffer.from(content) : Buffer.alloc(content);
  const buffer = new ArrayBuffer(source.length);
  const bytes = Buffer.from(buffer);
  source.copy(bytes);
  held.push(buffer);
  return { bytes, address: addressOf(buffer), length: source.length };
}

/** A memfd of one page that may be sealed, and is not. */
export function unsealedMemfd(): number {
  const name = memory("unsealed\0");
  const fd = libcCall("memfd_create", "int", ["uintptr_t", "uint32_t"])(name.address, 3);
  truncate(fd, 4096);
  return fd;
}

export function loopback(family: 4 | 6, port = 0): InetAddress {
  const address = family === 4 ? new Uint8Array([127, 0, 0, 1]) : new Uint8Array(16);
  if (family === 6) address[15] = 1;
  return { family, port, address };
}

/** Waits until `fd` has one of `events`; what it has, or 0 after a second. */
export function waitFor(fd: number, events: number): number {
  using epoll = new Epoll(1);
  epoll.add(fd, events, 0, 0);
  return epoll.wait(1000) === 1 ? epoll.events(0) : 0;
}

// A child is a few lines of JavaScript that have the sources of this package as `linux`.
const index = fileURLToPath(new URL("../src/index.ts", import.meta.url));
const tsx = import.meta.resolve("tsx");

function childArguments(code: string, flags: string[]): string[] {
  const prologue = `import * as linux from ${JSON.stringify(index)};\n`;
  return [...flags, "--import", tsx, "--input-type=module", "--eval", prologue + code];
}

/** Runs the code in a process of its own: its exit status (or signal) and output. */
export function runChild(code: string, flags: string[] = []): { status: number | string; output: string } {
  const child = spawnSync(process.execPath, childArguments(code, flags), {
    encoding: "utf8",
    timeout: 20_000,
  });
  return { status: child.signal ?? child.status ?? "none", output: child.stdout + child.stderr };
}

/** Starts the code in a process of its own; `exit` is its status. */
export function startChild(code: string): { pid: number; exit: Promise<number | null> } {
  const child = spawn(process.execPath, childArguments(code, []), {
    stdio: ["ignore", "inherit", "inherit"],
  });
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  return { pid: child.pid!, exit: new Promise((resolve) => child.on("exit", (status) => resolve(status))) };
}
