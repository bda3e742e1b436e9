import { once } from "node:events";
import { finished } from "node:stream/promises";
import { Guest, RefusedError } from "@ringway/guest";
import { afterEach, describe, expect, it } from "vitest";
import { checksum, FakeHost, Port, patternAt, SOURCE_BYTES } from "./fake-host.ts";

let host: FakeHost;
let guest: Guest;

async function attach(options = {}): Promise<void> {
  host = new FakeHost();
  guest = await Guest.attach({ memory: host.memory, doorbell: host.bell }, options);
}

afterEach(async () => {
  if (guest?.attached) await guest.close();
});

describe("control", () => {
  it("pings, gets its arguments, logs, exits and asks for a verdict", async () => {
    await attach();
    expect(await guest.ping()).toBeGreaterThan(0);
    expect(await guest.args()).toEqual({ argv: ["prog", "--x"], env: { A: "1", B: "x=y" } });
    guest.log("a line");
    guest.log("é".repeat(8192));
    await guest.exit(3);
    expect(host.exits).toEqual([3]);
    expect(host.logs[0]).toBe("a line");
    expect(host.logs[1]).toMatch(/^é+…$/);
    expect(await guest.explain({ connect: { host: "example.com", port: 443 } })).toEqual({
      allowed: false,
      rule: "deny-all",
      reason: "nothing is allowed",
    });
  });

  it("carries more requests at once than its ring holds", async () => {
    await attach();
    const times = await Promise.all(Array.from({ length: 5000 }, () => guest.ping()));
    expect(times).toHaveLength(5000);
  });
});

