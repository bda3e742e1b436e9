// Groups and hosts of the policy, with a real kernel, a real name server and real sockets: a name leads where its rule
// says, whoever runs its zone, and nowhere else.

import { networkInterfaces } from "node:os";
import { formatIp } from "@ringway/control";
import { Errno } from "@ringway/linux";
import { beforeAll, describe, expect, test } from "vitest";
import { Declined } from "../support/declined.ts";
import { type NameServer, nameServer } from "../support/dns.ts";
import { heldForAll } from "../support/held.ts";
import { startMonitor, type TestMonitor } from "../support/monitor.ts";
import { RawGuest } from "../support/raw-guest.ts";
import { echoServer } from "../support/tcp.ts";

const hold = heldForAll();
let dns: NameServer;
beforeAll(async () => {
  dns = hold(await nameServer());
});

async function guestOf(policy: string): Promise<{ host: TestMonitor; guest: RawGuest }> {
  const host = hold(await startMonitor(`version: 1\n${policy}`, { names: dns.names }));
  return { host, guest: hold(await RawGuest.attach(host.path)) };
}

async function peerOf(guest: RawGuest, name: string, port: number): Promise<string> {
  const { pipe, endpoints } = await guest.connect(name, port);
  guest.finish(pipe);
  return formatIp(endpoints.peer.address);
}

async function ruleThatRefuses(guest: RawGuest, name: string, port: number): Promise<string> {
  const refusal = await guest.connect(name, port).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(refusal).toBeInstanceOf(Declined);
  expect((refusal as Declined).errno).toBe(Errno.EACCES);
  return (refusal as Declined).rule;
}

/** An address of this machine that is no loopback; undefined where it has none. */
const OWN = Object.values(networkInterfaces())
  .flatMap((addresses) => addresses ?? [])
  .find(({ internal, family }) => !internal && family === "IPv4")?.address;

describe("host.ringway", () => {
  test("leads to the host's loopback where a rule allows that, and no name server is asked", async () => {
    await using server = await echoServer();
    const { guest } = await guestOf(`connect: [{ allow: loopback, ports: ${server.port} }]`);
    dns.asked.length = 0;
    expect(await peerOf(guest, "host.ringway", server.port)).toBe("127.0.0.1");
    expect(await peerOf(guest, "localhost", server.port)).toBe("127.0.0.1");
    expect(await ruleThatRefuses(guest, "host.ringway", 1)).toBe("default");
    expect(dns.asked.filter((name) => /ringway|localhost/.test(name))).toEqual([]);
  });

  test("is allowed nowhere by a rule for every name", async () => {
    await using server = await echoServer();
    const { guest } = await guestOf('connect: [{ allow: "*" }]');
    expect(await ruleThatRefuses(guest, "host.ringway", server.port)).toBe("not-public");
  });
});

describe("a name of hosts", () => {
  test("has the policy's addresses, not those of a name server, and they are judged", async () => {
    await using server = await echoServer();
    dns.zone.set("db.test", ["127.0.0.7"]);
    const hosts = "hosts: { db.test: 127.0.0.2, other.test: 127.0.0.3 }";
    const rule = `{ allow: "*.test", resolvesTo: [127.0.0.1, 127.0.0.2] }`;
    const { guest } = await guestOf(`connect: [${rule}]\n${hosts}`);
    await using second = await echoServer("127.0.0.2");
    expect(await peerOf(guest, "DB.test.", second.port)).toBe("127.0.0.2");
    expect(await ruleThatRefuses(guest, "other.test", server.port)).toBe("not-public");
  });
});

describe("a name that its owner points elsewhere", () => {
  test("leads only into the group that its rule names", async () => {
    await using server = await echoServer();
    dns.zone.set("in.test", ["127.0.0.1"]);
    const { guest } = await guestOf(
      'connect: [{ allow: in.test, resolvesTo: loopback }, { allow: "*.test", resolvesTo: [private, host] }]',
    );
    expect(await peerOf(guest, "in.test", server.port)).toBe("127.0.0.1");
    dns.zone.set("out.test", ["127.0.0.1", "::1", "169.254.169.254", "fd00:ec2::254"]);
    expect(await ruleThatRefuses(guest, "out.test", server.port)).toBe("not-public");
  });

  test.skipIf(OWN === undefined)("to the host itself is refused where private is meant", async () => {
    await using server = await echoServer("0.0.0.0");
    dns.zone.set("own.test", [OWN!]);
    const { guest } = await guestOf('connect: [{ allow: "*.test", resolvesTo: [private, loopback] }]');
    expect(await ruleThatRefuses(guest, "own.test", server.port)).toBe("not-public");
    const other = await guestOf('connect: [{ allow: "*.test", resolvesTo: host }, { id: it, allow: host }]');
    expect(await peerOf(other.guest, "own.test", server.port)).toBe(OWN);
    expect(await peerOf(other.guest, OWN!, server.port)).toBe(OWN);
    expect(await ruleThatRefuses(other.guest, "127.0.0.1", server.port)).toBe("default");
  });
});
