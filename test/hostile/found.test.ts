// What the fuzzer found, each as the shortest way to it.

import { Accept, FrameWriter } from "@ringway/control";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startMonitor, streamsAre, type TestMonitor } from "../support/monitor.ts";
import { RawGuest } from "../support/raw-guest.ts";
import { until } from "../support/wait.ts";

let host: TestMonitor;
let guest: RawGuest;

beforeEach(async () => {
  host = await startMonitor();
  guest = await RawGuest.attach(host.path);
});

afterEach(async () => {
  guest.vanish();
  await host[Symbol.asyncDispose]();
  expect(host.lines.filter(({ stack }) => stack !== undefined)).toEqual([]);
});

/** A listener with posted streams that their guest has closed without a word. */
async function closedBehindItsBack(): Promise<void> {
  const { pipe: listener } = await guest.listen();
  const posted = [await guest.newStream(1), await guest.newStream(1)];
  for (const [i, pipe] of posted.entries()) await guest.post(listener, pipe, i);
  // An Accept that fails is answered, so those before it were taken.
  const nobody = { id: 999, generation: 1 };
  new FrameWriter(listener.toHost).send(Accept, 9, nobody, () => guest.signal(listener));
  await guest.frame(listener);
  for (const pipe of posted) {
    pipe.toHost.end();
    pipe.toGuest.close();
  }
}

test("a new epoch ends a listener, and the listener its posted streams, which are nobody's by then", async () => {
  await closedBehindItsBack();
  await guest.attach();
  await streamsAre(host.monitor, 0);
  await guest.echo(4096);
  expect(host.gone).toEqual([]);
});

test("and so when the guest hangs up", async () => {
  await closedBehindItsBack();
  guest.vanish();
  await until("the guest to be gone", () => host.gone.length === 1);
  expect(host.gone[0]!.reason).toBe("the guest hung up");
  expect(host.monitor.counters().streams).toBe(0);
});
