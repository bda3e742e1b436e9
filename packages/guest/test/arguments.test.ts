// What a program passes to the calls that Node has no like of: each fails with a code, and says what to pass.

import { Guest } from "@ringway/guest";
import { afterAll, beforeAll, expect, it } from "vitest";
import { FakeHost } from "./fake-host.ts";
import type { Loose } from "./net-api.ts";

let guest: Guest;

beforeAll(async () => {
  const host = new FakeHost();
  guest = await Guest.attach({ memory: host.memory, doorbell: host.bell });
});
afterAll(() => guest.close());

const rows: [call: string, run: (guest: Loose) => unknown, code: string, says: string][] = [
  ["explain()", (guest) => guest.explain(), "ERR_INVALID_ARG_TYPE", "{ connect: { host, port } }"],
  ["explain({})", (guest) => guest.explain({}), "ERR_INVALID_ARG_TYPE", "{ open: path }"],
  [
    "explain a host that is none",
    (guest) => guest.explain({ connect: { port: 1 } }),
    "ERR_INVALID_ARG_TYPE",
    "connect.host",
  ],
  [
    "explain a port that is none",
    (guest) => guest.explain({ connect: { host: "a", port: 70_000 } }),
    "ERR_SOCKET_BAD_PORT",
    "65536",
  ],
  [
    "explain a port to listen on",
    (guest) => guest.explain({ listen: { port: -1 } }),
    "ERR_SOCKET_BAD_PORT",
    "65536",
  ],
  ["exit()", (guest) => guest.exit(), "ERR_INVALID_ARG_TYPE", "number"],
  ["exit(256)", (guest) => guest.exit(256), "ERR_OUT_OF_RANGE", "255"],
  ["log(5)", (guest) => guest.log(5), "ERR_INVALID_ARG_TYPE", "string"],
  [
    "log at a level that is none",
    (guest) => guest.log("a", "loud"),
    "ERR_INVALID_ARG_VALUE",
    "debug,info,warn,error",
  ],
  [
    "attach with a time that is none",
    () => Guest.attach("/x", { timeoutMs: "1" } as Loose),
    "ERR_INVALID_ARG_TYPE",
    "timeoutMs",
  ],
  [
    "attach with a negative time",
    () => Guest.attach("/x", { roomTimeoutMs: -1 }),
    "ERR_OUT_OF_RANGE",
    "roomTimeoutMs",
  ],
  [
    "attach with a signal that is none",
    () => Guest.attach("/x", { signal: 1 } as Loose),
    "ERR_INVALID_ARG_TYPE",
    "options.signal",
  ],
  [
    "attach to a descriptor that is none",
    () => Guest.attach({ fd: "3" } as Loose),
    "ERR_INVALID_ARG_TYPE",
    "to.fd",
  ],
  [
    "connect with a signal that is none",
    (guest) => guest.connect({ port: 1, signal: 1 }),
    "ERR_INVALID_ARG_TYPE",
    "options.signal",
  ],
  [
    "connect with a time that is none",
    (guest) => guest.connect({ port: 1, timeoutMs: -1 }),
    "ERR_OUT_OF_RANGE",
    "options.timeoutMs",
  ],
];

it.each(rows)("%s", async (_call, run, code, says) => {
  const error = (await (async () => run(guest))().catch((error: unknown) => error)) as Error;
  expect(error).toMatchObject({ code });
  expect(error.message).toContain(says);
});
