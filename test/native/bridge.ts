// What a hypervisor does, in small: the region of a monitor's guest as a file to map, its bells as bytes on a channel.

import { rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { decodeHello, HELLO_BYTES, HELLO_DESCRIPTORS, HelloDescriptor } from "@ringway/control";
import { closeFd, connectUnix, drainEventfd, receiveWithFds, ringEventfd } from "@ringway/linux";
import { until } from "../support/wait.ts";

export interface Bridge extends AsyncDisposable {
  /** A path that maps the region. */
  readonly region: string;
  /** A Unix stream socket: one byte is one ring. */
  readonly channel: string;
}

export async function bridge(monitor: string, folder: string): Promise<Bridge> {
  const attachFd = connectUnix(monitor);
  const { bytes, fds } = await until("a hello", () => {
    const message = receiveWithFds(attachFd, HELLO_BYTES, HELLO_DESCRIPTORS);
    return typeof message === "number" ? undefined : message;
  });
  if (decodeHello(bytes).errno !== 0) throw new Error("the monitor turned the bridge away");
  const toHost = fds[HelloDescriptor.BELL_TO_HOST]!;
  const toGuest = fds[HelloDescriptor.BELL_TO_GUEST]!;
  const channel = join(folder, "channel.sock");
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("data", () => ringEventfd(toHost));
  }).listen(channel);
  const timer = setInterval(() => {
    if (drainEventfd(toGuest) > 0) for (const socket of sockets) socket.write("!");
  }, 1);
  return {
    region: `/proc/${process.pid}/fd/${fds[HelloDescriptor.REGION]!}`,
    channel,
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      for (const fd of [...fds, attachFd]) closeFd(fd);
      rmSync(channel, { force: true });
    },
  };
}
