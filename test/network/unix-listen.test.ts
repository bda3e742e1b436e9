// unix-listen, word by word: a raw guest that listens at a socket of the host, and clients of the host.

import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { connect as netConnect, type Socket } from "node:net";
import { join } from "node:path";
import { ErrorReply, FrameReader, type GuestPipe, Protocol, unixMessages } from "@ringway/control";
import { Errno } from "@ringway/linux";
import { beforeAll, expect, test } from "vitest";
import { KiB, pattern, sha256 } from "../support/bytes.ts";
import { type Declined, failureOf } from "../support/declined.ts";
import { heldForAll } from "../support/held.ts";
import { policyOf, startMonitor, streamsAre, type TestMonitor } from "../support/monitor.ts";
import { RawGuest } from "../support/raw-guest.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { until } from "../support/wait.ts";

const hold = heldForAll();
let folder: string;
let host: TestMonitor;
let guest: RawGuest;

const at = (name: string): string => join(folder, name);
const ACCEPTS = 5;
const NAMES = ["app", "mode", "taken", "gone", "moved", "many", "raced", "given"];

beforeAll(async () => {
  folder = temporaryFolder("unix-listen");
  mkdirSync(at("aside"));
  const rules = NAMES.map(
    (name) => `  - { id: ${name}, guest: /run/${name}, host: ${at(name)}, access: listen }\n`,
  );
  const policy = `version: 1\nsockets:\n${rules.join("")}limits: { accepts: ${ACCEPTS} }\n`;
  host = hold(await startMonitor(() => policyOf(policy, folder)));
  guest = hold(await RawGuest.attach(host.path));
});

const { UnixListenRequest, UnixIncoming, UnixKind } = unixMessages;

async function listen(
  path: string,
  { kind = UnixKind.STREAM as number, mode = 0o600, backlog = 0, by = guest } = {},
): Promise<GuestPipe> {
  const pipe = await by.newStream(4 * KiB);
  by.sendOpen(pipe, Protocol.UNIX_LISTEN, UnixListenRequest.encode({ kind, mode, backlog, path }));
  expect(await by.opened(pipe)).toHaveLength(0);
  return pipe;
}

async function declined(promise: Promise<unknown>): Promise<Declined> {
  const failure = await failureOf(promise);
  if (failure === undefined) throw new Error("it was allowed");
  return failure;
}

/** The guest has ended it, and the host has let go. */
async function ended(listener: GuestPipe): Promise<void> {
  guest.end(listener);
  expect((await guest.readAll(listener)).how).toBe("end");
  guest.finish(listener);
}

async function incoming(pipe: GuestPipe): Promise<unixMessages.UnixPeer & { requestId: number }> {
  const frame = await guest.frame(pipe);
  expect(frame.type).toBe(UnixIncoming.type);
  return { ...UnixIncoming.decode(frame.payload), requestId: frame.requestId };
}

async function client(name: string): Promise<Socket> {
  const socket = netConnect({ path: at(name), allowHalfOpen: true });
  await once(socket, "connect");
  return socket.on("error", () => {});
}

