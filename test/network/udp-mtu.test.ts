// Datagrams over a way whose packets are small: the kernel makes no one message of those that are larger (UDP_SEGMENT),
// and takes them apart one by one (IP fragments). In a network namespace, whose loopback is made so.

import { join } from "node:path";
import { FrameWriter, udpMessages } from "@ringway/control";
import { afterAll, beforeAll, expect, test } from "vitest";
import { MonitorProgram, nsenter, Program, unshare } from "../support/processes.ts";
import { temporaryFolder } from "../support/temporary.ts";
import { UdpGuest } from "../support/udp.ts";

const POLICY = "version: 1\nconnect: [{ allow: 127.0.0.1, protocols: udp }]\n";
const MTU_BYTES = 1400;

const ECHO = `const socket = require("node:dgram").createSocket("udp4");
socket.on("message", (data, from) => socket.send(data, from.port, from.address));
socket.bind(0, "127.0.0.1", () => console.log("port", socket.address().port));`;

let monitor: MonitorProgram;
let server: Program;
let guest: UdpGuest;
let port: number;

beforeAll(async () => {
  const path = join(temporaryFolder("mtu"), "attach.sock");
  const narrow = `ip link set lo up mtu ${MTU_BYTES} && exec "$@"`;
  monitor = await MonitorProgram.start(path, POLICY, {
    under: [...unshare("--net"), "sh", "-c", narrow, "sh"],
  });
  const [program, ...args] = [...nsenter(monitor.pid, "--net"), process.execPath, "-e", ECHO];
  server = new Program(program!, args);
  port = Number((await server.line("port")).split(" ")[1]);
  guest = await UdpGuest.attach(path);
});
afterAll(() => {
  guest?.vanish();
  server?.[Symbol.dispose]();
  monitor?.[Symbol.dispose]();
});

test("runs of datagrams larger than a packet, and smaller, come back whole, in order, and are counted", async () => {
  const udp = await guest.udpConnect("127.0.0.1", port);
  const sizes = [
    1000,
    1000,
    1000,
    ...new Array<number>(20).fill(2000),
    1999,
    0,
    ...new Array<number>(9).fill(700),
  ];
  const sent = sizes.map((bytes, i) => Buffer.alloc(bytes, i + 1));
  // All of them are there when the host looks.
  const writer = new FrameWriter(udp.pipe.toHost);
  for (const data of sent) {
    expect(writer.send(udpMessages.UdpSend, 0, { segment: 0, data }, () => {})).toBe(true);
  }
  guest.signal(udp.pipe);
  expect(await udp.receiveAll(sent.length)).toEqual(sent);
  expect((await monitor.ask<{ datagramsToHost: number }>("counters")).datagramsToHost).toBe(sent.length);
  guest.finish(udp.pipe);
});
