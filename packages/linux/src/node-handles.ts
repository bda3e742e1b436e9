// What Node keeps to itself of a stream that is a socket: its handle has the descriptor, and bytes that the kernel has
// not taken yet. Another version of Node may have neither: then nothing is known.

interface Handle {
  readonly fd?: number;
  readonly writeQueueSize?: number;
}

const handleOf = (stream: object): Handle => (stream as { _handle?: Handle | null })._handle ?? {};

/** Of a socket of node:net that is open; undefined: it is none, or nobody can tell. It stays the stream's. */
export function descriptorOf(stream: object): number | undefined {
  const { fd = -1 } = handleOf(stream);
  return fd < 0 ? undefined : fd;
}

/** Bytes that were written and given to libuv, which the kernel has not taken; 0 also where nobody can tell. */
export function queuedBytes(stream: object): number {
  return handleOf(stream).writeQueueSize ?? 0;
}
