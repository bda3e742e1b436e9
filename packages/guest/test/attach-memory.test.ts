// Memory that a caller brings; what is no place to attach to; and what is said where no monitor takes the guest.

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { Guest } from "@ringway/guest";
import { SharedMemory } from "@ringway/linux";
import { createLogger, Monitor, parsePolicy } from "@ringway/monitor";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../../test/support/temporary.ts";
import { attachmentOf } from "../src/attach/attachment.ts";

const GiB = 2 ** 30;
const silent = { ring: () => {}, listen: () => {}, close: () => {} };

test.each([2, 3, 4])("a Uint8Array of %i GiB is seen whole", (count) => {
  using shared = SharedMemory.create("large", count * GiB);
  const { memory } = attachmentOf({ memory: new Uint8Array(shared.buffer), doorbell: silent });
  expect(memory.words.length).toBe((count * GiB) / 4);
  expect(memory.bytes.length).toBe(count * GiB);
});

test.each([
  [undefined],
  [null],
  [""],
  [{}],
  [5],
  [{ memory: new SharedArrayBuffer(4096) }],
  [{ doorbell: silent }],
])("Guest.attach(%o) says what to pass", async (to) => {
  const error = (await Guest.attach(to as unknown as string).catch((error: unknown) => error)) as Error;
  expect(error).toBeInstanceOf(TypeError);
  expect(error).toMatchObject({ code: "ERR_INVALID_ARG_TYPE" });
  expect(error.message).toContain("the path of the monitor's attach socket, { fd }, { ivshmem: true }");
  expect(error.message).toContain("RINGWAY_SOCKET");
});

test("where no monitor listens, that is said", async () => {
  const folder = temporaryFolder("attach");
  const never = join(folder, "never.sock");
  await expect(Guest.attach(never)).rejects.toMatchObject({
    code: "ENOENT",
    message: `ENOENT: no such file or directory, connect '${never}': no monitor listens there`,
  });
  // A monitor that was killed leaves its socket's file, as this process does that ends without closing.
  const stale = join(folder, "stale.sock");
  const script = `require("net").createServer().listen(${JSON.stringify(stale)}, () => process.kill(process.pid, 9))`;
  spawnSync(process.execPath, ["-e", script], { env: {} });
  await expect(Guest.attach(stale)).rejects.toMatchObject({
    code: "ECONNREFUSED",
    message: expect.stringContaining("no monitor listens there"),
  });
});

test("a guest that is turned away learns whose limit it was, and the log has no guest without a name", async () => {
  const folder = temporaryFolder("attach");
  const listen = join(folder, "attach.sock");
  const lines: Record<string, unknown>[] = [];
  const logger = createLogger("warn", { write: (line) => lines.push(JSON.parse(line)) });
  const policy = parsePolicy("version: 1\nlimits: { guests: 1 }\n", { file: "policy.yaml" });
  await using monitor = await Monitor.start({ policy, listen, logger });
  await using _guest = await Guest.attach(listen);
  const error = await Guest.attach(listen).catch((error: unknown) => error);
  expect(error).toMatchObject({ code: "EMFILE", syscall: "attach", path: listen });
  expect((error as Error).message).toContain("the monitor has no room for another guest (limits.guests");
  await expect.poll(() => lines.length).toBe(1);
  expect(lines[0]!.msg).toContain("was turned away: 1 guests of uid:");
  expect(lines[0]).not.toHaveProperty("guest");
  await monitor.close();
});
