// Requests that this host does not know: a guest of a later version finds out by using them (VER-2), so each place that
// takes frames answers ENOSYS and goes on (FRM-7). Echoes, connections and file-streams carry raw bytes once they are
// open.

import {
  Done,
  Errno,
  ErrorReply,
  FrameWriter,
  fileMessages,
  fsMessages,
  type GuestPipe,
  Ping,
  Pong,
  Protocol,
  StatReply,
} from "@ringway/control";
import { beforeAll, expect, test } from "vitest";
import { heldForAll } from "../support/held.ts";
import { LOOPBACK, startMonitor, type TestMonitor } from "../support/monitor.ts";
import { RawGuest } from "../support/raw-guest.ts";
import { tcpClient } from "../support/tcp.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { until } from "../support/wait.ts";

let folder: string;
let host: TestMonitor;
let guest: RawGuest;

const hold = heldForAll();
beforeAll(async () => {
  folder = temporaryFolder("unknown");
  host = hold(await startMonitor(`${LOOPBACK}files: [{ guest: /d, host: ${folder}, access: rw }]\n`));
  guest = hold(await RawGuest.attach(host.path));
});

/** Types of each section that has any, of one that has none yet, and the last one of all. */
const UNKNOWN = [0x01ff, 0x02ff, 0x03ff, 0x04ff, 0x05ff, 0x06ff, 0x0701, 0x7fff];

/** Sends each of them on a stream, and sees the answer. */
async function askAll(pipe: GuestPipe): Promise<void> {
  const writer = new FrameWriter(pipe.toHost);
  for (const [i, type] of UNKNOWN.entries()) {
    const payload = new Uint8Array(i * 100);
    await until("room", () => writer.write(type, 50 + i, payload, () => guest.signal(pipe)));
    const frame = await guest.frame(pipe);
    expect({ type: frame.type, id: frame.requestId }).toEqual({ type: ErrorReply.type, id: 50 + i });
    expect(ErrorReply.decode(frame.payload)).toMatchObject({ errno: Errno.ENOSYS, rule: "" });
  }
}

test("an unknown request on the control pipe is ENOSYS, and the guest goes on", async () => {
  for (const type of UNKNOWN) {
    const unknown = { type, name: "unknown", encode: () => new Uint8Array(3), decode: () => undefined };
    const frame = await guest.reply(await guest.send(unknown, undefined));
    expect(ErrorReply.decode(frame.payload)).toMatchObject({ errno: Errno.ENOSYS });
  }
  expect((await guest.reply(await guest.send(Ping, { data: new Uint8Array(4) }))).type).toBe(Pong.type);
  expect(host.violations).toEqual([]);
});

test("an unknown request on a listener is ENOSYS, and connections still come on what is posted", async () => {
  const { pipe: listener, port } = await guest.listen();
  const posted = await guest.newStream();
  await guest.post(listener, posted, 7);
  await askAll(listener);
  const client = await tcpClient(port);
  expect((await guest.incoming(posted)).requestId).toBe(7);
  client.destroy();
  guest.finish(posted);
  guest.finish(listener);
  expect(host.violations).toEqual([]);
});

test("an unknown request on a file or an fs stream is ENOSYS, and the next one is served", async () => {
  const file = await guest.newStream();
  const flags = fileMessages.FileFlags.WRITE | fileMessages.FileFlags.CREATE;
  guest.sendOpen(file, Protocol.FILE, fileMessages.FileOpen.encode({ path: "/d/f", flags, mode: 0o600 }));
  await guest.opened(file);
  await askAll(file);
  new FrameWriter(file.toHost).send(fileMessages.Close, 9, {}, () => guest.signal(file));
  expect((await guest.frame(file)).type).toBe(Done.type);
  guest.finish(file);

  const fs = await guest.newStream();
  guest.sendOpen(fs, Protocol.FS, new Uint8Array(0));
  await guest.opened(fs);
  await askAll(fs);
  new FrameWriter(fs.toHost).send(fsMessages.Stat, 9, { path: "/d/f" }, () => guest.signal(fs));
  expect((await guest.frame(fs)).type).toBe(StatReply.type);
  guest.finish(fs);
  expect(host.violations).toEqual([]);
});

test("a type that only hosts send is a violation on a listener too (FRM-4)", async () => {
  const { pipe: listener } = await guest.listen();
  new FrameWriter(listener.toHost).write(0x83ff, 3, new Uint8Array(0), () => guest.signal(listener));
  expect((await guest.readAll(listener)).how).toBe("reset");
  guest.finish(listener);
  await until("the report", () => host.violations.length === 1);
  expect(host.violations[0]).toMatchObject({ stream: listener.id, clause: "FRM-4" });
});
