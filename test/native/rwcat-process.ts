// rwcat as a process: what goes in, what comes out, how it exits.

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { readAll } from "../support/tcp.ts";
import { until, within } from "../support/wait.ts";

export interface Ran {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcessWithoutNullStreams;
  readonly done: Promise<Ran>;
  /** Waits until stderr has said this; the match. */
  said(what: RegExp): Promise<RegExpExecArray>;
}

/** Starts it; `input` undefined leaves stdin open. */
export function start(
  program: string,
  args: readonly string[],
  input: Uint8Array | string | undefined = undefined,
  env: NodeJS.ProcessEnv = {},
  timeoutMs = 60_000,
): Running {
  const child = spawn(program, args, { env: { PATH: process.env.PATH, ...env } });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  child.stdin.on("error", () => {});
  if (input !== undefined) child.stdin.end(input);
  const killed = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
  const done = (async (): Promise<Ran> => {
    const exited = once(child, "close") as Promise<[number | null]>;
    const stdout = await readAll(child.stdout, timeoutMs + 5000);
    const [code] = await within(`${program} to exit`, exited, timeoutMs + 5000);
    clearTimeout(killed);
    return { code, stdout, stderr };
  })();
  return {
    child,
    done,
    said: (what) => until(`${what} from ${program}`, () => what.exec(stderr) ?? undefined),
  };
}
