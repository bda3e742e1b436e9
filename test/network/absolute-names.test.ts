// From what a guest asks for to the question on the wire: one name, the one that the policy judged, whatever the system
// would add to it.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Errno } from "@ringway/linux";
import { beforeAll, beforeEach, expect, test } from "vitest";
import { type NameServer, nameServer } from "../support/dns.ts";
import { heldForAll } from "../support/held.ts";
import { MonitorProgram, unshare } from "../support/processes.ts";
import { RawGuest } from "../support/raw-guest.ts";
import { temporaryFolder } from "../support/temporary.ts";

const POLICY = `version: 1
connect:
  - { id: corp, deny: "*.corp.test" }
  - { id: all, allow: ["*.example.com", www] }
`;

let folder: string;
let dns: NameServer;
let guest: RawGuest;

const hold = heldForAll();
beforeAll(async () => {
  folder = temporaryFolder("absolute");
  dns = hold(await nameServer());
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const conf = file("resolv.conf", "search corp.test\noptions ndots:15\nnameserver 127.0.0.1\n");
  const hostsFile = file("hosts", "127.0.0.1 Listed.Example.com.\n");
  // The system's own resolv.conf, too: c-ares reads it by itself.
  const mount = 'mount --bind "$0" /etc/resolv.conf && exec "$@"';
  const path = join(folder, "attach.sock");
  hold(
    await MonitorProgram.start(path, POLICY, {
      under: [...unshare("--mount"), "sh", "-c", mount, conf],
      options: { names: { ...dns.names, hostsFile } },
      env: {
        LOCALDOMAIN: "corp.test",
        RES_OPTIONS: "ndots:15",
        HOSTALIASES: file("aliases", "www aliased.corp.test\n"),
      },
    }),
  );
  guest = hold(await RawGuest.attach(path));
});
beforeEach(() => {
  dns.asked.length = 0;
  dns.zone.clear();
  for (const name of ["nosuch.example.com", "www", "aliased"])
    dns.zone.set(`${name}.corp.test`, ["192.0.2.1"]);
});

test.each([
  ["nosuch.example.com", "nosuch.example.com"],
  ["nosuch.example.com.", "nosuch.example.com"],
  ["NoSuch.EXAMPLE.com", "nosuch.example.com"],
  ["www", "www"],
])("%s is asked for as %s and as nothing else", async (name, asked) => {
  await expect(guest.connect(name, 80)).rejects.toMatchObject({ errno: Errno.ENOENT });
  expect(new Set(dns.asked)).toEqual(new Set([asked]));
});

test("what the policy does not allow, and what the hosts file has, is asked of nobody", async () => {
  await expect(guest.connect("nosuch.example.com.corp.test", 80)).rejects.toMatchObject({ rule: "corp" });
  await expect(guest.connect("LISTED.example.com.", 80)).rejects.toMatchObject({ rule: "not-public" });
  expect(dns.asked).toEqual([]);
});
