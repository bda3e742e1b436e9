// Mistakes that the suite does not find, each with the reason. The clause is one that a report calls "partly" for it
// (clauses.ts of the package), so nobody is told that a guest with such a mistake keeps it. What finds them is
// test/model, which explores every order of the accesses.

import { type Mistake, of } from "./mistake.ts";

export interface UnseenMistake extends Mistake {
  readonly reason: string;
}

const ring = of("ring");
const bell = of("doorbell");
const frame = of("frame");
const session = of("guest-session");
const superblock = of("superblock");
const stream = of("typescript/stream");

const STILL = "the host stands still while a command runs: looked at once more or not, the word is the same";
const ORDER =
  "the region is looked at after the command: by then all of its stores are there, in whatever order";
const RINGS = "rings are counted for each command: before or after its stores is the same count";
const READS = "what is only read leaves no trace in the region";

const because = (reason: string, ...mistakes: readonly Mistake[]): UnseenMistake[] =>
  mistakes.map((mistake) => ({ ...mistake, reason }));

export const UNSEEN_MISTAKES: readonly UnseenMistake[] = [
  ...because(
    STILL,
    ring(
      "does not look again after it has set want-data",
      "RING-9",
      "return this.readable() > 0 || this.peerClosed() !== Closed.OPEN;",
      "return false;",
    ),
    ring(
      "does not look again after it has set want-space",
      "RING-9",
      "return this.writable() >= bytes || this.abandoned();",
      "return false;",
    ),
    ring(
      "looks at want-data before it publishes",
      "RING-9",
      "Atomics.store(this.#words, this.#own + PRODUCER_POSITION / 4, this.#written | 0);" +
        " return Atomics.load(this.#words, this.#other + CONSUMER_WANT_DATA / 4) !== 0;",
      "const want = Atomics.load(this.#words, this.#other + CONSUMER_WANT_DATA / 4) !== 0;" +
        " Atomics.store(this.#words, this.#own + PRODUCER_POSITION / 4, this.#written | 0); return want;",
    ),
    stream(
      "looks for bytes before it looks whether the host has ended",
      "RING-6",
      'const closed = consumer.peerClosed(); if (closed === Closed.RESET) return { status: "reset" };' +
        " const count = Math.min(max, consumer.readable());",
      "const count = Math.min(max, consumer.readable()); const closed = consumer.peerClosed();" +
        ' if (closed === Closed.RESET) return { status: "reset" };',
    ),
    bell(
      "looks for what is pending before it says that it sleeps, and not after",
      "BELL-5",
      "Atomics.store(this.#words, this.#base + BELL_ASLEEP / 4, 1); if (!this.pending()) return true;",
      "if (!this.pending()) { Atomics.store(this.#words, this.#base + BELL_ASLEEP / 4, 1); return true; }",
    ),
    bell(
      "takes a leaf word by a load and a store",
      "BELL-4",
      "let leafBits = Atomics.exchange(words, this.#base + BELL_LEAF / 4 + leaf, 0);",
      "let leafBits = Atomics.load(words, this.#base + BELL_LEAF / 4 + leaf);" +
        " Atomics.store(words, this.#base + BELL_LEAF / 4 + leaf, 0);",
    ),
    bell(
      "sets a leaf bit by a load and a store",
      "BELL-3",
      "(Atomics.or(words, this.#base + BELL_LEAF / 4 + leaf, leafBit) & leafBit) !== 0",
      "(Atomics.exchange(words, this.#base + BELL_LEAF / 4 + leaf," +
        " Atomics.load(words, this.#base + BELL_LEAF / 4 + leaf) | leafBit) & leafBit) !== 0",
    ),
    ring(
      "checks one load of the write position and uses another",
      "RING-4",
      "this.#written = written; return ahead;",
      "this.#written = Atomics.load(this.#words, this.#other + PRODUCER_POSITION / 4) >>> 0;" +
        " return (this.#written - this.#read) >>> 0;",
    ),
    superblock(
      "checks one load of the region's pages and uses another",
      "TRU-2",
      "checkPlace(control, regionPages); return { regionPages,",
      "checkPlace(control, regionPages); return { regionPages: word(layout.SB_REGION_PAGES),",
    ),
    frame(
      "checks one load of a frame's length and uses another",
      "FRM-3",
      "const payload = new Uint8Array(length);",
      "const payload = new Uint8Array(this.#ring.u32(0));",
    ),
    session(
      "takes half of a new monitor's words for a violation of the one before",
      "ATT-4",
      "if (loadWord(this.#memory, layout.SB_EPOCH) === this.#epoch) throw error;",
      "throw error;",
    ),
    session(
      "loads the host state before the reply",
      "ATT-4",
      "const answered = loadWord(this.#memory, layout.SB_ATTACH_REPLY) === this.#request;" +
        " const state = loadWord(this.#memory, layout.SB_HOST_STATE);",
      "const state = loadWord(this.#memory, layout.SB_HOST_STATE);" +
        " const answered = loadWord(this.#memory, layout.SB_ATTACH_REPLY) === this.#request;",
    ),
  ),
  ...because(
    ORDER,
    stream(
      "publishes bytes before it puts them",
      "RING-3",
      "producer.put(bytes.subarray(0, count)); if (producer.advance(count)) signal();",
      "const wants = producer.advance(count); producer.put(bytes.subarray(0, count), -count); if (wants) signal();",
    ),
    stream(
      "gives space back before it has copied",
      "RING-3",
      "consumer.copy(bytes); if (consumer.advance(count)) signal();",
      "const wants = consumer.advance(count); consumer.copy(bytes, -count); if (wants) signal();",
    ),
    bell(
      "sets top before middle",
      "BELL-3",
      "const middle = leaf >>> 5; if ((",
      "const middle = leaf >>> 5; Atomics.or(words, this.#base + BELL_TOP / 4, 1 << middle); if ((",
    ),
    bell(
      "takes leaf words before their middle word",
      "BELL-4",
      "let middleBits = Atomics.exchange(words, this.#base + BELL_MIDDLE / 4 + middle, 0);",
      "let middleBits = Atomics.load(words, this.#base + BELL_MIDDLE / 4 + middle);",
      "else this.#keep(id); } }",
      "else this.#keep(id); } } Atomics.store(words, this.#base + BELL_MIDDLE / 4 + middle, 0);",
    ),
    session(
      "stores its request before the other words",
      "ATT-2",
      "storeWord(this.#memory, layout.SB_GUEST_STATE, GuestState.ATTACHING);",
      "storeWord(this.#memory, layout.SB_ATTACH_REQUEST, this.#request);" +
        " storeWord(this.#memory, layout.SB_GUEST_STATE, GuestState.ATTACHING);",
    ),
  ),
  ...because(
    RINGS,
    session(
      "rings before it says that it attaches",
      "ATT-2",
      "storeWord(this.#memory, layout.SB_ATTACH_REQUEST, this.#request); this.#doorbell.ring();",
      "this.#doorbell.ring(); storeWord(this.#memory, layout.SB_ATTACH_REQUEST, this.#request);",
    ),
    session(
      "rings before it says that it is attached",
      "SB-5",
      "storeWord(this.#memory, layout.SB_GUEST_STATE, GuestState.ATTACHED); this.#doorbell.ring();",
      "this.#doorbell.ring(); storeWord(this.#memory, layout.SB_GUEST_STATE, GuestState.ATTACHED);",
    ),
    session(
      "rings before it says that it leaves",
      "ATT-7",
      "storeWord(this.#memory, layout.SB_GUEST_STATE, GuestState.DETACHED); this.#doorbell.ring();",
      "this.#doorbell.ring(); storeWord(this.#memory, layout.SB_GUEST_STATE, GuestState.DETACHED);",
    ),
    stream(
      "signals its last closed word before it stores it",
      "STR-7",
      "const { signal } = around;",
      'const { signal } = around; if (["end", "stop", "close", "reset"].includes(command.do)) signal();',
      "signal(); this.through =",
      "this.through =",
    ),
    bell(
      "looks whether the host sleeps before it sets the bits",
      "BELL-3",
      "if (this.mark(id)) this.wake();",
      "const leaf = id >>> 5;" +
        " const isSet = Atomics.load(this.#words, this.#base + BELL_LEAF / 4 + leaf) & (1 << (id & 31));" +
        " if (!isSet) this.wake(); this.mark(id);",
    ),
  ),
  ...because(
    READS,
    superblock(
      "reads the places before it has looked at the magic",
      "SB-2",
      "requireVersion(memory); const regionPages = word(layout.SB_REGION_PAGES);",
      "const regionPages = word(layout.SB_REGION_PAGES); requireVersion(memory);",
    ),
    session(
      "reads the doorbells before it is attached",
      "ATT-1",
      'requireVersion(this.#memory); this.#end("waiting");',
      'requireVersion(this.#memory); this.#pending.pending(); this.#end("waiting");',
    ),
    session(
      "reads the doorbells before the superblock",
      "BELL-7",
      "const answered = loadWord(this.#memory, layout.SB_ATTACH_REPLY) === this.#request;",
      "this.#pending.pending();" +
        " const answered = loadWord(this.#memory, layout.SB_ATTACH_REPLY) === this.#request;",
    ),
    stream(
      "reads a stream's words after it has closed both ends",
      "STR-7",
      "this.through = this.#producer.closed !== Closed.OPEN && this.#consumer.closed;",
      "this.through = this.#producer.closed !== Closed.OPEN && this.#consumer.closed;" +
        " if (this.through) this.#consumer.peerClosed();",
    ),
  ),
];
