// tcp-connect and tcp-listen, word by word: a raw guest on one side, real sockets on the other.

import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { Closed, ConnectRequest, ErrorReply, formatIp, type GuestPipe, Protocol } from "@ringway/control";
import { Errno } from "@ringway/linux";
import { beforeAll, describe, expect, test } from "vitest";
import { KiB, MiB, pattern, sha256 } from "../support/bytes.ts";
import { Declined } from "../support/declined.ts";
import { heldForAll } from "../support/held.ts";
import { guestsAre, startMonitor, streamsAre, type TestMonitor } from "../support/monitor.ts";
import { RawGuest } from "../support/raw-guest.ts";
import {
  echoServer,
  freePort,
  howItEnds,
  readAll,
  silentServer,
  tcpClient,
  tcpServer,
} from "../support/tcp.ts";
import { until, within } from "../support/wait.ts";

let host: TestMonitor;
let guest: RawGuest;

const hold = heldForAll();
beforeAll(async () => {
  host = hold(await startMonitor());
  guest = hold(await RawGuest.attach(host.path));
});

/** A connection through the monitor to a server of the test, and the server's end of it. */
async function connected(ringBytes = 0): Promise<{ pipe: GuestPipe; peer: Socket } & AsyncDisposable> {
  const server = await tcpServer();
  const { pipe } = await guest.connect("127.0.0.1", server.port, { ringBytes });
  const peer = await until("the server's end", () => server.sockets[0]);
  return {
    pipe,
    peer,
    async [Symbol.asyncDispose]() {
      guest.finish(pipe);
      await server[Symbol.asyncDispose]();
    },
  };
}

function declined(promise: Promise<unknown>): Promise<Declined> {
  return promise.then(
    () => {
      throw new Error("it was allowed");
    },
    (error: unknown) => {
      if (error instanceof Declined) return error;
      throw error;
    },
  );
}

