// @ringway/guest: what a program in a guest imports.

export { ProtocolError } from "@ringway/control";
export type { AttachDescriptor, AttachMemory } from "./attach.ts";
export type { BellListener, GuestBell } from "./bell.ts";
export { ChannelBell } from "./channel-bell.ts";
export type { ConnectOptions, ConnectTarget, StreamOptions } from "./connect.ts";
export type { CpOptions } from "./copy.ts";
export { GuestDir, type OpendirOptions } from "./dir.ts";
export { AbortError, RefusedError, RingwayError } from "./errors.ts";
export { EventfdBell } from "./eventfd-bell.ts";
export type { ExplainTarget } from "./explain.ts";
export { GuestFile, type OpenFileOptions } from "./file.ts";
export type { FilePlace, ReadOptions } from "./file-arguments.ts";
export type { RangeOptions } from "./file-channel.ts";
export type { FileData, WholeFileOptions } from "./file-data.ts";
export type { HandleStreamOptions } from "./file-handle-streams.ts";
export {
  FileReadStream,
  FileWriteStream,
  type ReadStreamOptions,
  type WriteStreamOptions,
} from "./file-stream.ts";
export type { AbortOptions, Listing, MkdirOptions, ReaddirOptions } from "./fs.ts";
export { type AttachOptions, Guest, type GuestArgs } from "./guest.ts";
export { type EncodingOptions, GuestFiles } from "./guest-files.ts";
export {
  type Connector,
  type ConnectorInit,
  type ConnectorOptions,
  createConnector,
  GuestHttpAgent,
  GuestHttpsAgent,
} from "./http.ts";
export type { AttachIvshmem, IvshmemPlaces } from "./ivshmem.ts";
export type { DroppedConnection, ListenOptions, ServerOptions } from "./listen.ts";
export type { OpenFlags, PathLike } from "./paths.ts";
export { GuestServer } from "./server.ts";
export { GuestSocket, type SocketAddress } from "./socket.ts";
export {
  GuestBigIntStats,
  GuestDirent,
  type GuestStatFs,
  GuestStats,
  type StatOptions,
  type Time,
} from "./stats.ts";
export type { RmOptions } from "./tree.ts";
export type { ReadFileOptions, WriteFileOptions } from "./whole-file.ts";
