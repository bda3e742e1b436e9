// The bounds of the protocol (LIM-1), with the reason for each. A host may hold a guest to less; never to more.

import { BELL_STREAM_IDS, PAGE_BYTES } from "./layout.ts";

/** Largest stream id: the pending bitmap has 32 x 32 x 32 bits and id 0 is the control pipe. */
export const MAX_STREAM_ID: number = BELL_STREAM_IDS - 1;

/** Smallest ring of a stream: data areas are whole pages. */
export const MIN_RING_BYTES: number = PAGE_BYTES;
/** Largest ring: beyond 16 MiB no cache helps, and 32-bit positions must stay far from ambiguous. */
export const MAX_RING_BYTES: number = 16 * 1024 * 1024;
/** What a host gives when a guest asks for no size. */
export const DEFAULT_RING_BYTES: number = 256 * 1024;
/** Each ring of the control pipe: the largest control frame fits, with room to pipeline. */
export const CONTROL_RING_BYTES: number = 64 * 1024;

/** Payload bytes, type, request id. */
export const FRAME_HEADER_BYTES = 12;
/** Largest payload: IO_MAX_BYTES of data and its fields. A frame must also fit its ring whole (FRM-3). */
export const FRAME_PAYLOAD_MAX: number = 64 * 1024 + 64;
/** Most data bytes in one Write, WriteAt or Data frame. */
export const IO_MAX_BYTES: number = 64 * 1024;

/** Linux PATH_MAX without its NUL. */
export const PATH_MAX_BYTES = 4095;
/** Linux NAME_MAX: a name in a folder, and the name of an extended attribute. */
export const NAME_MAX_BYTES = 255;
/** A DNS name in text form (RFC 1035, section 2.3.4). */
export const HOST_MAX_BYTES = 253;
/** A log line, a reason, an argument: what a person reads or a program passes. */
export const TEXT_MAX_BYTES = 8192;
/** Largest datagram over IPv4: 65,535 bytes less the headers of IP and UDP (UDP-6). */
export const UDP_IPV4_MAX_BYTES = 65_507;
/** Largest datagram over IPv6, whose length does not count its own header. */
export const UDP_IPV6_MAX_BYTES = 65_527;
/** Most datagrams in a train: what Linux sends as one (UDP_MAX_SEGMENTS of its first versions). */
export const UDP_TRAIN_MAX = 64;
/** Most bytes in a record of a Unix socket (UNX-6): as in a write, so that its frame is in bounds. */
export const RECORD_MAX_BYTES: number = IO_MAX_BYTES;
/** Arguments, environment entries, directory entries in one frame. */
export const LIST_MAX = 4096;