describe("a connection", () => {
  test.each(["127.0.0.1", "::1"])(
    "carries bytes both ways over %s, and tells both addresses",
    async (address) => {
      await using server = await echoServer(address);
      const { pipe, endpoints } = await guest.connect(address, server.port);
      expect(formatIp(endpoints.peer.address)).toBe(address);
      expect(endpoints.peer.port).toBe(server.port);
      const peer = await until("the server's end", () => server.sockets[0]);
      expect(endpoints.local.port).toBe(peer.remotePort);
      const sent = pattern(3 * MiB);
      const received = guest.readAll(pipe);
      await guest.write(pipe, sent);
      guest.end(pipe);
      const { bytes, how } = await received;
      expect(how).toBe("end");
      expect(sha256(bytes)).toBe(sha256(sent));
      guest.finish(pipe);
    },
  );

  test("half-closed by the guest still carries what the peer sends", async () => {
    await using it = await connected();
    await guest.write(it.pipe, Buffer.from("question"));
    guest.end(it.pipe);
    expect((await readAll(it.peer)).toString()).toBe("question");
    const answer = pattern(2 * MiB, 7);
    it.peer.end(answer);
    const { bytes, how } = await guest.readAll(it.pipe);
    expect(how).toBe("end");
    expect(sha256(bytes)).toBe(sha256(answer));
  });

  test("half-closed by the peer still carries what the guest sends", async () => {
    await using it = await connected();
    it.peer.end("greeting");
    const { bytes, how } = await guest.readAll(it.pipe);
    expect([bytes.toString(), how]).toEqual(["greeting", "end"]);
    const sent = pattern(2 * MiB, 8);
    const received = readAll(it.peer);
    await guest.write(it.pipe, sent);
    guest.end(it.pipe);
    expect(sha256(await received)).toBe(sha256(sent));
  });

  test("reset by the guest is a TCP reset to the peer", async () => {
    await using it = await connected();
    const ends = howItEnds(it.peer);
    guest.reset(it.pipe);
    expect(await ends).toBe("ECONNRESET");
  });

  test("reset by the peer is a reset to the guest, and frees the stream", async () => {
    await using it = await connected();
    it.peer.resetAndDestroy();
    expect((await guest.readAll(it.pipe)).how).toBe("reset");
  });

  test("reset by the peer after its FIN stays ended, and takes no more from a guest that still sends", async () => {
    await using it = await connected();
    it.peer.end();
    expect((await guest.readAll(it.pipe)).how).toBe("end");
    it.peer.resetAndDestroy();
    await until("the host to take no more", () => it.pipe.toHost.abandoned());
    expect(it.pipe.toGuest.peerClosed()).toBe(Closed.END);
  });

  test("ended with its ring full gives the peer the tail, then the end", async () => {
    await using it = await connected(4 * KiB);
    it.peer.pause();
    const sent = pattern(4 * KiB);
    await guest.write(it.pipe, sent);
    guest.end(it.pipe);
    expect(sha256(await readAll(it.peer))).toBe(sha256(sent));
  });

  test("carries message after message, however soon one follows the other, and the end behind the last", async () => {
    await using server = await echoServer();
    const { pipe } = await guest.connect("127.0.0.1", server.port, { ringBytes: 4 * KiB });
    const message = pattern(64);
    const put = (): void => {
      pipe.toHost.put(message);
      if (pipe.toHost.advance(message.length)) guest.signal(pipe);
    };
    const both = sha256(Buffer.concat([message, message]));
    for (let i = 0; i < 60; i++) {
      put();
      const nextMs = performance.now() + i / 1000;
      while (performance.now() < nextMs);
      put();
      expect(sha256(await guest.readExactly(pipe, 128))).toBe(both);
    }
    put();
    guest.end(pipe);
    const { bytes, how } = await guest.readAll(pipe);
    expect([sha256(bytes), how]).toEqual([sha256(message), "end"]);
    guest.finish(pipe);
  });

  test("whose peer sends and closes at once gives all of it, then the end, every time", async () => {
    await using server = await tcpServer((socket) => socket.end("all there is"));
    for (let i = 0; i < 200; i++) {
      const { pipe } = await guest.connect("127.0.0.1", server.port, { ringBytes: 4 * KiB });
      const { bytes, how } = await guest.readAll(pipe);
      expect([bytes.toString(), how]).toEqual(["all there is", "end"]);
      guest.finish(pipe);
    }
  });

  test("that is not read any more by the guest is drained, and goes on the other way (TCP-5)", async () => {
    await using it = await connected();
    guest.stopReading(it.pipe);
    const sent = new Promise<void>((resolve) => void it.peer.write(pattern(4 * MiB), () => resolve()));
    await within("the peer's bytes to be dropped", sent);
    const received = readAll(it.peer);
    await guest.write(it.pipe, Buffer.from("still here"));
    guest.end(it.pipe);
    expect((await received).toString()).toBe("still here");
  });

  test("may be ended before it was opened: what was sent ahead arrives (STR-3)", async () => {
    await using server = await tcpServer();
    const pipe = await guest.newStream();
    guest.sendOpen(
      pipe,
      Protocol.TCP_CONNECT,
      ConnectRequest.encode({ host: "127.0.0.1", port: server.port, timeoutMs: 0 }),
    );
    await guest.write(pipe, Buffer.from("ahead"));
    guest.end(pipe);
    await guest.opened(pipe);
    const peer = await until("the server's end", () => server.sockets[0]);
    expect((await readAll(peer)).toString()).toBe("ahead");
    guest.finish(pipe);
  });

  test("over the smallest rings carries every byte, in pieces of any size", async () => {
    await using server = await echoServer();
    const { pipe } = await guest.connect("127.0.0.1", server.port, { ringBytes: 1 });
    expect([pipe.place.toHostBytes, pipe.place.toGuestBytes]).toEqual([4 * KiB, 4 * KiB]);
    const sent = pattern(300_000, 3);
    const received = guest.readAll(pipe);
    for (let at = 0, piece = 1; at < sent.length; at += piece, piece = (piece * 7) % 5003) {
      await guest.write(pipe, sent.subarray(at, at + piece));
    }
    guest.end(pipe);
    expect(sha256((await received).bytes)).toBe(sha256(sent));
    guest.finish(pipe);
  });

  test("carries single bytes, and signals without any", async () => {
    await using server = await echoServer();
    const { pipe } = await guest.connect("127.0.0.1", server.port, { ringBytes: 4 * KiB });
    const sent = pattern(5000, 4);
    for (const byte of sent) {
      await guest.write(pipe, Uint8Array.of(byte));
      await guest.write(pipe, new Uint8Array(0));
      guest.signal(pipe);
    }
    expect(sha256(await guest.readExactly(pipe, sent.length))).toBe(sha256(sent));
    guest.finish(pipe);
  });
});

