// What a guest is to attach to, and which of the ways that is.

import { invalidType } from "@ringway/linux";
import { integer } from "../argument-errors.ts";
import { type AttachDescriptor, attachDescriptor, attachSocket } from "./attach-socket.ts";
import { type AttachMemory, type Attachment, attachmentOf } from "./attachment.ts";
import { type AttachIvshmem, attachIvshmem } from "./ivshmem.ts";

/** A string is the path of the monitor's attach socket. */
export type AttachTarget = string | AttachDescriptor | AttachMemory | AttachIvshmem;

/** `deadline`: of performance.now(). */
export async function attachmentFor(
  to: AttachTarget,
  deadline: number,
  signal: AbortSignal | undefined,
): Promise<Attachment> {
  if (typeof to === "string" && to !== "") return await attachSocket(to, deadline, signal);
  if (typeof to === "object" && to !== null) {
    if ("ivshmem" in to) return await attachIvshmem(to.ivshmem === true ? {} : to.ivshmem, deadline, signal);
    if ("fd" in to) integer(to.fd, "to.fd", 0);
    if ("fd" in to) return await attachDescriptor(to.fd, deadline, signal);
    if ("memory" in to && "doorbell" in to) return attachmentOf(to);
  }
  const what =
    "the path of the monitor's attach socket, { fd }, { ivshmem: true } or { memory, doorbell }; " +
    "a path from the environment, such as RINGWAY_SOCKET, may not be set";
  throw invalidType("to", what, to);
}
