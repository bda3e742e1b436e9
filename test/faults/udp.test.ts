// A guest that means ill, on streams of udp-connect and udp-bind: what it breaks is its own, and what it held is given
// back.

import { setTimeout as sleep } from "node:timers/promises";
import {
  ConnectRequest,
  ErrorReply,
  encodeFrame,
  Protocol,
  resolveMessages,
  udpMessages,
} from "@ringway/control";
import { Errno } from "@ringway/linux";
import { beforeAll, expect, test } from "vitest";
import { type NameServer, nameServer } from "../support/dns.ts";
import { heldForAll } from "../support/held.ts";
import { startMonitor, type TestMonitor } from "../support/monitor.ts";
import { freePort } from "../support/tcp.ts";
import { address, UdpGuest, udpServer } from "../support/udp.ts";
import { until } from "../support/wait.ts";

const POLICY = `version: 1
connect:
  - { id: by-name, allow: "*.test", protocols: udp, resolvesTo: [127.0.0.0/8, "::1/128"] }
  - { id: one, allow: 127.0.0.1, protocols: udp }
hosts: { fixed.test: 127.0.0.7 }
`;

const hold = heldForAll();
let dns: NameServer;
let host: TestMonitor;

beforeAll(async () => {
  dns = hold(await nameServer({ "two.test": { a: ["127.0.0.1"], aaaa: ["::1"] } }));
  host = hold(await startMonitor(POLICY, { names: dns.names }));
});

const TO_GUEST_READ = 0x180;

/** Those of all guests, ever. */
const sockets = (): number => host.monitor.counters().udpSockets;

test("a ring broken when the first address of a name comes: the second makes no socket for a stream that is over", async () => {
  let answer = (): void => {};
  dns.held.set("two.test AAAA", new Promise<void>((resolve) => (answer = resolve)));
  const made = sockets();
  const guest = await UdpGuest.attach(host.path);
  // As many names as a guest may have looked up at once.
  const pipes = [];
  for (let i = 0; i < 4; i++) {
    const pipe = await guest.newStream();
    guest.scribble(pipe, TO_GUEST_READ, 7777);
    guest.sendOpen(
      pipe,
      Protocol.UDP_CONNECT,
      ConnectRequest.encode({ host: "two.test", port: 9, timeoutMs: 0 }),
    );
    pipes.push(pipe);
  }
  await until("all rings are found broken", () => host.violations.length === pipes.length);
  for (const pipe of pipes) {
    guest.scribble(pipe, TO_GUEST_READ, 0);
    guest.finish(pipe, "reset");
  }
  await until("no stream is left", () => host.monitor.counters().streams === 0);
  answer();
  await until("all is asked", () => dns.asked.length >= 2);
  const echo = await guest.echo();
  guest.finish(echo);
  await sleep(200);
  expect(sockets() - made).toBe(pipes.length);
  guest.vanish();
});

test("a datagram that waits behind one that came back is not passed over for the mistake of the one behind it", async () => {
  const guest = hold(await UdpGuest.attach(host.path));
  const port = await freePort();
  const udp = await guest.udpConnect("127.0.0.1", port);
  const sent = (): number => host.monitor.counters().datagramsToHost;
  const before = sent();
  const frame = (data: string, segment = 0): Uint8Array =>
    encodeFrame(
      udpMessages.UdpSend.type,
      0,
      udpMessages.UdpSend.encode({ segment, data: Buffer.from(data) }),
    );
  // No train has one datagram. The first comes back at once, which the second one's call tells.
  const frames = Buffer.concat([frame("first"), frame("x", 1), frame("second"), frame("x", 1)]);
  await guest.write(udp.pipe, frames);
  guest.signal(udp.pipe);
  await until("all is taken", () => udp.pipe.toHost.writable() === udp.pipe.toHost.capacity);
  expect(sent() - before).toBe(2);
  guest.finish(udp.pipe, "reset");
});

test("what resolve tells counts for a peer that was refused before, and for a connected socket (RSL-5)", async () => {
  const guest = hold(await UdpGuest.attach(host.path));
  await using server = await udpServer({ type: "udp4", address: "127.0.0.7" });
  const udp = await guest.udpBind("0.0.0.0");
  const to = address("127.0.0.7", server.port);
  await udp.sendTo(to, "refused");
  expect(await udp.error()).toMatchObject({ errno: Errno.EACCES });
  const asks = await guest.newStream(65_536);
  guest.sendOpen(asks, Protocol.RESOLVE, new Uint8Array(0));
  await guest.opened(asks);
  const request = resolveMessages.Resolve.encode({ family: 0, name: "fixed.test" });
  await guest.write(asks, encodeFrame(resolveMessages.Resolve.type, 5, request));
  guest.signal(asks);
  expect((await guest.frame(asks)).type).not.toBe(ErrorReply.type);
  await udp.sendTo(to, "allowed");
  await until("it is there", () => server.received.length === 1);
  const connected = await guest.udpConnect("127.0.0.7", server.port);
  await connected.send("connected");
  await until("that too", () => server.received.length === 2);
  for (const { pipe } of [udp, connected]) guest.finish(pipe, "reset");
});
