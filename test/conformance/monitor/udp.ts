// udp-connect and udp-bind: PROTOCOL.md section 16.

import { encode, type Fields, frameBytes, MESSAGES } from "../../../packages/conformance/src/catalogue.ts";
import type { HostFrame } from "../../../packages/conformance/src/host/pipe.ts";
import { pattern } from "../../../packages/conformance/src/scenarios/scenario.ts";
import { freePort } from "../../support/tcp.ts";
import { type UdpServer, udpServer } from "../../support/udp.ts";
import { until } from "../../support/wait.ts";
import { WireGuest, type WirePipe, word } from "../wire-guest.ts";
import { connect, ERROR, inet, type MonitorCase, OPENED, of, REFUSED } from "./case.ts";

/** As large as the largest datagram needs (UDP-6). */
export const RINGS = 1 << 17;
export const UDP_ERROR = 0x8708;
export const UDP_LOST = 0x8709;
const [EACCES, EINVAL, ENOSYS, EMSGSIZE, ETIMEDOUT, ECONNREFUSED] = [13, 22, 38, 90, 110, 111];

async function put(pipe: WirePipe, name: string, fields: Fields): Promise<void> {
  await pipe.put(frameBytes(MESSAGES[name]!.type!, 0, encode(name, fields)));
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
export const send = (pipe: WirePipe, data: Uint8Array, segment = 0): Promise<void> =>
  put(pipe, "UdpSend", { segment, data: hex(data) });
const sendTo = (pipe: WirePipe, peer: Fields, data: Uint8Array): Promise<void> =>
  put(pipe, "UdpSendTo", { segment: 0, peer, data: hex(data) });

export async function came(server: UdpServer, count: number): Promise<string[]> {
  await until(`${count} datagrams`, () => server.received.length >= count);
  return server.received.map(({ data }) => hex(data));
}

/** Type and errno of an Error or UdpError. */
export const told = ({ type, payload }: HostFrame): [number, number] => [type, word(payload)];

export const udpCases: MonitorCase[] = [
  of(
    "udp-connect: datagrams of any size both ways, whole, of one peer alone",
    "UDP-1 UDP-4 UDP-5 UDP-6",
    async (world) => {
      await using server = await udpServer({ type: "udp4", echoes: true });
      await using other = await udpServer();
      const { pipe, answer } = await world.guest.open(7, "ConnectRequest", connect(server.port), RINGS);
      world.same("UDP-1", [answer.type, answer.payload.length], [OPENED, 48], "Opened with both addresses");
      const local = word(answer.payload, 4);
      await new Promise((resolve) => other.socket.send("psst", local, "127.0.0.1", resolve));
      for (const bytes of [0, 1, 1400, 65_507]) {
        const data = pattern(bytes, bytes);
        await send(pipe, data);
        const { type, request, payload } = await pipe.frame();
        world.same("UDP-4", [type, request], [0x8701, 0], `${bytes} bytes come back`);
        world.same("UDP-5", word(payload), 0, `${bytes} bytes: no train`);
        world.check("UDP-6", hex(payload.subarray(4)) === hex(data), `${bytes} bytes as they were`);
      }
      world.check("UDP-1", pipe.readable() === 0, "nothing of another peer");
      const before = server.received.length;
      await send(pipe, pattern(25), 10);
      const parts = (await came(server, before + 3)).slice(before);
      const train = hex(pattern(25));
      world.same("UDP-5", parts, [train.slice(0, 20), train.slice(20, 40), train.slice(40)], "a train");
      pipe.finish();
    },
  ),
  of(
    "udp-connect: what cannot be sent is told, and the socket goes on",
    "UDP-5 UDP-6 UDP-9",
    async (world) => {
      await using server = await udpServer();
      const { pipe } = await world.guest.open(7, "ConnectRequest", connect(server.port), RINGS);
      await send(pipe, pattern(65_508));
      world.same("UDP-6", told(await pipe.frame()), [UDP_ERROR, EMSGSIZE], "a byte too many");
      await send(pipe, pattern(65), 1);
      world.same("UDP-5", told(await pipe.frame()), [UDP_ERROR, EINVAL], "a train of 65");
      await sendTo(pipe, inet(server.port), pattern(3));
      world.same("UDP-9", told(await pipe.frame()), [UDP_ERROR, ENOSYS], "the other protocol's frame");
      await send(pipe, pattern(9));
      world.same(
        "UDP-9",
        await came(server, 1),
        [hex(pattern(9))],
        "the next one goes out, and nothing before it",
      );
      pipe.finish();
    },
  ),
  of("udp-connect: nobody at the port is told, and the socket goes on", "UDP-9", async (world) => {
    const port = await freePort();
    const { pipe } = await world.guest.open(7, "ConnectRequest", connect(port), RINGS);
    await send(pipe, pattern(3));
    world.same("UDP-9", told(await pipe.frame()), [UDP_ERROR, ECONNREFUSED], "an ICMP error");
    pipe.finish();
  }),
  of("udp-connect: END after what was sent, RESET at once", "UDP-15", async (world) => {
    await using server = await udpServer();
    const { pipe } = await world.guest.open(7, "ConnectRequest", connect(server.port), RINGS);
    await send(pipe, pattern(7));
    pipe.end();
    world.same("UDP-15", (await pipe.takeAll()).closed, 1, "END answers END");
    world.same("UDP-15", await came(server, 1), [hex(pattern(7))], "after the datagram before it");
    pipe.finish();
    const { pipe: second } = await world.guest.open(7, "ConnectRequest", connect(server.port), RINGS);
    second.reset();
    world.same("UDP-15", (await second.takeAll()).closed, 2, "RESET answers RESET");
    second.finish();
  }),
  of("what a ring does not hold is lost, and told before what comes after it", "UDP-10", async (world) => {
    await using server = await udpServer();
    const { pipe, answer } = await world.guest.open(7, "ConnectRequest", connect(server.port), 4096);
    const port = word(answer.payload, 4);
    server.socket.send(Buffer.alloc(4090), port, "127.0.0.1");
    server.socket.send(pattern(5), port, "127.0.0.1");
    const lost = await pipe.frame();
    world.same("UDP-10", [lost.type, word(lost.payload)], [UDP_LOST, 1], "one is lost");
    world.same("UDP-10", (await pipe.frame()).type, 0x8701, "the next one comes");
    pipe.finish();
  }),
  of("udp-bind: the address really bound, many peers, flags", "UDP-2 UDP-4 UDP-7", async (world) => {
    await using one = await udpServer({ type: "udp4", echoes: true });
    const { pipe, answer } = await world.guest.open(
      8,
      "UdpBindRequest",
      { flags: 0, address: inet(0) },
      RINGS,
    );
    world.same("UDP-2", [answer.type, answer.payload.length], [OPENED, 24], "Opened");
    world.check("UDP-2", word(answer.payload, 4) > 0, "a port");
    await sendTo(pipe, inet(one.port), pattern(11));
    const { type, payload } = await pipe.frame();
    world.same("UDP-4", [type, word(payload, 4), word(payload, 8)], [0x8702, 4, one.port], "its peer");
    await sendTo(pipe, inet(5353, "08080808"), pattern(3));
    world.same("UDP-7", told(await pipe.frame()), [UDP_ERROR, EACCES], "a peer that no rule allows");
    pipe.finish();
    const flags = { flags: 4, address: inet(0) };
    const { answer: refused } = await world.guest.open(8, "UdpBindRequest", flags, RINGS);
    world.same("UDP-2", told(refused), [REFUSED, EINVAL], "a flag that nobody knows");
  }),
  of("udp-bind: a client's own socket hears those alone that it has sent to", "UDP-3", async (world) => {
    await using server = await udpServer({ type: "udp4", echoes: true });
    await using stranger = await udpServer();
    const { pipe, answer } = await world.guest.open(
      8,
      "UdpBindRequest",
      { flags: 0, address: inet(0, "00000000") },
      RINGS,
    );
    const port = word(answer.payload, 4);
    await new Promise((resolve) => stranger.socket.send("psst", port, "127.0.0.1", resolve));
    await sendTo(pipe, inet(server.port), pattern(4));
    const { payload } = await pipe.frame();
    world.same("UDP-3", word(payload, 8), server.port, "the first that comes is the answer");
    world.check("UDP-3", pipe.readable() === 0, "and nothing else");
    pipe.finish();
  }),
  of("udp-bind: options, groups and names are asked for", "UDP-8 UDP-12 UDP-13", async (world) => {
    const bound = { flags: 0, address: inet(0) };
    const { pipe } = await world.guest.open(8, "UdpBindRequest", bound, RINGS);
    for (const [option, value, type] of [
      [1, 1, 0x8002],
      [1, 0, ERROR],
      [2, 0, 0x8002],
      [3, 2, ERROR],
      [4, 1, 0x8002],
      [5, 0, ERROR],
    ]) {
      const answer = await pipe.ask("UdpSet", { option: option!, value: value! });
      world.same("UDP-12", answer.type, type, `option ${option}: ${value}`);
    }
    const any = inet(0, "00000000");
    const group = { group: inet(0, "ef010203"), source: any, interface: any };
    world.same("UDP-13", told(await pipe.ask("UdpJoin", group)), [ERROR, EACCES], "no rule names it");
    const none = { ...group, group: inet(0, "7f000001") };
    world.same("UDP-13", told(await pipe.ask("UdpJoin", none)), [ERROR, EINVAL], "no group");
    const named = await pipe.ask("UdpLookup", { port: 0, host: "x.test" });
    world.same("UDP-8", told(named), [ERROR, EINVAL], "port 0");
    const literal = await pipe.ask("UdpLookup", { port: 5, host: "127.0.0.1" });
    world.same("UDP-8", told(literal), [ERROR, EINVAL], "an address is no name");
    pipe.finish();
  }),
  of("udp-connect: one that nobody uses ends", "UDP-14", async (world) => {
    await using host = await world.start(
      "version: 1\nconnect: [{ allow: 127.0.0.1, protocols: udp }]\ntimeouts: { udpIdleMs: 100 }\n",
    );
    using guest = await WireGuest.attached(host.path);
    await using server = await udpServer();
    const { pipe } = await guest.open(7, "ConnectRequest", connect(server.port), RINGS);
    world.same("UDP-14", told(await pipe.frame()), [UDP_ERROR, ETIMEDOUT], "UdpError first");
    world.same("UDP-14", (await pipe.takeAll()).closed, 1, "then END");
    pipe.finish();
  }),
];
