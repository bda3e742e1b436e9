// Unix sockets of a policy that is in force no longer: what was made by its rules is ended by them, and what waits is
// judged by the one that has come. Beside each a guest that goes on.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { type GuestPipe, Protocol, unixMessages } from "@ringway/control";
import { acceptUnix, closeFd, connectUnix, Errno, listenUnix, SystemError } from "@ringway/linux";
import { beforeEach, expect, test } from "vitest";
import { KiB } from "../support/bytes.ts";
import { type Declined, failureOf } from "../support/declined.ts";
import { heldForEach } from "../support/held.ts";
import { policyOf, startMonitor, type TestMonitor } from "../support/monitor.ts";
import { descriptorsOf } from "../support/processes.ts";
import { RawGuest } from "../support/raw-guest.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { until } from "../support/wait.ts";

const hold = heldForEach();
const { UnixConnectRequest, UnixKind, UnixListenRequest } = unixMessages;
const NOTHING = "version: 1\n";

let folder: string;
let host: TestMonitor;
let good: RawGuest;
let guest: RawGuest;
let errors: unknown[];

const at = (name: string): string => join(folder, name);
/** The rules in another order, so that the index of a rule is another one's after the reload. */
const sockets = (...names: ("app" | "full")[]): string =>
  `version: 1\nsockets:\n${names
    .map((name) => `  - { id: ${name}, guest: /run/${name}, host: ${at(name)}, access: ${ACCESS[name]} }\n`)
    .join("")}`;
const ACCESS = { app: "listen", full: "connect" };

beforeEach(async () => {
  folder = temporaryFolder("unix-reload");
  host = hold(await startMonitor(() => policyOf(sockets("app", "full"), folder)));
  errors = [];
  host.monitor.on("error", (error) => void errors.push(error));
  good = hold(await RawGuest.attach(host.path));
  guest = hold(await RawGuest.attach(host.path));
});

async function reload(yaml: string): Promise<void> {
  await host.monitor.reload(policyOf(yaml, folder));
}

async function goodGuestEchoes(): Promise<void> {
  const pipe = await good.echo(4 * KiB);
  await good.write(pipe, Buffer.from("hello"));
  expect((await good.readExactly(pipe, 5)).toString()).toBe("hello");
  good.finish(pipe);
  expect(errors).toEqual([]);
}

async function listen(): Promise<GuestPipe> {
  const pipe = await guest.newStream(4 * KiB);
  const request = { kind: UnixKind.STREAM, mode: 0o600, backlog: 0, path: "/run/app" };
  guest.sendOpen(pipe, Protocol.UNIX_LISTEN, UnixListenRequest.encode(request));
  await guest.opened(pipe);
  expect(existsSync(at("app"))).toBe(true);
  return pipe;
}

/** A server whose backlog is full, and what waits in it. */
function fullServer(): { readonly listener: number } {
  const fds = [listenUnix(at("full"), { backlog: 0 })];
  hold({
    [Symbol.dispose]() {
      for (const fd of fds) closeFd(fd);
    },
  });
  try {
    for (;;) fds.push(connectUnix(at("full"), 20));
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
  }
  return { listener: fds[0]! };
}

/** A connect that has found the backlog full. */
async function resting(): Promise<GuestPipe> {
  const pipe = await guest.newStream(4 * KiB);
  const request = { kind: UnixKind.SEQPACKET, timeoutMs: 5000, path: "/run/full" };
  const before = host.monitor.counters().fileOperations;
  guest.sendOpen(pipe, Protocol.UNIX_CONNECT, UnixConnectRequest.encode(request));
  await until("it to be tried again", () => host.monitor.counters().fileOperations >= before + 2);
  return pipe;
}

async function declined(pipe: GuestPipe): Promise<Declined> {
  const failure = await failureOf(guest.opened(pipe));
  if (failure === undefined) throw new Error("it was allowed");
  return failure;
}

/** Nobody holds a folder of a policy that was in force, once none with rules is. */
async function foldersClosed(): Promise<void> {
  await reload(NOTHING);
  await until("the folders to be closed", () => descriptorsOf(folder) === 0);
}

const POLICIES: [string, () => string][] = [
  ["the same rules", () => sockets("app", "full")],
  ["its rule elsewhere", () => sockets("full", "app")],
  ["no rules", () => NOTHING],
];

test.each(POLICIES)("a listener is ended after a reload with %s: its name goes", async (_, policy) => {
  const listener = await listen();
  await reload(policy());
  await goodGuestEchoes();
  guest.end(listener);
  expect((await guest.readAll(listener)).how).toBe("end");
  expect(existsSync(at("app"))).toBe(false);
  await foldersClosed();
  await goodGuestEchoes();
});

test.each(POLICIES)(
  "a guest that listens is gone after a reload with %s: its name goes",
  async (_, policy) => {
    await listen();
    await reload(policy());
    await goodGuestEchoes();
    guest.vanish();
    await until("the name to go", () => !existsSync(at("app")));
    await foldersClosed();
    await goodGuestEchoes();
  },
);

test("a listener that outlives several policies is ended, and its name can be listened at again", async () => {
  const first = await listen();
  for (let round = 0; round < 3; round++) await reload(sockets("full", "app"));
  guest.reset(first);
  await until("the name to go", () => !existsSync(at("app")));
  const second = await listen();
  await reload(NOTHING);
  guest.end(second);
  expect((await guest.readAll(second)).how).toBe("end");
  expect(existsSync(at("app"))).toBe(false);
  await foldersClosed();
  await goodGuestEchoes();
});

test("guests that are gone while their listeners are made leave none, whatever is reloaded meanwhile", async () => {
  const request = { kind: UnixKind.STREAM, mode: 0o600, backlog: 0, path: "/run/app" };
  for (let round = 0; round < 10; round++) {
    const hasty = hold(await RawGuest.attach(host.path));
    const pipe = await hasty.newStream(4 * KiB);
    hasty.sendOpen(pipe, Protocol.UNIX_LISTEN, UnixListenRequest.encode(request));
    const reloaded = reload(sockets("full", "app"));
    hasty.vanish();
    await reloaded;
    await until("the name to go", () => !existsSync(at("app")));
  }
  await foldersClosed();
  await goodGuestEchoes();
});

test.each(POLICIES.slice(0, 2))(
  "a connect that waits for a full backlog over a reload with %s gets its turn",
  async (_, policy) => {
    const { listener } = fullServer();
    const pipe = await resting();
    await reload(policy());
    await new Promise((resolve) => setTimeout(resolve, 250));
    await goodGuestEchoes();
    for (let fd = acceptUnix(listener); fd >= 0; fd = acceptUnix(listener)) closeFd(fd);
    await guest.opened(pipe);
    guest.reset(pipe);
    await foldersClosed();
    await goodGuestEchoes();
  },
);

test("a connect that waits for a full backlog is refused once its rule is gone, with an audit line", async () => {
  fullServer();
  const pipe = await resting();
  await reload(sockets("app"));
  expect(await declined(pipe)).toMatchObject({ errno: Errno.EACCES, rule: "default" });
  await until("the audit line", () => host.refusals.length > 0);
  expect(host.refusals).toMatchObject([{ protocol: "unix-connect", what: "/run/full", rule: "default" }]);
  await foldersClosed();
  await goodGuestEchoes();
});

test("a guest is gone while its connect waits for a full backlog over a reload", async () => {
  fullServer();
  await resting();
  await reload(NOTHING);
  guest.vanish();
  await foldersClosed();
  await goodGuestEchoes();
});
