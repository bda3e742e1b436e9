// Messages over Node's streams: real sockets, and a pair of streams where it must be known which chunk comes when.

import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { Duplex, duplexPair } from "node:stream";
import { type Bytes, type Ending, lengthDelimited } from "@ringway/messages";
import { Connection, type ConnectionOptions } from "@ringway/messages/node";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { inNextTurn } from "../src/node/turns.ts";

const codec = lengthDelimited({ maxFrameBytes: 100_000 });
let server: Server;
/** Those that were accepted and that nobody has asked for. */
const accepted: Socket[] = [];

beforeAll(async () => {
  server = createServer((socket) => accepted.push(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});
afterAll(() => server.close());

/** A socket and the one at its other end. */
async function socketPair(): Promise<[Socket, Socket]> {
  const near = connect((server.address() as AddressInfo).port, "127.0.0.1");
  await Promise.all([once(near, "connect"), accepted.length > 0 || once(server, "connection")]);
  const far = accepted.shift()!;
  onTestFinished(() => {
    near.destroy();
    far.destroy();
  });
  return [near, far];
}

const open = (duplex: Duplex, options: Partial<ConnectionOptions<Bytes>> = {}): Connection<Bytes> =>
  new Connection<Bytes>(duplex, { codec, ...options });

const bytes = (length: number, value = 1): Bytes => new Uint8Array(length).fill(value);

describe("a connection over sockets", () => {
  test("brings messages of all sizes both ways, in their order, while each waits for room", async () => {
    const [near, far] = await socketPair();
    const echo = open(far);
    const echoing = (async () => {
      for await (const message of echo) await echo.send(message);
    })();
    const client = open(near);
    const lengths = Array.from({ length: 3000 }, (_, i) => (i % 100 === 7 ? 100_000 - i : (i * 37) % 300));
    const sending = (async () => {
      for (const [i, length] of lengths.entries()) expect(await client.send(bytes(length, i))).toBe(true);
    })();
    for (const [i, length] of lengths.entries()) {
      const message = (await client.read())!;
      if (message.length !== length || message.some((byte) => byte !== (i & 255)))
        expect(message).toBe(length);
    }
    await sending;
    expect(await client.close()).toEqual({ reason: "Closed", unsentMessages: 0, unsentBytes: 0 });
    await echoing;
    expect(await echo.closed).toMatchObject({ reason: "EndOfStream", frameBytes: 0 });
    expect(client.telemetry()).toMatchObject({ messagesIn: 3000, messagesOut: 3000 });
  });

  test("calls onMessage for each, and onDrain when there is room again", async () => {
    const [near, far] = await socketPair();
    const all: number[] = [];
    const received = new Promise<void>((resolve) => {
      open(far, { onMessage: (message) => all.push(message[0]!) === 500 && resolve() });
    });
    let next = 0;
    const fill = (to: Connection<Bytes>): void => {
      while (next < 500 && to.queue(bytes(50_000, next))) next++;
    };
    const sender = open(near, { onDrain: fill });
    fill(sender);
    // The first buffer has 100,004 bytes, and two messages with their lengths are 100,008.
    expect(next).toBe(1);
    await received;
    expect(all).toEqual(Array.from({ length: 500 }, (_, i) => i & 255));
  });

  test("gives back what it did not take", async () => {
    const [near] = await socketPair();
    const sender = open(near);
    const four = [1, 2, 3, 4].map((value) => bytes(49_000, value));
    expect(sender.queueAll(four)).toEqual(four.slice(2));
  });

  test("slows down a sender whose messages nobody reads, in bounded memory, and loses none", async () => {
    const [near, far] = await socketPair();
    const reader = open(far);
    const sender = open(near);
    let sent = 0;
    // Until the kernel's buffers are full as well.
    for (let stuck = 0; stuck < 50; ) {
      const isTaken = sender.queue(bytes(60_000, sent));
      if (isTaken) sent++;
      stuck = isTaken ? 0 : stuck + 1;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(sender.telemetry().memoryBytes).toBeLessThanOrEqual(200_008);
    expect(reader.telemetry()).toMatchObject({ messagesIn: 0, memoryBytes: 0 });
    const closed = sender.close();
    for (let i = 0; i < sent; i++) expect((await reader.read())?.[0]).toBe(i & 255);
    expect([await reader.read(), await closed]).toEqual([
      undefined,
      expect.objectContaining({ unsentMessages: 0 }),
    ]);
  });

  test("is closed as stale when its peer does not read", async () => {
    const [near] = await socketPair();
    const sender = open(near, { txTimeoutMs: 20 });
    const filling = (async () => {
      while (await sender.send(bytes(90_000)));
    })();
    const ending = await sender.closed;
    expect(ending).toMatchObject({ reason: "Stale", unsentMessages: expect.any(Number) });
    expect((ending as Ending & { oldestQueuedMs: number }).oldestQueuedMs).toBeGreaterThanOrEqual(20);
    await filling;
  });

  test.each<[what: string, act: (far: Socket) => void, ending: object]>([
    [
      "the end within a frame",
      (far) => far.end(Uint8Array.of(0, 0, 0, 9, 1, 2)),
      { reason: "EndOfStream", frameBytes: 6, position: 0 },
    ],
    ["a reset", (far) => far.resetAndDestroy(), { reason: "Io", error: { code: "ECONNRESET" } }],
    [
      "a length that is too large",
      (far) => far.write(Uint8Array.of(0, 0, 0, 1, 9, 255, 0, 0, 0)),
      { reason: "Malformed", position: 5, around: Uint8Array.of(0, 0, 0, 1, 9, 255, 0, 0, 0) },
    ],
  ])("ends with its reason: %s", async (_what, act, ending) => {
    const [near, far] = await socketPair();
    far.on("error", () => {});
    const connection = open(near);
    act(far);
    while ((await connection.read()) !== undefined);
    expect(await connection.closed).toMatchObject(ending);
    expect(near.destroyed).toBe(true);
  });

  test("says that a connection was refused, and that its time is up", async () => {
    // Nobody else listens at this address, or is given a port of it.
    const refused = open(connect((server.address() as AddressInfo).port, "127.18.99.1"));
    expect(await refused.closed).toMatchObject({ reason: "Io", error: { code: "ECONNREFUSED" } });
    // One that never connects.
    const waiting = Object.assign(new Duplex({ read() {}, write() {} }), { connecting: true });
    const late = open(waiting, { connectTimeoutMs: 10 });
    expect(await late.closed).toMatchObject({ reason: "Timeout", of: "connect" });
  });
});

describe("a stream that ends behind messages that nobody has read yet", () => {
  const frames = new Uint8Array(20 * 1024);
  for (let at = 0; at < frames.length; at += 1024) frames.set([0, 0, 3, 252], at);

  /** All of it and its end at once, as a pipe inside of a process has them. */
  function whole(isEnded = true): Duplex {
    const duplex = new Duplex({
      read() {},
      write: (_chunk, _encoding, done) => done(),
      final: (done) => done(),
    });
    onTestFinished(() => void duplex.destroy());
    duplex.push(frames);
    duplex.push(null);
    if (isEnded) duplex.end();
    return duplex;
  }

  test("gives them to whoever reads, late as it is", async () => {
    const connection = open(whole());
    for (let i = 0; i < 20; i++) {
      expect((await connection.read())?.length).toBe(1020);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await connection.read()).toBeUndefined();
    expect(await connection.closed).toMatchObject({ reason: "EndOfStream", frameBytes: 0, position: 20_480 });
  });

  test("gives them to onMessage, a share in each turn", async () => {
    let count = 0;
    const connection = open(whole(), {
      codec: lengthDelimited({ maxFrameBytes: 1020 }),
      onMessage: () => count++,
    });
    expect(await connection.closed).toMatchObject({ reason: "EndOfStream", frameBytes: 0 });
    expect(count).toBe(20);
  });

  test("says what it could not send", async () => {
    const duplex = whole(false);
    const connection = open(duplex);
    await connection.read();
    expect(connection.queue(bytes(10))).toBe(true);
    duplex.end();
    await new Promise((resolve) => setImmediate(resolve));
    expect([connection.queue(bytes(10)), await connection.send(bytes(10))]).toEqual([false, false]);
    while ((await connection.read()) !== undefined);
    expect(await connection.closed).toMatchObject({ reason: "EndOfStream", unsentMessages: 1 });
  });

  test("is over at once when it is closed, though it has messages that nobody can send any more", async () => {
    const duplex = whole(false);
    const connection = open(duplex);
    await connection.read();
    connection.queue(bytes(10));
    duplex.end();
    await new Promise((resolve) => setImmediate(resolve));
    expect(await connection.close()).toMatchObject({ reason: "Closed", unsentMessages: 1 });
  });

  test("is read to its end where Node has ended the sending side meanwhile", async () => {
    const [near, far] = await socketPair();
    const sent = new Promise((resolve) => near.end(frames, () => resolve(undefined)));
    const connection = open(far, { codec: lengthDelimited({ maxFrameBytes: 8_000_000 }) });
    await sent;
    let read = 0;
    for await (const _ of connection) {
      read++;
      // More than the kernel takes while nobody reads: one is on its way when the peer's end comes, and one waits.
      connection.queue(bytes(7_900_000));
      await new Promise((resolve) => setImmediate(resolve));
      near.resume();
    }
    expect([read, (await connection.closed).reason]).toEqual([20, "EndOfStream"]);
  });
});

describe("what one connection does is its own", () => {
  test("a message is what was sent, though both ends of the stream are in this process and share memory", async () => {
    const small = lengthDelimited({ maxFrameBytes: 4000 });
    const [near, far] = duplexPair();
    const [sender, reader] = [open(near, { codec: small }), open(far, { codec: small })];
    const sending = (async () => {
      for (let i = 0; i < 100; i++) await sender.send(bytes(500, i));
      await sender.close();
    })();
    const kept: Bytes[] = [];
    for await (const message of reader) kept.push(message);
    await sending;
    expect(kept.map((message, i) => message.every((byte) => byte === i))).toEqual(Array(100).fill(true));
  });

  test("a throw ends it, says what was thrown, and the others go on", async () => {
    const small = lengthDelimited({ maxFrameBytes: 4092 });
    const chunk = new Uint8Array(10_240);
    for (let at = 0; at < chunk.length; at += 1024) chunk.set([0, 0, 3, 252], at);
    const error = new Error("user's");
    const counts = [0, 0, 0];
    const connections = counts.map((_, i) => {
      const duplex = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
      onTestFinished(() => void duplex.destroy());
      const connection = open(duplex, {
        codec: small,
        onMessage() {
          // Behind the first turn.
          if (++counts[i]! === 6 && i === 0) throw error;
        },
      });
      duplex.push(chunk);
      duplex.push(null);
      return connection.closed;
    });
    expect((await Promise.all(connections)).map(({ reason }) => reason)).toEqual([
      "Thrown",
      "EndOfStream",
      "EndOfStream",
    ]);
    expect([counts, await connections[0]]).toEqual([[6, 10, 10], expect.objectContaining({ error })]);
  });

  test("a piece of a turn that throws leaves the other pieces to the next turn", async () => {
    const caught: unknown[] = [];
    const others = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException").on("uncaughtException", (error) => caught.push(error));
    onTestFinished(() => {
      process.removeAllListeners("uncaughtException");
      for (const listener of others) process.on("uncaughtException", listener);
    });
    inNextTurn(() => {
      throw "thrown";
    });
    await new Promise<void>((resolve) => inNextTurn(resolve));
    expect(caught).toEqual(["thrown"]);
  });

  test("a socket that came paused is read", async () => {
    const pausing = createServer({ pauseOnConnect: true }).listen(0, "127.0.0.1");
    await once(pausing, "listening");
    onTestFinished(() => void pausing.close());
    const near = connect((pausing.address() as AddressInfo).port, "127.0.0.1");
    const [far] = (await once(pausing, "connection")) as [Socket];
    onTestFinished(() => [near, far].forEach((socket) => void socket.destroy()));
    const message = new Promise((resolve) => open(far, { onMessage: resolve }));
    near.write(Uint8Array.of(0, 0, 0, 1, 7));
    expect(await message).toEqual(Uint8Array.of(7));
  });

  test("what is queued while it connects is sent, though it is closed before", async () => {
    const near = connect((server.address() as AddressInfo).port, "127.0.0.1");
    const client = open(near);
    client.queue(bytes(5, 3));
    const closed = client.close();
    await once(server, "connection");
    const far = open(accepted.shift()!);
    onTestFinished(() => [near, far.duplex].forEach((duplex) => void duplex.destroy()));
    expect(await far.read()).toEqual(bytes(5, 3));
    expect([await far.read(), await closed]).toEqual([
      undefined,
      { reason: "Closed", unsentMessages: 0, unsentBytes: 0 },
    ]);
  });
});

describe("turns", () => {
  test("a stream reads what its buffer holds in one turn, and then others have theirs", async () => {
    const small = lengthDelimited({ maxFrameBytes: 4092 });
    const order: string[] = [];
    const source = (name: string): Duplex => {
      const duplex = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
      new Connection<Bytes>(duplex, { codec: small, onMessage: () => order.push(name) });
      onTestFinished(() => void duplex.destroy());
      return duplex;
    };
    const [flood, other] = [source("flood"), source("other")];
    // 100 messages of 1024 bytes with their frame, in one chunk: four fit into 4096 bytes.
    const chunk = new Uint8Array(102_400);
    for (let at = 0; at < chunk.length; at += 1024) chunk.set([0, 0, 3, 252], at);
    flood.push(chunk);
    other.push(Uint8Array.of(0, 0, 0, 0));
    while (order.length < 101) await new Promise((resolve) => setImmediate(resolve));
    expect(order.indexOf("other")).toBeLessThanOrEqual(4);
  });

  test("what one turn queues is one write, and no turn writes more than the budget", async () => {
    const writes: number[] = [];
    const duplex = new Duplex({
      read() {},
      write(chunk: Buffer, _encoding, done) {
        writes.push(chunk.length);
        done();
      },
    });
    onTestFinished(() => void duplex.destroy());
    const connection = open(duplex, { writeBudgetBytes: 1000, sendMultiple: 4 });
    for (let i = 0; i < 10; i++) connection.queue(bytes(6, i));
    await new Promise((resolve) => setImmediate(resolve));
    expect(writes).toEqual([100]);
    writes.length = 0;
    connection.queue(bytes(5000));
    let turns = 0;
    for (; connection.telemetry().queuedBytes > 0; turns++) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(writes).toEqual([1000, 1000, 1000, 1000, 1000, 4]);
    expect(turns).toBeGreaterThanOrEqual(5);
  });
});
