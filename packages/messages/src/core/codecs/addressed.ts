// Messages with an address, for several logical channels over one connection: the address is the first four bytes of
// what another codec frames, big endian. Around lengthDelimited() this is what DFIR's processes send each other, byte
// for byte:
//
//        │ length: 4, big endian │ address: 4, big endian │ batch        length = 4 + batch
//
// JSON has no bytes to put an address before; there it is a field of its own.

import { type Bytes, CannotEncode, type Codec, type Decoded, type Writer } from "../codec.ts";

const ADDRESS_BYTES = 4;

export interface Addressed {
  /** 0 to 2^32 - 1. */
  readonly address: number;
  readonly batch: Bytes;
}

export function addressed(framing: Codec<Bytes>): Codec<Addressed> {
  return {
    maxBytes: framing.maxBytes,

    encode({ address, batch }: Addressed, writer: Writer): void {
      if (address >>> 0 !== address) throw new CannotEncode(`an address has 32 bits, and is not ${address}`);
      const both = new Uint8Array(ADDRESS_BYTES + batch.length);
      for (let i = 0; i < ADDRESS_BYTES; i++) both[i] = address >>> (8 * (ADDRESS_BYTES - 1 - i));
      both.set(batch, ADDRESS_BYTES);
      framing.encode(both, writer);
    },

    decode(bytes: Bytes, at: number, seen: number): Decoded<Addressed> {
      const decoded = framing.decode(bytes, at, seen);
      if (typeof decoded !== "object" || decoded.malformed !== undefined) return decoded;
      const { message, used } = decoded;
      if (message.length < ADDRESS_BYTES) {
        return { malformed: `no room for an address in ${message.length} bytes`, offset: 0, used };
      }
      const address = ((message[0]! << 24) | (message[1]! << 16) | (message[2]! << 8) | message[3]!) >>> 0;
      return { message: { address, batch: message.subarray(ADDRESS_BYTES) }, used };
    },
  };
}
