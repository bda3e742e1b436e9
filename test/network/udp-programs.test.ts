// Programs that know nothing of Ringway on both sides of a guest of the SDK, over UDP: dig and dnsmasq, socat, iperf3,
// and openssl, which speaks DTLS.

import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { Guest, type GuestUdpSocket, type UdpRemote } from "@ringway/guest";
import { beforeAll, describe, expect, test } from "vitest";
import { heldForAll } from "../support/held.ts";
import { startMonitor, type TestMonitor } from "../support/monitor.ts";
import { Program } from "../support/processes.ts";
import { freePort } from "../support/tcp.ts";
import { until } from "../support/wait.ts";

const POLICY = `version: 1
connect:
  - { id: local, allow: 127.0.0.1, protocols: [tcp, udp] }
  - { id: group, allow: 239.9.9.9, protocols: udp }
listen:
  - { id: here, allow: [127.0.0.1, 0.0.0.0, 239.9.9.9], ports: [0, 1024-65535], protocols: [tcp, udp] }
`;

let host: TestMonitor;
let guest: Guest;

const hold = heldForAll();
beforeAll(async () => {
  host = hold(await startMonitor(POLICY));
  guest = hold(await Guest.attach(host.path));
});

async function bound(port = 0, address = "127.0.0.1"): Promise<GuestUdpSocket> {
  const socket = guest.udp({ type: "udp4", reuseAddr: true });
  socket.bind(port, address);
  await once(socket, "listening");
  return socket;
}

/** In the guest: what comes goes on to a port of the host's, from a socket for each peer, and back. */
async function forwarder(port: number): Promise<{ port: number } & AsyncDisposable> {
  const front = await bound();
  const sockets = new Map<string, GuestUdpSocket>();
  front.on("message", (data: Buffer, from: UdpRemote) => {
    const key = `${from.address}:${from.port}`;
    let back = sockets.get(key);
    if (back === undefined) {
      back = guest.udp("udp4", (answer) => front.send(answer, from.port, from.address));
      back.on("error", () => {});
      back.connect(port, "127.0.0.1");
      sockets.set(key, back);
      back.once("connect", () => back!.send(data));
    } else back.send(data);
  });
  return {
    port: front.address().port,
    async [Symbol.asyncDispose]() {
      for (const socket of [front, ...sockets.values()]) await socket[Symbol.asyncDispose]();
    },
  };
}

describe("a name server behind a guest", () => {
  test("dig gets from dnsmasq what it asks for: short answers, and long ones in one datagram", async () => {
    const port = await freePort();
    const long = Array.from({ length: 40 }, (_, i) => `host-record=many.test,10.0.0.${i}\n`).join("");
    const config = join(host.folder, "dnsmasq.conf");
    writeFileSync(
      config,
      `no-resolv\nno-hosts\nbind-interfaces\nlisten-address=127.0.0.1\nport=${port}\nedns-packet-max=4096\n` +
        `host-record=one.test,192.0.2.1\ntxt-record=text.test,"a text"\n${long}`,
    );
    using server = new Program("dnsmasq", ["--keep-in-foreground", "--user=root", `--conf-file=${config}`]);
    await using front = await forwarder(port);
    const dig = async (...args: string[]): Promise<string> => {
      const asking = [
        "@127.0.0.1",
        "-p",
        String(front.port),
        "+short",
        "+tries=1",
        "+time=5",
        "+bufsize=4096",
      ];
      using program = new Program("dig", [...asking, ...args]);
      await program.exited;
      return program.output.trim();
    };
    await until("dnsmasq", async () => (await dig("one.test", "A")) === "192.0.2.1");
    expect(await dig("text.test", "TXT")).toBe('"a text"');
    expect((await dig("many.test", "A", "+ignore", "+notcp")).split("\n")).toHaveLength(40);
    expect(server.child.exitCode).toBe(null);
  });
});

