// The monitor's own way from a name to its addresses: hosts file, localhost, resolv.conf and real packets
// (docs/monitor.md).

import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hostLookup, type Lookup, NameServerError } from "@ringway/monitor";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type NameServer, nameServer } from "../support/dns.ts";
import { heldForAll } from "../support/held.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { until, within } from "../support/wait.ts";

let dns: NameServer;
let folder: string;

const hold = heldForAll();
beforeAll(async () => {
  dns = hold(await nameServer());
});
beforeEach(() => {
  folder = temporaryFolder("names");
  dns.zone.clear();
  dns.asked.length = 0;
  dns.askedByTcp.length = 0;
  dns.held.clear();
});

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const never = new AbortController().signal;

/** What is told early, and the rest. */
async function told(lookup: Lookup, name: string, signal = never): Promise<string[][]> {
  const parts: string[][] = [];
  const rest = await lookup(name, signal, (known) => parts.push([...known]));
  return [...parts, [...rest]];
}

async function all(lookup: Lookup, name: string): Promise<string[]> {
  return (await told(lookup, name)).flat();
}

async function failure(promise: Promise<unknown>): Promise<string | undefined> {
  const error = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  return (error as NodeJS.ErrnoException | undefined)?.code;
}

/** This process's sockets. */
function descriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

describe("the hosts file", () => {
  test("comes before DNS, with all addresses of a name, whatever its case", async () => {
    const hostsFile = file(
      "hosts",
      "# a comment\n10.0.0.1\tOne.test one # two.test\n::ffff:10.0.0.3 one.test\n10.0.0.1 one.test\nbad line.test\n",
    );
    const lookup = hostLookup({ ...dns.names, hostsFile });
    dns.zone.set("one.test", ["192.0.2.1"]);
    expect(await all(lookup, "one.test")).toEqual(["10.0.0.1", "10.0.0.3"]);
    expect(await all(lookup, "one")).toEqual(["10.0.0.1"]);
    expect(dns.asked).toEqual([]);
    expect(await failure(lookup("two.test", never))).toBe("ENOTFOUND");
    expect(await failure(lookup("line.test", never))).toBe("ENOTFOUND");
  });

  test("is read again when it has changed, comes, or goes", async () => {
    const hostsFile = join(folder, "hosts");
    const lookup = hostLookup({ ...dns.names, hostsFile });
    expect(await failure(lookup("one.test", never))).toBe("ENOTFOUND");
    file("hosts", "10.0.0.1 one.test\n");
    expect(await all(lookup, "one.test")).toEqual(["10.0.0.1"]);
    file("hosts", "10.0.0.2 one.test\n");
    expect(await all(lookup, "one.test")).toEqual(["10.0.0.2"]);
    rmSync(hostsFile);
    expect(await failure(lookup("one.test", never))).toBe("ENOTFOUND");
  });
});

describe("localhost", () => {
  test("and what is below it are loopback, and no server is asked (RFC 6761)", async () => {
    const lookup = hostLookup({ ...dns.names, hostsFile: join(folder, "none") });
    dns.zone.set("localhost", ["192.0.2.1"]);
    dns.zone.set("a.localhost", ["192.0.2.1"]);
    expect(await all(lookup, "localhost")).toEqual(["::1", "127.0.0.1"]);
    expect(await all(lookup, "a.localhost")).toEqual(["::1", "127.0.0.1"]);
    expect(dns.asked).toEqual([]);
  });

  test("is what the hosts file says, where it says it", async () => {
    const hostsFile = file("hosts", "127.0.0.1 localhost\n");
    expect(await all(hostLookup({ ...dns.names, hostsFile }), "localhost")).toEqual(["127.0.0.1"]);
  });
});

