// @ringway/linux: the system calls that both sides of Ringway use, bound through koffi.
//
// Calls that run per message or per file operation take numbers and return a value `>= 0` or -errno; calls that set
// something up throw SystemError. libc.ts says how and why.

export * from "./aio.ts";
export * from "./argument-errors.ts";
export * from "./capabilities.ts";
export * from "./channel.ts";
export * from "./datagram-inbox.ts";
export * from "./datagrams.ts";
export * from "./deadline.ts";
export * from "./descriptor.ts";
export * from "./epoll.ts";
export { Errno, type ErrnoName, errnoName } from "./errno.ts";
export * from "./errno-messages.ts";
export * from "./eventfd.ts";
export * from "./files/attributes.ts";
export * from "./files/bytes.ts";
export * from "./files/directory.ts";
export * from "./files/inotify.ts";
export * from "./files/names.ts";
export * from "./files/open.ts";
export * from "./files/owner.ts";
export * from "./files/ranges.ts";
export * from "./files/stat.ts";
export * from "./files/xattrs.ts";
export { type PathLike, type Scratch, scratch } from "./libc.ts";
export {
  type Mapping,
  type MappingPlace,
  Seal,
  sealSize,
  sealsOf,
  unmakeMapping,
} from "./mapping.ts";
export * from "./memory.ts";
export * from "./native-thread.ts";
export * from "./nearest.ts";
export * from "./node-handles.ts";
export * from "./poll.ts";
export * from "./read-batch.ts";
export * from "./refuse-descriptors.ts";
export * from "./rlimit.ts";
export * from "./routes.ts";
export * from "./scheduler.ts";
export * from "./service.ts";
export * from "./sockets.ts";
export * from "./system-error.ts";
export * from "./terminal.ts";
export * from "./udp.ts";
export * from "./unix.ts";
export * from "./unix-messages.ts";
