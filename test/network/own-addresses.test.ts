// Addresses of the host's own are not public, whatever they are: a name that leads there is refused. In a network
// namespace, where addresses come and go as the test likes.

import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Errno } from "@ringway/linux";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Declined } from "../support/declined.ts";
import { MonitorProgram, nsenter, Program, unshare } from "../support/processes.ts";
import { RawGuest } from "../support/raw-guest.ts";
import { temporaryFolder } from "../support/temporary.ts";

const POLICY = `version: 1
connect:
  - { id: named, allow: 8.8.4.6 }
  - { id: web, allow: "*.test" }
`;

const HOSTS = `
8.8.4.4 own.test
8.8.4.5 late.test
8.8.4.6 named.test
2001:4860:4860::8844 own6.test
2001:4860:4860::8845 late6.test
64:ff9b::808:404 translated.test
8.8.9.77 routed.test
9.9.9.9 elsewhere.test
2620:fe::9 elsewhere6.test
`;

const PORT = 8080;
const SERVER = `require("node:net").createServer((socket) => socket.end("for this host"))
  .listen({ host: "::", port: ${PORT} }, () => console.log("listening"))`;

let folder: string;
let monitor: MonitorProgram;
let server: Program;
let guest: RawGuest;

/** A command that runs another where the monitor is. */
function inside(...command: string[]): [program: string, args: string[]] {
  const [program, ...args] = [...nsenter(monitor.pid, "--net"), ...command];
  return [program!, args];
}

function run(...command: string[]): void {
  execFileSync(...inside(...command), { stdio: "pipe" });
}

const ip = (...args: string[]): void => run("ip", ...args);

beforeAll(async () => {
  folder = temporaryFolder("own");
  const hostsFile = join(folder, "hosts");
  writeFileSync(hostsFile, HOSTS);
  const path = join(folder, "attach.sock");
  monitor = await MonitorProgram.start(path, POLICY, {
    under: unshare("--net"),
    options: { names: { hostsFile } },
  });
  ip("link", "set", "lo", "up");
  for (const address of ["8.8.4.4/32", "8.8.4.6/32", "2001:4860:4860::8844/128"])
    ip("address", "add", address, "dev", "lo");
  server = new Program(...inside(process.execPath, "-e", SERVER));
  await server.line("listening");
  guest = await RawGuest.attach(path);
});
afterAll(() => {
  guest.vanish();
  server[Symbol.dispose]();
  monitor[Symbol.dispose]();
});

async function declined(name: string): Promise<Declined> {
  const outcome = await guest.connect(name, PORT).then(
    () => new Error(`${name} was reached`),
    (error: unknown) => error,
  );
  if (outcome instanceof Declined) return outcome;
  throw outcome;
}

const refused = {
  errno: Errno.EACCES,
  rule: "not-public",
  reason: expect.stringContaining("an address of this host"),
};

test.each(["own.test", "own6.test", "translated.test"])("%s is refused", async (name) => {
  expect(await declined(name)).toMatchObject(refused);
});

test.each([
  ["late.test", "8.8.4.5/32"],
  ["late6.test", "2001:4860:4860::8845/128"],
])(
  "%s is refused from the moment that its address is the host's, and until it is not",
  async (name, address) => {
    const elsewhere = { errno: Errno.ENETUNREACH, rule: "" };
    expect(await declined(name)).toMatchObject(elsewhere);
    ip("address", "add", address, "dev", "lo");
    expect(await declined(name)).toMatchObject(refused);
    ip("address", "del", address, "dev", "lo");
    expect(await declined(name)).toMatchObject(elsewhere);
  },
);

test("a network that is routed to this host is its own", async () => {
  ip("route", "add", "local", "8.8.9.0/24", "dev", "lo");
  expect(await declined("routed.test")).toMatchObject(refused);
});

test("a rule that names the address allows it", async () => {
  const { pipe } = await guest.connect("named.test", PORT);
  expect((await guest.readExactly(pipe, 13)).toString()).toBe("for this host");
  guest.finish(pipe);
});

test("an address elsewhere stays public where sockets may be bound to any address (ip_nonlocal_bind)", async () => {
  for (const family of ["ipv4", "ipv6"]) {
    run("sh", "-c", `echo 1 > /proc/sys/net/${family}/ip_nonlocal_bind`);
  }
  for (const name of ["elsewhere.test", "elsewhere6.test"])
    expect(await declined(name)).toMatchObject({ errno: Errno.ENETUNREACH, rule: "" });
});
