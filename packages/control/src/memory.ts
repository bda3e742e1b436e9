// One region as typed arrays. The two views cover the same bytes from offset 0. Words with a meaning of their own are
// read and written by Atomics only; the bytes of a ring's data, and a pipe's header before the guest learns of it, by
// plain copies and words, whose order the position words give (RING-3).

/** A region, or a private copy of a part of one. */
export interface RegionMemory {
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
}

/** Views of a whole region (any ArrayBuffer or SharedArrayBuffer; its length a multiple of 4). */
export function regionMemory(buffer: ArrayBufferLike): RegionMemory {
  // With lengths: on a growable buffer, views without one are looked at anew by each access.
  const { byteLength } = buffer;
  // Sizes and places go up to 2^44: no operator that cuts them to 32 bits.
  return { words: new Int32Array(buffer, 0, byteLength / 4), bytes: new Uint8Array(buffer, 0, byteLength) };
}

/** Loads the u32 at a byte offset (acquire). */
export function loadWord(memory: RegionMemory, offset: number): number {
  return Atomics.load(memory.words, offset / 4) >>> 0;
}

/** Stores the u32 at a byte offset (release). */
export function storeWord(memory: RegionMemory, offset: number, value: number): void {
  Atomics.store(memory.words, offset / 4, value | 0);
}
