// The servers of native/bench/server.c in Node, for where there is no C compiler. Slower, but the same for every peer.
//
//   node server-child.js sink | source | echo | once

import { type AddressInfo, createServer, type Socket } from "node:net";

const WRITE_BYTES = 64 * 1024;

function sink(socket: Socket): void {
  let got = 0;
  socket.on("data", (data) => {
    got += data.length;
  });
  socket.on("end", () => {
    const count = Buffer.alloc(8);
    count.writeBigUInt64LE(BigInt(got));
    socket.end(count);
  });
}

function source(socket: Socket): void {
  const part = Buffer.alloc(WRITE_BYTES);
  socket.once("data", (request) => {
    let left = Number(request.readBigUInt64LE(0));
    const send = (): void => {
      while (left > 0) {
        const bytes = Math.min(left, WRITE_BYTES);
        left -= bytes;
        if (!socket.write(part.subarray(0, bytes))) return;
      }
      socket.end();
    };
    socket.on("drain", send);
    send();
  });
}

const modes: Readonly<Record<string, (socket: Socket) => void>> = {
  sink,
  source,
  echo: (socket) => socket.pipe(socket),
  once: (socket) => socket.once("data", (data) => socket.end(data)),
};
const serve = modes[process.argv[2]!]!;
const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
  socket.on("error", () => socket.destroy());
  serve(socket);
});
server.listen(0, "127.0.0.1", () => console.log((server.address() as AddressInfo).port));