describe("DNS", () => {
  test("gives AAAA, then A", async () => {
    dns.zone.set("both.test", ["192.0.2.1", "2001:db8::1", "192.0.2.2"]);
    expect(await all(hostLookup(dns.names), "both.test")).toEqual(["2001:db8::1", "192.0.2.1", "192.0.2.2"]);
  });

  test("follows an alias", async () => {
    dns.zone.set("alias.test", { alias: "real.test", addresses: ["192.0.2.1", "2001:db8::1"] });
    expect(await all(hostLookup(dns.names), "alias.test")).toEqual(["2001:db8::1", "192.0.2.1"]);
  });

  test("asks by TCP where the answer does not fit a packet, and takes 64 addresses of a family", async () => {
    const many = Array.from({ length: 300 }, (_, i) => `10.1.${i >> 8}.${i & 255}`);
    dns.zone.set("many.test", many);
    expect(await all(hostLookup(dns.names), "many.test")).toEqual(many.slice(0, 64));
    expect(dns.askedByTcp).toEqual(["many.test"]);
  });

  test("is asked for the name that was judged, and for no other", async () => {
    const resolvConf = file("resolv.conf", "search example.test\noptions ndots:5\n");
    dns.zone.set("www.example.test", ["192.0.2.1"]);
    expect(await failure(hostLookup({ ...dns.names, resolvConf })("www", never))).toBe("ENOTFOUND");
    expect(new Set(dns.asked)).toEqual(new Set(["www"]));
  });

  test("that has one family alone is enough", async () => {
    dns.zone.set("four.test", { a: ["192.0.2.1"], aaaa: "servfail" });
    dns.zone.set("six.test", { a: "nxdomain", aaaa: ["2001:db8::1"] });
    expect(await all(hostLookup(dns.names), "four.test")).toEqual(["192.0.2.1"]);
    expect(await all(hostLookup(dns.names), "six.test")).toEqual(["2001:db8::1"]);
  });

  test("tells an absence, a failure, and a failure rather than an absence", async () => {
    dns.zone.set("empty.test", []);
    dns.zone.set("broken.test", "servfail");
    dns.zone.set("half.test", { a: [], aaaa: "servfail" });
    const lookup = hostLookup(dns.names);
    expect(await failure(lookup("none.test", never))).toBe("ENOTFOUND");
    expect(await failure(lookup("empty.test", never))).toBe("ENODATA");
    expect(await failure(lookup("broken.test", never))).toBe("ESERVFAIL");
    expect(await failure(lookup("half.test", never))).toBe("ESERVFAIL");
  });

  test.each([
    ["A", { a: ["192.0.2.1"], aaaa: "silence" }, "192.0.2.1"],
    ["AAAA", { a: "silence", aaaa: ["2001:db8::1"] }, "2001:db8::1"],
  ] as const)("tells %s without the other, and ends with the other (RFC 8305)", async (_, zone, address) => {
    dns.zone.set("half.test", zone);
    const abort = new AbortController();
    const known: string[] = [];
    let ended = false;
    const lookup = hostLookup(dns.names)("half.test", abort.signal, (early) => known.push(...early));
    const rest = lookup.finally(() => {
      ended = true;
    });
    await until("the first", () => known.length > 0, 2000);
    expect(known).toEqual([address]);
    expect(ended).toBe(false);
    abort.abort();
    expect(await rest).toEqual([]);
  });

  test("leaves nothing behind when it is given up", async () => {
    dns.zone.set("mute.test", "silence");
    const lookup = hostLookup(dns.names);
    const before = descriptors();
    const aborts = Array.from({ length: 16 }, () => new AbortController());
    const silent = aborts.map(({ signal }) => failure(lookup("mute.test", signal)));
    await until("32 questions", () => dns.asked.length >= 32);
    expect(descriptors() - before).toBeLessThanOrEqual(32);
    for (const abort of aborts) abort.abort();
    expect(new Set(await Promise.all(silent))).toEqual(new Set(["ECANCELLED"]));
    expect(descriptors()).toBe(before);
    expect(await failure(lookup("mute.test", AbortSignal.abort()))).toBe("ECANCELLED");
  });
});

