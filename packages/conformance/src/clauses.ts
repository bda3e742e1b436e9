// The clauses as a report tells of them: the sections that they stand in, and of which clauses a guest that passes has
// shown only a part.
//
// The suite goes one step at a time: while a command runs the host stands still, and the region is looked at before and
// after. So it sees what was stored and what was answered. It does not see in which order a command stored, whether a
// word was loaded once or twice, or what was only read. A clause that asks for such a thing as well is "partly".

/** Sections of PROTOCOL.md in order, by the clauses' prefix. */
export const SECTIONS: readonly (readonly [prefix: string, title: string])[] = [
  ["REG", "4 Memory: the region"],
  ["SB", "4 Memory: the superblock"],
  ["PIPE", "4 Memory: pipe blocks"],
  ["RING", "5 Rings"],
  ["BELL", "6 Doorbells"],
  ["FRM", "7 Frames"],
  ["MSG", "8 Common messages"],
  ["CTL", "9 The control pipe"],
  ["STR", "10 Streams"],
  ["TCP", "11 tcp-connect"],
  ["LSN", "12 tcp-listen"],
  ["FILE", "13 file"],
  ["FST", "14 file-stream"],
  ["FS", "15 fs"],
  ["UDP", "16 udp-connect and udp-bind"],
  ["RSL", "17 resolve"],
  ["UNX", "18 unix-connect and unix-listen"],
  ["MNT", "19 mount"],
  ["ATT", "20 Attach, epochs, crash and restart"],
  ["HEL", "21 The attach socket"],
  ["VER", "22 Versions and features"],
  ["ERR", "23 Errors and violations"],
  ["LIM", "24 Limits"],
  ["TRU", "25 Trust"],
  ["CON", "26 Conformance"],
];

/** What of a clause no step shows. */
export const UNSEEN: Readonly<Record<string, string>> = {
  "SB-2": "whether the words are checked before others of them are read",
  "SB-5": "whether it rings after the store, or before it",
  "RING-3":
    "whether bytes are put before the write position is stored, and copied before the read position is",
  "RING-4": "whether the word is loaded once and the checked copy used",
  "RING-6":
    "whether the closed word is stored after the last write position, and whether a reader that has seen END looks " +
    "once more",
  "RING-9": "whether it looks again after it has set the word, and not before",
  "BELL-3": "the order of leaf, middle, top and asleep, and whether each step is one atomic access",
  "BELL-4": "the order of top, middle and leaf, and whether each is taken by one exchange",
  "BELL-5": "whether it looks again after it has stored asleep, and not before",
  "BELL-7": "whether it reads anything before the superblock, and rings after the store",
  "FRM-3": "whether a frame is copied once and the copy alone is parsed",
  "STR-7": "whether it reads the block after its second closed word, and signals after the store",
  "ATT-1": "whether it reads anything but the superblock",
  "ATT-2": "whether the request is stored after the other words, and whether it rings last",
  "ATT-4": "whether the reply is loaded before the host state, and the epoch before the places",
  "ATT-7": "whether it rings after the store",
  "TRU-2": "whether a word is loaded once",
};

/** Where a clause stands among all. */
export function rank(clause: string): number {
  const [prefix, number] = clause.split("-");
  return SECTIONS.findIndex(([each]) => each === prefix) * 1000 + Number(number);
}
