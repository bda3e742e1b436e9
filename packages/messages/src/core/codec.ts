// What a codec is: how one message becomes the bytes of a frame, and how the bytes of a stream become messages.
//
//        bytes   │ frame │ frame │ fra                     the end of what has come so far
//                        ╰ at                              ▼
//                          decode(bytes, at) ─▶ { message, used }   the frame at `at`: `used` bytes
//                                             ─▶ "more"             its end is not there yet
//                                             ─▶ 4096               nor are its first 4096 bytes, which it has at least
//                                             ─▶ { malformed }      and never will be
//
// A codec keeps nothing between two calls, so one of them serves any number of streams. It decides by the bytes of one
// frame alone, never by how they came: given the whole frame at `at` it gives the same as for any beginning of it, or
// "more". Those that look for an end (COBS, JSON lines) may look for it in all that is there.

/** What one can decode. */
export type Bytes = Uint8Array;

/** A message, and how many bytes its frame has. */
export interface Frame<M> {
  readonly message: M;
  readonly used: number;
  readonly malformed?: undefined;
}

/** What no frame begins with. */
export interface Malformed {
  /** What is wrong, in words. */
  readonly malformed: string;
  /** The first byte that is, counted from the frame's first. */
  readonly offset: number;
  /** Bytes up to where the next frame begins; undefined where nobody can know. */
  readonly used?: number;
}

/** "more", or how many bytes the frame has at least: a whole number, and more than are there. */
export type More = "more" | number;

export type Decoded<M> = Frame<M> | Malformed | More;

/** Where a codec writes a frame. What does not fit is not written, and the message is not taken. */
export interface Writer {
  /** What is written, from `claim()` on. It is another one after each claim(). */
  readonly buffer: Bytes;
  /** Room for so many bytes: where it begins in `buffer`, or -1, and then nothing of the message will be sent. */
  claim(bytes: number): number;
  byte(value: number): void;
  bytes(bytes: Bytes): void;
}

export interface Codec<M> {
  /** The largest frame, on the wire, with all that belongs to it. */
  readonly maxBytes: number;
  /** Writes a frame. Throws CannotEncode where this message has none. */
  encode(message: M, writer: Writer): void;
  /**
   * The frame at `at`. The message may be a view of `bytes`, which nobody writes to again.
   *
   * @param seen so many bytes from `at` on were there before, and it was "more": what looks for an end may go on there
   */
  decode(bytes: Bytes, at: number, seen: number): Decoded<M>;
}

/** A message that a codec has no frame for: too large, or not of its kind. */
export class CannotEncode extends Error {
  override readonly name: string = "CannotEncode";
  readonly code: "ERR_MESSAGES_CANNOT_ENCODE" = "ERR_MESSAGES_CANNOT_ENCODE";
}

/** Throws where an option is not a whole number from `least` to `most`. */
export function requireWhole(name: string, value: number, least: number, most: number): void {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return;
  throw new RangeError(`${name} is a whole number from ${least} to ${most}, not ${value}`);
}

/** Throws where there is an option that nothing reads: one that is misspelt would be as if it were not there. */
export function requireKnown(options: object, known: readonly string[]): void {
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  throw new TypeError(
    `there is no option ${JSON.stringify(unknown)}; those that there are: ${known.join(", ")}`,
  );
}
