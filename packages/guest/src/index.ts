// @ringway/guest: what a program in a guest imports.

export { ProtocolError, type Verdict } from "@ringway/control";
export { type ArgumentError, type SharedMemory, SystemError } from "@ringway/linux";
export type { AbortOptions } from "./abort.ts";
export type { AttachDescriptor } from "./attach/attach-socket.ts";
export type { AttachMemory } from "./attach/attachment.ts";
export type { BellListener, GuestBell } from "./attach/bell.ts";
export { ByteChannelBell } from "./attach/byte-channel-bell.ts";
export { EventfdBell } from "./attach/eventfd-bell.ts";
export type { AttachIvshmem, IvshmemPlaces } from "./attach/ivshmem.ts";
export type { AttachTarget } from "./attach/target.ts";
export {
  AbortError,
  type ErrorContext,
  RefusedError,
  RingwayError,
  type RingwayErrorInit,
} from "./errors.ts";
export type { ExplainTarget } from "./explain.ts";
export type { CpOptions } from "./files/copy.ts";
export { GuestDir, type OpendirOptions } from "./files/dir.ts";
export { GuestFile } from "./files/file.ts";
export type { FilePlace, ReadOptions } from "./files/file-arguments.ts";
export type { FileContents, FileEvents } from "./files/file-contents.ts";
export type { FileData, WholeFileOptions } from "./files/file-data.ts";
export type { HandleStreamOptions } from "./files/file-handle-streams.ts";
export { FileReadStream } from "./files/file-read-stream.ts";
export type { RangeOptions } from "./files/file-stream.ts";
export type { ReadStreamOptions, WriteStreamOptions } from "./files/file-stream-options.ts";
export { FileWriteStream } from "./files/file-write-stream.ts";
export type { Listing, MkdirOptions, ReaddirOptions } from "./files/fs.ts";
export type { OpenFileOptions } from "./files/open-file.ts";
export type { OpenFlags, PathLike } from "./files/paths.ts";
export {
  type BigIntStatOptions,
  GuestBigIntStats,
  GuestDirent,
  type GuestStatFs,
  GuestStats,
  type Kinded,
  type NumberStatOptions,
  type StatOptions,
  type Time,
} from "./files/stats.ts";
export type { RmOptions } from "./files/tree.ts";
export type { ReadFileOptions, WriteFileOptions } from "./files/whole-file.ts";
export { type AttachOptions, Guest, type GuestArgs, type GuestEvents } from "./guest.ts";
export { GuestFiles } from "./guest-files.ts";
export type { GuestNetwork } from "./guest-network.ts";
export type { EncodingOptions, GuestPaths } from "./guest-paths.ts";
export { MountFile } from "./mount/file.ts";
export { MountFs, type MountWriteOptions } from "./mount/fs.ts";
export type { FoundLock, LockOptions, LockRange } from "./mount/locks.ts";
export type { MountBufferOptions, MountNames, MountTextOptions } from "./mount/names.ts";
export { MountStats } from "./mount/stats.ts";
export type { MountChange, MountChangeKind } from "./mount/watcher.ts";
export type { ConnectOptions, ConnectTarget, PathTarget, StreamOptions, TcpTarget } from "./net/connect.ts";
export {
  type Connector,
  type ConnectorInit,
  type ConnectorOptions,
  type Connects,
  createConnector,
  GuestHttpAgent,
  GuestHttpsAgent,
  type OnSocket,
} from "./net/http.ts";
export type { DroppedConnection, ListenOptions, ServerOptions } from "./net/listen.ts";
export type { GuestLookup, OnAddress, OnAddresses, OnLookup } from "./net/lookup.ts";
export type { NameAddress } from "./net/names.ts";
export type { WriteCallback } from "./net/raw-stream.ts";
export { GuestServer, type GuestServerEvents } from "./net/server.ts";
export { GuestSocket } from "./net/socket.ts";
export type { SocketAddress } from "./net/socket-address.ts";
export type { UdpBindOptions, UdpSocketOptions, UdpType } from "./net/udp/arguments.ts";
export type { UdpSendCallback } from "./net/udp/channel.ts";
export type { GuestUdpEvents, UdpRemote } from "./net/udp/incoming.ts";
export { GuestUdpSocket, type UdpPiece } from "./net/udp/socket.ts";
export type { ListenPathOptions, PeerCredentials } from "./net/unix.ts";
