// Mistakes, each put into the production code or into the code that calls it: the explorer must find them all.

import type { Patch } from "./production.ts";
import type { Mistake } from "./programs.ts";
import { bells, oneWay, type Scenario } from "./scenarios.ts";

export interface Mutant {
  readonly name: string;
  readonly patches?: readonly Patch[];
  readonly mistake?: Mistake;
  readonly scenario: Scenario;
  /** What it leads to. */
  readonly finds: RegExp;
}

const LOST = /^lost wake-up/;
const WRONG_BYTE = /^byte \d of stream 1 reads \d/;
const FALSE_END = /^false end/;

const tight: Scenario = oneWay("3 bytes through a ring of 1", {
  capacity: 1,
  writer: { total: 3, want: 1, how: "end" },
  reader: { looks: "pump" },
});
const wide: Scenario = oneWay("4 bytes in any pieces through a ring of 2", {
  capacity: 2,
  writer: { total: 4, want: 2, how: "end", anyLength: true },
  reader: { looks: "pump", anyLength: true },
});
const withdrawing: Scenario = oneWay("3 bytes, want-data withdrawn while awake", {
  capacity: 1,
  writer: { total: 3, want: 1, how: "end" },
  reader: { looks: "pump", unwants: true },
});
const asking: Scenario = oneWay("2 bytes, asking ended()", {
  capacity: 1,
  writer: { total: 2, want: 1, how: "end" },
  reader: { looks: "ended" },
});
const posting: Scenario = bells("signals to two streams", [[5, 40, 5]]);
const oneAtATime: Scenario = bells("signals taken one at a time", [[5, 6, 5]], { room: 1 });
const postingFar: Scenario = bells("signals to two middle words", [[5, 1030, 5]]);

/**
 * Left out, and nothing is lost: closing signals whatever the want words say (RING-6, RING-7), so a look at the closed
 * word only saves a sleep.
 */
export const harmless: readonly Pick<Mutant, "name" | "patches" | "scenario">[] = [
  {
    name: "wantData() does not look at closed again",
    patches: [
      {
        module: "ring",
        replace: "return this.readable() > 0 || this.peerClosed() !== Closed.OPEN;",
        by: "return this.readable() > 0;",
      },
    ],
    scenario: tight,
  },
  {
    name: "wantSpace() does not look at closed again",
    patches: [
      {
        module: "ring",
        replace: "return this.writable() >= bytes || this.abandoned();",
        by: "return this.writable() >= bytes;",
      },
    ],
    scenario: oneWay("a reader that reads no more after a byte", {
      capacity: 1,
      writer: { total: 3, want: 1, how: "end" },
      reader: { looks: "pump", closesAfter: 1 },
    }),
  },
];

