// struct mmsghdr and what it points at, as batch and inbox lay them out (datagrams.ts, datagram-inbox.ts).

// struct mmsghdr: msghdr 56 (name ptr 0 | name length u32 8 | iov ptr 16 | iov count u64 24 | control ptr 32 |
//                 control bytes u64 40 | flags i32 48) | bytes received u32 56                     = 64
export const MESSAGE_BYTES = 64;
export const NAME_LENGTH = 8;
export const IOV = 16;
export const IOV_COUNT = 24;
export const CONTROL = 32;
export const CONTROL_LENGTH = 40;
export const RECEIVED = 56;
export const IOVEC_BYTES = 16;
export const CONTROL_HEADER_BYTES = 16;

/** struct sockaddr_in6, which is the larger, rounded up. */
export const SOCKADDR_BYTES = 32;

export const MSG_DONTWAIT = 0x40;
export const SOL_UDP = 17;
