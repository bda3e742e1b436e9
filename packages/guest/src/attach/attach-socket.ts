// Getting a region and a bell through a monitor's attach socket.

import { decodeHello, HELLO_BYTES, HELLO_DESCRIPTORS, HelloDescriptor, regionMemory } from "@ringway/control";
import {
  closeFd,
  connectUnix,
  Errno,
  isPollable,
  receiveWithFds,
  SharedMemory,
  SystemError,
} from "@ringway/linux";
import { type ErrorContext, errnoError, resetError } from "../errors.ts";
import { type Attachment, retry } from "./attachment.ts";
import { EventfdBell } from "./eventfd-bell.ts";

/**
 * A connection to a monitor's attach socket that somebody else made, for instance the program that started this one.
 * It is taken over, also where attaching fails.
 */
export interface AttachDescriptor {
  /** A descriptor of this process. */
  readonly fd: number;
}

/** Connects to a monitor and takes what it hands over. */
export async function attachSocket(
  path: string,
  deadline: number,
  signal: AbortSignal | undefined,
): Promise<Attachment> {
  const context: ErrorContext = { syscall: "connect", path };
  const socket = await retry(deadline, signal, context, () => tryConnect(path));
  return await attachDescriptor(socket, deadline, signal, path);
}

/** Takes over a connection to a monitor's attach socket, also when it throws. */
export async function attachDescriptor(
  socket: number,
  deadline: number,
  signal: AbortSignal | undefined,
  path?: string,
): Promise<Attachment> {
  const context: ErrorContext = { syscall: "attach", path };
  const fds: number[] = [];
  try {
    const message = await retry(deadline, signal, context, () => {
      const received = receiveWithFds(socket, HELLO_BYTES, HELLO_DESCRIPTORS);
      if (received === -Errno.EAGAIN) return undefined;
      if (typeof received === "number") throw errnoError(-received, { ...context, syscall: "recvmsg" });
      return received;
    });
    fds.push(...message.fds);
    if (message.bytes.length === 0) {
      throw resetError("attach", new Error("the monitor closed the attach socket without a word"));
    }
    const hello = decodeHello(message.bytes);
    if (hello.errno !== 0) throw errnoError(hello.errno, context, undefined, noPlace(hello.errno));
    if (fds.length !== HELLO_DESCRIPTORS) {
      throw resetError("attach", new Error(`the hello came with ${fds.length} descriptors`));
    }
    const [region, ring, rung] = [
      fds[HelloDescriptor.REGION]!,
      fds[HelloDescriptor.BELL_TO_HOST]!,
      fds[HelloDescriptor.BELL_TO_GUEST]!,
    ];
    if (!isPollable(rung)) {
      throw resetError("attach", new Error("the hello came with a doorbell that cannot be waited for"));
    }
    // fromFd takes the descriptor over, also when it throws.
    fds.splice(fds.indexOf(region), 1);
    const memory = SharedMemory.fromFd(region);
    fds.length = 0;
    const bell = new EventfdBell(ring, rung, socket);
    return { memory: regionMemory(memory.buffer), bell, release: () => memory[Symbol.dispose]() };
  } catch (error) {
    for (const fd of fds) closeFd(fd);
    closeFd(socket);
    throw error;
  }
}

/** A descriptor, or undefined while the monitor's backlog is full. */
function tryConnect(path: string): number | undefined {
  try {
    return connectUnix(path, 1);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    if (error.code === "ETIMEDOUT") return undefined;
    const isAbsent = error.code === "ECONNREFUSED" || error.code === "ENOENT";
    const reason = isAbsent ? "no monitor listens there" : undefined;
    throw errnoError(-error.errno, { syscall: "connect", path }, error, reason);
  }
}

/** Whose limit it is that turns a guest away: its errno reads as if it were the process's own. */
function noPlace(errno: number): string | undefined {
  if (errno !== Errno.EMFILE && errno !== Errno.ENOMEM) return undefined;
  const limits =
    errno === Errno.EMFILE
      ? "limits.guests of its policy, --max-guests"
      : "limits.regionBytesTotal of its policy";
  return `the monitor has no room for another guest (${limits}, or what its host gives it); its log says which`;
}
