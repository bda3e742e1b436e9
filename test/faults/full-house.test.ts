// A guest at its limit that closes a stream and asks for the next: what it closed before makes room, every time
// (CTL-3).

import { NewStream, Protocol, StreamInfo } from "@ringway/control";
import { Guest } from "@ringway/guest";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { startMonitor, type TestMonitor } from "../support/monitor.ts";
import { RawGuest } from "../support/raw-guest.ts";

const TIMES = 3000;
/** A guest that is quick asks for more while it is answered. */
const AT_ONCE = 6;
/** Bytes of each ring; and a region in which they, not the limit of streams, are what runs out. */
const RING_BYTES = 16 * 1024;

const limits: readonly [string, string][] = [
  ["streams", "version: 1\nlimits: { streams: 24 }\n"],
  ["the region", "version: 1\nlimits: { streams: 4096, regionBytes: 1MiB }\n"],
];

let host: TestMonitor;
let neighbour: Guest | undefined;

async function begin(policy: string, shared: boolean): Promise<void> {
  host = await startMonitor(policy);
  if (!shared) return;
  neighbour = await Guest.attach(host.path);
  const echo = await neighbour.echo();
  echo.on("error", () => {});
  // Bytes without end, so that both guests always want the thread.
  const chunk = Buffer.alloc(64 * 1024);
  const more = (): void => {
    while (echo.write(chunk));
  };
  echo.on("drain", more).resume();
  more();
}

beforeEach(() => {
  neighbour = undefined;
});
afterEach(async () => {
  await neighbour?.close();
  await host[Symbol.asyncDispose]();
});

/** Opens until it is refused; returns what it has. */
async function fill<T>(open: () => Promise<T>): Promise<T[]> {
  const held: T[] = [];
  for (;;) {
    try {
      held.push(await open());
    } catch {
      return held;
    }
  }
}

describe.each([
  ["alone", false],
  ["beside another guest", true],
])("a guest that is %s", (_where, shared) => {
  test.each(limits)("is never refused what it made room for: %s, raw", async (_what, policy) => {
    await begin(policy, shared);
    using guest = await RawGuest.attach(host.path);
    const held = await fill(() => guest.echo(RING_BYTES));
    const refused = (): number => host.monitor.counters().quotaStreams + host.monitor.counters().quotaPages;
    const before = refused();
    for (let i = 0; i < TIMES / AT_ONCE; i++) {
      const asked: number[] = [];
      for (let n = 0; n < AT_ONCE; n++) {
        guest.finish(held.shift()!);
        asked.push(await guest.send(NewStream, { toHostBytes: RING_BYTES, toGuestBytes: RING_BYTES }));
      }
      for (const [n, requestId] of asked.entries()) {
        const { type, payload } = await guest.reply(requestId);

        expect(type).toBe(StreamInfo.type);
        held.push(guest.session.openPipe(StreamInfo.decode(payload)));
        // One that was used, and one that never was.
        if (n % 2 === 0) guest.sendOpen(held.at(-1)!, Protocol.ECHO, new Uint8Array(0));
      }
    }
    expect(refused() - before).toBe(0);
  });

  test.each(limits)("is never refused what it made room for: %s, by the SDK", async (_what, policy) => {
    await begin(policy, shared);
    // A call that is refused is refused at once.
    await using guest = await Guest.attach(host.path, { roomTimeoutMs: 0 });
    const held = await fill(() => guest.echo({ ringBytes: RING_BYTES }));
    const refused = (): number => host.monitor.counters().quotaStreams + host.monitor.counters().quotaPages;
    const before = refused();
    for (let i = 0; i < TIMES / AT_ONCE; i++) {
      const asked = Array.from({ length: AT_ONCE }, () => {
        // Not destroy(): what that ends in order is over once the host has taken all.
        held.shift()!.resetAndDestroy();
        return guest.echo({ ringBytes: RING_BYTES });
      });
      held.push(...(await Promise.all(asked)));
    }
    expect(refused() - before).toBe(0);
  });
});