describe("several name servers", () => {
  test("are asked one after the other where one fails, refuses, or is not there", async () => {
    await using bad = await nameServer({
      "one.test": "servfail",
      "two.test": "refused",
      "three.test": "nxdomain",
    });
    for (const name of ["one.test", "two.test", "three.test"]) dns.zone.set(name, ["192.0.2.1"]);
    const lookup = hostLookup({ nameServers: ["127.0.0.1:1", bad.address, dns.address] });
    expect(await all(lookup, "one.test")).toEqual(["192.0.2.1"]);
    expect(await all(lookup, "two.test")).toEqual(["192.0.2.1"]);
    // That a name does not exist is an answer.
    expect(await failure(lookup("three.test", never))).toBe("ENOTFOUND");
  });

  test("have the time and the attempts of resolv.conf", async () => {
    await using mute = await nameServer({ "one.test": "silence" });
    dns.zone.set("one.test", ["192.0.2.1"]);
    const resolvConf = file("resolv.conf", "options timeout:1 attempts:1 rotate\n");
    const lookup = hostLookup({ nameServers: [mute.address, dns.address], resolvConf });
    const start = performance.now();
    expect(await all(lookup, "one.test")).toEqual(["192.0.2.1"]);
    expect(performance.now() - start).toBeGreaterThan(950);
    expect(await failure(hostLookup({ nameServers: [mute.address], resolvConf })("one.test", never))).toBe(
      "ETIMEOUT",
    );
  });

  test.each([
    "ns.example.com",
    "",
    "192.0.2.1:0",
    "192.0.2.1:65536",
    "192.0.2.1:",
    "2001:db8::1]:53",
    "fe80::1%lo",
  ])("that are none are refused at the start: %j", (text) => {
    expect(() => hostLookup({ nameServers: [dns.address, text] })).toThrow(NameServerError);
  });

  test.each([
    "192.0.2.1",
    "192.0.2.1:1",
    "192.0.2.1:65535",
    "2001:db8::1",
    "[2001:db8::1]",
    "[2001:db8::1]:5353",
  ])("may be %s", (text) => {
    hostLookup({ nameServers: [text] });
  });
});

test("resolv.conf is read again when it has changed", async () => {
  const resolvConf = file("resolv.conf", "options timeout:30 attempts:5\nnameserver 127.9.9.9\n");
  // Nobody listens there on port 53, which is seen at once.
  expect(await failure(hostLookup({ resolvConf })("one.test", never))).toBe("ECONNREFUSED");
  dns.zone.set("mute.test", "silence");
  const lookup = hostLookup({ ...dns.names, resolvConf });
  const abort = new AbortController();
  const patient = failure(lookup("mute.test", abort.signal));
  file("resolv.conf", "options timeout:1 attempts:1\n");
  expect(await failure(lookup("mute.test", never))).toBe("ETIMEOUT");
  abort.abort();
  expect(await patient).toBe("ECANCELLED");
});

