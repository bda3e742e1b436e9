// Bulk by Node: the SDK inside a guest with --attach, net.Socket without. The same code moves the bytes of both. It
// takes the options of native/bench's load generators as far as it needs them, and prints the same line.
//
//   node sdk-child.js --port PORT [--attach SOCKET] [--bytes N] out | in
//   node sdk-child.js --port PORT --attach SOCKET --streams N [--echo-protocol] idle

import { once } from "node:events";
import { connect } from "node:net";
import type { Duplex } from "node:stream";
import { parseArgs } from "node:util";
import { Guest } from "@ringway/guest";

const WRITE_BYTES = 64 * 1024;
/** What a program that moves bulk would ask for: large rings make up for slow wake-ups of Node's loop. */
const RING_BYTES: number = 4 * 1024 * 1024;
const OPENS_AT_ONCE = 64;
const host = "127.0.0.1";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    port: { type: "string" },
    attach: { type: "string" },
    bytes: { type: "string", default: "0" },
    streams: { type: "string", default: "1" },
    "ring-bytes": { type: "string" },
    "echo-protocol": { type: "boolean", default: false },
  },
});
const port = Number(values.port);
/** Moved first, on a connection of its own, so that what is timed is compiled code. */
const WARM_UP_BYTES: number = 32 * 1024 * 1024;

/** Writes so many bytes, ends, and waits for the sink's count. */
async function sendAll(stream: Duplex, bytes: number): Promise<void> {
  const part = Buffer.alloc(WRITE_BYTES);
  const answer: Buffer[] = [];
  stream.on("data", (data: Buffer) => answer.push(data));
  const ended = once(stream, "end");
  for (let left = bytes; left > 0; left -= WRITE_BYTES) {
    const more = stream.write(left < WRITE_BYTES ? part.subarray(0, left) : part);
    if (!more) await once(stream, "drain");
  }
  stream.end();
  await ended;
  const confirmed = Number(Buffer.concat(answer).readBigUInt64LE(0));
  if (confirmed !== bytes) throw new Error(`the sink got ${confirmed} bytes of ${bytes}`);
}

/** Asks the source for so many bytes, and counts them. */
async function receiveAll(stream: Duplex, bytes: number): Promise<void> {
  let got = 0;
  stream.on("data", (data: Buffer) => {
    got += data.length;
  });
  const ended = once(stream, "end");
  const request = Buffer.alloc(8);
  request.writeBigUInt64LE(BigInt(bytes));
  stream.end(request);
  await ended;
  if (got !== bytes) throw new Error(`${got} bytes of ${bytes} came`);
}

async function plainSocket(): Promise<Duplex> {
  const socket = connect({ host, port, noDelay: true });
  await once(socket, "connect");
  return socket;
}

/** Seconds that it took. */
async function move(bytes: number): Promise<number> {
  const stream = await (guest?.connect({ host, port, ringBytes: RING_BYTES }) ?? plainSocket());
  const start = performance.now();
  await (positionals[0] === "out" ? sendAll(stream, bytes) : receiveAll(stream, bytes));
  return (performance.now() - start) / 1000;
}

async function idle(guest: Guest): Promise<void> {
  const streams = Number(values.streams);
  const start = performance.now();
  const open = (): Promise<unknown> =>
    guest.connect({ host, port, ringBytes: Number(values["ring-bytes"] ?? RING_BYTES) });
  for (let opened = 0; opened < streams; opened += OPENS_AT_ONCE) {
    await Promise.all(Array.from({ length: Math.min(OPENS_AT_ONCE, streams - opened) }, open));
  }
  console.log(JSON.stringify({ count: streams, seconds: (performance.now() - start) / 1000 }));
  process.stdin.resume();
  await once(process.stdin, "end");
}

const guest = values.attach === undefined ? undefined : await Guest.attach(values.attach);
if (positionals[0] === "idle") {
  await idle(guest!);
} else {
  const bytes = Number(values.bytes);
  await move(Math.min(bytes, WARM_UP_BYTES));
  console.log(JSON.stringify({ bytes, seconds: await move(bytes) }));
}
await guest?.close();
