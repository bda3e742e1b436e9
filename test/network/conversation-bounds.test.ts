// What following costs, and what it does to streams: bounds, and ends that are told whatever happens meanwhile.

import { once } from "node:events";
import { join } from "node:path";
import { Guest } from "@ringway/guest";
import { AdminClient, type Conversation, type Conversations, type Policy } from "@ringway/monitor";
import { expect, test } from "vitest";
import { KiB } from "../support/bytes.ts";
import { policyOf, startMonitor, type TestMonitor } from "../support/monitor.ts";
import { echoServer, readAll, tcpServer } from "../support/tcp.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { UdpGuest, udpServer } from "../support/udp.ts";
import { until, within } from "../support/wait.ts";

const policy = (folder: string): Policy =>
  policyOf("version: 1\nconnect: [{ id: local, allow: 127.0.0.0/8, protocols: [tcp, udp] }]\n", folder);

async function following(
  { monitor }: TestMonitor,
  options: Parameters<TestMonitor["monitor"]["conversations"]>[0],
): Promise<Conversations> {
  const conversations = monitor.conversations(options);
  await within("all to be followed", conversations.ready);
  return conversations;
}

async function nextOf(conversations: Conversations): Promise<Conversation> {
  const { value } = await within("a conversation", conversations.next());
  return value!;
}

test("a reader that takes nothing is kept so much for as its capacity, however often it loses", async () => {
  await using host = await startMonitor(policy);
  await using guest = await Guest.attach(host.path);
  await using echo = await echoServer();
  await using conversations = await following(host, { whenSlow: "drop", capacity: 4096 });
  const socket = await guest.connect({ host: "127.0.0.1", port: echo.port });
  const trips = 150;
  for (let i = 0; i < trips; i++) {
    socket.write("x".repeat(64));
    await once(socket, "data");
  }
  socket.end();
  await readAll(socket);
  let events = 0;
  let bytes = 0;
  for await (const event of await nextOf(conversations)) {
    events++;
    if ("bytes" in event) bytes += event.bytes.length;
    else if ("lost" in event) bytes += event.lost;
  }
  expect(bytes).toBe(2 * 64 * trips);
  // A piece counts as 128 bytes at least; of each side one more before the end, and that.
  expect(events).toBeLessThanOrEqual(4096 / 128 + 3);
});

test("a stream under way has its rule and its address, also where nobody keeps flows", async () => {
  await using host = await startMonitor(policy);
  await using guest = await Guest.attach(host.path);
  await using echo = await echoServer();
  await guest.connect({ host: "127.0.0.1", port: echo.port });
  const where = `127.0.0.1:${echo.port}`;
  await using conversations = await following(host, { match: where });
  expect(await nextOf(conversations)).toMatchObject({
    rule: "local",
    responder: { side: "host", name: where, address: where },
    isWhole: false,
  });
});

test("datagrams that wait for a reader that paces keep their socket from being idle", async () => {
  await using host = await startMonitor((folder) => ({
    ...policy(folder),
    timeouts: { ...policy(folder).timeouts, udpIdleMs: 1500 },
  }));
  await using udp = await UdpGuest.attach(host.path);
  await using server = await udpServer({ type: "udp4" });
  await using conversations = await following(host, { whenSlow: "backpressure", capacity: 4096 });
  const paced = await udp.udpConnect("127.0.0.1", server.port);
  await paced.send("hi");
  await until("it", () => server.received.length === 1);
  const { from } = server.received[0]!;
  for (let i = 0; i < 8; i++) server.socket.send(Buffer.alloc(1000, i), from.port, from.address);
  const conversation = await nextOf(conversations);
  // One that nobody uses ends, and was opened after this one stood still.
  await paced.receiveAll(3);
  await udp.udpConnect("127.0.0.1", server.port);
  const ends: string[] = [];
  for await (const event of await nextOf(conversations)) if ("closed" in event) ends.push(event.closed);
  expect(ends).toEqual(["IdleTimeout"]);
  const got: number[] = [];
  while (got.length < 8) {
    const { value } = await within("a datagram", conversation.next());
    if (value === undefined || !("bytes" in value)) throw new Error("it has lost something, or has ended");
    if (value.from === "responder") got.push(value.bytes[0]!);
  }
  expect(got).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
});

test("with the monitor, a client of the admin API has the end of each conversation, and the end in order", async () => {
  const socketPath = join(temporaryFolder("follow"), "admin.sock");
  const host = await startMonitor(policy, { admin: { socket: socketPath } });
  await using guest = await Guest.attach(host.path);
  using client = new AdminClient({ socket: socketPath });
  const kinds: string[] = [];
  let goOn = (): void => {};
  let taken: Promise<void> | undefined;
  const reading = (async () => {
    for await (const event of client.conversations({ whenSlow: "drop" })) {
      kinds.push(event.kind === "closed" ? event.closed : event.kind);
      await taken;
    }
  })();
  await until("all to be followed", () => kinds.includes("ready"));
  // It takes nothing more until the monitor ends: its ring is full, and what comes is lost.
  taken = new Promise((resolve) => {
    goOn = resolve;
  });
  let arrived = 0;
  await using sink = await tcpServer((socket) => socket.on("data", ({ length }) => (arrived += length)));
  for (let i = 0; i < 20; i++) {
    const socket = await guest.connect({ host: "127.0.0.1", port: sink.port });
    socket.on("error", () => {});
    socket.write(Buffer.alloc(512 * KiB));
  }
  await until("what they say", () => arrived === 20 * 512 * KiB);
  const closed = host.monitor.close({ drainMs: 0 });
  goOn();
  await closed;
  await within("its end", reading);
  expect(kinds.filter((kind) => kind === "GuestGone")).toHaveLength(20);
  await host[Symbol.asyncDispose]();
});