describe("NAT64 prefixes of the network (RFC 7050)", () => {
  /** A lookup that tells them, and what it has told. */
  function listening(signal = never): { lookup: Lookup; told: string[][] } {
    const told: string[][] = [];
    const found = (prefixes: readonly string[]): void => void told.push([...prefixes]);
    return { lookup: hostLookup(dns.names, { found, signal }), told };
  }
  const asked = (): number => dns.asked.filter((name) => name === "ipv4only.arpa").length;

  test("are told before the first IPv6 address, and asked for once while their time lasts", async () => {
    dns.zone.set("ipv4only.arpa", ["192.0.0.170", "2001:db8:64::c000:aa", "2001:db8:64::c000:ab"]);
    dns.zone.set("four.test", ["192.0.2.1"]);
    dns.zone.set("six.test", ["192.0.2.1", "2001:db8::1"]);
    const { lookup, told } = listening();
    await all(lookup, "four.test");
    expect(asked()).toBe(0);
    let before: string[][] | undefined;
    await lookup("six.test", never, () => {
      before ??= [...told];
    });
    expect(before).toEqual([["2001:db8:64::/96"]]);
    await all(lookup, "six.test");
    expect([told.length, asked()]).toEqual([1, 1]);
  });

  test("are none where the name has no IPv6 address", async () => {
    dns.zone.set("ipv4only.arpa", ["192.0.0.170"]);
    dns.zone.set("six.test", ["2001:db8::1"]);
    const { lookup, told } = listening();
    for (let i = 0; i < 2; i++) expect(await all(lookup, "six.test")).toEqual(["2001:db8::1"]);
    expect([told, asked()]).toEqual([[[]], 1]);
  });

  test("are waited for by IPv6 addresses, however long a name server takes, and not by IPv4 addresses", async () => {
    dns.zone.set("ipv4only.arpa", ["2001:db8:64::c000:aa"]);
    dns.zone.set("both.test", ["192.0.2.1", "2001:db8::1"]);
    let answer = (): void => {};
    const held = new Promise<void>((resolve) => {
      answer = resolve;
    });
    dns.held.set("ipv4only.arpa", held);
    const { lookup, told } = listening();
    const known: string[] = [];
    const rest = lookup("both.test", never, (early) => known.push(...early));
    await until("the IPv4 address", () => known.length > 0);
    // The last that may come before the prefixes: 50 ms after the AAAA.
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect([known, told]).toEqual([["192.0.2.1"], []]);
    answer();
    expect(await rest).toEqual(["2001:db8::1"]);
    expect(told).toEqual([["2001:db8:64::/96"]]);
  });

  test("are asked for at once by whoever says so; what fails then is asked again by the first IPv6 address", async () => {
    dns.zone.set("six.test", ["2001:db8::1"]);
    for (const [first, questions] of [
      [["2001:db8:64::c000:aa"], 1],
      ["refused", 2],
    ] as const) {
      dns.asked.length = 0;
      dns.zone.set("ipv4only.arpa", first);
      const told: string[][] = [];
      const found = (prefixes: readonly string[]): void => void told.push([...prefixes]);
      const lookup = hostLookup(dns.names, { found, signal: never, atOnce: true });
      await until("the question", () => asked() === 1);
      if (first !== "refused") await until("what it told", () => told.length === 1);
      dns.zone.set("ipv4only.arpa", ["2001:db8:64::c000:aa"]);
      expect(await all(lookup, "six.test")).toEqual(["2001:db8::1"]);
      expect([told, asked()]).toEqual([[["2001:db8:64::/96"]], questions]);
    }
  });

  test("keep nobody waiting for longer than a server has, nor who wants to know no more", async () => {
    dns.zone.set("ipv4only.arpa", "silence");
    dns.zone.set("six.test", ["2001:db8::1"]);
    const end = new AbortController();
    const found = (): void => expect.unreachable();
    const before = descriptors();
    const short = file("resolv.conf", "options timeout:1\n");
    const lookup = hostLookup({ ...dns.names, resolvConf: short }, { found, signal: end.signal });
    const gone = new AbortController();
    const given = all(lookup, "six.test");
    const givenUp = told(lookup, "six.test", gone.signal);
    await until("the question", () => asked() === 1);
    gone.abort();
    const first = [givenUp.then(() => "given up"), given.then(() => "given")];
    expect(await Promise.race(first)).toBe("given up");
    expect(await given).toEqual(["2001:db8::1"]);
    // Nor the next ones, for a while.
    const questions = asked();
    expect(await all(lookup, "six.test")).toEqual(["2001:db8::1"]);
    expect(asked()).toBe(questions);
    // Nothing is left, and nothing begins, once nobody listens.
    const { lookup: other } = listening(end.signal);
    const late = all(other, "six.test");
    await until("the question", () => asked() > questions);
    end.abort();
    expect(await within("the addresses", late, 3000)).toEqual(["2001:db8::1"]);
    await until("its socket to be closed", () => descriptors() === before);
  });
});
