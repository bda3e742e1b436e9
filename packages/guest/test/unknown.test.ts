// Messages of a later version that nobody asked for: the SDK passes them over wherever a host may send frames (FRM-7).

import { once } from "node:events";
import { encodeFrame, fileMessages, Protocol } from "@ringway/control";
import { Guest, type GuestSocket } from "@ringway/guest";
import { expect, it, onTestFinished } from "vitest";
import { FakeHost, fileStreamOpened, posted, send } from "./fake-host.ts";

const UNKNOWN = encodeFrame(0x8fff, 0, new Uint8Array(5));

async function attached(host: FakeHost): Promise<Guest> {
  const guest = await Guest.attach({ memory: host.memory, doorbell: host.bell });
  onTestFinished(() => guest.close());
  return guest;
}

it("before the Incoming of a connection", async () => {
  const host = new FakeHost();
  const server = await (await attached(host)).listen({ port: 8080 });
  const connection = once(server, "connection") as Promise<[GuestSocket]>;
  send(host, await posted(host), UNKNOWN, UNKNOWN);
  host.arrive("hello");
  const [socket] = await connection;
  expect(String(await once(socket, "data"))).toBe("hello");
});

it("before the WriteDone of a file-stream", async () => {
  const host = new FakeHost();
  const { WriteDone } = fileMessages;
  host.onOpen = (pipe, { protocol }, { requestId }) => {
    expect(protocol).toBe(Protocol.FILE_STREAM);
    send(host, pipe, fileStreamOpened(requestId), UNKNOWN);
    const done = encodeFrame(WriteDone.type, requestId, WriteDone.encode({ bytes: 3 }));
    setTimeout(() => {
      send(host, pipe, UNKNOWN, done);
      pipe.toGuest.end();
      pipe.toHost.close();
      host.session.bell.signal(pipe.id);
    }, 20);
    return true;
  };
  await (await attached(host)).writeFile("/d/f", "abc");
});