describe("socat", () => {
  test("talks to a socket of the guest's, which answers each datagram", async () => {
    const socket = await bound();
    socket.on("message", (data: Buffer, from: UdpRemote) => {
      socket.send(data.toString().toUpperCase(), from.port, from.address);
    });
    const to = `UDP4:127.0.0.1:${socket.address().port}`;
    using program = new Program("socat", ["-t2", "-", to], { input: "a question" });
    await program.exited;
    expect(program.output).toBe("A QUESTION");
    socket.close();
  });

  test("sends to a group that the guest is in, and gets what the guest sends to it", async () => {
    const socket = await bound(0, "0.0.0.0");
    const { port } = socket.address();
    socket.addMembership("239.9.9.9", "127.0.0.1");
    const heard: string[] = [];
    socket.on("message", (data: Buffer) => heard.push(data.toString()));
    const to = `UDP4-DATAGRAM:239.9.9.9:${port},ip-multicast-if=127.0.0.1`;
    await until("the group's datagram", async () => {
      using program = new Program("socat", ["-u", "-", to], { input: "to the group" });
      await program.exited;
      return heard.includes("to the group");
    });
    const listens = `UDP4-RECV:${port},reuseaddr,ip-add-membership=239.9.9.9:127.0.0.1`;
    using listener = new Program("socat", ["-u", listens, "-"]);
    socket.setMulticastInterface("127.0.0.1");
    await until("what the guest says", () => {
      socket.send("from the guest", port, "239.9.9.9");
      return listener.output.includes("from the guest");
    });
    socket.close();
  });
});

describe("iperf3 -u", () => {
  test("sends to a server through a guest, and what arrives is what was sent, less what is said to be lost", async () => {
    const port = await freePort();
    using server = new Program("iperf3", ["-s", "-1", "--forceflush", "-p", String(port), "-B", "127.0.0.1"]);
    await server.line("listening");
    // Its control connection is TCP, to the same port: straight to the server.
    const control = createServer((inner) => {
      const outer = connect(port, "127.0.0.1");
      inner.on("error", () => outer.destroy()).pipe(outer);
      outer.on("error", () => inner.destroy()).pipe(inner);
    });
    // A port that is free for UDP may be taken for TCP.
    await using front = await until("a port for both", async () => {
      const one = await forwarder(port);
      const listening = await new Promise<boolean>((resolve) => {
        control.once("error", () => resolve(false)).listen(one.port, "127.0.0.1", () => resolve(true));
      });
      if (listening) return one;
      await one[Symbol.asyncDispose]();
      return undefined;
    });
    const args = [
      "-c",
      "127.0.0.1",
      "-p",
      String(front.port),
      "-u",
      "-b",
      "5M",
      "-l",
      "1200",
      "-t",
      "1",
      "-J",
    ];
    using client = new Program("iperf3", args);
    await client.exited;
    control.close();
    const { sum, error } = JSON.parse(client.output).end.sum
      ? { sum: JSON.parse(client.output).end.sum, error: undefined }
      : { sum: undefined, error: client.output };
    expect(error).toBe(undefined);
    expect(sum.packets).toBeGreaterThan(100);
    expect(sum.lost_packets).toBeLessThan(sum.packets / 2);
  });
});

describe("openssl", () => {
  test("shakes hands over DTLS through a guest, and each side hears the other", async () => {
    const [key, certificate] = [join(host.folder, "dtls.key"), join(host.folder, "dtls.crt")];
    const elliptic = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
    const request = [
      "req",
      "-x509",
      ...elliptic,
      "-subj",
      "/CN=localhost",
      "-keyout",
      key,
      "-out",
      certificate,
    ];
    execFileSync("openssl", request, { stdio: "ignore" });
    const port = await freePort();
    const at = ["-accept", `127.0.0.1:${port}`, "-cert", certificate, "-key", key];
    using server = new Program("openssl", ["s_server", "-dtls1_2", ...at]);
    await server.line("ACCEPT");
    await using front = await forwarder(port);
    const to = ["-connect", `127.0.0.1:${front.port}`, "-CAfile", certificate];
    using client = new Program("openssl", ["s_client", "-dtls1_2", ...to]);
    await client.line("Verify return code: 0 (ok)");
    client.child.stdin!.write("from the client\n");
    await server.line("from the client");
    server.child.stdin!.write("from the server\n");
    await client.line("from the server");
  });
});
