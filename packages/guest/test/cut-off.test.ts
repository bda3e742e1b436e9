// A host that ends a stream amid a frame broke the protocol, wherever frames come: the guest fails, with an error (FRM-3).

import { once } from "node:events";
import { encodeFrame, fileMessages, type HostPipe, Incoming, Opened, Protocol } from "@ringway/control";
import { Guest, ProtocolError } from "@ringway/guest";
import { afterEach, expect, it } from "vitest";
import { FakeHost } from "./fake-host.ts";

/** A frame that lacks its last byte. */
const cut = (type: number): Uint8Array => encodeFrame(type, 1, new Uint8Array(9)).subarray(0, 20);

let guest: Guest | undefined;
afterEach(async () => {
  await guest?.close();
  guest = undefined;
});

async function attached(host: FakeHost): Promise<Guest> {
  guest = await Guest.attach({ memory: host.memory, doorbell: host.bell });
  return guest;
}

function sendAndEnd(host: FakeHost, pipe: HostPipe, ...frames: Uint8Array[]): void {
  const bytes = Buffer.concat(frames);
  pipe.toGuest.put(bytes);
  pipe.toGuest.advance(bytes.length);
  pipe.toGuest.end();
  host.session.bell.signal(pipe.id);
}

it("on a listener", async () => {
  const host = new FakeHost();
  const server = await (await attached(host)).listen({ port: 8080 });
  const failed = once(server, "error");
  sendAndEnd(host, host.listener!.pipe, cut(0x8001));
  expect((await failed)[0]).toBeInstanceOf(ProtocolError);
});

it("on a stream that waits for a connection", async () => {
  const host = new FakeHost();
  const server = await (await attached(host)).listen({ port: 8080 });
  const failed = once(server, "error");
  while (host.posted.length === 0) await new Promise((resolve) => setImmediate(resolve));
  sendAndEnd(host, host.posted[0]!.pipe, cut(Incoming.type));
  expect((await failed)[0]).toBeInstanceOf(ProtocolError);
});

it("on a file-stream", async () => {
  const host = new FakeHost();
  const at = { seconds: 0, nanoseconds: 0 };
  const owner = { kind: 1, mode: 0o644, links: 1, uid: 0, gid: 0, inode: 1 };
  const stat = { ...owner, size: 0, blocks: 0, accessed: at, modified: at, changed: at };
  host.onOpen = (pipe, { protocol }, { requestId }) => {
    expect(protocol).toBe(Protocol.FILE_STREAM);
    const body = fileMessages.FileStreamOpened.encode({ length: 0, ...stat });
    const opened = encodeFrame(Opened.type, requestId, Opened.encode({ body }));
    sendAndEnd(host, pipe, opened, cut(fileMessages.WriteDone.type));
    return true;
  };
  await expect((await attached(host)).writeFile("/d/f", "abc")).rejects.toBeInstanceOf(ProtocolError);
});