describe("a socket", () => {
  it("connects, echoes, and ends both ways", async () => {
    await attach();
    const socket = await guest.connect(Port.ECHO, "example.com");
    expect(socket.remoteAddress).toBe("127.0.0.1");
    expect(socket.remotePort).toBe(80);
    expect(socket.remoteFamily).toBe("IPv4");
    expect(socket.localPort).toBe(40000);
    expect(socket.address()).toEqual({ address: "127.0.0.1", family: "IPv4", port: 40000 });
    expect(socket.readyState).toBe("open");
    socket.end("hello");
    let text = "";
    for await (const chunk of socket) text += chunk;
    expect(text).toBe("hello");
    expect(socket.bytesRead).toBe(5);
    expect(socket.bytesWritten).toBe(5);
    await expect.poll(() => host.session.openStreams).toBe(0);
  });

  it("keeps what is written before it is connected", async () => {
    await attach();
    const socket = guest.createConnection({ port: Port.ECHO });
    expect(socket.connecting).toBe(true);
    expect(socket.readyState).toBe("opening");
    socket.write("a");
    socket.write("b");
    socket.end("c");
    const chunks = await socket.toArray();
    expect(Buffer.concat(chunks).toString()).toBe("abc");
  });

  it("sends bulk in order, and calls back as the ring takes it", async () => {
    await attach();
    const socket = await guest.connect({ port: Port.SINK, ringBytes: 65_536 });
    let hash = 0;
    let total = 0;
    for (let i = 0; i < 300; i++) {
      const chunk = Buffer.alloc((i * 7919) % 100_000, i);
      hash = checksum(hash, chunk);
      total += chunk.length;
      if (!socket.write(chunk)) await once(socket, "drain");
    }
    expect(socket.bytesWritten).toBe(total);
    socket.end();
    socket.resume();
    await finished(socket);
    expect(host.sunk).toBe(total);
    expect(host.hash).toBe(hash);
  });

  it.each([{ busyPollUs: 0 }, { busyPollUs: 50 }])(
    "receives bulk in order with $busyPollUs us of polling",
    async (options) => {
      await attach(options);
      const socket = await guest.connect({ port: Port.SOURCE, ringBytes: 65_536 });
      let at = 0;
      let wrong = 0;
      for await (const chunk of socket as AsyncIterable<Buffer>) {
        for (let i = 0; i < chunk.length; i++) if (chunk[i] !== patternAt(at + i)) wrong++;
        at += chunk.length;
      }
      expect(wrong).toBe(0);
      expect(at).toBe(SOURCE_BYTES);
    },
  );

  it("holds the host back while nobody reads", async () => {
    await attach();
    const socket = await guest.connect({ port: Port.SOURCE, ringBytes: 65_536 });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(socket.bytesRead).toBeLessThan(200_000);
    let bytes = 0;
    socket.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
    });
    await once(socket, "end");
    expect(bytes).toBe(SOURCE_BYTES);
  });

  it("stays half open where that is allowed, and ends by itself where not", async () => {
    await attach();
    const half = await guest.connect({ port: Port.GREETER, allowHalfOpen: true });
    half.resume();
    await once(half, "end");
    expect(half.writable).toBe(true);
    expect(half.readyState).toBe("writeOnly");
    half.end("more");
    await once(half, "close");
    await expect.poll(() => host.sunk).toBe(4);
    const whole = await guest.connect({ port: Port.GREETER });
    whole.resume();
    const [hadError] = await once(whole, "close");
    expect(hadError).toBe(false);
    expect(whole.destroyed).toBe(true);
  });

  it("tells a reset as ECONNRESET", async () => {
    await attach();
    const socket = await guest.connect(Port.RESET);
    socket.write("x");
    const [error] = await once(socket, "error");
    expect(error).toMatchObject({ code: "ECONNRESET", errno: -104, syscall: "read" });
    await expect.poll(() => host.session.openStreams).toBe(0);
  });

  it("resets the peer with resetAndDestroy", async () => {
    await attach();
    const socket = await guest.connect(Port.SILENT);
    socket.resetAndDestroy();
    const [hadError] = await once(socket, "close");
    expect(hadError).toBe(false);
    await expect.poll(() => host.session.openStreams).toBe(0);
  });

  it("sends what the ring took before destroy()", async () => {
    await attach();
    const socket = await guest.connect(Port.SINK);
    socket.write("12345");
    socket.destroy();
    await expect.poll(() => host.sunk).toBe(5);
    await expect.poll(() => host.session.openStreams).toBe(0);
  });

  it("emits timeout, and refreshes it on activity", async () => {
    await attach();
    const socket = await guest.connect(Port.SILENT);
    let timeouts = 0;
    socket.setTimeout(60, () => timeouts++);
    for (let i = 0; i < 4; i++) {
      await new Promise((resolve) => setTimeout(resolve, 30));
      socket.write("x");
    }
    expect(timeouts).toBe(0);
    await once(socket, "timeout");
    expect(timeouts).toBe(1);
    expect(socket.destroyed).toBe(false);
    socket.destroy();
  });

  it("is refused as net.Socket is, and by the policy with a rule", async () => {
    await attach();
    await expect(guest.connect(String(Port.REFUSED), "10.0.0.1")).rejects.toMatchObject({
      name: "RingwayError",
      message: "connect ECONNREFUSED 10.0.0.1:7",
      code: "ECONNREFUSED",
      errno: -111,
      syscall: "connect",
      address: "10.0.0.1",
      port: 7,
    });
    const refused = await guest.connect(Port.FORBIDDEN).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(RefusedError);
    expect(refused).toMatchObject({ code: "EACCES", rule: "no-net", reason: "the policy says no" });
    await expect.poll(() => host.session.openStreams).toBe(0);
  });

  it("says what the host said, unless its errno says as much", async () => {
    await attach();
    for (const [reason, says] of [
      ["the limit of streams is reached", ": the limit of streams is reached"],
      ["connect to 10.0.0.1:80: Too many open files", ""],
      ["", ""],
    ] as const) {
      host.onOpen = (pipe, _open, { requestId }) => {
        host.refuse(pipe, requestId, 24, "", reason);
        return true;
      };
      const message = `connect EMFILE 10.0.0.1:80${says}`;
      const error = await guest.connect(80, "10.0.0.1").catch((error: unknown) => error);
      expect(error).toMatchObject({ name: "RingwayError", message });
    }
  });

  it("tells of a name that nobody has, or could look up, as net.connect() does", async () => {
    await attach();
    for (const [errno, code, reason, says] of [
      [2, "ENOTFOUND", "nosuch.test: the name does not exist", ""],
      [11, "EAI_AGAIN", "nosuch.test: no answer", ": nosuch.test: no answer"],
    ] as const) {
      host.onOpen = (pipe, _open, { requestId }) => {
        host.refuse(pipe, requestId, errno, "", reason);
        return true;
      };
      const message = `getaddrinfo ${code} nosuch.test${says}`;
      const fields = { code, syscall: "getaddrinfo", hostname: "nosuch.test", message };
      await expect(guest.connect(80, "nosuch.test")).rejects.toMatchObject(fields);
    }
    for (const name of ["a".repeat(300), "a\0b"]) {
      await expect(guest.connect(80, name)).rejects.toMatchObject({ code: "ENOTFOUND", hostname: name });
    }
    // The same words about an address are not about a name.
    await expect(guest.connect(80, "10.0.0.1")).rejects.toMatchObject({
      code: "EAGAIN",
      address: "10.0.0.1",
    });
  });

  it("says address and rule once where the reason names them", async () => {
    await attach();
    const reasons = [
      'connecting to 10.1.2.3:80 is denied by rule "ten" (10.0.0.0/8)',
      "no connect rule allows 10.1.2.3:80",
    ];
    const said = [
      'connect EACCES 10.1.2.3:80: denied by rule "ten" (10.0.0.0/8)',
      "connect EACCES 10.1.2.3:80: no connect rule allows 10.1.2.3:80 (rule ten)",
    ];
    for (const [i, reason] of reasons.entries()) {
      host.onOpen = (pipe, _open, { requestId }) => {
        host.refuse(pipe, requestId, 13, "ten", reason);
        return true;
      };
      await expect(guest.connect(80, "10.1.2.3")).rejects.toMatchObject({
        message: said[i],
        reason,
        rule: "ten",
      });
    }
  });

  it("is refused with a rule that is text, also where the policy keeps it to itself", async () => {
    await attach();
    host.onOpen = (pipe, _open, { requestId }) => {
      host.refuse(pipe, requestId, 13, "", "");
      return true;
    };
    const refused = (await guest.connect(Port.ECHO).catch((error: unknown) => error)) as RefusedError;
    expect(refused).toBeInstanceOf(RefusedError);
    expect([refused.rule, refused.reason]).toEqual(["", ""]);
  });

  it("is aborted while it connects", async () => {
    await attach();
    const abort = new AbortController();
    const pending = guest.connect({ port: Port.BLACK_HOLE, signal: abort.signal });
    setTimeout(() => abort.abort(new Error("enough")), 20);
    await expect(pending).rejects.toMatchObject({ name: "AbortError", code: "ABORT_ERR" });
    await expect.poll(() => host.session.openStreams).toBe(0);
    await expect(guest.connect({ port: Port.ECHO, signal: abort.signal })).rejects.toMatchObject({
      code: "ABORT_ERR",
    });
    const early = new AbortController();
    const atOnce = guest.connect({ port: Port.ECHO, signal: early.signal });
    early.abort();
    await expect(atOnce).rejects.toMatchObject({ code: "ABORT_ERR" });
    await expect.poll(() => host.session.openStreams).toBe(0);
  });

  it("runs a thousand at once", async () => {
    await attach();
    const sockets = await Promise.all(
      Array.from({ length: 1000 }, () => guest.connect({ port: Port.ECHO, ringBytes: 4096 })),
    );
    expect(host.session.openStreams).toBe(1000);
    const answers = await Promise.all(
      sockets.map(async (socket, i) => {
        socket.end(`message ${i}`);
        return Buffer.concat(await socket.toArray()).toString();
      }),
    );
    for (const [i, answer] of answers.entries()) expect(answer).toBe(`message ${i}`);
    await expect.poll(() => host.session.openStreams).toBe(0);
  });

  it("takes smaller rings where the region has no room for large ones", async () => {
    host = new FakeHost(8 * 1024 * 1024);
    guest = await Guest.attach({ memory: host.memory, doorbell: host.bell });
    const sockets = await Promise.all(Array.from({ length: 18 }, () => guest.connect(Port.ECHO)));
    expect(sockets).toHaveLength(18);
    for (const socket of sockets) socket.destroy();
  });
});

