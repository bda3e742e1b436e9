// Mistakes with doorbells (PROTOCOL.md section 6), and with the heartbeat.

import { type Mistake, of } from "./mistake.ts";

const bell = of("doorbell");
const session = of("guest-session");
const guest = of("typescript/guest");

export const BELL_MISTAKES: readonly Mistake[] = [
  bell(
    "sets the leaf bit alone",
    "BELL-3",
    "if ((Atomics.or(words, this.#base + BELL_MIDDLE / 4 + middle, middleBit) & middleBit) === 0) {",
    "if (false) {",
  ),
  bell("sets no bit of top", "BELL-3", "Atomics.or(words, this.#base + BELL_TOP / 4, 1 << middle);", ""),
  bell(
    "takes the middle word's bit for the leaf word's",
    "BELL-2",
    "const middleBit = 1 << (leaf & 31);",
    "const middleBit = 1 << (id & 31);",
  ),
  bell("has one middle word", "BELL-2", "const middle = leaf >>> 5;", "const middle = 0;"),
  bell(
    "overwrites bits of other streams",
    "BELL-3",
    "if ((Atomics.or(words, this.#base + BELL_LEAF / 4 + leaf, leafBit) & leafBit) !== 0) return false;",
    "if (Atomics.exchange(words, this.#base + BELL_LEAF / 4 + leaf, leafBit) & leafBit) return false;",
  ),
  bell(
    "rings and leaves asleep set",
    "BELL-3",
    "if (Atomics.exchange(this.#words, asleep, 0) === 0) return false; this.#doorbell.ring();",
    "this.#doorbell.ring();",
  ),
  bell(
    "clears asleep and does not ring",
    "BELL-8",
    "if (Atomics.exchange(this.#words, asleep, 0) === 0) return false; this.#doorbell.ring();",
    "Atomics.store(this.#words, asleep, 0);",
  ),
  bell(
    "leaves the bits that it has taken",
    "BELL-4",
    "let leafBits = Atomics.exchange(words, this.#base + BELL_LEAF / 4 + leaf, 0);",
    "let leafBits = Atomics.load(words, this.#base + BELL_LEAF / 4 + leaf);",
  ),
  bell(
    "leaves the middle bits that it has taken",
    "BELL-4",
    "let middleBits = Atomics.exchange(words, this.#base + BELL_MIDDLE / 4 + middle, 0);",
    "let middleBits = Atomics.load(words, this.#base + BELL_MIDDLE / 4 + middle);",
  ),
  bell("takes the first bit of top alone", "BELL-4", "topBits &= topBits - 1;", "topBits = 0;"),
  bell("takes the first bit of each leaf word alone", "BELL-4", "leafBits &= leafBits - 1;", "leafBits = 0;"),
  bell(
    "looks for leaf words below the first middle word alone",
    "BELL-2",
    "const leaf = middle * 32 + 31 - Math.clz32",
    "const leaf = 31 - Math.clz32",
  ),
  bell(
    "looks at all leaf bits, whatever stands above them",
    "BELL-4",
    "if (Atomics.load(words, top) === 0) return 0;",
    "for (let leaf = 0; leaf < 1024; leaf++) {" +
      " const at = this.#base + BELL_LEAF / 4 + leaf;" +
      " if (Atomics.load(words, at) === 0) continue;" +
      " Atomics.or(words, this.#base + BELL_MIDDLE / 4 + (leaf >>> 5), 1 << (leaf & 31));" +
      " Atomics.or(words, top, 1 << (leaf >>> 5)); }",
  ),
  bell("sleeps over what is pending", "BELL-5", "if (!this.pending()) return true;", "return true;"),
  bell(
    "does not say that it sleeps",
    "BELL-5",
    "Atomics.store(this.#words, this.#base + BELL_ASLEEP / 4, 1);",
    "",
  ),
  bell(
    "does not say that it is awake",
    "BELL-5",
    "awake() { Atomics.store(this.#words, this.#base + BELL_ASLEEP / 4, 0); }",
    "awake() {}",
  ),
  session(
    "rings in the direction to itself",
    "BELL-1",
    "new BellSender(this.#memory, area + layout.BELL_TO_HOST, this.#doorbell)",
    "new BellSender(this.#memory, area + layout.BELL_TO_GUEST, this.#doorbell)",
  ),
  session(
    "takes the doorbells for the pages behind the superblock",
    "REG-2",
    "const area = this.#layout.bellPage * PAGE_BYTES;",
    "const area = PAGE_BYTES;",
  ),
  guest(
    "signals the control pipe in place of the stream",
    "BELL-3",
    "signal: () => session.bell.signal(pipe.id),",
    "signal: () => session.bell.signal(0),",
  ),
  guest(
    "steps the first of the streams that are pending alone",
    "BELL-4",
    "for (const id of ids.subarray(0, count)) {",
    "for (const id of ids.subarray(0, 1)) {",
  ),
  session(
    "counts other things in its heartbeat than takes",
    "SB-6",
    "this.#heartbeat = (this.#heartbeat + 1) >>> 0;",
    "this.#heartbeat = (this.#heartbeat + 100) >>> 0;",
  ),
];
