// Messages of a later version that nobody asked for: the SDK passes them over wherever a host may send frames (FRM-7).

import { once } from "node:events";
import { encodeFrame, fileMessages, type HostPipe, Opened, Protocol } from "@ringway/control";
import { Guest, type GuestSocket } from "@ringway/guest";
import { afterEach, expect, it } from "vitest";
import { FakeHost } from "./fake-host.ts";

const UNKNOWN = encodeFrame(0x8fff, 0, new Uint8Array(5));

let guest: Guest | undefined;
afterEach(async () => {
  await guest?.close();
  guest = undefined;
});

async function attached(host: FakeHost): Promise<Guest> {
  guest = await Guest.attach({ memory: host.memory, doorbell: host.bell });
  return guest;
}

function send(host: FakeHost, pipe: HostPipe, ...frames: Uint8Array[]): void {
  const bytes = Buffer.concat(frames);
  pipe.toGuest.put(bytes);
  pipe.toGuest.advance(bytes.length);
  host.session.bell.signal(pipe.id);
}

it("before the Incoming of a connection", async () => {
  const host = new FakeHost();
  const server = await (await attached(host)).listen({ port: 8080 });
  const connection = once(server, "connection") as Promise<[GuestSocket]>;
  while (host.posted.length === 0) await new Promise((resolve) => setImmediate(resolve));
  send(host, host.posted[0]!.pipe, UNKNOWN, UNKNOWN);
  host.arrive("hello");
  const [socket] = await connection;
  expect(String(await once(socket, "data"))).toBe("hello");
});

it("before the WriteDone of a file-stream", async () => {
  const host = new FakeHost();
  const { FileStreamOpened, WriteDone } = fileMessages;
  const at = { seconds: 0, nanoseconds: 0 };
  const owner = { kind: 1, mode: 0o644, links: 1, uid: 0, gid: 0, inode: 1 };
  const stat = { ...owner, size: 0, blocks: 0, accessed: at, modified: at, changed: at };
  host.onOpen = (pipe, { protocol }, { requestId }) => {
    expect(protocol).toBe(Protocol.FILE_STREAM);
    const body = FileStreamOpened.encode({ length: 0, ...stat });
    send(host, pipe, encodeFrame(Opened.type, requestId, Opened.encode({ body })), UNKNOWN);
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
