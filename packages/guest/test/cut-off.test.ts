// A host that ends a stream amid a frame broke the protocol, wherever frames come: the guest fails, with an error
// (FRM-3).

import { once } from "node:events";
import { encodeFrame, fileMessages, type HostPipe, Incoming, Protocol } from "@ringway/control";
import { Guest, ProtocolError } from "@ringway/guest";
import { expect, it, onTestFinished } from "vitest";
import { FakeHost, fileStreamOpened, posted, send } from "./fake-host.ts";

/** A frame that lacks its last byte. */
const cut = (type: number): Uint8Array => encodeFrame(type, 1, new Uint8Array(9)).subarray(0, 20);

async function attached(host: FakeHost): Promise<Guest> {
  const guest = await Guest.attach({ memory: host.memory, doorbell: host.bell });
  onTestFinished(() => guest.close());
  return guest;
}

function sendAndEnd(host: FakeHost, pipe: HostPipe, ...frames: Uint8Array[]): void {
  send(host, pipe, ...frames);
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
  sendAndEnd(host, await posted(host), cut(Incoming.type));
  expect((await failed)[0]).toBeInstanceOf(ProtocolError);
});

it("on a file-stream", async () => {
  const host = new FakeHost();
  host.onOpen = (pipe, { protocol }, { requestId }) => {
    expect(protocol).toBe(Protocol.FILE_STREAM);
    sendAndEnd(host, pipe, fileStreamOpened(requestId), cut(fileMessages.WriteDone.type));
    return true;
  };
  await expect((await attached(host)).writeFile("/d/f", "abc")).rejects.toBeInstanceOf(ProtocolError);
});
