// One doorbell for each direction, however many pipes (PROTOCOL.md section 6): a three-level bitmap of streams that
// want a look, and a sleep word that says whether the receiver must be woken.
//
//   sender    leaf bit, then middle bit, then top bit, then: asleep exchanged 1 -> 0? ring
//   receiver  asleep = 1, look at top again, wait, asleep = 0;   take top, then middle, then leaf
//
// Why none is lost: the sender writes upwards and the receiver takes downwards, so a bit that is set below an already
// taken word has set, or will set, that word again; and between "asleep = 1" and the wait the receiver looks at top,
// which the sender wrote before it looked at asleep (BELL-6).

import { BELL_ASLEEP, BELL_LEAF, BELL_MIDDLE, BELL_STREAM_IDS, BELL_TOP } from "./layout.ts";
import type { RegionMemory } from "./memory.ts";

/** The wake-up of the other side. It carries no data, may be spurious, and never blocks. */
export interface Doorbell {
  ring(): void;
}

/** The side that marks streams as pending and rings. */
export class BellSender {
  readonly #words: Int32Array;
  readonly #base: number;
  readonly #doorbell: Doorbell;

  /** `area` is the byte offset of this direction's two pages. */
  constructor(memory: RegionMemory, area: number, doorbell: Doorbell) {
    this.#words = memory.words;
    this.#base = area / 4;
    this.#doorbell = doorbell;
  }

  /** "Look at both rings of stream `id`" (BELL-3). */
  signal(id: number): void {
    if (this.mark(id)) this.wake();
  }

  /**
   * The bitmap's part of signal(): true where wake() must follow, soon. A sender with many streams to signal marks them
   * all and wakes once.
   */
  mark(id: number): boolean {
    const words = this.#words;
    const leafBit = 1 << (id & 31);
    const leaf = id >>> 5;
    // A bit that is already set belongs to a signal whose receiver is awake, or was or will be rung.
    if ((Atomics.or(words, this.#base + BELL_LEAF / 4 + leaf, leafBit) & leafBit) !== 0) return false;
    const middleBit = 1 << (leaf & 31);
    const middle = leaf >>> 5;
    if ((Atomics.or(words, this.#base + BELL_MIDDLE / 4 + middle, middleBit) & middleBit) === 0) {
      Atomics.or(words, this.#base + BELL_TOP / 4, 1 << middle);
    }
    return true;
  }

  /** Rings if the receiver said that it sleeps: true. */
  wake(): boolean {
    const asleep = this.#base + BELL_ASLEEP / 4;
    if (Atomics.load(this.#words, asleep) === 0) return false;
    if (Atomics.exchange(this.#words, asleep, 0) === 0) return false;
    this.#doorbell.ring();
    return true;
  }

  /** Rings whatever the sleep word says: on attach, epoch and state changes (BELL-7). */
  ring(): void {
    this.#doorbell.ring();
  }
}

/** The side that sleeps, and takes what is pending. */
export class BellReceiver {
  readonly #words: Int32Array;
  readonly #base: number;
  /** Ids that were taken when there was no room to give them: given next, before the bitmap is looked at again. */
  #kept: Uint16Array = new Uint16Array(0);
  #keptFrom = 0;
  #keptTo = 0;

  constructor(memory: RegionMemory, area: number) {
    this.#words = memory.words;
    this.#base = area / 4;
  }

  /** Have ids been taken that are yet to be given? */
  get kept(): boolean {
    return this.#keptFrom < this.#keptTo;
  }

  /** One load: may anything be pending? */
  pending(): boolean {
    return this.kept || Atomics.load(this.#words, this.#base + BELL_TOP / 4) !== 0;
  }

  /**
   * Takes every pending id and writes it to `ids`; returns how many. Ids beyond the array's room come with the next
   * calls, before any that is signalled meanwhile: so low ids that are always busy starve no high one. Each word is
   * taken once a call at most, so whoever fills the bitmap costs no more than 32768 steps; 0 may come back although
   * something was pending.
   */
  take(ids: Uint16Array): number {
    if (this.kept) return this.#takeKept(ids);
    const words = this.#words;
    const top = this.#base + BELL_TOP / 4;
    if (Atomics.load(words, top) === 0) return 0;
    let count = 0;
    let topBits = Atomics.exchange(words, top, 0);
    while (topBits !== 0) {
      const middle = 31 - Math.clz32(topBits & -topBits);
      topBits &= topBits - 1;
      let middleBits = Atomics.exchange(words, this.#base + BELL_MIDDLE / 4 + middle, 0);
      while (middleBits !== 0) {
        const leaf = middle * 32 + 31 - Math.clz32(middleBits & -middleBits);
        middleBits &= middleBits - 1;
        let leafBits = Atomics.exchange(words, this.#base + BELL_LEAF / 4 + leaf, 0);
        while (leafBits !== 0) {
          const id = leaf * 32 + 31 - Math.clz32(leafBits & -leafBits);
          leafBits &= leafBits - 1;
          if (count < ids.length) ids[count++] = id;
          else this.#keep(id);
        }
      }
    }
    return count;
  }

  #takeKept(ids: Uint16Array): number {
    const count = Math.min(ids.length, this.#keptTo - this.#keptFrom);
    ids.set(this.#kept.subarray(this.#keptFrom, this.#keptFrom + count));
    this.#keptFrom += count;
    if (this.#keptFrom === this.#keptTo) this.#keptFrom = this.#keptTo = 0;
    return count;
  }

  /** Only while nothing kept waits to be given; each id comes once a scan, so there is room for all. */
  #keep(id: number): void {
    if (this.#kept.length === 0) this.#kept = new Uint16Array(BELL_STREAM_IDS);
    this.#kept[this.#keptTo++] = id;
  }

  /** Announces sleep, then looks again (BELL-5). False: something is pending; do not wait. */
  prepareSleep(): boolean {
    Atomics.store(this.#words, this.#base + BELL_ASLEEP / 4, 1);
    if (!this.pending()) return true;
    this.awake();
    return false;
  }

  /** After waking, for whatever reason. */
  awake(): void {
    Atomics.store(this.#words, this.#base + BELL_ASLEEP / 4, 0);
  }
}

/**
 * Zeroes one direction: host only, while the guest may touch nothing but the superblock (ATT-5). What is published
 * after this, by an atomic store, publishes it.
 */
export function clearBells(memory: RegionMemory, area: number): void {
  const base = area / 4;
  Atomics.store(memory.words, base + BELL_ASLEEP / 4, 0);
  Atomics.store(memory.words, base + BELL_TOP / 4, 0);
  const middle = base + BELL_MIDDLE / 4;
  memory.words.fill(0, middle, middle + 32);
  const leaf = base + BELL_LEAF / 4;
  memory.words.fill(0, leaf, leaf + BELL_STREAM_IDS / 32);
}