describe("a connection that cannot be", () => {
  test("is refused with ECONNREFUSED", async () => {
    const port = await freePort();
    const refusal = await declined(guest.connect("127.0.0.1", port));
    expect(refusal).toMatchObject({ errno: Errno.ECONNREFUSED, rule: "" });
    expect(refusal.reason).toContain(`127.0.0.1:${port}`);
    const six = await declined(guest.connect("::1", port));
    expect(six).toMatchObject({ errno: Errno.ECONNREFUSED });
    expect(six.reason).toContain(`[::1]:${port}`);
  });

  test("is ETIMEDOUT after the guest's time limit", async () => {
    using server = silentServer();
    const start = performance.now();
    const refusal = await declined(guest.connect("127.0.0.1", server.port, { timeoutMs: 200 }));
    const tookMs = performance.now() - start;
    expect(refusal.errno).toBe(Errno.ETIMEDOUT);
    expect(refusal.reason).toContain("200 ms");
    expect(tookMs).toBeGreaterThanOrEqual(195);
    expect(tookMs).toBeLessThan(10_000);
  });

  test("is ETIMEDOUT after the policy's time limit, which a guest cannot lengthen", async () => {
    await using strict = await startMonitor(`version: 1
connect: [{ id: local, allow: 127.0.0.0/8 }]
timeouts: { connectMs: 150 }
`);
    using other = await RawGuest.attach(strict.path);
    using server = silentServer();
    for (const timeoutMs of [0, 60_000]) {
      const refusal = await declined(other.connect("127.0.0.1", server.port, { timeoutMs, waitMs: 3000 }));
      expect(refusal.errno).toBe(Errno.ETIMEDOUT);
    }
  });

  test("is ENETUNREACH where there is no way", async () => {
    await using strict = await startMonitor("version: 1\nconnect: [{ id: group, allow: 224.0.0.0/4 }]\n");
    using other = await RawGuest.attach(strict.path);
    const refusal = await declined(other.connect("224.0.0.1", 80));
    expect(refusal.errno).toBe(Errno.ENETUNREACH);
  });

  test("is refused by the policy with its rule, and one audit line", async () => {
    const before = host.refusals.length;
    const refusal = await declined(guest.connect("192.0.2.55", 80));
    expect(refusal).toMatchObject({ errno: Errno.EACCES, rule: "default" });
    await until("the audit line", () => host.refusals.length > before);
    expect(host.refusals.slice(before)).toEqual([
      {
        guest: "guest-1",
        protocol: "tcp-connect",
        what: "192.0.2.55:80",
        rule: "default",
        errno: Errno.EACCES,
        reason: refusal.reason,
      },
    ]);
    expect(host.lines.filter(({ audit }) => audit === "refused").at(-1)).toMatchObject({
      guest: "guest-1",
      protocol: "tcp-connect",
      what: "192.0.2.55:80",
      rule: "default",
      errno: "EACCES",
      msg: refusal.reason,
    });
  });

  test.each([0, 65_536])("is EINVAL for port %i", async (port) => {
    expect((await declined(guest.connect("127.0.0.1", port))).errno).toBe(Errno.EINVAL);
  });

  test("leaves nothing behind: the refused streams are given back", async () => {
    await streamsAre(host.monitor, 0);
    const port = await freePort();
    for (let i = 0; i < 50; i++) {
      const pipe = await guest.newStream(4 * KiB);
      guest.sendOpen(
        pipe,
        Protocol.TCP_CONNECT,
        ConnectRequest.encode({ host: "127.0.0.1", port, timeoutMs: 0 }),
      );
      await declined(guest.opened(pipe));
    }
    await streamsAre(host.monitor, 0);
  });

  test("given up by the guest while it connects is closed by the host", async () => {
    using server = silentServer();
    await streamsAre(host.monitor, 0);
    const pipe = await guest.newStream(4 * KiB);
    guest.sendOpen(
      pipe,
      Protocol.TCP_CONNECT,
      ConnectRequest.encode({ host: "127.0.0.1", port: server.port, timeoutMs: 0 }),
    );
    await streamsAre(host.monitor, 1);
    guest.finish(pipe, "reset");
    await streamsAre(host.monitor, 0);
  });
});