export const mutants: readonly Mutant[] = [
  // ── The re-check left out ──
  {
    name: "wantData() does not look again",
    patches: [
      {
        module: "ring",
        replace: "return this.readable() > 0 || this.peerClosed() !== Closed.OPEN;",
        by: "return false;",
      },
    ],
    scenario: tight,
    finds: LOST,
  },
  {
    name: "wantSpace() does not look again",
    patches: [
      {
        module: "ring",
        replace: "return this.writable() >= bytes || this.abandoned();",
        by: "return false;",
      },
    ],
    scenario: tight,
    finds: LOST,
  },
  {
    name: "prepareSleep() does not look again",
    patches: [{ module: "doorbell", replace: "if (!this.pending()) return true;", by: "return true;" }],
    scenario: posting,
    finds: LOST,
  },
  // ── Looked again, but too early ──
  {
    name: "wantData() looks before it sets want-data",
    patches: [
      {
        module: "ring",
        replace: "wantData() { if (this.#wantData === 0) {",
        by: "wantData() { if (this.readable() > 0 || this.peerClosed() !== Closed.OPEN) return true; if (this.#wantData === 0) {",
      },
      {
        module: "ring",
        replace: "return this.readable() > 0 || this.peerClosed() !== Closed.OPEN; }",
        by: "return false; }",
      },
    ],
    scenario: tight,
    finds: LOST,
  },
  {
    name: "wantSpace() looks before it sets want-space",
    patches: [
      {
        module: "ring",
        replace: "if (this.#wantSpace !== bytes) {",
        by: "if (this.writable() >= bytes || this.abandoned()) return true; if (this.#wantSpace !== bytes) {",
      },
      {
        module: "ring",
        replace:
          "Atomics.store(this.#words, this.#own + PRODUCER_WANT_SPACE / 4, bytes); } return this.writable() >= bytes || this.abandoned();",
        by: "Atomics.store(this.#words, this.#own + PRODUCER_WANT_SPACE / 4, bytes); } return false;",
      },
    ],
    scenario: tight,
    finds: LOST,
  },
  {
    name: "prepareSleep() looks before it sets asleep",
    patches: [
      {
        module: "doorbell",
        replace:
          "Atomics.store(this.#words, this.#base + BELL_ASLEEP / 4, 1); if (!this.pending()) return true;",
        by: "if (!this.pending()) { Atomics.store(this.#words, this.#base + BELL_ASLEEP / 4, 1); return true; }",
      },
    ],
    scenario: posting,
    finds: LOST,
  },
  // ── Want cleared late ──
  {
    name: "want-data is cleared after the re-check",
    mistake: "clears want-data late",
    scenario: tight,
    finds: LOST,
  },
  {
    name: "want-space is cleared after the re-check",
    mistake: "clears want-space late",
    scenario: tight,
    finds: LOST,
  },
  {
    name: "asleep is cleared after the re-check",
    patches: [
      {
        module: "doorbell",
        replace: "if (!this.pending()) return true; this.awake(); return false;",
        by: "const pending = this.pending(); this.awake(); return !pending;",
      },
    ],
    scenario: posting,
    finds: LOST,
  },
  {
    name: "want-data is cleared, and still taken to be set",
    patches: [{ module: "ring", replace: "if (this.#wantData === 0) return; this.#wantData = 0;", by: "" }],
    scenario: withdrawing,
    finds: LOST,
  },
  // ── Emptiness tested before closed ──
  {
    name: "ended() tests emptiness before closed",
    patches: [
      {
        module: "ring",
        replace: "return this.peerClosed() === Closed.END && this.readable() === 0;",
        by: "return this.readable() === 0 && this.peerClosed() === Closed.END;",
      },
    ],
    scenario: asking,
    finds: FALSE_END,
  },
  {
    name: "a caller tests emptiness before closed",
    mistake: "tests emptiness before closed",
    scenario: tight,
    finds: FALSE_END,
  },
  // ── The other half of each Dekker pair ──
  {
    name: "the producer looks at want-data before it publishes",
    patches: [
      {
        module: "ring",
        replace:
          "Atomics.store(this.#words, this.#own + PRODUCER_POSITION / 4, this.#written | 0); return Atomics.load(this.#words, this.#other + CONSUMER_WANT_DATA / 4) !== 0;",
        by: "const want = Atomics.load(this.#words, this.#other + CONSUMER_WANT_DATA / 4) !== 0; Atomics.store(this.#words, this.#own + PRODUCER_POSITION / 4, this.#written | 0); return want;",
      },
    ],
    scenario: tight,
    finds: LOST,
  },
  {
    name: "the consumer looks at want-space before it gives space back",
    patches: [
      {
        module: "ring",
        replace:
          "Atomics.store(this.#words, this.#own + CONSUMER_POSITION / 4, this.#read | 0); const want = Atomics.load(this.#words, this.#other + PRODUCER_WANT_SPACE / 4) >>> 0;",
        by: "const want = Atomics.load(this.#words, this.#other + PRODUCER_WANT_SPACE / 4) >>> 0; Atomics.store(this.#words, this.#own + CONSUMER_POSITION / 4, this.#read | 0);",
      },
    ],
    scenario: tight,
    finds: LOST,
  },
  {
    name: "the consumer signals only for more space than is waited for",
    patches: [{ module: "ring", replace: "return free >= want;", by: "return free > want;" }],
    scenario: wide,
    finds: LOST,
  },
  {
    name: "the consumer takes its old view of the free space from before it took",
    patches: [
      {
        module: "ring",
        replace: "const free = this.capacity - ((this.#written - this.#read) >>> 0);",
        by: "const free = this.capacity - ((this.#written - this.#read + bytes) >>> 0);",
      },
    ],
    scenario: wide,
    finds: LOST,
  },
  // ── Data and positions, end and bytes ──
  {
    name: "bytes are published before they are put",
    mistake: "publishes before it puts",
    scenario: tight,
    finds: WRONG_BYTE,
  },
  {
    name: "space is given back before the bytes are copied",
    mistake: "gives space back before it copies",
    scenario: tight,
    finds: WRONG_BYTE,
  },
  {
    name: "the end is set before the last bytes",
    mistake: "ends before its last bytes",
    scenario: tight,
    finds: FALSE_END,
  },
  { name: "the end is not signalled", mistake: "does not signal its end", scenario: tight, finds: LOST },
  // ── Doorbell ──
  {
    name: "the sender looks at asleep before it sets the bits",
    patches: [
      {
        module: "doorbell",
        replace: "if (this.mark(id)) this.wake();",
        by: "const asleep = Atomics.exchange(this.#words, this.#base + BELL_ASLEEP / 4, 0); if (this.mark(id) && asleep !== 0) this.#doorbell.ring();",
      },
    ],
    scenario: posting,
    finds: LOST,
  },
  {
    name: "the sender writes downwards: top, middle, leaf",
    patches: [
      {
        module: "doorbell",
        replace: "const middleBit = 1 << (leaf & 31);",
        by: "return true; const middleBit = 1 << (leaf & 31);",
      },
      {
        module: "doorbell",
        replace: "const leaf = id >>> 5;",
        by: "const leaf = id >>> 5; Atomics.or(words, this.#base + BELL_TOP / 4, 1 << (leaf >>> 5)); Atomics.or(words, this.#base + BELL_MIDDLE / 4 + (leaf >>> 5), 1 << (leaf & 31));",
      },
    ],
    scenario: posting,
    finds: LOST,
  },
  {
    name: "the sender sets top before middle",
    patches: [
      {
        module: "doorbell",
        replace: "const middle = leaf >>> 5; if ((",
        by: "const middle = leaf >>> 5; Atomics.or(words, this.#base + BELL_TOP / 4, 1 << middle); if ((",
      },
      {
        module: "doorbell",
        replace: "=== 0) { Atomics.or(words, this.#base + BELL_TOP / 4, 1 << middle); }",
        by: "=== 0) { }",
      },
    ],
    scenario: posting,
    finds: LOST,
  },
  {
    name: "the receiver takes a leaf word before its middle word",
    patches: [
      {
        module: "doorbell",
        replace: "let middleBits = Atomics.exchange(words, this.#base + BELL_MIDDLE / 4 + middle, 0);",
        by: "const found = Atomics.load(words, this.#base + BELL_MIDDLE / 4 + middle); let middleBits = found;",
      },
      {
        module: "doorbell",
        replace: "else this.#keep(id); } } }",
        by: "else this.#keep(id); } } Atomics.exchange(words, this.#base + BELL_MIDDLE / 4 + middle, 0); }",
      },
    ],
    scenario: posting,
    finds: LOST,
  },
  {
    name: "the receiver takes top last",
    patches: [
      {
        module: "doorbell",
        replace: "let topBits = Atomics.exchange(words, top, 0);",
        by: "let topBits = Atomics.load(words, top);",
      },
      {
        module: "doorbell",
        replace: "else this.#keep(id); } } }",
        by: "else this.#keep(id); } } } Atomics.exchange(words, top, 0);",
      },
    ],
    scenario: postingFar,
    finds: LOST,
  },
  {
    name: "the receiver clears words with a store after it has loaded them",
    patches: [
      {
        module: "doorbell",
        replace: "let leafBits = Atomics.exchange(words, this.#base + BELL_LEAF / 4 + leaf, 0);",
        by: "let leafBits = Atomics.load(words, this.#base + BELL_LEAF / 4 + leaf); Atomics.store(words, this.#base + BELL_LEAF / 4 + leaf, 0);",
      },
    ],
    scenario: bells("signals to streams of one leaf word", [[5, 6, 5]]),
    finds: LOST,
  },
  {
    name: "ids that found no room are forgotten",
    patches: [{ module: "doorbell", replace: "else this.#keep(id);", by: "" }],
    scenario: oneAtATime,
    finds: LOST,
  },
  {
    name: "the receiver sleeps although ids are kept",
    patches: [
      {
        module: "doorbell",
        replace: "return this.kept || Atomics.load",
        by: "return Atomics.load",
      },
      {
        module: "doorbell",
        replace: "if (this.kept) return this.#takeKept(ids); const words",
        by: "if (this.kept && Atomics.load(this.#words, this.#base + BELL_TOP / 4) !== 0) return this.#takeKept(ids); const words",
      },
    ],
    scenario: oneAtATime,
    finds: LOST,
  },
];
