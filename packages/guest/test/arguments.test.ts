// What a program passes to the calls that Node has no like of: each fails with a code, and says what to pass.

import { createServer } from "node:http";
import { Guest } from "@ringway/guest";
import { afterAll, beforeAll, expect, it } from "vitest";
import { FakeHost } from "./fake-host.ts";
import type { Loose } from "./net-api.ts";

let guest: Guest;

beforeAll(async () => {
  const host = new FakeHost();
  guest = await Guest.attach({ memory: host.memory, doorbell: host.bell });
});
afterAll(() => guest.close());

const rows: [call: string, run: (guest: Loose) => unknown, code: string, says: string][] = [
  ["explain()", (guest) => guest.explain(), "ERR_INVALID_ARG_TYPE", "{ connect: { host, port } }"],
  ["explain({})", (guest) => guest.explain({}), "ERR_INVALID_ARG_TYPE", "{ open: path }"],
  [
    "explain a host that is none",
    (guest) => guest.explain({ connect: { port: 1 } }),
    "ERR_INVALID_ARG_TYPE",
    "connect.host",
  ],
  [
    "explain a port that is none",
    (guest) => guest.explain({ connect: { host: "a", port: 70_000 } }),
    "ERR_SOCKET_BAD_PORT",
    "65536",
  ],
  [
    "explain a port to listen on",
    (guest) => guest.explain({ listen: { port: -1 } }),
    "ERR_SOCKET_BAD_PORT",
    "65536",
  ],
  [
    "explain a key of the target that there is not",
    (guest) => guest.explain({ connect: { host: "a", port: 1 }, udp: true }),
    "ERR_INVALID_ARG_VALUE",
    'unknown key of target "udp"; expected one of connect',
  ],
  [
    "explain a kind of target that there is not",
    (guest) => guest.explain({ conect: { host: "a", port: 1 } }),
    "ERR_INVALID_ARG_VALUE",
    'unknown key of target "conect"; expected one of connect, listen, open, flags, protocol, body; did you mean "connect"?',
  ],
  [
    "explain what goes with another key",
    (guest) => guest.explain({ flags: "r" }),
    "ERR_INVALID_ARG_TYPE",
    "{ open: path }",
  ],
  [
    "explain a key of what is connected to that there is not",
    (guest) => guest.explain({ connect: { host: "a", port: 1, protocol: "udp" } }),
    "ERR_INVALID_ARG_VALUE",
    'unknown key of target.connect "protocol"; expected one of host, port, udp',
  ],
  [
    "explain udp at the path of a socket",
    (guest) => guest.explain({ listen: { path: "/run/a", udp: true } }),
    "ERR_INVALID_ARG_VALUE",
    'unknown key of target.listen "udp"; expected one of path',
  ],
  [
    "explain two things at once",
    (guest) => guest.explain({ open: "/data/x", connect: { host: "a", port: 1 } }),
    "ERR_INVALID_ARG_VALUE",
    'unknown key of target "open"',
  ],
  [
    "attach with an option that there is not",
    () => Guest.attach("/x", { timeoutMS: 5 } as Loose),
    "ERR_INVALID_ARG_VALUE",
    'unknown option "timeoutMS"; expected one of timeoutMs, busyPollUs, roomTimeoutMs, signal; did you mean "timeoutMs"?',
  ],
  [
    "ping with an option that there is not",
    (guest) => guest.ping({ singal: undefined }),
    "ERR_INVALID_ARG_VALUE",
    'unknown option "singal"; expected one of signal',
  ],
  [
    "fs.rename with an option that there is not",
    (guest) => guest.fs.rename("/a", "/b", { noreplace: true }),
    "ERR_INVALID_ARG_VALUE",
    'unknown option "noreplace"; expected one of noReplace, exchange, signal',
  ],
  [
    "fs.setxattr with an option that there is not",
    (guest) => guest.fs.setxattr("/a", "user.a", "b", { exclusive: true }),
    "ERR_INVALID_ARG_VALUE",
    'unknown option "exclusive"; expected one of create, replace, signal',
  ],
  ["exit()", (guest) => guest.exit(), "ERR_INVALID_ARG_TYPE", "number"],
  ["exit(256)", (guest) => guest.exit(256), "ERR_OUT_OF_RANGE", "255"],
  ["log(5)", (guest) => guest.log(5), "ERR_INVALID_ARG_TYPE", "string"],
  [
    "log at a level that is none",
    (guest) => guest.log("a", "loud"),
    "ERR_INVALID_ARG_VALUE",
    "debug,info,warn,error",
  ],
  [
    "attach with a time that is none",
    () => Guest.attach("/x", { timeoutMs: "1" } as Loose),
    "ERR_INVALID_ARG_TYPE",
    "timeoutMs",
  ],
  [
    "attach with a negative time",
    () => Guest.attach("/x", { roomTimeoutMs: -1 }),
    "ERR_OUT_OF_RANGE",
    "roomTimeoutMs",
  ],
  [
    "attach with a signal that is none",
    () => Guest.attach("/x", { signal: 1 } as Loose),
    "ERR_INVALID_ARG_TYPE",
    "options.signal",
  ],
  [
    "attach to a descriptor that is none",
    () => Guest.attach({ fd: "3" } as Loose),
    "ERR_INVALID_ARG_TYPE",
    "to.fd",
  ],
  [
    "connect with a signal that is none",
    (guest) => guest.connect({ port: 1, signal: 1 }),
    "ERR_INVALID_ARG_TYPE",
    "options.signal",
  ],
  [
    "connect with a time that is none",
    (guest) => guest.connect({ port: 1, timeoutMs: -1 }),
    "ERR_OUT_OF_RANGE",
    "options.timeoutMs",
  ],
];

