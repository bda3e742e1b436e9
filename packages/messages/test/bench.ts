// Messages a second over a socket of loopback, from one process to another: this package beside what npm has, and
// beside a bare socket that is written each message and counts bytes. In turns, in one run: compare what stands side by
// side.
//
//   node --import tsx packages/messages/test/bench.ts [ROUNDS]

import { fork } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { type Bytes, lengthDelimited } from "@ringway/messages";
import { Connection } from "@ringway/messages/node";
import { decode, encode } from "it-length-prefixed";
import { PackrStream, UnpackrStream } from "msgpackr";

interface Contender {
  /** Sends so many messages, and returns when the socket has them or before. */
  send(socket: Socket, message: Bytes, count: number): Promise<unknown>;
  /** Returns when so many have come, each of this size. */
  receive(socket: Socket, size: number, count: number): Promise<void>;
}

const MAX_FRAME = 256 * 1024;

/** Calls `arrived` for each message, and returns when all are there. */
function counting(
  count: number,
  start: (arrived: (size: number) => void) => void,
  size: number,
): Promise<void> {
  let left = count;
  return new Promise((resolve, reject) => {
    start((got) => {
      if (got !== size) reject(new Error(`a message of ${got} bytes`));
      if (--left === 0) resolve();
    });
  });
}

const CONTENDERS: Readonly<Record<string, Contender>> = {
  "@ringway/messages": {
    async send(socket, message, count) {
      let left = count;
      const fill = (connection: Connection<Bytes>): void => {
        while (left > 0 && connection.queue(message)) left--;
        if (left === 0) void connection.close();
      };
      const codec = lengthDelimited({ maxFrameBytes: MAX_FRAME });
      const connection = new Connection<Bytes>(socket, { codec, onDrain: fill });
      fill(connection);
      await connection.closed;
    },
    receive: (socket, size, count) =>
      counting(
        count,
        (arrived) => {
          const onMessage = ({ length }: Bytes): void => arrived(length);
          new Connection<Bytes>(socket, { codec: lengthDelimited({ maxFrameBytes: MAX_FRAME }), onMessage });
        },
        size,
      ),
  },
  "it-length-prefixed": {
    send: (socket, message, count) => pipeline(Readable.from(encode(repeated(message, count))), socket),
    async receive(socket, size, count) {
      let left = count;
      for await (const list of decode(socket)) {
        // It gives a list of pieces, where the others give a message as one Uint8Array: so does this.
        const message = list.subarray();
        if (message.length !== size) throw new Error(`a message of ${message.length} bytes`);
        if (--left === 0) break;
      }
    },
  },
  "msgpackr's streams": {
    send: (socket, message, count) =>
      pipeline(Readable.from(repeated(message, count)), new PackrStream(), socket),
    receive: (socket, size, count) =>
      counting(
        count,
        (arrived) => socket.pipe(new UnpackrStream()).on("data", ({ length }: Bytes) => arrived(length)),
        size,
      ),
  },
  "a bare socket": {
    async send(socket, message, count) {
      for (let i = 0; i < count; i++) if (!socket.write(message)) await once(socket, "drain");
      socket.end();
    },
    async receive(socket, size, count) {
      let left = size * count;
      await new Promise<void>((resolve) => {
        socket.on("data", ({ length }: Bytes) => {
          left -= length;
          if (left === 0) resolve();
        });
      });
    },
  },
};

function* repeated(message: Bytes, count: number): Generator<Bytes> {
  for (let i = 0; i < count; i++) yield message;
}

// ── The receiving process ────────────────────────────────────────────────────────────────────────────────────────────

async function serve(name: string, size: number, count: number): Promise<void> {
  const server = createServer({ allowHalfOpen: true }).listen(0, "127.0.0.1");
  await once(server, "listening");
  process.send!((server.address() as AddressInfo).port);
  const [socket] = (await once(server, "connection")) as [Socket];
  await CONTENDERS[name]!.receive(socket, size, count);
  process.send!("done", () => process.exit());
}

// ── Rounds ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Messages a second. */
async function measure(name: string, size: number, count: number): Promise<number> {
  const child = fork(fileURLToPath(import.meta.url), ["--serve", name, String(size), String(count)]);
  const [port] = (await once(child, "message")) as [number];
  const socket = connect({ port, host: "127.0.0.1" });
  await once(socket, "connect");
  socket.on("error", () => {});
  const exited = once(child, "exit");
  const message = new Uint8Array(size).fill(7);
  const begin = performance.now();
  const done = once(child, "message");
  CONTENDERS[name]!.send(socket, message, count).catch(() => {});
  await done;
  const seconds = (performance.now() - begin) / 1000;
  socket.destroy();
  await exited;
  return count / seconds;
}

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;

async function run(rounds: number): Promise<void> {
  for (const [size, count] of [
    [64, 400_000],
    [65_536, 6000],
  ] as const) {
    const rates = new Map<string, number[]>(Object.keys(CONTENDERS).map((name) => [name, []]));
    for (let round = 0; round < rounds; round++)
      for (const [name, list] of rates) list.push(await measure(name, size, count));
    const [ours, ...others] = [...rates].map(([name, list]) => ({ name, rate: median(list) }));
    console.log(`${size} bytes, ${count} messages, median of ${rounds} rounds`);
    for (const { name, rate } of [ours!, ...others]) {
      const mb = ((rate * size) / 1e6).toFixed(0);
      console.log(
        `  ${name.padEnd(20)} ${rate.toFixed(0).padStart(9)} a second, ${mb.padStart(5)} MB/s` +
          (name === ours!.name ? "" : `, ours is ${(ours!.rate / rate).toFixed(2)} times that`),
      );
    }
  }
}

const [first, ...rest] = process.argv.slice(2);
if (first === "--serve") await serve(rest[0]!, Number(rest[1]), Number(rest[2]));
else await run(Number(first ?? 5));
