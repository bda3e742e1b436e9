// Rates and the budget of bytes on UDP: PROTOCOL.md section 24 (LIM-2, LIM-3). Those of TCP are in resolve.ts.

import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { P } from "../../../packages/conformance/src/host/layout.ts";
import { pattern } from "../../../packages/conformance/src/scenarios/scenario.ts";
import { type UdpServer, udpServer } from "../../support/udp.ts";
import { until } from "../../support/wait.ts";
import { WireGuest, type WirePipe, word } from "../wire-guest.ts";
import { connect, inet, type MonitorCase, type MonitorWorld, of, REFUSED } from "./case.ts";
import { came, RINGS, send, told, UDP_ERROR, UDP_LOST } from "./udp.ts";

const UDP_CONNECT = 7;
const UDP_BIND = 8;
const EDQUOT = 122;
/** Between two frames of a guest at its rate: a train of 64 datagrams may be owed. */
const NEXT_FRAME_MS = 8000;

const RULES = `version: 1
connect: [{ allow: 127.0.0.1, protocols: udp }]
listen: [{ allow: 127.0.0.1, ports: 0, protocols: udp }]
`;
const PER_SECOND = 60;
const AT_A_RATE = `${RULES}rates: { datagrams: ${PER_SECOND} }\n`;
const BUDGET = `${RULES}limits: { networkBytes: 1000 }\n`;
/** What goes within the budget, and begins within it. */
const BYTES = 600;

/** How many datagrams come, and how many are told as lost, until that is all of them. */
async function tally(pipe: WirePipe, all: number): Promise<{ arrived: number; lost: number }> {
  const found = { arrived: 0, lost: 0 };
  while (found.arrived + found.lost < all) {
    const { type, payload } = await pipe.frame(NEXT_FRAME_MS);
    if (type === UDP_LOST) found.lost = word(payload);
    else found.arrived += word(payload) === 0 ? 1 : Math.ceil((payload.length - 4) / word(payload));
  }
  return found;
}

/** How many datagrams to a port of the host its kernel has dropped. */
function droppedAt(port: number): number {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  const line = readFileSync("/proc/net/udp", "latin1")
    .split("\n")
    .find((each) => new RegExp(`^ *\\d+: [0-9A-F]{8}:${hex} `).test(each));
  return Number(line?.trim().split(/\s+/).at(-1));
}

/** So nothing that comes later tells of it. Returns how many were sent. */
async function sendUntilOneIsDropped({ socket }: UdpServer, port: number): Promise<number> {
  for (let sent = 1; ; sent++) {
    const before = droppedAt(port);
    await new Promise((resolve) => socket.send(pattern(8000), port, "127.0.0.1", resolve));
    if (droppedAt(port) > before) return sent;
  }
}

/** The stream's last words: EDQUOT of this peer, and then the end of both directions. */
async function endsUsedUp(
  world: MonitorWorld,
  pipe: WirePipe,
  server: UdpServer,
  peer: [family: number, port: number],
): Promise<void> {
  const sent = server.received.length;
  await until("the error, or what is past the budget", () => {
    return pipe.readable() > 0 || pipe.get(P.TO_GUEST_END) !== 0 || server.received.length > sent;
  });
  const isTold = pipe.readable() > 0;
  world.check("LIM-3", server.received.length === sent, "nothing more is carried");
  world.check("UDP-9", isTold, "an error is told before the end");
  if (!isTold) return;
  const last = await pipe.frame();
  world.same("LIM-3", told(last), [UDP_ERROR, EDQUOT], "the bytes are used up");
  if (last.type !== UDP_ERROR) return;
  world.same("UDP-9", [word(last.payload, 4), word(last.payload, 8)], peer, "whom it names");
  const { bytes, closed } = await pipe.takeAll();
  world.same("UDP-9", [bytes.length, closed], [0, 1], "nothing but END comes after it");
  await until("the host reads no more", () => pipe.get(P.TO_HOST_STOPPED) === 1);
  world.check("LIM-3", true, "it closes toHost");
}

