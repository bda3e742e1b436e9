// What a guest that drives the wire by hand stands on: its memory, its bells, and how it lets go of them. Here it is a
// process with an attach socket. Where it is a virtual machine, vm/hostile/footing.ts is in the place of this file.

import { decodeHello, HELLO_BYTES, HELLO_DESCRIPTORS, HelloDescriptor } from "@ringway/control";
import {
  closeFd,
  connectUnix,
  drainEventfd,
  receiveWithFds,
  ringEventfd,
  SharedMemory,
  scratch,
  setNonBlocking,
  write,
} from "@ringway/linux";
import { Declined } from "./declined.ts";
import { until } from "./wait.ts";

export interface Footing {
  readonly memory: SharedMemory;
  /** What it has no descriptor for is -1. */
  readonly socketFd: number;
  readonly bellToHostFd: number;
  readonly bellToGuestFd: number;
  ring(): void;
  /** The monitor has hung up. */
  hungUp(): boolean;
  /** As many rings on the host's side of the bell as it can count. */
  fillBell(): void;
  /** Goes without a word: once. */
  vanish(): void;
}

/** All that an eventfd can count, less one. */
const fullBell = scratch(8);
fullBell.view.setBigUint64(0, 2n ** 64n - 2n, true);

const EAGAIN = -11;

/** `to`: a monitor's attach socket, or a connection to it. Throws Declined where it is turned away. */
export async function connectFooting(to: string | number): Promise<Footing> {
  const socketFd = typeof to === "string" ? connectUnix(to) : to;
  const { bytes, fds } = await until("a hello", () => {
    const message = receiveWithFds(socketFd, HELLO_BYTES, HELLO_DESCRIPTORS);
    if (message === EAGAIN) return undefined;
    if (typeof message === "number") throw new Error(`receiving the hello: errno ${-message}`);
    return message;
  });
  const { errno } = decodeHello(bytes);
  if (errno !== 0) {
    closeFd(socketFd);
    throw new Declined({ errno, rule: "", reason: "turned away" });
  }
  const memory = SharedMemory.fromFd(fds[HelloDescriptor.REGION]!);
  const bellToHostFd = fds[HelloDescriptor.BELL_TO_HOST]!;
  const bellToGuestFd = fds[HelloDescriptor.BELL_TO_GUEST]!;
  return {
    memory,
    socketFd,
    bellToHostFd,
    bellToGuestFd,
    ring: () => ringEventfd(bellToHostFd),
    hungUp() {
      const message = receiveWithFds(socketFd, 1, 0);
      return typeof message === "number" ? message !== EAGAIN : message.bytes.length === 0;
    },
    fillBell() {
      setNonBlocking(bellToGuestFd, true);
      drainEventfd(bellToGuestFd);
      write(bellToGuestFd, fullBell.address, 8);
    },
    vanish() {
      for (const fd of [socketFd, bellToHostFd, bellToGuestFd]) closeFd(fd);
      memory[Symbol.dispose]();
    },
  };
}
