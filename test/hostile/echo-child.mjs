// The server that the well-behaved guest talks to, in a process of its own: how fast it answers is nobody else's doing.
// Prints its port, and ends with its stdin.

import { createServer } from "node:net";

const server = createServer({ noDelay: true }, (socket) => {
  socket.on("error", () => {});
  socket.pipe(socket);
});
server.listen(0, "127.0.0.1", () => process.stdout.write(`${server.address().port}\n`));
process.stdin.resume().on("end", () => process.exit(0));
