// What a guest is to attach to, and which of the ways that is.

import { isAnyArrayBuffer } from "node:util/types";
import { invalidType, requireFunction, requireObject, requireText, SharedMemory } from "@ringway/linux";
import { integer } from "../argument-errors.ts";
import { type AttachDescriptor, attachDescriptor, attachSocket } from "./attach-socket.ts";
import { type AttachMemory, type Attachment, attachmentOf } from "./attachment.ts";
import { type AttachIvshmem, attachIvshmem, type IvshmemPlaces } from "./ivshmem.ts";

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
    if ("ivshmem" in to) return await attachIvshmem(ivshmemPlaces(to.ivshmem), deadline, signal);
    if ("fd" in to) integer(to.fd, "to.fd", 0);
    if ("fd" in to) return await attachDescriptor(to.fd, deadline, signal);
    if ("memory" in to && "doorbell" in to) {
      requireMemory(to);
      return attachmentOf(to);
    }
  }
  const what =
    "the path of the monitor's attach socket, { fd }, { ivshmem: true } or { memory, doorbell }; " +
    "a path from the environment, such as RINGWAY_SOCKET, may not be set";
  throw invalidType("to", what, to);
}

/** Undefined values are as good as none. */
function ivshmemPlaces(ivshmem: true | IvshmemPlaces): IvshmemPlaces {
  if (ivshmem === true) return {};
  requireObject(ivshmem, "to.ivshmem", "true, or an object such as { memory, channel }");
  for (const name of ["memory", "channel", "root"] as const) {
    if (ivshmem[name] !== undefined) requireText(ivshmem[name], `to.ivshmem.${name}`);
  }
  return ivshmem;
}

function requireMemory({ memory, doorbell }: AttachMemory): void {
  const isBuffer = isAnyArrayBuffer(memory) || memory instanceof Uint8Array || memory instanceof SharedMemory;
  const expected = "an instance of ArrayBuffer, SharedArrayBuffer, Uint8Array or SharedMemory";
  if (!isBuffer) throw invalidType("to.memory", expected, memory);
  requireObject(doorbell, "to.doorbell", "a GuestBell");
  for (const name of ["ring", "listen", "close"] as const) {
    requireFunction(doorbell[name], `to.doorbell.${name}`);
  }
}
