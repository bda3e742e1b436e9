// A guest ends while much is under way: its streams are told one after the other, and who is told may at once make
// calls on those that are not told yet. Such a call fails, and none hangs.

import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Writable } from "node:stream";
import type { GuestPipe } from "@ringway/control";
import { Guest, type GuestFile, type GuestSocket } from "@ringway/guest";
import { expect, it } from "vitest";
import { heldForAll, heldForEach } from "../../../test/support/held.ts";
import { tcpServer } from "../../../test/support/tcp.ts";
import { Stream, type StreamEngine } from "../src/stream/stream.ts";
import { type Host, startHost } from "./host.ts";

const MUCH = Buffer.alloc(64 * 1024 * 1024);
const holdForAll = heldForAll();
const hold = heldForEach();

let shared: Host | undefined;

/** A monitor that goes is the test's own; guests leave one that all share. */
async function hostFor(end: string): Promise<Host> {
  if (end === "the monitor goes") return hold(await startHost());
  shared ??= holdForAll(await startHost());
  return shared;
}

interface UnderWay {
  readonly guest: Guest;
  readonly file: GuestFile;
  readonly other: GuestSocket;
}

const WORK: Record<string, (underWay: UnderWay) => Promise<unknown>> = {
  "reads a file": ({ file }) => file.read(Buffer.alloc(2), 0, 2, 0),
  "writes a file": ({ file }) => file.write("x", 0),
  "asks about a name": ({ guest }) => guest.stat("/data/file"),
  "opens a file": ({ guest }) => guest.open("/data/file"),
  "writes to another socket": ({ other }) =>
    new Promise((resolve, reject) => {
      other.write("x", (error) => (error ? reject(error) : resolve(undefined)));
    }),
};
const ENDS: Record<string, [code: RegExp, end: (guest: Guest, gone: () => Promise<void>) => Promise<void>]> =
  {
    "the monitor goes": [/^(ECONNRESET|ERR_RINGWAY_DETACHED)$/, (_guest, gone) => gone()],
    "the guest leaves": [/^(ECANCELED|ERR_RINGWAY_DETACHED|ERR_STREAM_DESTROYED)$/, (guest) => guest.close()],
  };
const CASES = Object.keys(ENDS).flatMap((end) => Object.keys(WORK).map((work) => [end, work] as const));

it.each(CASES)("%s, and the callback of a write that waits %s", async (end, work) => {
  const host = await hostFor(end);
  writeFileSync(join(host.data, "file"), "content");
  const server = hold(await tcpServer((socket) => void socket.pause()));
  const guest = hold(await Guest.attach(host.path));
  const socket = await guest.connect(server.port, "127.0.0.1");
  // Told after the socket.
  const file = await guest.open("/data/file", "r+");
  await guest.stat("/data/file");
  const other = await guest.connect(server.port, "127.0.0.1");
  for (const each of [socket, other]) each.on("error", () => {});
  const outcome = new Promise<string>((resolve) => {
    socket.write(MUCH, () => {
      WORK[work]!({ guest, file, other }).then(
        () => resolve("it succeeded"),
        (error) => resolve(error.code),
      );
    });
  });
  const [code, ends] = ENDS[end]!;
  await ends(guest, () => host.monitor.close({ drainMs: 0 }));
  expect(await outcome).toMatch(code);
  // Its stream is gone as well.
  await expect(file.close()).resolves.toBeUndefined();
});

it.each<[string, RegExp, (host: Host, guest: Guest, stream: Writable) => unknown]>([
  ["the monitor goes", /^ECONNRESET$/, ({ monitor }) => monitor.close({ drainMs: 0 })],
  ["the guest leaves", /^ECANCELED$/, (_host, guest) => guest.close()],
  ["it is destroyed", /^ECANCELED$/, (_host, _guest, stream) => stream.destroy()],
])(
  "a write that waits in a stream over a file calls back when %s, and so do those behind it",
  async (...row) => {
    const [what, code, end] = row;
    const host = await hostFor(what);
    const guest = hold(await Guest.attach(host.path));
    const stream = guest.createWriteStream("/data/new");
    stream.on("error", () => {});
    await once(stream, "open");
    const written = (data: string | Buffer): Promise<string | undefined> =>
      new Promise((resolve) => stream.write(data, (error) => resolve((error as { code?: string })?.code)));
    const waits = written(MUCH);
    // Node has given it to the ring by then.
    await new Promise((resolve) => setImmediate(resolve));
    const behind = written("x");
    await end(host, guest, stream);
    expect(await waits).toMatch(code);
    expect(await behind).toMatch(code);
  },
);

it("a stream does not touch its pipe once the engine has ended, though it is not told yet", () => {
  const touched = (): never => {
    throw new Error("the region is touched");
  };
  const ring = new Proxy({ capacity: 4096 }, { get: (sizes, name) => Reflect.get(sizes, name) ?? touched() });
  const pipe = { id: 1, toHost: ring, toGuest: ring } as unknown as GuestPipe;
  const engine: Partial<StreamEngine> = {
    ended: new Error("gone"),
    addStream() {},
    touch() {},
    signal: touched,
  };
  let lost = 0;
  const told: string[] = [];
  const streams = ["end", "finish", "abort"].map((how) => {
    const stream = new Stream(engine as StreamEngine, pipe);
    stream.user = { step() {}, lost: () => void lost++ };
    if (how === "end") stream.end();
    else if (how === "abort") stream.abort();
    else stream.finish(() => void told.push("finished"));
    return stream;
  });
  for (const stream of streams) stream.lost(new Error("gone"));
  // Who has let go of its stream hears nothing more of it.
  expect([lost, told]).toEqual([1, ["finished"]]);
});
