// What unix-connect and unix-listen share: what is asked for is placed at a rule's socket, and failures are worded.

import { Errno, type Refusal, unixMessages } from "@ringway/control";
import { errnoMessage, setSendBuffer, type UnixType } from "@ringway/linux";
import type { DiskResult } from "../disk/operations.ts";
import type { Relay, RelayGuest } from "../guests/relay.ts";
import type { Stream } from "../guests/stream.ts";
import { refusal } from "../policy/refusal.ts";
import type { SocketDecision } from "../policy/types.ts";
import { ENDS_AS_FOLDER, explainFailure } from "./files/access.ts";
import type { RelayHost } from "./host.ts";
import { TcpRelay } from "./tcp-relay.ts";
import { RecordsRelay } from "./unix-records.ts";

/**
 * What the kernel is asked to hold of a stream, where it may; it doubles the number. A full buffer takes more when
 * three quarters of it were read: with what a Unix socket has by itself bulk would move in pieces of 150 KiB.
 */
const SEND_BUFFER_BYTES = 256 * 1024;

/** The request of an Open, and by what its path is allowed. */
export interface SocketAsked<Request extends { readonly path: string }> {
  readonly request: Request;
  readonly decision: SocketDecision;
}

/** The socket of a rule, for a disk worker. */
export interface SocketPlace {
  readonly tree: number;
  readonly socket: number;
}

export function unixType(kind: number): UnixType {
  return kind === unixMessages.UnixKind.SEQPACKET ? "seqpacket" : "stream";
}

/** A kind that there is not, with whatever path. */
export function kindMistake(kind: number): Refusal | undefined {
  if (kind === unixMessages.UnixKind.STREAM || kind === unixMessages.UnixKind.SEQPACKET) return undefined;
  return refusal(Errno.EINVAL, `${kind} is no kind of Unix socket`);
}

/** Where a socket is that the policy has allowed just now, or why its folder cannot be had. */
export function placeOfSocket<Request extends { readonly path: string }>(
  { policy }: RelayGuest,
  { request: { path }, decision: { rule, ruleIndex: socket } }: SocketAsked<Request>,
): SocketPlace | Refusal {
  if (ENDS_AS_FOLDER.test(path)) return refusal(Errno.ENOTDIR, `${path}: ${errnoMessage(Errno.ENOTDIR)}`);
  const { tree } = policy.folders;
  const { fd, reason } = policy.folders.socketFolder(socket);
  return fd < 0 ? refusal(-fd, `the folder of rule "${rule}": ${reason}`) : { tree, socket };
}

/** Why there is no new socket: those that are over and hold what their peers have not read are too many. */
export function tooManyUnread({ account, policy }: RelayGuest): Refusal | undefined {
  const { partings } = account.sockets;
  if (partings < policy.policy.limits.streams) return undefined;
  const reason = `${partings} sockets that are over hold bytes that nobody has read, the most that the policy allows`;
  return refusal(Errno.ENOBUFS, reason);
}

/**
 * Takes over `fd`, connected and non-blocking. Throws SystemError (ENOSPC, ENOMEM) where it cannot be watched; `fd`
 * then stays the caller's.
 */
export function unixRelay(host: RelayHost, stream: Stream, fd: number, isStream: boolean): Relay {
  if (!isStream) return new RecordsRelay(host, stream, fd);
  setSendBuffer(fd, SEND_BUFFER_BYTES);
  return new TcpRelay(host, stream, fd, undefined, false, false);
}

/** Why a worker could not connect to, or listen at, `path`. */
export function socketFailure(
  guest: RelayGuest,
  protocol: number,
  path: string,
  result: DiskResult,
): Refusal {
  if (result.errno !== Errno.ENOSYS) return explainFailure(guest, protocol, path, result);
  return refusal(Errno.ENOSYS, `${path}: the monitor has no /proc, by which it uses sockets`);
}
