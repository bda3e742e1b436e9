// Commands that make images: what they print is shown only where they fail.

import { spawnSync } from "node:child_process";

export interface RunOptions {
  readonly cwd?: string;
  readonly input?: Uint8Array;
}

const OUTPUT_BYTES_MAX: number = 256 * 1024 * 1024;

/** Its standard output. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Buffer {
  const { status, signal, error, stdout, stderr } = spawnSync(command, args, {
    ...options,
    env: { ...process.env, LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive" },
    maxBuffer: OUTPUT_BYTES_MAX,
  });
  if (error !== undefined) throw error;
  if (status === 0) return stdout;
  throw new Error(`${command} ${args.join(" ")}: ${signal ?? `exit code ${status}`}\n${stderr}`);
}
