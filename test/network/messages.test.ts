// @ringway/messages over streams of the SDK: a guest's, through a real monitor, with peers of the host's.

import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { Guest } from "@ringway/guest";
import { type Bytes, lengthDelimited } from "@ringway/messages";
import { Connection, Peers } from "@ringway/messages/node";
import { expect, onTestFinished, test } from "vitest";
import { sharedMonitor } from "../support/shared-monitor.ts";

const host = sharedMonitor();
const codec = lengthDelimited({ maxFrameBytes: 200_000 });
const bytes = (length: number, value: number): Bytes => new Uint8Array(length).fill(value);

async function guestOf(): Promise<Guest> {
  const guest = await Guest.attach(host.path);
  onTestFinished(() => guest.close());
  return guest;
}

/** A server of the host's, and where it is. */
async function served(serve: (socket: Socket) => void): Promise<{ host: string; port: number }> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    serve(socket);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { host: "127.0.0.1", port: (server.address() as AddressInfo).port };
}

test("messages of all sizes go both ways between a guest and the host, and the guest hears of the end", async () => {
  const place = await served(async (socket) => {
    const echo = new Connection<Bytes>(socket, { codec });
    for await (const message of echo) await echo.send(message);
  });
  const guest = await guestOf();
  const connection = new Connection<Bytes>(await guest.connect(place), { codec });
  const lengths = Array.from({ length: 300 }, (_, i) => (i % 30 === 7 ? 200_000 - i : i * 5));
  const sending = (async () => {
    for (const [i, length] of lengths.entries()) await connection.send(bytes(length, i));
  })();
  for (const [i, length] of lengths.entries()) {
    const message = (await connection.read())!;
    expect([message.length, message.every((byte) => byte === (i & 255))]).toEqual([length, true]);
  }
  await sending;
  expect(await connection.close()).toEqual({ reason: "Closed", unsentMessages: 0, unsentBytes: 0 });
});

test("a guest's stream whose peer does not read is stale, and says how much was lost", async () => {
  const place = await served(() => {});
  const guest = await guestOf();
  const connection = new Connection<Bytes>(await guest.connect(place), { codec, txTimeoutMs: 100 });
  while (await connection.send(bytes(190_000, 1)));
  expect(await connection.closed).toMatchObject({ reason: "Stale", unsentMessages: expect.any(Number) });
});

test("a guest is a node among peers: it dials the host, and the host dials it", async () => {
  const heard: string[] = [];
  const node = (name: string): Peers<Bytes> => {
    const peers = new Peers<Bytes>({
      codec,
      hello: {
        message: () => Buffer.from(name),
        nameOf: (message) => Buffer.from(message).toString(),
      },
      onMessage: (message, { name: from }) => heard.push(`${name} from ${from}: ${Buffer.from(message)}`),
    });
    onTestFinished(() => peers.close());
    return peers;
  };
  const [outside, inside, another] = [node("outside"), node("inside"), node("another")];
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  outside.listen(server);
  const guest = await guestOf();
  const { port } = server.address() as AddressInfo;
  inside.dial("outside", () => guest.connect({ host: "127.0.0.1", port }));
  const listener = await guest.listen({ host: "127.0.0.1", port: 0 });
  inside.listen(listener);
  const at = (listener.address() as AddressInfo).port;
  another.dial("inside", () => connect(at, "127.0.0.1"));
  await expect.poll(() => inside.names().sort()).toEqual(["another", "outside"]);
  await expect.poll(() => another.names()).toEqual(["inside"]);
  inside.send(Buffer.from("to all"));
  another.send(Buffer.from("back"), "inside");
  await expect
    .poll(() => heard.toSorted())
    .toEqual(["another from inside: to all", "inside from another: back", "outside from inside: to all"]);
  // The guest's server ends with its connections.
  await Promise.all([another.close(), inside.close()]);
  listener.close();
});
