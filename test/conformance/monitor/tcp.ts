// tcp-connect and tcp-listen: PROTOCOL.md sections 11 and 12.

import { encode, type Fields, le32 } from "../../../packages/conformance/src/catalogue.ts";
import { P } from "../../../packages/conformance/src/host/layout.ts";
import { pattern } from "../../../packages/conformance/src/scenarios/scenario.ts";
import { freePort, howItEnds, readAll, tcpClient, tcpServer } from "../../support/tcp.ts";
import { until } from "../../support/wait.ts";
import { word } from "../wire-guest.ts";
import {
  connect,
  ERROR,
  firstFrame,
  frameOf,
  header,
  inet,
  type MonitorCase,
  OPENED,
  of,
  REFUSED,
} from "./case.ts";

export const tcpCases: MonitorCase[] = [
  of("tcp-connect: opened, half-close each way", "TCP-1 TCP-2 TCP-3 TCP-4 STR-2", async (world) => {
    await using server = await tcpServer();
    const { pipe, answer } = await world.guest.open(2, "ConnectRequest", connect(server.port));
    world.same("STR-2", answer.type, OPENED, "Opened");
    const [local, peer] = [answer.payload.subarray(0, 24), Buffer.from(answer.payload.subarray(24))];
    const socket = await until("a connection", () => server.sockets[0]);
    world.same("TCP-3", [word(local), word(local, 4)], [4, socket.remotePort], "local address");
    world.same(
      "TCP-2",
      peer.toString("hex"),
      Buffer.from([
        ...le32(4),
        ...le32(server.port),
        127,
        0,
        0,
        1,
        ...new Array<number>(12).fill(0),
      ]).toString("hex"),
      "peer address",
    );
    world.check("TCP-1", true, "a literal address");
    const all = readAll(socket);
    await pipe.put(pattern(9000));
    pipe.end();
    world.check("TCP-4", (await all).equals(pattern(9000)), "bytes, then FIN");
    socket.end(pattern(7000, 2));
    const { bytes, closed } = await pipe.takeAll();
    world.same("TCP-4", [bytes.equals(pattern(7000, 2)), closed], [true, 1], "bytes, then END");
    pipe.finish();
  }),
  of("tcp-connect: reset each way", "TCP-4 RING-8", async (world) => {
    await using server = await tcpServer();
    const { pipe } = await world.guest.open(2, "ConnectRequest", connect(server.port));
    const first = await until("a connection", () => server.sockets[0]);
    const ends = howItEnds(first);
    pipe.reset();
    world.same("TCP-4", await ends, "ECONNRESET", "RESET is RST");
    pipe.finish();
    const { pipe: other } = await world.guest.open(2, "ConnectRequest", connect(server.port));
    (await until("a connection", () => server.sockets[1])).resetAndDestroy();
    world.same("RING-8", (await other.takeAll()).closed, 2, "RST is RESET");
    other.finish();
  }),
  of("tcp-connect: reading no more, then ended", "TCP-5", async (world) => {
    await using server = await tcpServer();
    const { pipe } = await world.guest.open(2, "ConnectRequest", connect(server.port));
    const socket = await until("a connection", () => server.sockets[0]);
    const all = readAll(socket);
    pipe.stop();
    socket.write(pattern(100_000));
    await pipe.put(pattern(500));
    pipe.end();
    world.check("TCP-5", (await all).equals(pattern(500)), "it goes on sending");
    // Without the peer's FIN.
    await until(
      "both of the host's words",
      () => pipe.get(P.TO_GUEST_END) === 1 && pipe.get(P.TO_HOST_STOPPED) === 1,
    );
    world.check("TCP-5", true, "both are closed without the peer's FIN");
  }),
  of("tcp-connect: refusals", "TCP-1 TCP-6 STR-2 STR-5 MSG-1", async (world) => {
    const refused = async (fields: Fields): Promise<[number, number]> => {
      const { pipe, answer } = await world.guest.open(2, "ConnectRequest", fields);
      pipe.finish();
      return frameOf(answer);
    };
    world.same("TCP-1", await refused(connect(0)), [REFUSED, 22], "port 0");
    world.same("TCP-1", await refused(connect(65536)), [REFUSED, 22], "port 65536");
    world.same("TCP-6", await refused(connect(80, "8.8.8.8")), [REFUSED, 13], "what no rule allows");
    await until("the refusal", () => world.host.refusals.length > 0);
    world.check("STR-5", true, "the policy decided, and said so");
    world.same("TCP-6", await refused(connect(await freePort())), [REFUSED, 111], "nobody listens");
    world.check("STR-2", true, "Refused");
    const { answer } = await world.guest.open(2, "ConnectRequest", connect(80, "8.8.8.8"));
    world.check("MSG-1", answer.payload.length >= 12, "errno, rule, reason");
  }),
  of("tcp-connect: a name is tried at each of its addresses", "TCP-7", async (world) => {
    await using server = await tcpServer();
    // Some resolve it to ::1 first: nobody listens there, and the next is tried.
    const { pipe, answer } = await world.guest.open(2, "ConnectRequest", connect(server.port, "localhost"));
    world.same("TCP-7", answer.type, OPENED, "Opened");
    pipe.finish();
  }),
  of(
    "tcp-listen: accepts are posted, connections come on them in order",
    "LSN-1 LSN-2 LSN-3 LSN-4 STR-6 FRM-7",
    async (world) => {
      const { guest } = world;
      const { pipe: listener, answer } = await guest.open(3, "ListenRequest", {
        backlog: 8,
        address: inet(0),
      });
      const port = word(answer.payload, 4);
      world.check("LSN-1", answer.type === OPENED && port > 0, `bound to ${port}`);
      const clients = [await tcpClient(port), await tcpClient(port)];
      const posted = [await guest.newStream(), await guest.newStream()];
      const ids: number[] = [];
      for (const { id, generation } of posted)
        ids.push(await listener.send(0x0301, encode("Accept", { id, generation })));
      for (const [i, pipe] of posted.entries()) {
        const frame = await pipe.frame();
        world.same("LSN-3", [frame.type, frame.request], [0x8301, ids[i]], "Incoming");
        world.same(
          "LSN-4",
          word(frame.payload, 28),
          clients[i]!.localPort,
          "the connection that waited longest",
        );
        clients[i]!.write(pattern(20));
        world.same("LSN-3", await pipe.takeExactly(20), Buffer.from(pattern(20)), "raw bytes");
      }
      const begun = await guest.newStream();
      await begun.put(Uint8Array.of(4, 0));
      const fresh = await guest.newStream();
      const errors: [string, string, number, Fields][] = [
        ["LSN-2", "no such stream", 9, { id: 999, generation: 1 }],
        ["STR-6", "an old generation", 9, { id: fresh.id, generation: fresh.generation - 1 }],
        [
          "LSN-2",
          "a stream with a part of an Open on it",
          22,
          { id: begun.id, generation: begun.generation },
        ],
        ["LSN-2", "a stream that is not fresh", 22, { id: posted[0]!.id, generation: posted[0]!.generation }],
      ];
      for (const [clause, what, errno, accept] of errors) {
        const request = await listener.send(0x0301, encode("Accept", accept));
        const frame = await listener.frame();
        world.same(clause, [...frameOf(frame), frame.request], [ERROR, errno, request], what);
      }
      const unknown = await listener.send(0x03ff, [1, 2, 3]);
      const reply = await listener.frame();
      world.same(
        "FRM-7",
        [...frameOf(reply), reply.request],
        [ERROR, 38, unknown],
        "a request that nobody knows",
      );
      await fresh.send(0x0201, encode("Open", { protocol: 1, body: "" }));
      world.same("LSN-2", (await fresh.frame()).type, OPENED, "a stream that was not taken stays fresh");
      for (const client of clients) client.destroy();
      for (const pipe of [...posted, listener]) pipe.finish();
    },
  ),
  of("tcp-listen: its end closes the port and resets what is posted", "LSN-6 LSN-3", async (world) => {
    const { guest } = world;
    const { pipe: listener, answer } = await guest.open(3, "ListenRequest", { backlog: 8, address: inet(0) });
    const [closed, waiting] = [await guest.newStream(), await guest.newStream()];
    for (const { id, generation } of [closed, waiting]) {
      await listener.send(0x0301, encode("Accept", { id, generation }));
    }
    // The first is given up: the connection comes on the second.
    closed.finish();
    await until("it to be taken back", () => world.host.monitor.counters().streams === 2);
    const client = await tcpClient(word(answer.payload, 4));
    world.same("LSN-3", (await waiting.frame()).type, 0x8301, "Incoming on the next");
    const last = await guest.newStream();
    await listener.send(0x0301, encode("Accept", { id: last.id, generation: last.generation }));
    await guest.control.ask("Ping", { data: "" });
    listener.end();
    world.check("LSN-6", await last.wasReset(), "the posted stream is reset");
    const late = await tcpClient(word(answer.payload, 4)).then(
      () => "connected",
      () => "refused",
    );
    world.same("LSN-6", late, "refused", "the port");
    client.destroy();
  }),
  of("tcp-listen: refusals", "LSN-1", async (world) => {
    await using server = await tcpServer();
    const taken = await world.guest.open(3, "ListenRequest", { backlog: 1, address: inet(server.port) });
    world.same("LSN-1", frameOf(taken.answer), [REFUSED, 98], "a port in use");
    const denied = await world.guest.open(3, "ListenRequest", { backlog: 1, address: inet(0, "0a000001") });
    world.same("LSN-1", frameOf(denied.answer), [REFUSED, 13], "what no rule allows");
  }),
  firstFrame("an address of family 5", "TCP-2 FRM-6", () => {
    const body = [...le32(3), ...le32(1), ...le32(5), ...le32(80), ...new Array<number>(16).fill(0)];
    return [...header(body.length, 0x0201), ...body];
  }),
];
