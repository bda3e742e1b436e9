// guest.lookup beside dns.lookup(): the same arguments, the same results, the same errors; and real programs that use
// it, with a real name server of Debian's.

import * as dns from "node:dns";
import { createServer as createHttpServer, get } from "node:http";
import { connect, type LookupFunction } from "node:net";
import { promisify } from "node:util";
import { Guest, type RefusedError } from "@ringway/guest";
import { Agent, request } from "undici";
import { beforeAll, describe, expect, test } from "vitest";
import { type NameServer, nameServer } from "../../../test/support/dns.ts";
import { heldForAll } from "../../../test/support/held.ts";
import { startMonitor } from "../../../test/support/monitor.ts";

const NODE_MAJOR = Number(process.versions.node.split(".")[0]);

const POLICY = `version: 1
connect:
  - { id: by-name, allow: [localhost, "*.test"], resolvesTo: [loopback, 192.0.2.0/24, "2001:db8::/32"] }
`;

type Lookup = (...args: unknown[]) => unknown;

const hold = heldForAll();
let names: NameServer;
let guest: Guest;

beforeAll(async () => {
  names = hold(await nameServer());
  const host = hold(await startMonitor(POLICY, { names: names.names }));
  guest = hold(await Guest.attach(host.path));
  names.zone.set("both.test", ["192.0.2.1", "2001:db8::1", "192.0.2.2", "2001:db8::2"]);
  names.zone.set("four.test", ["192.0.2.1"]);
});

/** What a call throws, or its callback is called with. */
function outcomeOf(lookup: Lookup, args: readonly unknown[]): Promise<unknown> {
  return new Promise((resolve) => {
    const told = (...result: unknown[]): void => {
      const [error, ...rest] = result as [(Error & { code?: string; syscall?: string }) | null, ...unknown[]];
      if (error === null) resolve(rest);
      else
        resolve({
          failed: error.code,
          syscall: error.syscall,
          hostname: (error as { hostname?: string }).hostname,
        });
    };
    const withCallback = args.map((arg) => (arg === TOLD ? told : arg));
    try {
      lookup(...withCallback);
    } catch (error) {
      resolve({ thrown: (error as Error).name, code: (error as { code?: string }).code });
    }
  });
}

/** Stands for the callback. */
const TOLD = Symbol("callback");

describe("as dns.lookup() does it", () => {
  // Node 26 throws for these; ours goes on as all before it did.
  const nothing: unknown[] = NODE_MAJOR >= 25 ? [] : ["", null, undefined, 0, false];
  const literals = ["127.0.0.1", "::1", "2001:DB8::1", "::ffff:10.0.0.1"];
  const options: unknown[] = [
    {},
    null,
    undefined,
    ...[0, 4, 6, 5, Number.NaN, -4],
    ...[0, 4, 6, "IPv4", "IPv6", "ipv4", 5, null, undefined].map((family) => ({ family })),
    ...[true, false, null, undefined, "yes", 1].map((all) => ({ all })),
    ...[0, dns.ADDRCONFIG, dns.V4MAPPED, dns.ALL | dns.V4MAPPED, 1 << 20, "x", null].map((hints) => ({
      hints,
    })),
    ...[true, false, null, "yes"].map((verbatim) => ({ verbatim })),
    ...["verbatim", "ipv4first", "ipv6first", "any", null].map((order) => ({ order })),
    { all: true, family: 6 },
    { all: true, family: 4, verbatim: true },
    "IPv4",
    true,
  ];

  test.each([...nothing, ...literals, 5, {}])("%j with every kind of options", async (hostname) => {
    // Node warns of a name that is none, once.
    process.removeAllListeners("warning");
    for (const each of options) {
      const args = [hostname, each, TOLD];
      const shown = JSON.stringify([hostname, each]);
      expect([shown, await outcomeOf(guest.lookup as unknown as Lookup, args)]).toEqual([
        shown,
        await outcomeOf(dns.lookup as unknown as Lookup, args),
      ]);
    }
  });

  test.each([
    [["127.0.0.1", TOLD]],
    [["127.0.0.1"]],
    [["127.0.0.1", {}]],
    [["127.0.0.1", {}, "callback"]],
    [["127.0.0.1", 4]],
    [["127.0.0.1", 4, TOLD]],
    [["127.0.0.1", "x"]],
    [[]],
  ])("with the arguments %j", async (args) => {
    const own = await outcomeOf(guest.lookup as unknown as Lookup, args);
    expect(own).toEqual(await outcomeOf(dns.lookup as unknown as Lookup, args));
  });

  test("promisify() gives what it gives of dns.lookup()", async () => {
    const own = promisify(guest.lookup as unknown as typeof dns.lookup);
    const system = promisify(dns.lookup);
    for (const name of ["127.0.0.1", "::1"]) {
      expect(await own(name)).toEqual(await system(name));
      expect(await own(name, { all: true })).toEqual(await system(name, { all: true }));
      expect(await own(name, 6)).toEqual(await system(name, 6));
    }
    expect(await own("localhost", { family: 4 })).toEqual(await system("localhost", { family: 4 }));
    await expect(own("nowhere.test")).rejects.toMatchObject({ code: "ENOTFOUND", hostname: "nowhere.test" });
  });
});

