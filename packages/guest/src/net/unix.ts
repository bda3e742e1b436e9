// Unix sockets of the host: what net.connect() and server.listen() take where they are given a path, and what it means
// here. The path is the guest's name for the socket, as a file's: the policy says which socket of the host that is.

import { Errno, PATH_MAX_BYTES, Protocol, unixMessages } from "@ringway/control";
import { invalidType } from "@ringway/linux";
import { type ErrorContext, errnoError } from "../errors.ts";
import type { SocketOpen } from "./socket-open.ts";

/** Who is at the other end of a Unix socket, in the host's numbers; undefined: not known. */
export interface PeerCredentials {
  readonly pid: number | undefined;
  readonly uid: number | undefined;
  readonly gid: number | undefined;
}

export function peerCredentials({ pid, uid, gid }: unixMessages.UnixPeer): PeerCredentials {
  const known = (owner: number): number | undefined =>
    owner === unixMessages.UNKNOWN_OWNER ? undefined : owner;
  return { pid: pid === 0 ? undefined : pid, uid: known(uid), gid: known(gid) };
}

/** Throws as net.Socket's connect() does. */
export function connectPathOpen(path: unknown, timeoutMs: number, ringBytes: number | undefined): SocketOpen {
  requirePath(path);
  const context = { syscall: "connect", address: path };
  const decode = unixMessages.UnixConnectReply.decode;
  const common = { protocol: Protocol.UNIX_CONNECT, context, ringBytes, decode };
  const failure = pathFailure(path, context);
  if (failure !== undefined) return { ...common, body: new Uint8Array(), failure };
  const { STREAM: kind } = unixMessages.UnixKind;
  return { ...common, body: unixMessages.UnixConnectRequest.encode({ kind, timeoutMs, path }) };
}

/** What goes with a path in server.listen(), as net.Server's. */
export interface ListenPathOptions {
  /** Everybody of the host may read from, or write to, the socket's file, as far as its folder lets them come. */
  readonly readableAll?: boolean | undefined;
  readonly writableAll?: boolean | undefined;
}

/** What a socket's file has with the usual umask: connecting takes writing, so that its owner alone may. */
const MODE = 0o755;

/** Throws as net.Server's listen() does. The body of an Open; or why no host has such a path. */
export function listenPathBody(
  path: string,
  backlog: number,
  { readableAll, writableAll }: Record<string, unknown>,
  context: ErrorContext,
): Uint8Array | Error {
  const failure = pathFailure(path, context);
  if (failure !== undefined) return failure;
  const { STREAM: kind } = unixMessages.UnixKind;
  const mode = MODE | (readableAll ? 0o444 : 0) | (writableAll ? 0o222 : 0);
  return unixMessages.UnixListenRequest.encode({ kind, mode, backlog, path });
}

function requirePath(path: unknown): asserts path is string {
  if (typeof path !== "string") throw invalidType("options.path", "of type string", path);
}

/** What no host has: as a kernel says it. */
function pathFailure(path: string, context: ErrorContext): Error | undefined {
  if (path.includes("\0")) return errnoError(Errno.EINVAL, context);
  if (Buffer.byteLength(path) > PATH_MAX_BYTES) return errnoError(Errno.ENAMETOOLONG, context);
  return undefined;
}
