// A hub with ten in it: one speaks, nine listen. What counts are the bytes that the nine have heard.
//
//   node hub-child.js --unix PATH|--port PORT [--bytes N] hub
//
// The hub takes who comes in its own time, and who is not there yet hears nothing: so the one says something again and
// again until all nine have heard it, and then a mark, behind which bytes count.

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { parseArgs } from "node:util";

const LISTENERS = 9;
const WRITE_BYTES = 64 * 1024;
const KNOCK = 0x2e;
const MARK = 0x21;
const KNOCK_EVERY_MS = 2;

const { values } = parseArgs({
  allowPositionals: true,
  options: { unix: { type: "string" }, port: { type: "string" }, bytes: { type: "string", default: "0" } },
});
/** Each of the nine hears so many: the option counts what all of them do. */
const bytesEach = Math.ceil(Number(values.bytes) / LISTENERS);

const listeners = await Promise.all(Array.from({ length: LISTENERS }, join));
const speaker = await join();
const isHeard = listeners.map(async (socket) => await once(socket, "readable"));
const knocking = setInterval(() => speaker.write(Buffer.of(KNOCK)), KNOCK_EVERY_MS);
await Promise.all(isHeard);
clearInterval(knocking);

const all = listeners.map(hearAll);
speaker.write(Buffer.of(MARK));
const start = performance.now();
const part = Buffer.alloc(WRITE_BYTES);
for (let left = bytesEach; left > 0; left -= WRITE_BYTES) {
  const more = speaker.write(left < WRITE_BYTES ? part.subarray(0, left) : part);
  if (!more) await once(speaker, "drain");
}
await Promise.all(all);
const seconds = (performance.now() - start) / 1000;
console.log(JSON.stringify({ bytes: bytesEach * LISTENERS, seconds }));
for (const socket of [...listeners, speaker]) socket.destroy();

async function join(): Promise<Socket> {
  const { unix, port } = values;
  const socket = connect(unix === undefined ? { host: "127.0.0.1", port: Number(port) } : { path: unix });
  await once(socket, "connect");
  return socket;
}

/** What comes behind the mark. */
async function hearAll(socket: Socket): Promise<void> {
  let left = Number.NaN;
  await new Promise<void>((resolve, reject) => {
    socket.once("close", () => reject(new Error("the hub has closed a connection")));
    socket.on("data", (data: Buffer) => {
      if (Number.isNaN(left)) {
        const at = data.indexOf(MARK);
        if (at < 0) return;
        left = bytesEach - (data.length - at - 1);
      } else left -= data.length;
      if (left <= 0) resolve();
    });
  });
}
