// What a disk worker still does when its stream has been reset, or its guest is gone, is in the audit file: the line
// that ends it has all the bytes, and what was opened so late has both of its lines.

import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Closed, fileMessages, mountMessages, Protocol, unixMessages } from "@ringway/control";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { RawMount } from "../files/mount/wire.ts";
import { FileGuest, type RawStream } from "../files/wire.ts";
import { heldForAll } from "../support/held.ts";
import { type LogLine, policyOf, startMonitor, type TestMonitor } from "../support/monitor.ts";
import { SlowDisk } from "../support/slow-disk.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { until } from "../support/wait.ts";

const { READ, WRITE, CREATE } = fileMessages.FileFlags;
const DATA = Buffer.from("twelve bytes");

const slow = new SlowDisk();

// Whatever would change it waits, until it is thawed.
describe.skipIf(slow.missing !== "")(`on a disk that stands still ${slow.missing}`, () => {
  afterAll(() => slow.remove());
  const hold = heldForAll();
  let audit: string;
  let host: TestMonitor;

  const policy = (): string => `version: 1
files: [{ id: data, guest: /data, host: ${slow.folder}, access: rw }]
sockets: [{ id: service, guest: /run/service, host: ${slow.folder}/sockets/service, access: listen }]
`;

  beforeAll(async () => {
    const folder = temporaryFolder("late");
    audit = join(folder, "audit");
    mkdirSync(join(slow.folder, "sockets"));
    host = hold(await startMonitor(() => policyOf(policy(), folder), { audit, lingerMs: 1 }));
  });
  afterEach(() => slow.thaw());

  const lines = (): LogLine[] =>
    readFileSync(audit, "utf8")
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line) as LogLine);

  /** The kinds of lines about `what`, once there is one of its end; and that. */
  async function ended(what: string): Promise<[kinds: unknown[], closed: LogLine]> {
    const about = (): LogLine[] => lines().filter((line) => line.what === what);
    const closed = await until(`the end of ${what}`, () => about().find((line) => line.audit === "closed"));
    return [about().map((line) => line.audit), closed];
  }

  interface Ending {
    end(): void;
    isOver(): boolean;
  }

  const reset = (stream: RawStream): Ending => ({
    end: () => stream.reset(),
    isOver: () => stream.pipe.toGuest.peerClosed() === Closed.RESET,
  });
  const vanish = (own: FileGuest): Ending => {
    const gone = (): number => host.lines.filter(({ msg }) => msg === "guest is gone").length;
    const before = gone();
    return { end: () => own.vanish(), isOver: () => gone() > before };
  };

  /** A worker has what `post` asks for, and can do nothing about it, when the stream is over. */
  async function whileFrozen(post: () => unknown, { end, isOver }: Ending): Promise<void> {
    slow.freeze();
    const operations = (): number => host.monitor.counters().fileOperations;
    const before = operations();
    post();
    await until("the worker to have it", () => operations() > before);
    end();
    await until("the stream to be over", isOver);
    slow.thaw();
  }

  describe.each(["guest-reset", "cut"] as const)("a stream that ends as %s", (end) => {
    const ending = (own: FileGuest, stream: RawStream): Ending =>
      end === "cut" ? vanish(own) : reset(stream);

    test("has what was written by a request", async () => {
      using own = await FileGuest.attach(host.path);
      const what = `/data/request-${end}`;
      const file = await own.openFile(what, WRITE | CREATE);
      await whileFrozen(() => file.post(fileMessages.WriteAt, { offset: 0, data: DATA }), ending(own, file));
      expect(await ended(what)).toMatchObject([["opened", "closed"], { bytesToHost: DATA.length, end }]);
    });

    test("has what was written through a mount", async () => {
      using own = await FileGuest.attach(host.path);
      const what = `/data/mounted-${end}`;
      const mount = await RawMount.open(own);
      const { WRITE: write, CREATE: create } = mountMessages.MountFlags;
      const { handle } = await mount.openAt(0, what.slice("/data/".length), write | create);
      const request = { handle, flags: 0, offset: 0, data: DATA };
      await whileFrozen(
        () => mount.stream.post(mountMessages.MountWrite, request),
        ending(own, mount.stream),
      );
      expect(await ended(what)).toMatchObject([
        ["opened", "closed"],
        { bytesToHost: DATA.length, end: "cut" },
      ]);
    });

    test("and has opened a file only then, has both lines of it", async () => {
      using own = await FileGuest.attach(host.path);
      const what = `/data/opened-${end}`;
      const stream = await own.stream();
      const body = fileMessages.FileOpen.encode({ path: what, flags: READ | WRITE | CREATE, mode: 0o644 });
      await whileFrozen(() => own.sendOpen(stream.pipe, Protocol.FILE, body), ending(own, stream));
      expect(await ended(what)).toMatchObject([["opened", "closed"], { bytesToHost: 0, end }]);
    });

    test("and has opened a file of a mount only then, has both lines of it", async () => {
      using own = await FileGuest.attach(host.path);
      const what = `/data/handle-${end}`;
      const mount = await RawMount.open(own);
      const { WRITE: write, CREATE: create } = mountMessages.MountFlags;
      const path = Buffer.from(what.slice("/data/".length));
      const request = { at: 0, flags: write | create, mode: 0o644, path };
      await whileFrozen(() => mount.stream.post(mountMessages.MountOpen, request), ending(own, mount.stream));
      expect(await ended(what)).toMatchObject([["opened", "closed"], { end: "cut" }]);
    });
  });

  test("a file of a mount that was given back before its guest had gone is cut all the same", async () => {
    using own = await FileGuest.attach(host.path);
    const what = "/data/given-back";
    const mount = await RawMount.open(own);
    const { WRITE: write, CREATE: create } = mountMessages.MountFlags;
    const { handle } = await mount.openAt(0, what.slice("/data/".length), write | create);
    const post = (): void => {
      mount.stream.post(mountMessages.MountWrite, { handle, flags: 0, offset: 0, data: DATA });
      mount.stream.post(mountMessages.MountRelease, { handle });
    };
    await whileFrozen(post, vanish(own));
    expect(await ended(what)).toMatchObject([["opened", "closed"], { bytesToHost: DATA.length, end: "cut" }]);
  });

  test("a file's bytes that were written as a stream are counted, although its guest has gone", async () => {
    using own = await FileGuest.attach(host.path);
    const what = "/data/streamed";
    const { WRITE: direction } = fileMessages.FileDirection;
    const [stream] = await own.openFileStream({ path: what, direction, flags: WRITE | CREATE });
    await whileFrozen(() => stream.write(DATA), vanish(own));
    expect(await ended(what)).toMatchObject([["opened", "closed"], { bytesToHost: DATA.length, end: "cut" }]);
  });

  test("a socket that was made after its guest had gone has both lines", async () => {
    using own = await FileGuest.attach(host.path);
    const stream = await own.stream();
    const { UnixKind, UnixListenRequest } = unixMessages;
    const listening = { kind: UnixKind.STREAM, mode: 0o600, backlog: 0, path: "/run/service" };
    const body = UnixListenRequest.encode(listening);
    await whileFrozen(() => own.sendOpen(stream.pipe, Protocol.UNIX_LISTEN, body), vanish(own));
    expect(await ended("/run/service")).toMatchObject([["opened", "closed"], { end: "cut" }]);
  });
});