it.each(rows)("%s", async (_call, run, code, says) => {
  const error = (await (async () => run(guest))().catch((error: unknown) => error)) as Error;
  expect(error).toMatchObject({ code });
  expect(error.message).toContain(says);
});

/** In place of each of these, one at a time, a promise is passed. */
const calls: [call: string, run: (guest: Loose, promise: unknown) => unknown][] = [
  ["Guest.attach", (_, promise) => Guest.attach(promise as Loose)],
  ["attach: options", (_, promise) => Guest.attach("/x", promise as Loose)],
  ["attach: signal", (_, promise) => Guest.attach("/x", { signal: promise } as Loose)],
  ["attach: timeoutMs", (_, promise) => Guest.attach("/x", { timeoutMs: promise } as Loose)],
  ["attach: fd", (_, promise) => Guest.attach({ fd: promise } as Loose)],
  ["attach: ivshmem", (_, promise) => Guest.attach({ ivshmem: promise } as Loose)],
  ["attach: ivshmem.channel", (_, promise) => Guest.attach({ ivshmem: { channel: promise } } as Loose)],
  ["attach: memory", (_, promise) => Guest.attach({ memory: promise, doorbell: {} } as Loose)],
  [
    "attach: doorbell",
    (_, promise) => Guest.attach({ memory: new ArrayBuffer(8), doorbell: promise } as Loose),
  ],
  ["connect", (guest, promise) => guest.connect(promise)],
  ["connect: port", (guest, promise) => guest.connect({ port: promise })],
  ["connect: host", (guest, promise) => guest.connect({ port: 1, host: promise })],
  ["connect: signal", (guest, promise) => guest.connect({ port: 1, signal: promise })],
  ["connect: timeoutMs", (guest, promise) => guest.connect({ port: 1, timeoutMs: promise })],
  ["connect: ringBytes", (guest, promise) => guest.connect({ port: 1, ringBytes: promise })],
  ["createConnection", (guest, promise) => guest.createConnection(promise)],
  ["createSocket", (guest, promise) => guest.createSocket(promise)],
  ["echo", (guest, promise) => guest.echo(promise)],
  ["listen", (guest, promise) => guest.listen(promise)],
  ["listen: host", (guest, promise) => guest.listen({ port: 0, host: promise })],
  ["listen: signal", (guest, promise) => guest.listen({ port: 0, signal: promise })],
  ["listen: acceptsAhead", (guest, promise) => guest.listen({ port: 0, acceptsAhead: promise })],
  ["listen: ringBytes", (guest, promise) => guest.listen({ port: 0, ringBytes: promise })],
  ["createServer", (guest, promise) => guest.createServer(promise)],
  ["serve", (guest, promise) => guest.serve(promise, 0)],
  ["serve: options", (guest, promise) => guest.serve(createServer(), promise)],
  ["connector", (guest, promise) => guest.connector(promise)],
  ["connector: timeoutMs", (guest, promise) => guest.connector({ timeoutMs: promise })],
  ["args: signal", (guest, promise) => guest.args({ signal: promise })],
  ["ping: signal", (guest, promise) => guest.ping({ signal: promise })],
  ["log", (guest, promise) => guest.log(promise)],
  ["exit", (guest, promise) => guest.exit(promise)],
  ["explain", (guest, promise) => guest.explain(promise)],
  ["explain: connect", (guest, promise) => guest.explain({ connect: promise })],
  ["explain: listen", (guest, promise) => guest.explain({ listen: promise })],
  ["explain: listen.host", (guest, promise) => guest.explain({ listen: { port: 0, host: promise } })],
  ["explain: open", (guest, promise) => guest.explain({ open: promise })],
  ["explain: protocol", (guest, promise) => guest.explain({ protocol: promise })],
  ["explain: body", (guest, promise) => guest.explain({ protocol: 1, body: promise })],
  ["stat", (guest, promise) => guest.stat(promise)],
  ["stat: signal", (guest, promise) => guest.stat("/a", { signal: promise })],
  ["readFile", (guest, promise) => guest.readFile(promise)],
  ["readFile: options", (guest, promise) => guest.readFile("/a", promise)],
  ["writeFile: data", (guest, promise) => guest.writeFile("/a", promise)],
  ["writeFile: options", (guest, promise) => guest.writeFile("/a", "", promise)],
  ["appendFile: data", (guest, promise) => guest.appendFile("/a", promise)],
  ["open", (guest, promise) => guest.open(promise)],
  ["open: mode", (guest, promise) => guest.open("/a", "w", promise)],
  ["createReadStream", (guest, promise) => guest.createReadStream(promise)],
  ["createReadStream: start", (guest, promise) => guest.createReadStream("/a", { start: promise })],
  ["createWriteStream: options", (guest, promise) => guest.createWriteStream("/a", promise)],
  ["copyFile", (guest, promise) => guest.copyFile("/a", promise)],
  ["cp: options", (guest, promise) => guest.cp("/a", "/b", promise)],
  ["mkdir: options", (guest, promise) => guest.mkdir("/a", promise)],
  ["readdir: options", (guest, promise) => guest.readdir("/a", promise)],
  ["rm: options", (guest, promise) => guest.rm("/a", promise)],
  ["rename", (guest, promise) => guest.rename("/a", promise)],
  ["symlink", (guest, promise) => guest.symlink(promise, "/a")],
  ["chmod: mode", (guest, promise) => guest.chmod("/a", promise)],
  ["utimes: accessed", (guest, promise) => guest.utimes("/a", promise, 0)],
];

