// The admin API is nobody's but the operator's: no guest reaches its socket, whatever a policy allows.

import { linkSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { Guest } from "@ringway/guest";
import { AdminClient } from "@ringway/monitor";
import { beforeAll, expect, test } from "vitest";
import { heldForAll } from "../support/held.ts";
import { policyOf, startMonitor, type TestMonitor } from "../support/monitor.ts";
import { temporaryFolder } from "../support/temporary.ts";

const hold = heldForAll();
let folder: string;
let host: TestMonitor;
let guest: Guest;

const at = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = temporaryFolder("admin-kept");
  const rules = ["other", "link"].map(
    (name) => `  - { id: ${name}, guest: /run/${name}, host: ${at(name)}, access: connect }\n`,
  );
  host = hold(
    await startMonitor(() => policyOf(`version: 1\nsockets:\n${rules.join("")}`, folder), {
      admin: { socket: at("admin.sock") },
    }),
  );
  guest = hold(await Guest.attach(host.path));
});

test.each([
  ["a folder of files", () => `files: [{ id: all, guest: /all, host: ${folder}, access: ro }]`],
  [
    "a rule of sockets",
    () => `sockets: [{ id: admin, guest: /run/admin, host: ${at("admin.sock")}, access: connect }]`,
  ],
])("the admin socket is not to be had by %s", async (_, rule) => {
  const policy = policyOf(`version: 1\n${rule()}\n`, folder);
  await expect(host.monitor.reload(policy)).rejects.toThrow(
    `the admin socket (${at("admin.sock")}), which no guest may reach`,
  );
});

test("nor under another name: a hard link that a rule names", async () => {
  linkSync(at("admin.sock"), at("other"));
  const refused = await guest.connect({ path: "/run/other" }).catch((error: unknown) => error);
  expect(refused).toMatchObject({ code: "EACCES", rule: "monitor" });
});

test("nor by a symbolic link", async () => {
  symlinkSync(at("admin.sock"), at("link"));
  const refused = await guest.connect({ path: "/run/link" }).catch((error: unknown) => error);
  expect(refused).toMatchObject({ code: "ELOOP" });
  using admin = new AdminClient({ socket: at("admin.sock") });
  expect(await admin.counters()).toMatchObject({ refusals: expect.any(Number) });
});
