// One frame by itself, for those who have no stream: a file, a datagram, a test.

import { ByteWriter } from "./byte-writer.ts";
import { type Bytes, CannotEncode, type Codec } from "./codec.ts";

/** The bytes of a message's frame. */
export function encodeFrame<M>(codec: Codec<M>, message: M): Bytes {
  const writer = new ByteWriter(codec.maxBytes);
  codec.encode(message, writer);
  if (!writer.commit()) throw new CannotEncode(`a frame is more than ${codec.maxBytes} bytes`);
  return writer.buffer.slice(0, writer.length());
}
