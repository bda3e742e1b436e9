// Streams that do nothing: what each costs the monitor in heap, and all of them in CPU.
//
// The monitor runs in a child that starts it by the library, because only the isolate of the reactor can tell its heap,
// and only after a collection. A guest opens tcp-connect streams to the echo server and sleeps.

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileDescriptorLimit } from "@ringway/linux";
import { type Child, type Children, until } from "./children.ts";
import { cpuSeconds } from "./proc.ts";
import { IDLE_STREAMS } from "./rows.ts";
import { type Setting, script } from "./setting.ts";

export interface IdleResult {
  readonly streams: number;
  /** Of one core. */
  readonly cpuPercent: number;
  readonly heapBytesPerStream: number;
}

export interface IdleReport extends IdleResult {
  readonly protocol: "tcp-connect" | "echo";
  readonly openSeconds: number;
  readonly watchedSeconds: number;
}

interface MemoryUsage {
  readonly heapUsed: number;
  readonly external: number;
}

/** Streams of the guest that comes first, so that code is compiled and tables have grown before the first look. */
const WARM_UP_STREAMS = 200;
/** After the last stream has opened: timers of connecting, and the last busy poll. */
const SETTLE_MS = 500;
/**
 * What is done once is done by then: each of the monitor's threads collects its garbage once more, when it has been
 * idle for some seconds, and then once again; and keepalive is asked for, which takes 0.1 s for them all, 30 s after
 * the first has connected.
 */
const DONE_ONCE_MS = 35_000;
const DESCRIPTORS_SPARE = 200;

/** A guest on this attach socket, whose streams to the echo server are open, and do nothing until its stdin ends. */
export async function openIdleStreams(
  children: Children,
  setting: Setting,
  socket: string,
  streams: number,
  protocol: IdleReport["protocol"] = "tcp-connect",
): Promise<{ readonly guest: Child; readonly seconds: number }> {
  const where = ["--attach", socket, "--port", String(setting.ports.echo)];
  const options = ["--streams", String(streams), "--ring-bytes", "4096"];
  const program = setting.programs ? [setting.programs.guest] : [process.execPath, script("sdk-child")];
  const echo = protocol === "echo" ? ["--echo-protocol"] : [];
  const guest = children.start([...program, ...where, ...options, ...echo, "idle"], "idle guest");
  return { guest, seconds: (JSON.parse(await guest.line()) as { seconds: number }).seconds };
}

export async function measureIdle(children: Children, setting: Setting, quick: boolean): Promise<IdleReport> {
  const socket = join(children.folder, "idle.sock");
  // Each stream takes a descriptor of the monitor, and one of the server.
  const protocol = fileDescriptorLimit().hard < IDLE_STREAMS + DESCRIPTORS_SPARE ? "echo" : "tcp-connect";
  const child = children.start(
    [process.execPath, "--expose-gc", script("idle-child"), setting.policy, socket],
    "idle",
  );
  await child.line();
  const heap = async (): Promise<number> => {
    child.process.stdin!.write("memory\n");
    const { heapUsed, external } = JSON.parse(await child.line()) as MemoryUsage;
    return heapUsed + external;
  };
  const open = (streams: number) => openIdleStreams(children, setting, socket, streams, protocol);
  const close = async (guest: Child): Promise<void> => {
    guest.process.stdin!.end();
    await guest.ended;
  };

  try {
    await close((await open(WARM_UP_STREAMS)).guest);
    await sleep(SETTLE_MS);
    const heapBefore = await heap();
    const { guest, seconds: openSeconds } = await open(IDLE_STREAMS);
    await sleep(SETTLE_MS);
    const heapAfter = await heap();
    await sleep(quick ? SETTLE_MS : DONE_ONCE_MS);
    const cpuBefore = cpuSeconds(child.pid);
    const start = performance.now();
    await sleep(quick ? 2000 : 10_000);
    const cpu = cpuSeconds(child.pid) - cpuBefore;
    const watchedSeconds = (performance.now() - start) / 1000;
    if (!guest.running) throw new Error(`the guest of the idle streams ended: ${await guest.ended}`);
    await close(guest);
    return {
      streams: IDLE_STREAMS,
      cpuPercent: (100 * cpu) / watchedSeconds,
      heapBytesPerStream: (heapAfter - heapBefore) / IDLE_STREAMS,
      protocol,
      openSeconds,
      watchedSeconds,
    };
  } finally {
    child.process.stdin!.end();
    await until(() => !child.running, "ending the idle monitor").catch(() => child.kill());
  }
}
