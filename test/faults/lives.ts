// What the tests of a monitor's life have in common. A process that is stuck is the failure there, so everything has an
// end that is seconds away, not minutes.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { LOOPBACK } from "../support/monitor.ts";
import type { Home } from "../support/ringway.ts";

/** What hangs does so for ever: long enough for a machine that has fifteen times as much to do. */
export const HANG_MS = 30_000;

const [SIGHUP, SIGUSR1] = [1, 10];
export const signals = { SIGHUP, SIGUSR1 } as const;

/** Its guests see the folder as /data. */
export const filesPolicy = (host: string): string =>
  `${LOOPBACK}files: [{ guest: /data, host: ${JSON.stringify(host)}, access: rw }]\n`;

/** Has the process a handler for the signal, of Node's or of its program's? */
export function catches(pid: number, signal: number): boolean {
  const caught = /^SigCgt:\s*([0-9a-f]+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]!;
  return ((BigInt(`0x${caught}`) >> BigInt(signal - 1)) & 1n) === 1n;
}

export const INJECT: string = fileURLToPath(new URL("../fixtures/inject.cjs", import.meta.url));

export interface Injected extends Record<string, string> {
  /** Once there is such a file, the part fails. */
  readonly FAIL_FILE: string;
}

/** The environment of a monitor one of whose parts fails when it is told to. */
export function injected(home: Home, part: string): Injected {
  return {
    NODE_OPTIONS: `--require=${INJECT}`,
    FAIL_PART: part,
    FAIL_FILE: join(home.folder, "fail"),
  };
}