describe("of what the host resolves", () => {
  const ask = (name: string, options: dns.LookupOptions): Promise<unknown> =>
    outcomeOf(guest.lookup as unknown as Lookup, [name, options, TOLD]);
  const all = async (name: string, options: dns.LookupOptions): Promise<string[]> => {
    const [found] = (await ask(name, { ...options, all: true })) as [dns.LookupAddress[]];
    for (const { address, family } of found) expect(family).toBe(address.includes(":") ? 6 : 4);
    return found.map(({ address }) => address);
  };

  test("the first address, or all of them in the order that is asked for", async () => {
    expect(await ask("both.test", {})).toEqual(["2001:db8::1", 6]);
    expect(await all("both.test", {})).toEqual(["2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2"]);
    expect(await all("both.test", { family: 4 })).toEqual(["192.0.2.1", "192.0.2.2"]);
    expect(await all("both.test", { family: "IPv6" })).toEqual(["2001:db8::1", "2001:db8::2"]);
    const four = ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"];
    expect(await all("both.test", { verbatim: false })).toEqual(four);
    expect(await all("both.test", { order: "ipv4first" } as dns.LookupOptions)).toEqual(four);
    expect(await all("both.test", { order: "ipv6first" } as dns.LookupOptions)).toEqual([
      ...four.slice(2),
      ...four.slice(0, 2),
    ]);
  });

  test("V4MAPPED gives IPv4 addresses to who wants IPv6 ones, where there are none, or with ALL", async () => {
    const mapped = ["::ffff:192.0.2.1"];
    expect(await all("four.test", { family: 6, hints: dns.V4MAPPED })).toEqual(mapped);
    expect(await all("both.test", { family: 6, hints: dns.V4MAPPED })).toEqual([
      "2001:db8::1",
      "2001:db8::2",
    ]);
    expect(await all("both.test", { family: 6, hints: dns.V4MAPPED | dns.ALL })).toEqual([
      ...["2001:db8::1", "2001:db8::2"],
      ...["::ffff:192.0.2.1", "::ffff:192.0.2.2"],
    ]);
    expect(await ask("four.test", { family: 6 })).toMatchObject({ failed: "ENOTFOUND" });
  });

  test("names that are none, or that do not exist, are ENOTFOUND; a server that fails is EAI_AGAIN", async () => {
    const missing = { failed: "ENOTFOUND", syscall: "getaddrinfo" };
    for (const name of [
      "nowhere.test",
      "a..test",
      "-a.test",
      "a b.test",
      "a\0.test",
      `${"a".repeat(300)}.test`,
    ])
      expect(await ask(name, {})).toEqual({ ...missing, hostname: name });
    names.zone.set("broken.test", "servfail");
    expect(await ask("broken.test", {})).toMatchObject({ failed: "EAI_AGAIN", hostname: "broken.test" });
  });

  test("names of other scripts go by their xn-- form", async () => {
    names.zone.set("xn--bcher-kva.test", ["192.0.2.7"]);
    expect(await ask("b\u00fccher.test", {})).toEqual(["192.0.2.7", 4]);
  });

  test("what no rule allows is a RefusedError with the rule, and nobody is asked", async () => {
    names.asked.length = 0;
    const error = await new Promise<RefusedError>((resolve) => {
      guest.lookup("secret.evil.example", {}, (failure) => resolve(failure as RefusedError));
    });
    expect(error).toMatchObject({ name: "RefusedError", code: "EACCES", rule: "default" });
    expect(error).toMatchObject({ syscall: "getaddrinfo", hostname: "secret.evil.example" });
    expect(names.asked).toEqual([]);
  });
});

describe("programs that take a lookup", () => {
  test("node:net, node:http and undici find their server by it", async () => {
    const server = createHttpServer((_, response) => void response.end("found"));
    hold({
      async [Symbol.asyncDispose]() {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      },
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    names.zone.set("web.test", ["127.0.0.1"]);
    const lookup = guest.lookup as LookupFunction;

    const socket = connect({ host: "web.test", port, lookup });
    await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
    expect(socket.remoteAddress).toBe("127.0.0.1");
    socket.destroy();

    const text = await new Promise<string>((resolve, reject) => {
      get({ host: "web.test", port, lookup, agent: false }, (response) => {
        response.toArray().then((parts) => resolve(parts.join("")), reject);
      }).once("error", reject);
    });
    expect(text).toBe("found");

    const dispatcher = new Agent({ connect: { lookup } });
    const { body } = await request(`http://web.test:${port}/`, { dispatcher });
    expect(await body.text()).toBe("found");
    await dispatcher.close();
    await expect(
      request(`http://evil.example:${port}/`, { dispatcher: new Agent({ connect: { lookup } }) }),
    ).rejects.toMatchObject({ code: "EACCES", rule: "default" });
  });
});

describe("guest.reverse()", () => {
  test("tells the names of an address, and fails as dns.promises.reverse() does", async () => {
    names.zone.set("1.2.0.192.in-addr.arpa", { names: ["both.test"] });
    // The guest was told it by name.
    await outcomeOf(guest.lookup as unknown as Lookup, ["both.test", TOLD]);
    expect(await guest.reverse("192.0.2.1")).toEqual(["both.test"]);
    await expect(guest.reverse("192.0.2.2")).rejects.toMatchObject({
      code: "ENOTFOUND",
      syscall: "getHostByAddr",
      message: "getHostByAddr ENOTFOUND 192.0.2.2",
    });
    await expect(guest.reverse("8.8.8.8")).rejects.toMatchObject({ code: "EACCES", rule: "default" });
    await expect(guest.reverse("nonsense")).rejects.toThrow(TypeError);
  });
});
