// Threads that load koffi, and programs that end while they do.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

/** One run of a program that starts a thread and ends `delayMs` later, by `end`: its exit code, or signal. */
async function endsAfter(delayMs: number, thread: string, end: string, module = MODULE): Promise<unknown> {
  const script = `
    import { Worker } from "node:worker_threads";
    import { NativeThread } from "@ringway/linux";
    const module = new URL("data:text/javascript," + encodeURIComponent(process.env.MODULE));
    const thread = ${thread};
    setTimeout(async () => { ${end} }, ${delayMs});`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    cwd: fileURLToPath(new URL("../../guest", import.meta.url)),
    env: { ...process.env, MODULE: module },
    stdio: "ignore",
  });
  const [code, signal] = await once(child, "exit");
  return signal ?? code;
}

const linux = JSON.stringify(new URL("../lib/index.js", import.meta.url).href);
const MODULE = `import { threadLoaded } from ${linux}; threadLoaded(); setInterval(() => {}, 1000);`;
const NATIVE = `new NativeThread(module, { workerData: {}, execArgv: [] })`;

/** A thread that waits in a call which never ends, within inCalls() or not. */
const stuckIn = (call: string): string => `
import { inCalls, receiveWithFds, threadLoaded, unixPair } from ${linux};
threadLoaded();
const [end] = unixPair();
const wait = () => receiveWithFds(end, 1, 0, -1);
${call};`;

/** Moments all through a thread's start. */
const DELAYS = Array.from({ length: 24 }, (_, i) => 4 + 2 * i);
/** As many as there are processors on a small machine: with more of them a start would take longer than the delays. */
const AT_ONCE = 2;

describe("a thread that loads koffi", () => {
  it.each([
    ["when the process ends", "process.exit(0);"],
    ["by terminate()", "await thread.terminate(); process.exit(0);"],
  ])("is not cut off %s", async (_name, end) => {
    for (let i = 0; i < DELAYS.length; i += AT_ONCE) {
      const delays = DELAYS.slice(i, i + AT_ONCE);
      const codes = await Promise.all(delays.map((delayMs) => endsAfter(delayMs, NATIVE, end)));
      expect(codes, `after ${delays} ms`).toEqual(delays.map(() => 0));
    }
  });

  it("whose module throws holds nothing up", async () => {
    const module = 'new URL("data:text/javascript,throw 1")';
    const thread = `new NativeThread(${module}, { workerData: {}, execArgv: [] }).on("error", () => {})`;
    const startMs = performance.now();
    expect(await endsAfter(200, thread, "await thread.terminate(); process.exit(0);")).toBe(0);
    expect(performance.now() - startMs).toBeLessThan(8000);
  });
});

it("a thread that is held and let go of again and again keeps nothing of that", async () => {
  const end = `
    for (let i = 0; i < 20; i++) { thread.ref(); thread.unref(); }
    process.exit(thread.stdout.listenerCount("error") > 1 ? 1 : 0);`;
  expect(await endsAfter(100, NATIVE, end)).toBe(0);
});

describe("a thread that does not come back from a system call", { concurrent: true }, () => {
  const stuck = stuckIn("inCalls(wait)");

  it.each([
    ["by process.exit()", "process.exit(3);", 3],
    ["by an error that nobody catches", 'throw new Error("nobody catches it");', 1],
    ["by having nothing left to do", "thread.unref(); process.exitCode = 4;", 4],
    ["after stop() has given it up", "process.exitCode = (await thread.stop(50)) ? 5 : 6;", 6],
  ])("keeps no process from ending %s", async (_name, end, code) => {
    const startMs = performance.now();
    expect(await endsAfter(300, NATIVE, end, stuck)).toBe(code);
    expect(performance.now() - startMs).toBeLessThan(8000);
  });

  it("is woken where it can be, and then ends as any other", async () => {
    const module = `
      import { drainEventfd, holdIfStopping, inCalls, PollSet, POLLIN, threadLoaded } from ${linux};
      import { workerData } from "node:worker_threads";
      threadLoaded();
      const set = new PollSet([{ fd: workerData.fd, events: POLLIN }]);
      inCalls(() => { for (;;) { set.wait(-1); holdIfStopping(); drainEventfd(workerData.fd); } });`;
    const thread = `await (async () => {
      const { createEventfd, ringEventfd } = await import("@ringway/linux");
      const fd = createEventfd();
      return new NativeThread(module, { workerData: { fd }, execArgv: [], wake: () => ringEventfd(fd) });
    })()`;
    expect(await endsAfter(300, thread, "process.exit((await thread.stop(2000)) ? 7 : 8);", module)).toBe(7);
  });
});
