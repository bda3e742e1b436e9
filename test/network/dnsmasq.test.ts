// Names with a real name server, dnsmasq: times to live, both families, names of addresses, and what it does not know.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { formatIp, inet, Protocol, parseIp, resolveMessages } from "@ringway/control";
import { Guest } from "@ringway/guest";
import { beforeAll, describe, expect, test } from "vitest";
import { FileGuest as FrameGuest, type RawStream } from "../files/wire.ts";
import { failureOf } from "../support/declined.ts";
import { heldForAll } from "../support/held.ts";
import { startMonitor, type TestMonitor } from "../support/monitor.ts";
import { echoServer, freePort } from "../support/tcp.ts";
import { until } from "../support/wait.ts";

const { Addresses, Names, Resolve, Reverse } = resolveMessages;

const RULES = `version: 1
connect:
  - { id: by-name, allow: "*.test", resolvesTo: [loopback, 192.0.2.0/24, "2001:db8::/32"] }
  - { allow: 192.0.2.0/24, ports: 80 }
`;

const works = spawnable("dnsmasq");
function spawnable(program: string): boolean {
  return process.env.PATH!.split(":").some((folder) => existsSync(`${folder}/${program}`));
}

describe.skipIf(!works)("dnsmasq", () => {
  const hold = heldForAll();
  let host: TestMonitor;
  let stream: RawStream;
  let log = "";

  beforeAll(async () => {
    const port = await freePort();
    const options = ["--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--log-queries"];
    const where = [`--port=${port}`, "--listen-address=127.0.0.1", "--bind-interfaces", "--user=root"];
    const zone = [
      "--local=/test/",
      "--host-record=web.test,192.0.2.1,2001:db8::1,300",
      "--host-record=here.test,127.0.0.1",
      "--cname=alias.test,web.test,20",
      "--host-record=inside.test,10.0.0.1",
    ];
    const server = spawn("dnsmasq", [...options, ...where, ...zone], { stdio: ["ignore", "ignore", "pipe"] });
    server.stderr.on("data", (text: Buffer) => (log += text.toString()));
    hold({ [Symbol.dispose]: () => void server.kill() });
    await until("dnsmasq", () => log.includes("started"));
    host = hold(await startMonitor(RULES, { names: { nameServers: [`127.0.0.1:${port}`] } }));
    const guest = hold(await FrameGuest.attach(host.path));
    stream = (await guest.open(Protocol.RESOLVE, new Uint8Array(0)))[0];
  });

  const resolve = (name: string, family = 0): Promise<resolveMessages.Addresses> =>
    stream.call(Resolve, { family, name }, Addresses);
  const texts = ({ addresses }: resolveMessages.Addresses): string[] =>
    addresses.map(({ address }) => formatIp(address));

  test("tells addresses of both families, and for how long they hold", async () => {
    const reply = await resolve("web.test");
    expect(texts(reply)).toEqual(["2001:db8::1", "192.0.2.1"]);
    expect(reply.ttlSeconds).toBe(300);
    expect(texts(await resolve("web.test", 4))).toEqual(["192.0.2.1"]);
    expect(texts(await resolve("alias.test", 4))).toEqual(["192.0.2.1"]);
  });

  test("tells the name of an address", async () => {
    const address = inet(parseIp("192.0.2.1")!, 0);
    expect((await stream.call(Reverse, { address }, Names)).names).toEqual(["web.test"]);
  });

  test("knows nothing of a name that does not exist; a private address behind one is not told", async () => {
    expect(await failureOf(resolve("nowhere.test"))).toMatchObject({ errno: 2 });
    expect(await failureOf(resolve("inside.test"))).toMatchObject({ rule: "not-public" });
  });

  test("is never asked for what no rule allows", async () => {
    expect(await failureOf(resolve("key.0123456789abcdef.evil.example"))).toMatchObject({ rule: "default" });
    await resolve("web.test", 4);
    expect(log).not.toContain("evil.example");
    expect(log).toContain("web.test");
  });

  test("serves a guest's programs: resolved first, and connected to then", async () => {
    await using server = await echoServer();
    const guest = hold(await Guest.attach(host.path));
    const address = await new Promise<string>((resolved, failed) => {
      guest.lookup("here.test", 4, (error, found) => (error === null ? resolved(found) : failed(error)));
    });
    expect(address).toBe("127.0.0.1");
    const socket = await guest.connect(server.port, address);
    socket.end("hello");
    expect((await socket.toArray()).join("")).toBe("hello");
  });
});
