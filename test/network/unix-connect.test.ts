// unix-connect, word by word: a raw guest on one side, real Unix sockets of the host on the other.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { linkSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { type GuestPipe, Protocol, unixMessages } from "@ringway/control";
import { closeFd, connectUnixStream, Errno, listenUnix, type UnixType } from "@ringway/linux";
import { beforeAll, expect, test } from "vitest";
import { KiB, MiB, pattern, sha256 } from "../support/bytes.ts";
import { Declined, failureOf } from "../support/declined.ts";
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

/** The sockets that guests may have, each by its own name. */
const NAMES = [
  "echo",
  "peer",
  "later",
  "packets",
  "link",
  "file",
  "folder",
  "full",
  "moved",
  "other",
  "attach",
];

beforeAll(async () => {
  folder = temporaryFolder("unix-connect");
  mkdirSync(at("hosts"));
  const rules = NAMES.map(
    (name) => `  - { id: ${name}, guest: /run/${name}, host: ${at(name)}, access: connect }\n`,
  );
  const listening = `  - { id: only-listen, guest: /run/only-listen, host: ${at("only")}, access: listen }\n`;
  const policy = `version: 1\nsockets:\n${rules.join("")}${listening}`;
  host = hold(await startMonitor(() => policyOf(policy, folder)));
  guest = hold(await RawGuest.attach(host.path));
});

interface Serving extends AsyncDisposable {
  readonly server: Server;
  readonly sockets: Socket[];
}

