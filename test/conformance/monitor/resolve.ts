// resolve, and what rates and budgets look like: PROTOCOL.md sections 17 and 24 (LIM-2, LIM-3).

import { encode, type Fields } from "../../../packages/conformance/src/catalogue.ts";
import { P } from "../../../packages/conformance/src/host/layout.ts";
import { pattern } from "../../../packages/conformance/src/scenarios/scenario.ts";
import { nameServer } from "../../support/dns.ts";
import { tcpServer } from "../../support/tcp.ts";
import { until } from "../../support/wait.ts";
import { WireGuest, word } from "../wire-guest.ts";
import {
  connect,
  ERROR,
  frameOf,
  inet,
  type MonitorCase,
  type MonitorWorld,
  OPENED,
  of,
  REFUSED,
} from "./case.ts";

const ADDRESSES = 0x8801;
const [ENOENT, EACCES, EINVAL, ENOSYS, EDQUOT] = [2, 13, 22, 38, 122];

const name = (text: string, family = 0): Fields => ({ family, name: text });

/** Requests that are answered with Error, and the errno. */
const MISTAKES: readonly (readonly [errno: number, what: string, message: string, Fields])[] = [
  [EINVAL, "family 5", "Resolve", name("localhost", 5)],
  [EINVAL, "family 2^32 - 1", "Resolve", name("localhost", 0xffff_ffff)],
  [EINVAL, "an address", "Resolve", name("127.0.0.1")],
  [EINVAL, "no name", "Resolve", name("")],
  [EINVAL, "an address with a port", "Reverse", { address: inet(80) }],
  [EACCES, "a name that no rule allows", "Resolve", name("secret.evil.example")],
  [EACCES, "an address that no rule allows", "Reverse", { address: inet(0, "08080808") }],
];

export const resolveCases: MonitorCase[] = [
  ...MISTAKES.map(([errno, what, message, fields]) => {
    const clauses = errno === EACCES ? "RSL-4 RSL-6" : "RSL-6 ERR-6";
    return of(`resolve: ${what} is errno ${errno}`, clauses, async (world) => {
      const { pipe } = await world.guest.open(9);
      const answer = await pipe.ask(message, fields);
      for (const clause of clauses.split(" ")) world.same(clause, frameOf(answer), [ERROR, errno], what);
      pipe.finish();
    });
  }),
  of("resolve: requests and their end", "RSL-1 RSL-2 RSL-7 FRM-7", async (world) => {
    const { pipe, answer } = await world.guest.open(9);
    world.same("RSL-1", [answer.type, answer.payload.length], [OPENED, 0], "Opened");
    world.same("FRM-7", frameOf(await pipe.ask("Ping", { data: "" })), [ERROR, ENOSYS], "a foreign request");
    const first = await pipe.send(0x0801, encode("Resolve", name("localhost", 4)));
    const second = await pipe.send(0x0801, encode("Resolve", name("localhost", 4)));
    pipe.end();
    const replies = [await pipe.frame(), await pipe.frame()];
    const answered = replies.map(({ request }) => request).sort((a, b) => a - b);
    world.same("RSL-1", answered, [first, second], "each is answered");
    for (const { type, payload } of replies) {
      const found = [type, word(payload, 4), word(payload, 8), word(payload, 12)];
      world.same("RSL-2", found, [ADDRESSES, 1, 4, 0], "one address of family 4, port 0");
    }
    await until("the host's end", () => pipe.get(P.TO_GUEST_END) === 1 && pipe.get(P.TO_HOST_STOPPED) === 1);
    world.check("RSL-7", true, "answered, and then ended");
    pipe.finish();
  }),
  of("resolve: a body in its Open resets the stream", "RSL-1 STR-8", async (world) => {
    const pipe = await world.guest.opening(9, Uint8Array.of(0));
    const reset = await pipe.wasReset();
    world.check("RSL-1", reset, "a reset");
    world.check("STR-8", reset, "a reset");
  }),
  of("names, rates and a budget of bytes", "RSL-4 RSL-5 RSL-6 LIM-2 LIM-3", async (world) => {
    await using dns = await nameServer({ "a.test": ["127.0.0.9", "10.0.0.1"], "b.test": ["10.0.0.1"] });
    await using host = await world.start(OWN_POLICY, { names: dns.names });
    using guest = await WireGuest.attached(host.path);
    await toldByName(world, guest);
    await atItsRates(world, guest);
  }),
];

const OWN_POLICY = `version: 1
connect: [{ allow: "*.test", resolvesTo: loopback }, { allow: 127.0.0.1 }]
rates: { connections: 4, bytesToHost: 4KiB }
limits: { networkBytes: 9035 }
`;

async function toldByName(world: MonitorWorld, guest: WireGuest): Promise<void> {
  await using server = await tcpServer(() => {}, "127.0.0.9");
  const before = await guest.open(2, "ConnectRequest", connect(server.port, "127.0.0.9"));
  world.same("RSL-5", frameOf(before.answer), [REFUSED, EACCES], "before");
  before.pipe.finish();
  const { pipe } = await guest.open(9);
  const { type, payload } = await pipe.ask("Resolve", name("a.test", 4));
  const told = [type, word(payload, 4), Buffer.from(payload.subarray(16, 20)).toString("hex")];
  world.same("RSL-4", told, [ADDRESSES, 1, "7f000009"], "what is allowed at no port is left out");
  const none = frameOf(await pipe.ask("Resolve", name("b.test", 4)));
  world.same("RSL-4", none, [ERROR, EACCES], "none is left");
  const missing = frameOf(await pipe.ask("Resolve", name("c.test", 4)));
  world.same("RSL-6", missing, [ERROR, ENOENT], "a name that does not exist");
  const after = await guest.open(2, "ConnectRequest", connect(server.port, "127.0.0.9"));
  world.same("RSL-5", after.answer.type, OPENED, "after");
  after.pipe.finish();
}

async function atItsRates(world: MonitorWorld, guest: WireGuest): Promise<void> {
  await using greeting = await tcpServer((socket) => void socket.end("hello"));
  await using server = await tcpServer((socket) => void socket.resume());
  const startMs = performance.now();
  for (let i = 0; i < 7; i++) {
    const { pipe, answer } = await guest.open(2, "ConnectRequest", connect(greeting.port, "127.0.0.1", 200));
    world.same("LIM-2", answer.type, OPENED, "Opened, although later than its time limit");
    world.same("LIM-2", (await pipe.takeAll()).bytes.toString(), "hello", "its bytes");
    pipe.finish();
  }
  world.check("LIM-2", performance.now() - startMs > 600, "connections wait");
  const { pipe } = await guest.open(2, "ConnectRequest", connect(server.port));
  const sentMs = performance.now();
  await pipe.put(pattern(12_000));
  world.check("LIM-3", await pipe.wasReset(), "a reset");
  world.check("LIM-2", performance.now() - sentMs > 800, "bytes wait");
  await until("what was within it", () => server.sockets[0]!.bytesRead === 9000);
  const next = await guest.open(2, "ConnectRequest", connect(server.port));
  world.same("LIM-3", frameOf(next.answer), [REFUSED, EDQUOT], "another Open");
}
