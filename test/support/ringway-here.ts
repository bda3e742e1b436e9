// `ringway ARGS` in this process, by the function that its program calls, for commands that only say something: a
// process of each one's own is a quarter of a second of the processor. One call after the other, since what is printed
// meanwhile is theirs. That the program does the same is seen where it is started (ringway.ts); not for commands that
// serve guests, which take stderr and signals for their own.

import { StringDecoder } from "node:string_decoder";
import { format } from "node:util";
import type { Ended } from "./processes.ts";
import { ROOT } from "./ringway.ts";

let last: Promise<unknown> = Promise.resolve();

/** To its end. */
export function ringwayHere(...args: readonly string[]): Promise<Ended> {
  const ended = last.then(() => ran(args));
  last = ended.catch(() => {});
  return ended;
}

async function ran(args: readonly string[]): Promise<Ended> {
  const { run } = await import(`${ROOT}packages/cli/lib/index.js`);
  const said = { stdout: "", stderr: "" };
  const [stdout, stderr] = [taken("stdout", said), taken("stderr", said)];
  try {
    const code: number = await run(args);
    return { code, ...said };
  } finally {
    stdout();
    stderr();
  }
}

/** What is written there from now on, by the stream or by console, is kept in `said`: until the result is called. */
function taken(name: "stdout" | "stderr", said: Record<"stdout" | "stderr", string>): () => void {
  const stream = process[name];
  const print = name === "stdout" ? "log" : "error";
  const [write, printed] = [stream.write, console[print]];
  const decoder = new StringDecoder("utf8");
  stream.write = (text: string | Uint8Array, encoding?: unknown, callback?: unknown) => {
    said[name] += typeof text === "string" ? text : decoder.write(text);
    const written = typeof encoding === "function" ? encoding : callback;
    if (typeof written === "function") process.nextTick(() => written());
    return true;
  };
  console[print] = (...words: readonly unknown[]) => {
    said[name] += `${format(...words)}\n`;
  };
  return () => {
    stream.write = write;
    console[print] = printed;
  };
}