export const limitCases: MonitorCase[] = [
  of(
    "udp: what a guest at its rate of datagrams has put waits, and none is lost",
    "LIM-2 UDP-11",
    async (world) => {
      await using host = await world.start(AT_A_RATE);
      using guest = await WireGuest.attached(host.path);
      await using server = await udpServer();
      const { pipe } = await guest.open(UDP_CONNECT, "ConnectRequest", connect(server.port), RINGS);
      const startMs = performance.now();
      const all = Array.from({ length: PER_SECOND + 40 }, (_, i) => i);
      for (const i of all) await send(pipe, Uint8Array.of(i));
      await until("the host to take them", () => pipe.free() === pipe.toHost);
      world.check("LIM-2", performance.now() - startMs > (1000 * 35) / PER_SECOND, "they wait");
      // The loopback keeps their order: when this one is there, all before it are, or are lost.
      await sleep(200);
      await send(pipe, Uint8Array.of(255));
      await until("the last one", () => server.received.at(-1)?.data[0] === 255);
      const numbers = server.received.map(({ data }) => data[0]);
      world.same("UDP-11", numbers, [...all, 255], "each of them, in order");
      world.same("LIM-2", pipe.readable(), 0, "nothing tells the guest so");
      pipe.finish();
    },
  ),
  of("udp: what comes to a guest at its rate waits in the host's kernel", "LIM-2 UDP-10", async (world) => {
    await using host = await world.start(AT_A_RATE);
    using guest = await WireGuest.attached(host.path);
    await using server = await udpServer();
    const { pipe, answer } = await guest.open(UDP_CONNECT, "ConnectRequest", connect(server.port), RINGS);
    const port = word(answer.payload, 4);
    const few = PER_SECOND + 40;
    const startMs = performance.now();
    for (let i = 0; i < few; i++) server.socket.send(pattern(10), port, "127.0.0.1");
    const waited = await tally(pipe, few);
    world.same("LIM-2", waited, { arrived: few, lost: 0 }, "as many as its room are not lost");
    world.check("LIM-2", performance.now() - startMs > (1000 * 35) / PER_SECOND, "they wait");
    const sent = await sendUntilOneIsDropped(server, port);
    const { arrived, lost } = await tally(pipe, sent);
    world.same("UDP-10", [arrived + lost, lost > 0], [sent, true], "what that drops is told");
    pipe.finish();
  }),
  of("udp-connect: a budget of bytes that is used up ends it", "LIM-3 UDP-9", async (world) => {
    await using host = await world.start(BUDGET);
    using guest = await WireGuest.attached(host.path);
    await using server = await udpServer();
    const { pipe } = await guest.open(UDP_CONNECT, "ConnectRequest", connect(server.port), RINGS);
    for (let i = 1; i <= 2; i++) {
      await send(pipe, pattern(BYTES));
      const datagrams = await came(server, i);
      world.same("LIM-3", datagrams.at(-1)!.length, 2 * BYTES, "one that begins within it goes whole");
    }
    await send(pipe, pattern(1));
    await endsUsedUp(world, pipe, server, [4, server.port]);
    pipe.finish();
    const next = await guest.open(UDP_CONNECT, "ConnectRequest", connect(server.port), RINGS);
    world.same("LIM-3", told(next.answer), [REFUSED, EDQUOT], "another connected one");
    const bound = await guest.open(UDP_BIND, "UdpBindRequest", { flags: 0, address: inet(0) }, RINGS);
    world.same("LIM-3", told(bound.answer), [REFUSED, EDQUOT], "a bound one");
  }),
  of(
    "udp-bind: what comes uses the budget up too, and its end names no peer",
    "LIM-3 UDP-9",
    async (world) => {
      await using host = await world.start(BUDGET);
      using guest = await WireGuest.attached(host.path);
      await using server = await udpServer();
      const bound = { flags: 0, address: inet(0) };
      const { pipe, answer } = await guest.open(UDP_BIND, "UdpBindRequest", bound, RINGS);
      const port = word(answer.payload, 4);
      for (let i = 0; i < 2; i++) {
        server.socket.send(pattern(BYTES), port, "127.0.0.1");
        const { payload } = await pipe.frame();
        world.same("LIM-3", payload.length, 28 + BYTES, "one that begins within it comes whole");
      }
      server.socket.send(pattern(1), port, "127.0.0.1");
      await endsUsedUp(world, pipe, server, [4, 0]);
      pipe.finish();
    },
  ),
];
