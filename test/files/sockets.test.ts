// The folders of `sockets` below a folder that a guest may write: they keep their names as those of `files` do, for
// what the policy's file says must still be there when it is read again.

import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { Done, Errno, mountMessages as m } from "@ringway/control";
import { expect, test } from "vitest";
import { failureOf } from "../support/declined.ts";
import { heldForEach } from "../support/held.ts";
import { policyOf, startMonitor } from "../support/monitor.ts";
import { bytes, RawMount } from "./mount/wire.ts";
import { FileGuest } from "./wire.ts";

const hold = heldForEach();

const POLICY = `version: 1
files:
  - { id: data, guest: /data, host: ./data, access: rw }
sockets:
  - { id: app, guest: /run/app.sock, host: ./data/own/run/app.sock, access: listen }
`;

test.each(["own/run", "own"])("a guest does not rename %s, where a socket's folder is", async (name) => {
  const host = hold(
    await startMonitor((folder) => {
      mkdirSync(join(folder, "data/own/run"), { recursive: true });
      return policyOf(POLICY, folder);
    }),
  );
  const guest = hold(await FileGuest.attach(host.path));
  const mount = await RawMount.open(guest);
  const rename = { fromAt: 0, toAt: 0, flags: 0, from: bytes(name), to: bytes("mine") };
  expect(await failureOf(mount.call(m.MountRename, rename, Done))).toMatchObject({
    errno: Errno.EACCES,
    rule: "app",
  });
  const remove = mount.call(m.MountRmdir, { at: 0, path: bytes("own/run") }, Done);
  expect(await failureOf(remove)).toMatchObject({ errno: Errno.EACCES, rule: "app" });
  expect(readdirSync(join(host.folder, "data/own"))).toEqual(["run"]);
});
