// What a guest puts into its attach socket is never received (HEL-3), and holds nobody up: neither a guest that is
// served, nor one that comes, nor the monitor's end.

import { fileURLToPath } from "node:url";
import { canRefuseDescriptors, closeFd, createEventfd, Errno, sendWithFds } from "@ringway/linux";
import { expect, test } from "vitest";
import { startMonitor } from "../support/monitor.ts";
import { Program } from "../support/processes.ts";
import { RawGuest } from "../support/raw-guest.ts";
import { until } from "../support/wait.ts";

const LINGERING = fileURLToPath(new URL("../fixtures/lingering.py", import.meta.url));
/** Longer than anything here may take. */
const LINGER_S = 600;

test("a descriptor that takes long to close, in an attach socket, holds nobody up", async () => {
  await using host = await startMonitor();
  using good = await RawGuest.attach(host.path);
  using wicked = new Program("python3", [LINGERING, host.path, String(LINGER_S)]);
  await wicked.line(canRefuseDescriptors() ? "refused" : "sent");
  await until("the guest that wrote is hung up on", () => host.monitor.counters().guests === 1);
  await good.newStream(4096);
  using next = await RawGuest.attach(host.path);
  await next.newStream(4096);
});

test("a guest of attach() cannot put one there, where the kernel refuses them", async () => {
  await using host = await startMonitor();
  const { fd } = host.monitor.attach();
  const own = createEventfd();
  const sent = sendWithFds(fd, new Uint8Array(1), [own]);
  expect(sent).toBe(canRefuseDescriptors() ? -Errno.EPERM : 1);
  closeFd(own);
  closeFd(fd);
  await until("it is gone", () => host.monitor.counters().guests === 0);
});