describe("close()", () => {
  it("waits for bytes that were ended, then every call fails", async () => {
    await attach();
    const socket = await guest.connect(Port.SINK);
    socket.end(Buffer.alloc(200_000));
    socket.resume();
    socket.destroySoon();
    await once(socket, "close");
    await guest.close();
    expect(host.sunk).toBe(200_000);
    await expect(guest.ping()).rejects.toMatchObject({ code: "ERR_RINGWAY_DETACHED" });
    await expect(guest.connect(Port.ECHO)).rejects.toMatchObject({ code: "ERR_RINGWAY_DETACHED" });
    await expect(guest.stat("/")).rejects.toMatchObject({ code: "ERR_RINGWAY_DETACHED" });
  });

  it("destroys streams that are open, and fails what is under way", async () => {
    await attach();
    const socket = await guest.connect(Port.SILENT);
    const connecting = guest.connect(Port.BLACK_HOLE);
    const connected = expect(connecting).rejects.toMatchObject({ code: "ERR_RINGWAY_DETACHED" });
    const closed = once(socket, "close");
    await new Promise((resolve) => setTimeout(resolve, 20));
    await guest[Symbol.asyncDispose]();
    expect((await closed)[0]).toBe(false);
    await connected;
  });
});

describe("a server", () => {
  it("posts accepts ahead, serves connections and posts again", async () => {
    await attach();
    const server = await guest.listen({ port: 0, acceptsAhead: 4 }, (socket) => socket.pipe(socket));
    expect(server.address()).toEqual({ address: "127.0.0.1", family: "IPv4", port: 8080 });
    expect(server.listening).toBe(true);
    await expect.poll(() => host.posted.length).toBe(4);
    for (let i = 0; i < 20; i++) {
      await expect.poll(() => host.posted.length).toBeGreaterThan(0);
      const connection = once(server, "connection");
      expect(host.arrive(`hello ${i}`)).toBe(true);
      const [socket] = await connection;
      expect(socket.remotePort).toBe(80);
      const [chunk] = await once(socket, "data");
      expect(String(chunk)).toBe(`hello ${i}`);
      socket.destroy();
    }
    await expect.poll(() => host.posted.length).toBe(4);
    await new Promise<void>((resolve) => void server.close(() => resolve()));
    await expect.poll(() => host.session.openStreams).toBe(0);
    expect(server.address()).toBe(null);
  });

  it("closes when its signal aborts, and by await using", async () => {
    await attach();
    const abort = new AbortController();
    const server = await guest.listen({ signal: abort.signal });
    abort.abort();
    await once(server, "close");
    {
      await using again = await guest.listen({});
      expect(again.listening).toBe(true);
    }
    await expect.poll(() => host.listener).toBe(undefined);
  });
});
