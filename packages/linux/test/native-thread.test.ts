// Threads that load koffi, and programs that end while they do.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

/** One run of a program that starts a thread and ends `delayMs` later, by `end`: its exit code, or signal. */
async function endsAfter(delayMs: number, thread: string, end: string): Promise<unknown> {
  const script = `
    import { Worker } from "node:worker_threads";
    import { NativeThread } from "@ringway/linux";
    const module = new URL("data:text/javascript," + encodeURIComponent(process.env.MODULE));
    const thread = ${thread};
    setTimeout(async () => { ${end} }, ${delayMs});`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    cwd: fileURLToPath(new URL("../../guest", import.meta.url)),
    env: { ...process.env, MODULE: MODULE },
    stdio: "ignore",
  });
  const [code, signal] = await once(child, "exit");
  return signal ?? code;
}

const linux = JSON.stringify(new URL("../dist/index.js", import.meta.url).href);
const MODULE = `import { threadLoaded } from ${linux}; threadLoaded(); setInterval(() => {}, 1000);`;
const NATIVE = `new NativeThread(module, { workerData: {}, execArgv: [] })`;

/** Moments all through a thread's start. */
const DELAYS = Array.from({ length: 24 }, (_, i) => 4 + 2 * i);

describe("a thread that loads koffi", () => {
  it.each([
    ["when the process ends", "process.exit(0);"],
    ["by terminate()", "await thread.terminate(); process.exit(0);"],
  ])("is not cut off %s", async (_name, end) => {
    for (const delayMs of DELAYS) {
      expect(await endsAfter(delayMs, NATIVE, end), `after ${delayMs} ms`).toBe(0);
    }
  });

  it("whose module throws holds nothing up", async () => {
    const thread = `new NativeThread(new URL("data:text/javascript,throw 1"), { workerData: {}, execArgv: [] }).on("error", () => {})`;
    const startMs = performance.now();
    expect(await endsAfter(200, thread, "await thread.terminate(); process.exit(0);")).toBe(0);
    expect(performance.now() - startMs).toBeLessThan(3000);
  });
});