describe("a listener", () => {
  test.each(["127.0.0.1", "::1"])(
    "on %s tells the port really bound, and gives connections",
    async (address) => {
      const { pipe: listener, port } = await guest.listen(address);
      expect(port).toBeGreaterThan(0);
      const posted = await guest.newStream();
      await guest.post(listener, posted, 9);
      const client = await tcpClient(port, address);
      const { local, peer, requestId } = await guest.incoming(posted);
      expect(requestId).toBe(9);
      expect([formatIp(local.address), local.port]).toEqual([address, port]);
      expect([formatIp(peer.address), peer.port]).toEqual([address, client.localPort]);
      const sent = pattern(1 * MiB, 11);
      client.end(sent);
      expect(sha256((await guest.readAll(posted)).bytes)).toBe(sha256(sent));
      const received = readAll(client);
      await guest.write(posted, sent);
      guest.end(posted);
      expect(sha256(await received)).toBe(sha256(sent));
      guest.finish(posted);
      guest.finish(listener);
    },
  );

  test("takes a port that is asked for, and says EADDRINUSE where somebody has it", async () => {
    const port = await freePort();
    const { pipe: listener, port: bound } = await guest.listen("127.0.0.1", port);
    expect(bound).toBe(port);
    expect(await declined(guest.listen("127.0.0.1", port))).toMatchObject({ errno: Errno.EADDRINUSE });
    guest.finish(listener);
    await until("the port to be free again", async () => {
      try {
        const { pipe } = await guest.listen("127.0.0.1", port);
        guest.finish(pipe);
        return true;
      } catch {
        return false;
      }
    });
  });

  test("is refused by the policy with its rule", async () => {
    const refusal = await declined(guest.listen("0.0.0.0"));
    expect(refusal).toMatchObject({ errno: Errno.EACCES, rule: "default" });
  });

  test("on an address that is not the host's is EADDRNOTAVAIL", async () => {
    await using wide = await startMonitor("version: 1\nlisten: [{ id: any, allow: 0.0.0.0/0, ports: 0 }]\n");
    using other = await RawGuest.attach(wide.path);
    expect(await declined(other.listen("203.0.113.9"))).toMatchObject({ errno: Errno.EADDRNOTAVAIL });
  });

  test("serves posted streams in the order in which they were posted", async () => {
    const { pipe: listener, port } = await guest.listen();
    const posted: GuestPipe[] = [];
    for (let i = 0; i < 10; i++) {
      const pipe = await guest.newStream(4 * KiB);
      await guest.post(listener, pipe, 100 + i);
      posted.push(pipe);
    }
    for (const [index, pipe] of posted.entries()) {
      const client = await tcpClient(port);
      const { peer, requestId } = await guest.incoming(pipe);
      expect([peer.port, requestId]).toEqual([client.localPort, 100 + index]);
      client.destroy();
      guest.finish(pipe);
    }
    guest.finish(listener);
  });

  test("accepts nothing while nothing is posted (LSN-4)", async () => {
    const { pipe: listener, port } = await guest.listen();
    const accepted = host.monitor.counters().accepted;
    const client = await tcpClient(port);
    client.write("early");
    // The connection is up in the kernel; the monitor has had every chance when an echo has made its round.
    const echo = await guest.echo(4 * KiB);
    await guest.write(echo, Buffer.from("x"));
    await guest.readExactly(echo, 1);
    guest.finish(echo);
    expect(host.monitor.counters().accepted).toBe(accepted);
    const posted = await guest.newStream(4 * KiB);
    await guest.post(listener, posted, 1);
    await guest.incoming(posted);
    expect((await guest.readExactly(posted, 5)).toString()).toBe("early");
    client.destroy();
    guest.finish(posted);
    guest.finish(listener);
  });

  test("skips a posted stream that the guest has closed", async () => {
    const { pipe: listener, port } = await guest.listen();
    const first = await guest.newStream(4 * KiB);
    const second = await guest.newStream(4 * KiB);
    await guest.post(listener, first, 1);
    await guest.post(listener, second, 2);
    guest.finish(first);
    const client = await tcpClient(port);
    expect((await guest.incoming(second)).peer.port).toBe(client.localPort);
    client.destroy();
    guest.finish(second);
    guest.finish(listener);
  });

  test("answers an Accept that cannot be posted with EBADF or EINVAL", async () => {
    const { pipe: listener } = await guest.listen();
    const fresh = await guest.newStream(4 * KiB);
    await guest.post(listener, fresh, 1, fresh.generation + 1);
    let frame = await guest.frame(listener);
    expect([frame.requestId, ErrorReply.decode(frame.payload).errno]).toEqual([1, Errno.EBADF]);
    const echo = await guest.echo(4 * KiB);
    await guest.post(listener, echo, 2);
    frame = await guest.frame(listener);
    expect([frame.requestId, ErrorReply.decode(frame.payload).errno]).toEqual([2, Errno.EINVAL]);
    // The stream that was refused for its generation is still fresh.
    await guest.post(listener, fresh, 3);
    guest.finish(fresh);
    guest.finish(echo);
    guest.finish(listener);
  });

  test("says ENOBUFS past the policy's limit of posted accepts", async () => {
    await using strict = await startMonitor(
      "version: 1\nlisten: [{ id: l, allow: 127.0.0.1, ports: 0 }]\nlimits: { accepts: 2 }\n",
    );
    using other = await RawGuest.attach(strict.path);
    const { pipe: listener } = await other.listen();
    const pipes = [await other.newStream(1), await other.newStream(1), await other.newStream(1)];
    for (const [index, pipe] of pipes.entries()) await other.post(listener, pipe, index + 1);
    const frame = await other.frame(listener);
    expect([frame.requestId, ErrorReply.decode(frame.payload).errno]).toEqual([3, Errno.ENOBUFS]);
    other.finish(pipes[0]!);
    await until("room for another accept", async () => {
      await other.post(listener, pipes[2]!, 4);
      const echo = await other.echo(1);
      other.finish(echo);
      return true;
    });
  });

  test("resets what is still posted when it ends (LSN-6), and frees its port", async () => {
    const { pipe: listener, port } = await guest.listen();
    const posted = await guest.newStream(4 * KiB);
    await guest.post(listener, posted, 1);
    guest.finish(listener);
    await until("the reset", () => posted.toGuest.peerClosed() === Closed.RESET);
    guest.finish(posted);
    const client = tcpClient(port);
    await expect(client).rejects.toThrow();
  });
});

