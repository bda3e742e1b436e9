// Datagrams of ringway cat: remotes as peers, groups, and what a slow reader costs.

import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { describe, expect, onTestFinished, test } from "vitest";
import { LOADED_MS } from "../support/processes.ts";
import { Home } from "../support/ringway.ts";
import { freePort } from "../support/tcp.ts";
import { until } from "../support/wait.ts";
import { cat, ended, missing, portsOf, printed, program, said } from "./cats.ts";

/** Prints the port, and then the TTL of what comes there. */
const TELLS_TTL = `
import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, 12, 1)  # IP_RECVTTL
s.bind(("127.0.0.1", 0))
print("port", s.getsockname()[1], flush=True)
print("ttl", struct.unpack("i", s.recvmsg(100, 100)[1][0][2])[0], flush=True)
`;

async function udp(
  port = 0,
  host = "127.0.0.1",
): Promise<{ readonly socket: Socket; readonly port: number; readonly heard: string[] }> {
  const socket = createSocket("udp4");
  onTestFinished(() => void socket.close());
  socket.bind(port, host);
  await once(socket, "listening");
  const heard: string[] = [];
  socket.on("message", (data) => void heard.push(String(data)));
  return { socket, port: socket.address().port, heard };
}

describe("ringway cat -u", () => {
  test("sends each line as a datagram, and hears whoever answers", async () => {
    const server = await udp();
    server.socket.on("message", (data, { port }) => server.socket.send(`<${data}>`, port, "127.0.0.1"));
    const client = cat(["-u", "-i", "lines", `127.0.0.1:${server.port}`], "one\ntwo\n");
    await printed(client, "<one\n><two\n>");
    expect(server.heard).toEqual(["one\n", "two\n"]);
  });

  test("-L answers each remote that it has heard from, up to -m, then the latest, and --idle forgets them", async () => {
    const listening = cat(["-u", "-L", "127.0.0.1:0", "-m", "2", "-i", "echo", "--idle", "300ms", "-v"], "");
    const [port] = await portsOf(listening);
    const remotes = [await udp(), await udp(), await udp()];
    for (const [i, { socket, heard }] of remotes.slice(0, 2).entries()) {
      socket.send(`from ${i}`, port!, "127.0.0.1");
      await until("the echo", () => heard.includes(`from ${i}`));
    }
    // The one that has been silent longest makes room.
    remotes[2]!.socket.send("one more", port!, "127.0.0.1");
    await until("the echo", () => remotes[2]!.heard.includes("one more"));
    await said(listening, "2 at the most (-m)");
    await said(listening, new RegExp(`:${remotes[0]!.port}: closed`));
    await said(listening, "idle for too long");
  });

  test("a target is heard alone, and what cannot be sent is told", async () => {
    const [server, stranger] = [await udp(), await udp()];
    const from = await freePort();
    const client = cat(["-u", "-v", `127.0.0.1:${from}=127.0.0.1:${server.port}`]);
    client.child.stdin!.write("hello");
    await until("it to come", () => server.heard.length === 1);
    stranger.socket.send("psst", from, "127.0.0.1");
    await new Promise<void>((resolve) => stranger.socket.send("psst", from, "127.0.0.1", () => resolve()));
    server.socket.send("of the server", from, "127.0.0.1");
    await printed(client, "of the server");
    client.child.stdin!.write("secret");
    await until("it to come", () => server.heard.length === 2);
    expect(stranger.heard).toEqual([]);
    expect(client.output).toBe("of the server");
    // No broadcast without -b.
    const wide = cat(["-u", "--exit-after-input", "-i", "lines", "255.255.255.255:9"], "1\n2\n");
    await ended(wide);
    expect(wide.errors).toMatch(/not sent: .*EACCES[\s\S]*2 datagrams could not be sent/);
  });

  test.skipIf(missing("ncat") !== undefined || missing("socat") !== undefined)(
    "is a hub between ncat and socat",
    async () => {
      const hub = cat(["-u", "-f", "hub", "-L", "127.0.0.1:0"], "");
      const [port] = await portsOf(hub);
      const ncat = program(["ncat", "-u", "127.0.0.1", String(port)]);
      const socat = program(["socat", "-", `UDP:127.0.0.1:${port}`]);
      await until("both to hear each other", () => {
        ncat.child.stdin!.write("of ncat\n");
        socat.child.stdin!.write("of socat\n");
        return ncat.output.includes("of socat\n") && socat.output.includes("of ncat\n");
      });
    },
  );

  test("--mc joins a group, and so hears what it says itself", async () => {
    const port = await freePort();
    const group = `127.0.0.1=239.255.7.7:${port}`;
    const loud = cat(["-u", "--mc", "--ttl", "0", group], "to the group");
    await printed(loud, "to the group");
  });

  test("drops as many as it is told to, the same for one seed", async () => {
    const lines = Array.from({ length: 40 }, (_, i) => `${i}\n`).join("");
    const runs: string[][] = [];
    for (const seed of ["7", "7", "8"]) {
      const server = await udp();
      const args = ["-u", "-i", "lines", "--send-drop", "50", "--seed", seed, "--exit-after-input"];
      const client = cat([...args, `127.0.0.1:${server.port}`], `${lines}`);
      expect((await ended(client)).code).toBe(0);
      server.socket.send("over", server.port, "127.0.0.1");
      await until("the last", () => server.heard.at(-1) === "over");
      runs.push(server.heard);
    }
    expect(runs[0]).toEqual(runs[1]);
    expect(runs[0]).not.toEqual(runs[2]);
    expect(runs[0]!.length).toBeGreaterThan(8);
    expect(runs[0]!.length).toBeLessThan(33);
  });

  test("-b is what a broadcast address needs", async () => {
    const everybody = await udp(0, "0.0.0.0");
    const to = `127.255.255.255:${everybody.port}`;
    const without = cat(["-u", "-v", to], "not allowed");
    await said(without, "EACCES");
    cat(["-u", "-b", to], "to everybody");
    await until("it", () => everybody.heard.length > 0);
    expect(everybody.heard).toEqual(["to everybody"]);
  });

  test.skipIf(missing("python3") !== undefined)("--ttl is that of what is sent", async () => {
    const receiver = program(["python3", "-c", TELLS_TTL]);
    const port = await receiver.line("port ", LOADED_MS);
    cat(["-u", "--ttl", "7", `127.0.0.1:${port.slice("port ".length)}`], "how far?");
    expect(await receiver.line("ttl")).toBe("ttl 7");
  });

  test("goes over a guest's sockets: targets, who is listened for, and hubs", async () => {
    const server = await udp();
    server.socket.on("message", (data, { port }) => server.socket.send(`<${data}>`, port, "127.0.0.1"));
    await using home = new Home(`version: 1
connect: [{ allow: 127.0.0.1, ports: ${server.port}, protocols: udp }]
listen: [{ allow: 127.0.0.1, ports: 0, protocols: udp }]
`);
    await home.ready();
    const over = ["--attach", home.path, "-u"];
    const client = cat([...over, "-i", "lines", `127.0.0.1:${server.port}`], "one\ntwo\n");
    await printed(client, "<one\n><two\n>");
    const hub = cat([...over, "-f", "hub", "-L", "127.0.0.1:0"], "");
    const [port] = await portsOf(hub);
    const remotes = [await udp(), await udp()];
    await until("both to hear each other", () => {
      for (const [i, { socket }] of remotes.entries()) socket.send(`of ${i}`, port!, "127.0.0.1");
      return remotes[0]!.heard.includes("of 1") && remotes[1]!.heard.includes("of 0");
    });
  });
});