it.each(calls)("%s says that a promise is to be awaited", async (_call, run) => {
  const error = await (async () => run(guest, Promise.resolve()))().catch((error: unknown) => error);
  expect(error).toMatchObject({ name: "TypeError", code: "ERR_INVALID_ARG_TYPE" });
  expect((error as Error).message).toMatch(/await it first$/);
});

/** Each takes a path, which is passed in place of each of these, one at a time. */
const byPath: [call: string, run: (guest: Loose, path: unknown) => unknown][] = [
  ...["stat", "lstat", "access", "readdir", "opendir", "mkdir", "mkdtemp", "mkdtempDisposable", "realpath"],
  ...["rm", "rmdir", "unlink", "readlink", "truncate", "statfs", "open", "readFile", "watch"],
  ...["createReadStream", "createWriteStream"],
]
  .map((name): [string, (guest: Loose, path: unknown) => unknown] => [
    name,
    (guest, path) => guest[name](path),
  ])
  .concat([
    ["mkdir: recursive", (guest, path) => guest.mkdir(path, { recursive: true })],
    ["readdir: recursive", (guest, path) => guest.readdir(path, { recursive: true })],
    ["rmdir: recursive", (guest, path) => guest.rmdir(path, { recursive: true })],
    ["writeFile", (guest, path) => guest.writeFile(path, "")],
    ["appendFile", (guest, path) => guest.appendFile(path, "")],
    ["copyFile from", (guest, path) => guest.copyFile(path, "/a")],
    ["copyFile to", (guest, path) => guest.copyFile("/a", path)],
    ["cp from", (guest, path) => guest.cp(path, "/a")],
    ["cp to", (guest, path) => guest.cp("/a", path)],
    ["rename from", (guest, path) => guest.rename(path, "/a")],
    ["rename to", (guest, path) => guest.rename("/a", path)],
    ["symlink", (guest, path) => guest.symlink("target", path)],
    ["link from", (guest, path) => guest.link(path, "/a")],
    ["link to", (guest, path) => guest.link("/a", path)],
    ["chmod", (guest, path) => guest.chmod(path, 0o600)],
    ["chown", (guest, path) => guest.chown(path, 0, 0)],
    ["lchown", (guest, path) => guest.lchown(path, 0, 0)],
    ["utimes", (guest, path) => guest.utimes(path, 0, 0)],
    ["lutimes", (guest, path) => guest.lutimes(path, 0, 0)],
    ["explain: open", (guest, path) => guest.explain({ open: path })],
    ["fs.open", (guest, path) => guest.fs.open(path)],
    ["fs.readFile", (guest, path) => guest.fs.readFile(path)],
    ["fs.writeFile", (guest, path) => guest.fs.writeFile(path, "")],
    ["fs.stat", (guest, path) => guest.fs.stat(path)],
    ["fs.readdir", (guest, path) => guest.fs.readdir(path)],
    ["fs.mkdir", (guest, path) => guest.fs.mkdir(path)],
    ["fs.rename to", (guest, path) => guest.fs.rename("/a", path)],
    ["fs.link from", (guest, path) => guest.fs.link(path, "/a")],
    ["fs.symlink", (guest, path) => guest.fs.symlink("target", path)],
    ["fs.chown", (guest, path) => guest.fs.chown(path, 0, 0)],
    ["fs.watch", (guest, path) => guest.fs.watch(path)],
  ]);

it.each(byPath)("%s takes an absolute path alone, and asks nobody about another", async (_call, run) => {
  for (const path of ["data/x", "", Buffer.from("./x")]) {
    const error = await (async () => run(guest, path))().catch((error: unknown) => error);
    expect(error).toMatchObject({ name: "TypeError", code: "ERR_INVALID_ARG_VALUE" });
    expect((error as Error).message).toContain('must be an absolute path, which begins with "/"');
  }
});