async function serve(name: string, onSocket: (socket: Socket) => void = () => {}): Promise<Serving> {
  const sockets: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket.on("error", () => {}));
    onSocket(socket);
  });
  server.listen(at(name));
  await once(server, "listening");
  return {
    server,
    sockets,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const { UnixConnectRequest, UnixConnectReply, UnixKind } = unixMessages;

async function connect(
  path: string,
  { kind = UnixKind.STREAM as number, timeoutMs = 0, ringBytes = 0, by = guest } = {},
): Promise<{ pipe: GuestPipe; peer: unixMessages.UnixPeer }> {
  const pipe = await by.newStream(ringBytes);
  by.sendOpen(pipe, Protocol.UNIX_CONNECT, UnixConnectRequest.encode({ kind, timeoutMs, path }));
  return { pipe, peer: UnixConnectReply.decode(await by.opened(pipe)) };
}

async function declined(promise: Promise<unknown>): Promise<Declined> {
  const failure = await failureOf(promise);
  if (failure === undefined) throw new Error("it was allowed");
  return failure;
}

/** A connection, and the server's end of it. */
async function connected(
  name = "peer",
  ringBytes = 0,
): Promise<{ pipe: GuestPipe; peer: Socket } & AsyncDisposable> {
  const serving = await serve(name);
  const { pipe } = await connect(`/run/${name}`, { ringBytes });
  const peer = await until("the server's end", () => serving.sockets[0]);
  return {
    pipe,
    peer,
    async [Symbol.asyncDispose]() {
      guest.finish(pipe);
      await serving[Symbol.asyncDispose]();
    },
  };
}

test("a guest connects to a socket of a rule, and bytes go both ways whole, through small rings and large", async () => {
  await using _ = await serve("echo", (socket) => void socket.pipe(socket));
  for (const [ringBytes, bytes] of [
    [4 * KiB, 300_001],
    [1 * MiB, 8 * MiB],
  ] as const) {
    const { pipe } = await connect("/run//./echo", { ringBytes });
    const sent = pattern(bytes);
    const written = guest.write(pipe, sent).then(() => guest.end(pipe));
    const { bytes: got, how } = await guest.readAll(pipe);
    await written;
    expect(how).toBe("end");
    expect(sha256(got)).toBe(sha256(sent));
    guest.finish(pipe);
  }
  await streamsAre(host.monitor, 0);
});

test("Opened says who listens: pid, uid and gid as the host's kernel has them", async () => {
  await using _ = await serve("peer");
  const { pipe, peer } = await connect("/run/peer");
  expect(peer).toEqual({ pid: process.pid, uid: process.getuid!(), gid: process.getgid!() });
  guest.finish(pipe);
});

test("each side may end and still read: END is shutdown(2) of that direction", async () => {
  await using connection = await connected();
  const { pipe, peer } = connection;
  await guest.write(pipe, Buffer.from("question"));
  guest.end(pipe);
  const chunks: Buffer[] = [];
  for await (const chunk of peer.iterator({ destroyOnReturn: false })) chunks.push(chunk as Buffer);
  expect(Buffer.concat(chunks).toString()).toBe("question");
  peer.end("answer");
  expect(await guest.readAll(pipe)).toEqual({ bytes: Buffer.from("answer"), how: "end" });
});

test("a peer that goes with bytes unread resets the stream, after the bytes that it had sent", async () => {
  await using connection = await connected();
  const { pipe, peer } = connection;
  peer.pause();
  await guest.write(pipe, Buffer.from("never read"));
  await until("they are there", () => peer.readableLength > 0 || peer.bytesRead > 0);
  // Node has read these: more of them stay in the kernel.
  await guest.write(pipe, pattern(150 * KiB));
  await until(
    "more to be there than Node reads ahead",
    () => pipe.toHost.writable() === pipe.toHost.capacity,
  );
  peer.write("last words");
  peer.destroy();
  const { bytes, how } = await guest.readAll(pipe);
  expect([bytes.toString(), how]).toEqual(["last words", "reset"]);
  await until("the guest's writer knows", () => pipe.toHost.abandoned());
});

test("a peer that goes having read everything ends the stream, and the guest's writer learns of it", async () => {
  await using connection = await connected();
  const { pipe, peer } = connection;
  peer.end("bye");
  peer.destroySoon();
  expect(await guest.readAll(pipe)).toEqual({ bytes: Buffer.from("bye"), how: "end" });
  await until("the guest's writer knows", () => pipe.toHost.abandoned());
});

test("RESET by the guest with bytes of the peer's unread is close(2): the peer gets ECONNRESET", async () => {
  const serving = await serve("peer");
  await using _ = serving;
  const { pipe } = await connect("/run/peer", { ringBytes: 4 * KiB });
  const peer = await until("the server's end", () => serving.sockets[0]);
  const failed = once(peer, "error");
  peer.resume().write(pattern(100 * KiB));
  await until("the ring is full", () => pipe.toGuest.readable() === 4 * KiB);
  guest.finish(pipe, "reset");
  expect((await failed)[0]).toMatchObject({ code: "ECONNRESET" });
  await streamsAre(host.monitor, 0);
});

test("RESET with nothing unread, and a guest that vanishes, end the connection: the peer sees that it is over", async () => {
  const serving = await serve("peer");
  await using _ = serving;
  const { pipe } = await connect("/run/peer");
  const peer = await until("the server's end", () => serving.sockets[0]);
  guest.finish(pipe, "reset");
  await once(peer.resume(), "end");
  const other = await RawGuest.attach(host.path);
  const theirs = await other.newStream();
  const body = UnixConnectRequest.encode({ kind: UnixKind.STREAM, timeoutMs: 0, path: "/run/peer" });
  other.sendOpen(theirs, Protocol.UNIX_CONNECT, body);
  await other.opened(theirs);
  const second = await until("the server's end", () => serving.sockets[1]);
  other.vanish();
  await once(second.resume(), "end");
});

test("what a guest has sent before it ended arrives, however late its peer reads", async () => {
  const serving = await serve("peer", (socket) => void socket.pause());
  await using _ = serving;
  const { pipe } = await connect("/run/peer");
  const sent = pattern(120 * KiB);
  await guest.write(pipe, sent);
  guest.end(pipe);
  guest.finish(pipe);
  await streamsAre(host.monitor, 0);
  const peer = await until("the server's end", () => serving.sockets[0]);
  const chunks: Buffer[] = [];
  for await (const chunk of peer.iterator({ destroyOnReturn: false })) chunks.push(chunk as Buffer);
  expect(sha256(Buffer.concat(chunks))).toBe(sha256(sent));
});

test("TCP-5 holds: a guest that reads no more goes on sending, and what the peer sends is dropped", async () => {
  await using connection = await connected();
  const { pipe, peer } = connection;
  guest.stopReading(pipe);
  peer.write(pattern(1 * MiB));
  await until("the peer has sent it", () => peer.writableLength === 0);
  await guest.write(pipe, Buffer.from("still here"));
  guest.end(pipe);
  const chunks: Buffer[] = [];
  for await (const chunk of peer.iterator({ destroyOnReturn: false })) chunks.push(chunk as Buffer);
  expect(Buffer.concat(chunks).toString()).toBe("still here");
  guest.finish(pipe);
  await streamsAre(host.monitor, 0);
});

test("what no rule names is refused and audited: another path, one above, one below, one that is for listening", async () => {
  for (const path of ["/run/nothing", "/run", "/", "/run/echo/x", "/run/only-listen", "/run/ECHO"]) {
    const refused = await declined(connect(path));
    expect([path, refused.errno, refused.rule]).toEqual([path, Errno.EACCES, "default"]);
    await until("the audit line", () => host.refusals.find(({ what }) => what === path));
    expect(host.refusals.at(-1)).toMatchObject({ protocol: "unix-connect", what: path, rule: "default" });
  }
  for (const [path, errno] of [
    ["run/echo", Errno.EINVAL],
    ["", Errno.EINVAL],
    ["/run/../run/echo", Errno.EACCES],
    [`/${"n".repeat(256)}`, Errno.ENAMETOOLONG],
  ] as const) {
    expect(await declined(connect(path))).toMatchObject({ errno, rule: "path" });
  }
  for (const path of ["/run/echo/", "/run/echo/."]) {
    expect((await declined(connect(path))).errno).toBe(Errno.ENOTDIR);
  }
});

test("what is no kind is EINVAL, and a socket of the other kind EPROTOTYPE", async () => {
  for (const kind of [0, 3, 0xffffffff]) {
    expect(await declined(connect("/run/echo", { kind }))).toMatchObject({
      errno: Errno.EINVAL,
      rule: "",
    });
  }
  const fd = listenUnix(at("packets"));
  expect((await declined(connect("/run/packets"))).errno).toBe(Errno.EPROTOTYPE);
  closeFd(fd);
  expect((await declined(connect("/run/packets"))).errno).toBe(Errno.ECONNREFUSED);
});

test("nobody there is ENOENT, and one that comes later is found: the folder is open, the socket is looked up", async () => {
  expect(await declined(connect("/run/later"))).toMatchObject({ errno: Errno.ENOENT, rule: "" });
  await using _ = await serve("later");
  guest.finish((await connect("/run/later")).pipe);
});

test("a symbolic link is not followed, not even to a socket beside it; a file or a folder is no socket", async () => {
  await using _ = await serve("other");
  symlinkSync("other", at("link"));
  expect((await declined(connect("/run/link"))).errno).toBe(Errno.ELOOP);
  writeFileSync(at("file"), "");
  mkdirSync(at("folder"));
  for (const name of ["file", "folder"]) {
    expect(await declined(connect(`/run/${name}`))).toMatchObject({
      errno: Errno.EACCES,
      rule: "kind",
    });
  }
});

test("the attach socket is refused by rule monitor under another name, and no guest comes by it", async () => {
  linkSync(host.path, at("attach"));
  const { guests } = host.monitor.counters();
  expect(await declined(connect("/run/attach", { kind: UnixKind.SEQPACKET }))).toMatchObject({
    errno: Errno.EACCES,
    rule: "monitor",
  });
  expect(host.monitor.counters().guests).toBe(guests);
});

test("so are sockets that a service manager has made, when their own names are gone, too", async () => {
  const own = (name: string, type: UnixType) => {
    const path = at(name);
    return { path, type, fd: listenUnix(path, { type }) };
  };
  const [guests, admin] = [own("guests-there", "seqpacket"), own("admin-there", "stream")];
  const rules = ["guests", "admin"].map(
    (name) => `  - { guest: /run/${name}, host: ${at(`${name}-by-name`)}, access: connect }\n`,
  );
  await using there = await startMonitor(() => policyOf(`version: 1\nsockets:\n${rules.join("")}`, folder), {
    inherited: [guests, admin],
    guests: [{ name: "web", listen: guests.path }],
    admin: { socket: admin.path },
  });
  linkSync(guests.path, at("guests-by-name"));
  linkSync(admin.path, at("admin-by-name"));
  rmSync(guests.path);
  rmSync(admin.path);
  using web = await RawGuest.attach(at("guests-by-name"));
  for (const [name, kind] of [
    ["guests", UnixKind.SEQPACKET],
    ["admin", UnixKind.STREAM],
  ] as const) {
    expect(await declined(connect(`/run/${name}`, { kind, by: web }))).toMatchObject({
      errno: Errno.EACCES,
      rule: "monitor",
    });
  }
  expect(there.monitor.counters().guests).toBe(1);
});

test("a full backlog is tried again until the time is over, and taken as soon as there is room", async () => {
  const script =
    "import socket,sys\\ns=socket.socket(socket.AF_UNIX)\\ns.bind(sys.argv[1])\\ns.listen(0)\\nprint('up',flush=True)\\n" +
    "sys.stdin.readline()\\nfor i in range(3): s.accept()\\nsys.stdin.readline()";
  const server = spawn("python3", ["-c", script.replaceAll("\\n", "\n"), at("full")], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  await once(server.stdout, "data");
  const waiting: number[] = [];
  for (let fd = connectUnixStream(at("full")); fd >= 0; fd = connectUnixStream(at("full"))) waiting.push(fd);
  const start = performance.now();
  expect((await declined(connect("/run/full", { timeoutMs: 150 }))).errno).toBe(Errno.ETIMEDOUT);
  expect(performance.now() - start).toBeGreaterThan(140);
  const late = connect("/run/full", { timeoutMs: 5000 });
  server.stdin.write("go\n");
  guest.finish((await late).pipe);
  server.kill("SIGKILL");
  await once(server, "exit");
  for (const fd of waiting) closeFd(fd);
});

test("a socket that another puts in the place of the first is what is connected to: never both, and never neither", async () => {
  const names: string[] = [];
  const first = await serve("moved", () => names.push("first"));
  await using _ = first;
  const second = await serve("hosts/second", () => names.push("second"));
  await using __ = second;
  let flips = 0;
  const flip = setInterval(() => {
    // Each time another socket, a link or nothing is there.
    const [one, two] = flips++ % 2 === 0 ? ["moved", "hosts/moved"] : ["hosts/moved", "moved"];
    renameSync(at(one), at(two));
    if (one === "moved") symlinkSync(at("hosts/second"), at("moved"));
  }, 1);
  const errnos = new Set<number>();
  let taken = 0;
  for (let i = 0; i < 100; i++) {
    try {
      const { pipe } = await connect("/run/moved");
      taken++;
      guest.finish(pipe);
    } catch (error) {
      if (!(error instanceof Declined)) throw error;
      errnos.add(error.errno);
    }
  }
  clearInterval(flip);
  await until("all were accepted", () => names.length >= taken);
  expect(names).not.toContain("second");
  for (const errno of errnos) expect([Errno.ELOOP, Errno.ENOENT]).toContain(errno);
  rmSync(at("moved"), { force: true });
});

test("an Open that its guest gives up, and a guest that goes meanwhile, leave nothing", async () => {
  await using _ = await serve("echo", (socket) => void socket.resume());
  const other = await RawGuest.attach(host.path);
  for (let i = 0; i < 50; i++) {
    const pipe = await other.newStream(4 * KiB);
    const body = UnixConnectRequest.encode({ kind: UnixKind.STREAM, timeoutMs: 0, path: "/run/echo" });
    other.sendOpen(pipe, Protocol.UNIX_CONNECT, body);
    if (i % 2 === 0) other.finish(pipe, "reset");
  }
  other.vanish();
  await streamsAre(host.monitor, 0);
});

test("a rule whose folder is not there says so, and with refusals: hide is as no rule at all", async () => {
  const rule = `sockets:\n  - { id: secret, guest: /run/x, host: ${at("nowhere/x")}, access: connect }\n`;
  for (const [refusals, errno] of [
    ["explain", Errno.ENOENT],
    ["hide", Errno.EACCES],
  ] as const) {
    await using other = await startMonitor(`version: 1\nrefusals: ${refusals}\n${rule}`);
    using own = await RawGuest.attach(other.path);
    const pipe = await own.newStream();
    const body = UnixConnectRequest.encode({ kind: UnixKind.STREAM, timeoutMs: 0, path: "/run/x" });
    own.sendOpen(pipe, Protocol.UNIX_CONNECT, body);
    const refused = await declined(own.opened(pipe));
    expect([refused.errno, refused.rule]).toEqual([errno, ""]);
    expect(refused.reason.includes("secret")).toBe(refusals === "explain");
  }
});