test("names are resolved by the system's resolver on the main thread", async () => {
  await using server = await echoServer();
  const { pipe, endpoints } = await guest.connect("localhost", server.port);
  expect(["127.0.0.1", "::1"]).toContain(formatIp(endpoints.peer.address));
  guest.finish(pipe);
});

test("a thousand connections at once through one guest", async () => {
  await using server = await echoServer();
  await streamsAre(host.monitor, 0);
  const pipes = await Promise.all(
    Array.from({ length: 1000 }, async () => {
      const { pipe } = await guest.connect("127.0.0.1", server.port, { ringBytes: 4 * KiB, waitMs: 20_000 });
      return pipe;
    }),
  );
  expect(host.monitor.counters().streams).toBe(1000);
  for (const [index, pipe] of pipes.entries()) {
    pipe.toHost.put(pattern(2000, index + 1));
    if (pipe.toHost.advance(2000)) guest.signal(pipe);
  }
  for (const [index, pipe] of pipes.entries()) {
    expect(sha256(await guest.readExactly(pipe, 2000))).toBe(sha256(pattern(2000, index + 1)));
  }
  for (const pipe of pipes) guest.finish(pipe);
  await streamsAre(host.monitor, 0);
});

test("a guest that ends its stream and goes: the peer gets every byte, then the end", async () => {
  await using server = await tcpServer();
  using short = await RawGuest.attach(host.path);
  const { pipe } = await short.connect("127.0.0.1", server.port, { ringBytes: 256 * KiB });
  const peer = await until("the server's end", () => server.sockets[0]);
  peer.pause();
  const sent = pattern(256 * KiB, 21);
  await short.write(pipe, sent);
  short.end(pipe);
  short.vanish();
  expect(sha256(await readAll(peer))).toBe(sha256(sent));
  await guestsAre(host.monitor, 1);
});

test("a guest that goes while it has a listener's connection: the peer gets a reset, not an end, and was probed till then", async () => {
  using short = await RawGuest.attach(host.path);
  const { pipe: listener, port } = await short.listen("127.0.0.1");
  const posted = await short.newStream();
  await short.post(listener, posted, 9);
  const client = await tcpClient(port, "127.0.0.1");
  await short.incoming(posted);
  await short.write(posted, Buffer.from("half a sen"));
  await once(client, "data");
  // Of the connection the monitor's end, established (01), with a keepalive timer (02): the listener's, from the first.
  const ends = [port, client.localPort!].map(
    (each) => `0100007F:${each.toString(16).toUpperCase().padStart(4, "0")}`,
  );
  expect(readFileSync("/proc/net/tcp", "utf8")).toMatch(new RegExp(`${ends.join(" ")} 01 \\S+ 02:`));
  const howItWent = howItEnds(client);
  short.vanish();
  expect(await howItWent).toBe("ECONNRESET");
  await guestsAre(host.monitor, 1);
});

test("a guest that goes without ending its stream: the peer gets a reset, not an end", async () => {
  await using server = await tcpServer();
  using short = await RawGuest.attach(host.path);
  const { pipe } = await short.connect("127.0.0.1", server.port);
  await short.write(pipe, Buffer.from("half a sen"));
  const peer = await until("the server's end", () => server.sockets[0]);
  await once(peer, "data");
  const ends = howItEnds(peer);
  short.vanish();
  expect(await ends).toBe("ECONNRESET");
  await guestsAre(host.monitor, 1);
});
