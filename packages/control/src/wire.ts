// Fields and messages (PROTOCOL.md section 7). A message is a list of named fields in order; from that list come its
// TypeScript type, its encoder and its strict decoder: every byte accounted for, every bound checked.

import { ProtocolError, Violation } from "./errors.ts";
import { FRAME_PAYLOAD_MAX, LIST_MAX } from "./limits.ts";
import { decodeUtf8, encodeUtf8 } from "./utf8.ts";

function malformed(what: string): ProtocolError {
  return new ProtocolError(Violation.FRAME_MALFORMED, "FRM-6", what);
}

const NOTHING = new Uint8Array(0);

/**
 * Reads fields from one payload, a private copy. Throws ProtocolError FRAME_MALFORMED where it ends too soon (FRM-6).
 */
export class PayloadReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Four bytes, little-endian, 0 to 2^32 - 1. */
  u32(): number {
    const bytes = this.#bytes;
    const at = this.#at;
    if (at + 4 > bytes.length) throw malformed("payload is too short");
    this.#at = at + 4;
    return u32At(bytes, at);
  }

  /** The same in two's complement. */
  i32(): number {
    return this.u32() | 0;
  }

  /** The next `length` bytes, as a copy. */
  take(length: number): Uint8Array {
    if (this.#at + length > this.#bytes.length) throw malformed("payload is too short");
    const part = this.#bytes.slice(this.#at, this.#at + length);
    this.#at += length;
    return part;
  }

  /** The next `length` bytes as text; undefined where they are not UTF-8. */
  text(length: number): string | undefined {
    const from = this.#at;
    if (from + length > this.#bytes.length) throw malformed("payload is too short");
    this.#at = from + length;
    return decodeUtf8(this.#bytes, from, from + length);
  }

  /** All bytes that are left, as a copy. */
  rest(): Uint8Array {
    if (this.#at === this.#bytes.length) return NOTHING;
    return this.take(this.#bytes.length - this.#at);
  }

  /** Every byte must have been read. */
  end(): void {
    if (this.#at !== this.#bytes.length) {
      throw malformed(`payload has ${this.#bytes.length - this.#at} bytes too many`);
    }
  }
}

/** Little-endian. */
export function u32At(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

/** Little-endian. */
export function putU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

/**
 * Most payloads are smaller: they are copied out of the writer's own memory, and larger ones are handed over with
 * theirs.
 */
const WRITER_BYTES = 256;

/** Collects the fields of one payload after the other. */
export class PayloadWriter {
  #bytes: Uint8Array = new Uint8Array(WRITER_BYTES);
  #length = 0;

  /** The next payload; one that was not finished is given up. */
  begin(): void {
    this.#length = 0;
    if (this.#bytes.length > WRITER_BYTES) this.#bytes = new Uint8Array(WRITER_BYTES);
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + bytes));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }

  /** The low 32 bits of `value`, little-endian. */
  u32(value: number): void {
    this.#reserve(4);
    putU32(this.#bytes, this.#length, value);
    this.#length += 4;
  }

  /** The bytes as they are. */
  put(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** The caller's to keep. */
  finish(): Uint8Array {
    if (this.#bytes.length === WRITER_BYTES) return this.#bytes.slice(0, this.#length);
    const payload = this.#bytes.subarray(0, this.#length);
    this.#bytes = new Uint8Array(WRITER_BYTES);
    return payload;
  }
}

/** How one field stands in a payload. `write` throws RangeError for a value that the wire cannot carry. */
export interface Field<T> {
  /** Throws ProtocolError FRAME_MALFORMED for what its type does not allow (FRM-6). */
  read(from: PayloadReader): T;
  write(to: PayloadWriter, value: T): void;
}

/** 0 to 2^32 - 1. */
export const u32: Field<number> = {
  read: (from) => from.u32(),
  write(to, value) {
    if (!Number.isInteger(value) || value < 0 || value > 0xffffffff)
      throw new RangeError(`not a u32: ${value}`);
    to.u32(value);
  },
};

/** 0 or 1; anything else is malformed. */
export const bool: Field<boolean> = {
  read(from) {
    const value = from.u32();
    if (value > 1) throw malformed(`not a boolean: ${value}`);
    return value === 1;
  },
  write: (to, value) => to.u32(value ? 1 : 0),
};

/** Low word, then high word; at most 2^53 - 1, so that every language's numbers hold it (FRM-5). */
export const u64: Field<number> = {
  read(from) {
    const low = from.u32();
    const high = from.u32();
    if (high > 0x1fffff) throw malformed("a u64 is over 2^53 - 1");
    return high * 2 ** 32 + low;
  },
  write(to, value) {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`not a u64 below 2^53: ${value}`);
    to.u32(value % 2 ** 32);
    to.u32(Math.floor(value / 2 ** 32));
  },
};

/** Two's complement, low word first; of magnitude at most 2^53 - 1. */
export const i64: Field<number> = {
  read(from) {
    const low = from.u32();
    const value = from.i32() * 2 ** 32 + low;
    if (!Number.isSafeInteger(value)) throw malformed("an i64 is beyond 2^53 - 1");
    return value;
  },
  write(to, value) {
    if (!Number.isSafeInteger(value)) throw new RangeError(`not an i64 within 2^53: ${value}`);
    to.u32(((value % 2 ** 32) + 2 ** 32) % 2 ** 32);
    to.u32(Math.floor(value / 2 ** 32) >>> 0);
  },
};

/** A byte count, then that many bytes of UTF-8 without NUL, at most `maxBytes`. */
export function text(maxBytes: number): Field<string> {
  return {
    read(from) {
      const length = from.u32();
      if (length > maxBytes) throw malformed(`a text of ${length} bytes is over ${maxBytes}`);
      const value = from.text(length);
      if (value === undefined) throw malformed("a text is not UTF-8");
      if (value.includes("\0")) throw malformed("a text contains NUL");
      return value;
    },
    write(to, value) {
      const bytes = encodeUtf8(value);
      if (bytes.length > maxBytes)
        throw new RangeError(`a text of ${bytes.length} bytes is over ${maxBytes}`);
      if (value.includes("\0")) throw new RangeError("a text contains NUL");
      to.u32(bytes.length);
      to.put(bytes);
    },
  };
}

/** A byte count, then that many bytes of any value, at most `maxBytes`; read as a copy. */
export function bytes(maxBytes: number): Field<Uint8Array> {
  return {
    read(from) {
      const length = from.u32();
      if (length > maxBytes) throw malformed(`${length} bytes are over ${maxBytes}`);
      return from.take(length);
    },
    write(to, value) {
      if (value.length > maxBytes) throw new RangeError(`${value.length} bytes are over ${maxBytes}`);
      to.u32(value.length);
      to.put(value);
    },
  };
}

/** All that is left of the payload. */
export const rest: Field<Uint8Array> = {
  read: (from) => from.rest(),
  write: (to, value) => to.put(value),
};

/** A count, then that many items; at most LIST_MAX. */
export function list<T>(item: Field<T>): Field<readonly T[]> {
  return {
    read(from) {
      const count = from.u32();
      if (count > LIST_MAX) throw malformed(`a list of ${count} items is over ${LIST_MAX}`);
      const items: T[] = [];
      for (let i = 0; i < count; i++) items.push(item.read(from));
      return items;
    },
    write(to, items) {
      if (items.length > LIST_MAX)
        throw new RangeError(`a list of ${items.length} items is over ${LIST_MAX}`);
      to.u32(items.length);
      for (const value of items) item.write(to, value);
    },
  };
}

type Fields<T> = { readonly [K in keyof T]: Field<T[K]> };

/** Fields one after the other, in the order in which they are named. */
export function struct<T extends object>(fields: Fields<T>): Field<T> {
  const names = Object.keys(fields) as (keyof T)[];
  const kinds = Object.values(fields) as Field<unknown>[];
  return {
    read(from) {
      const value: Partial<Record<keyof T, unknown>> = {};
      for (let i = 0; i < names.length; i++) value[names[i]!] = kinds[i]!.read(from);
      return value as T;
    },
    write(to, value) {
      for (let i = 0; i < names.length; i++) kinds[i]!.write(to, value[names[i]!]);
    },
  };
}

/** One kind of frame: its type number, and its payload as fields. */
export interface Message<T> {
  readonly type: number;
  readonly name: string;
  /** The payload. Throws RangeError for a value that the wire cannot carry. */
  encode(value: T): Uint8Array;
  /** Throws ProtocolError FRAME_MALFORMED when the payload is short, long or out of bounds (FRM-6). */
  decode(payload: Uint8Array): T;
}

/** Payload codec of something that is not a frame of its own: the body of Open and Opened. */
export interface Body<T> {
  /** As Message.encode(). */
  encode(value: T): Uint8Array;
  /** As Message.decode(). */
  decode(payload: Uint8Array): T;
}

/** One payload at a time is in hand, so one writer serves all of this thread. */
const writer = new PayloadWriter();

/** The codec of fields one after the other. `name`, where it has one, is for people. */
export function body<T extends object>(fields: Fields<T>, name?: string): Body<T> {
  const whole = struct(fields);
  return {
    encode(value) {
      writer.begin();
      whole.write(writer, value);
      const payload = writer.finish();
      if (payload.length > FRAME_PAYLOAD_MAX) {
        throw new RangeError(`a payload of ${payload.length} bytes is over ${FRAME_PAYLOAD_MAX}`);
      }
      return payload;
    },
    decode(payload) {
      try {
        const from = new PayloadReader(payload);
        const value = whole.read(from);
        from.end();
        return value;
      } catch (error) {
        throw placed(error, fields, payload, name);
      }
    },
  };
}

/** The error with the field, found by reading once more: what is sound pays nothing for it. */
function placed<T>(
  error: unknown,
  fields: Fields<T>,
  payload: Uint8Array,
  name: string | undefined,
): unknown {
  if (!(error instanceof ProtocolError)) return error;
  const from = new PayloadReader(payload);
  for (const [field, kind] of Object.entries(fields) as [string, Field<unknown>][]) {
    try {
      kind.read(from);
    } catch {
      return error.within(name === undefined ? field : `${name}.${field}`);
    }
  }
  return name === undefined ? error : error.within(name);
}

/** Of all messages, by type: two of one type carry the same. */
const names = new Map<number, string>();

/** "NewStream (0x0101)" for people; the number alone of a type that there is not. */
export function typeName(type: number): string {
  const hex = `0x${type.toString(16).padStart(4, "0")}`;
  const name = names.get(type);
  return name === undefined ? hex : `${name} (${hex})`;
}

/** The codec of a frame of this type. */
export function message<T extends object>(type: number, name: string, fields: Fields<T>): Message<T> {
  names.set(type, name);
  return { type, name, ...body(fields, name) };
}
