// The frames of one batch of datagrams, as they lie at the front of a ring. One serves all sockets of a thread: nothing
// stays in it between two batches.
//
// Frames of one datagram each that have one size, and lie in one piece one behind the other, are a run: one entry, as
// one frame with more datagrams is one.

import type { InetAddress } from "@ringway/control";
import { Direction, type Stream } from "../../guests/stream.ts";

export class BatchFrames {
  #count = 0;
  /** After take(): how many datagrams of the frame that is at the front of the ring then are through. */
  begun = 0;
  /** Of each entry its frames, and of each of these its bytes in the ring. */
  readonly #frames: Int32Array;
  readonly #wholes: Int32Array;
  /** Where in the region the datagrams of the first of them begin. */
  readonly #offsets: Float64Array;
  /** How many datagrams each frame has, and up to which of the entry's the batch has them. */
  readonly #counts: Int32Array;
  readonly #ends: Int32Array;
  /** Where they go; undefined where the socket is connected. */
  readonly #to: (InetAddress | undefined)[];

  /** No batch has more datagrams, nor more frames. */
  constructor(capacity: number) {
    this.#frames = new Int32Array(capacity);
    this.#wholes = new Int32Array(capacity);
    this.#offsets = new Float64Array(capacity);
    this.#counts = new Int32Array(capacity);
    this.#ends = new Int32Array(capacity);
    this.#to = new Array<InetAddress | undefined>(capacity).fill(undefined);
  }

  /** How many entries. */
  get count(): number {
    return this.#count;
  }

  begin(): void {
    this.#count = 0;
  }

  /** A frame with `count` datagrams, of which the batch has those before `end`. Hot. */
  add(whole: number, offset: number, count: number, end: number, to: InetAddress | undefined): void {
    this.#add(1, whole, offset, count, end, to);
  }

  /** A run of frames for the one peer of a connected socket. Hot. */
  addRun(frames: number, whole: number, offset: number): void {
    this.#add(frames, whole, offset, 1, frames, undefined);
  }

  #add(
    frames: number,
    whole: number,
    offset: number,
    count: number,
    end: number,
    to: InetAddress | undefined,
  ): void {
    const index = this.#count++;
    this.#frames[index] = frames;
    this.#wholes[index] = whole;
    this.#offsets[index] = offset;
    this.#counts[index] = count;
    this.#ends[index] = end;
    this.#to[index] = to;
  }

  /** Whom a datagram is for: the batch's with this number, counted from the first one of the first frame. */
  endpointOf(datagram: number): InetAddress | undefined {
    let left = datagram;
    for (let i = 0; i < this.#count; i++) {
      if (left < this.#ends[i]!) return this.#to[i];
      left -= this.#ends[i]!;
    }
    return undefined;
  }

  /**
   * So many datagrams are through, counted in the same way: how many bytes of the ring the frames are that are through
   * as a whole, each of which the stream is told of. `headBytes`: of a frame, what is before its datagrams. Hot.
   */
  take(stream: Stream, datagrams: number, headBytes: number): number {
    let left = datagrams;
    let bytes = 0;
    for (let i = 0; i < this.#count; i++) {
      const count = this.#counts[i]!;
      const whole = this.#wholes[i]!;
      const through = Math.min(this.#frames[i]!, Math.trunc(left / count));
      const offset = this.#offsets[i]!;
      stream.movedEach(Direction.TO_HOST, offset, whole - headBytes, whole, through);
      left -= through * count;
      bytes += through * whole;
      if (through < this.#frames[i]!) break;
    }
    this.begun = left;
    return bytes;
  }
}
