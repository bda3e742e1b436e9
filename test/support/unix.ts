// Unix sockets of the host for tests: servers of node:net by path, and one of records, which Node has not.

import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import {
  acceptUnix,
  closeFd,
  Errno,
  listenUnix,
  NO_MORE_RECORDS,
  receiveRecord,
  scratch,
  send,
  shutdownWrite,
  tellRecords,
} from "@ringway/linux";

export interface UnixServer extends AsyncDisposable {
  /** Those that came, in order; they stay half open when their peer ends. */
  readonly sockets: Socket[];
}

export async function unixServer(
  path: string,
  onSocket: (socket: Socket) => void = () => {},
): Promise<UnixServer> {
  const sockets: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket.on("error", () => {}));
    onSocket(socket);
  });
  server.listen(path);
  await once(server, "listening");
  return {
    sockets,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const room = scratch(128 * 1024);
/** How often it looks: there are no events for these descriptors in Node. */
const LOOK_MS = 1;

/** Sends back every record, whole, until its peer ends; then it ends too. */
export function recordEcho(path: string): Disposable {
  const listener = listenUnix(path);
  const open = new Set<number>();
  const timer = setInterval(() => {
    for (let fd = acceptUnix(listener); fd >= 0; fd = acceptUnix(listener)) {
      tellRecords(fd);
      open.add(fd);
    }
    for (const fd of open) if (!echoRecords(fd)) open.delete(fd);
  }, LOOK_MS);
  return {
    [Symbol.dispose]() {
      clearInterval(timer);
      for (const fd of [...open, listener]) closeFd(fd);
    },
  };
}

/** False: it is over, and closed. */
function echoRecords(fd: number): boolean {
  for (;;) {
    const count = receiveRecord(fd, room.address, room.bytes.length);
    if (count === -Errno.EAGAIN) return true;
    if (count >= 0) send(fd, room.address, count);
    else {
      if (count === NO_MORE_RECORDS) shutdownWrite(fd);
      closeFd(fd);
      return false;
    }
  }
}