async function all(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

test("connections of the host come on posted streams, in order, with the credentials of who called; bytes go both ways", async () => {
  const listener = await listen("/run/app");
  for (let round = 0; round < 3; round++) {
    const pipe = await guest.newStream(16 * KiB);
    await guest.post(listener, pipe, 100 + round);
    const socket = await client("app");
    expect(await incoming(pipe)).toEqual({
      requestId: 100 + round,
      pid: process.pid,
      uid: process.getuid!(),
      gid: process.getgid!(),
    });
    const sent = pattern(200_000);
    socket.end(sent);
    const { bytes, how } = await guest.readAll(pipe);
    expect([how, sha256(bytes)]).toEqual(["end", sha256(sent)]);
    const answered = all(socket);
    await guest.write(pipe, sent);
    guest.end(pipe);
    expect(sha256(await answered)).toBe(sha256(sent));
    guest.finish(pipe);
  }
  await ended(listener);
  await streamsAre(host.monitor, 0);
});

test("the name has the mode that was asked for, whatever the umask, and is gone when the listener has ended", async () => {
  const before = process.umask(0o077);
  try {
    for (const mode of [0o600, 0o777, 0o755, 0]) {
      const listener = await listen("/run/mode", { mode });
      expect(lstatSync(at("mode")).mode & 0o7777).toBe(mode);
      expect(lstatSync(at("mode")).isSocket()).toBe(true);
      await ended(listener);
      expect(existsSync(at("mode"))).toBe(false);
    }
  } finally {
    process.umask(before);
  }
});

test("a name that is taken is EADDRINUSE, whatever it is, and stays as it was", async () => {
  const listener = await listen("/run/taken");
  expect((await declined(listen("/run/taken"))).errno).toBe(Errno.EADDRINUSE);
  await ended(listener);
  for (const make of [
    () => writeFileSync(at("taken"), "mine"),
    () => mkdirSync(at("taken")),
    () => symlinkSync(at("aside/there"), at("taken")),
  ]) {
    make();
    expect((await declined(listen("/run/taken"))).errno).toBe(Errno.EADDRINUSE);
    expect(existsSync(at("aside/there"))).toBe(false);
    rmSync(at("taken"), { recursive: true });
  }
});

test("what makes no sense is EINVAL; a path that no rule names for listening is refused by default", async () => {
  for (const options of [{ kind: 0 }, { kind: 7 }, { mode: 0o1000 }, { mode: 0o4755 }]) {
    expect(await declined(listen("/run/app", options))).toMatchObject({ errno: Errno.EINVAL, rule: "" });
  }
  expect((await declined(listen("/run/app/"))).errno).toBe(Errno.ENOTDIR);
  expect(await declined(listen("/run/nothing"))).toMatchObject({ errno: Errno.EACCES, rule: "default" });
  const line = await until("the audit line", () => host.refusals.find(({ what }) => what === "/run/nothing"));
  expect(line).toMatchObject({ protocol: "unix-listen", rule: "default" });
});

test("while nothing is posted connections wait, and the listener's end takes them and resets what is posted", async () => {
  const listener = await listen("/run/many", { backlog: 8 });
  const waiting = await Promise.all([client("many"), client("many"), client("many")]);
  const { accepted } = host.monitor.counters();
  const first = await guest.newStream(4 * KiB);
  await guest.post(listener, first, 9);
  await incoming(first);
  expect(host.monitor.counters().accepted).toBe(accepted + 1);
  const over = Promise.all(waiting.slice(1).map((socket) => once(socket.resume(), "close")));
  const second = await guest.newStream(4 * KiB);
  await guest.post(listener, second, 10);
  await incoming(second);
  const third = await guest.newStream(4 * KiB);
  await guest.post(listener, third, 11);
  await incoming(third);
  const fourth = await guest.newStream(4 * KiB);
  await guest.post(listener, fourth, 12);
  await ended(listener);
  expect((await guest.readAll(fourth)).how).toBe("reset");
  for (const pipe of [first, second, third, fourth]) guest.finish(pipe);
  for (const socket of waiting) socket.end();
  await over;
  await streamsAre(host.monitor, 0);
});

test("an Accept that cannot be posted, and what is no request, are answered; the listener goes on", async () => {
  const listener = await listen("/run/app");
  const reader = new FrameReader(listener.toGuest);
  const answer = async (): Promise<unknown> => {
    const frame = await until("an answer", () => reader.next(() => guest.signal(listener)));
    return [frame.type === ErrorReply.type, frame.requestId, ErrorReply.decode(frame.payload).errno];
  };
  const used = await guest.echo();
  await guest.post(listener, used, 21);
  expect(await answer()).toEqual([true, 21, Errno.EINVAL]);
  await guest.post(listener, used, 22, 12345);
  expect(await answer()).toEqual([true, 22, Errno.EBADF]);
  guest.finish(used);
  const pipe = await guest.newStream(4 * KiB);
  await guest.post(listener, pipe, 23);
  const socket = await client("app");
  expect((await incoming(pipe)).requestId).toBe(23);
  socket.destroy();
  guest.finish(pipe);
  await ended(listener);
});

test("a guest that goes, and one that begins anew, leave no name behind", async () => {
  for (const leave of [(by: RawGuest) => void by.vanish(), (by: RawGuest) => by.attach()]) {
    const other = await RawGuest.attach(host.path);
    await listen("/run/gone", { by: other });
    expect(existsSync(at("gone"))).toBe(true);
    await leave(other);
    await until("the name is gone", () => !existsSync(at("gone")));
    other.vanish();
  }
});

test("an Open that is given up before it is answered leaves no name behind", async () => {
  for (let i = 0; i < 20; i++) {
    const pipe = await guest.newStream(4 * KiB);
    const request = { kind: UnixKind.STREAM, mode: 0o600, backlog: 0, path: "/run/given" };
    guest.sendOpen(pipe, Protocol.UNIX_LISTEN, UnixListenRequest.encode(request));
    guest.finish(pipe, "reset");
  }
  await streamsAre(host.monitor, 0);
  await until("the name is gone", () => !existsSync(at("given")));
});

test("a name that somebody has put another in the place of stays theirs", async () => {
  const listener = await listen("/run/moved");
  renameSync(at("moved"), at("aside/moved"));
  writeFileSync(at("moved"), "somebody's");
  await ended(listener);
  expect(lstatSync(at("moved")).isFile()).toBe(true);
  expect(lstatSync(at("aside/moved")).isSocket()).toBe(true);
  rmSync(at("moved"));
});

test("whoever races for the name on the host gets no file of theirs opened up, and no file outside of the folder made", async () => {
  writeFileSync(at("aside/secret"), "secret");
  chmodSync(at("aside/secret"), 0o600);
  let turns = 0;
  const flip = setInterval(() => {
    turns++;
    try {
      if (turns % 2 === 0) symlinkSync(at("aside/made"), at("raced"));
      else renameSync(at("raced"), at(`aside/raced-${turns}`));
    } catch {
      // The other side was quicker.
    }
  }, 1);
  for (let i = 0; i < 50; i++) {
    const failure = await failureOf(listen("/run/raced", { mode: 0o777 }).then(ended));
    if (failure !== undefined) expect(failure.errno).toBe(Errno.EADDRINUSE);
  }
  clearInterval(flip);
  expect(readdirSync(at("aside"))).not.toContain("made");
  expect(lstatSync(at("aside/secret")).mode & 0o777).toBe(0o600);
  rmSync(at("raced"), { force: true });
});

test("with limits.accepts used up an Accept is ENOBUFS", async () => {
  const listener = await listen("/run/app");
  const reader = new FrameReader(listener.toGuest);
  const pipes: GuestPipe[] = [];
  for (let i = 0; i <= ACCEPTS; i++) {
    const pipe = await guest.newStream(4 * KiB);
    pipes.push(pipe);
    await guest.post(listener, pipe, 1000 + i);
  }
  const frame = await until("an answer", () => reader.next(() => guest.signal(listener)));
  expect([frame.requestId, ErrorReply.decode(frame.payload).errno]).toEqual([1000 + ACCEPTS, Errno.ENOBUFS]);
  for (const pipe of pipes) guest.finish(pipe);
  await ended(listener);
  await streamsAre(host.monitor, 0);
});
