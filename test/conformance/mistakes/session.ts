// Mistakes with the superblock, attaching and epochs (PROTOCOL.md sections 4, 20 and 22), and with places that the host
// names.

import { type Mistake, of } from "./mistake.ts";

const session = of("guest-session");
const superblock = of("superblock");

export const SESSION_MISTAKES: readonly Mistake[] = [
  // ── The superblock ──
  superblock(
    "looks at half of the magic",
    "SB-2",
    "if (word(layout.SB_MAGIC_LOW) !== layout.MAGIC_LOW || word(layout.SB_MAGIC_HIGH) !== layout.MAGIC_HIGH) {",
    "if (word(layout.SB_MAGIC_LOW) !== layout.MAGIC_LOW) {",
  ),
  superblock(
    "takes a host of an older major version",
    "VER-1",
    "if (major !== layout.VERSION_MAJOR) {",
    "if (major > layout.VERSION_MAJOR) {",
  ),
  superblock(
    "believes that all pages are there",
    "SB-2",
    "if (regionPages * PAGE_BYTES > memory.bytes.length) {",
    "if (false) {",
  ),
  superblock(
    "believes where the doorbells are",
    "TRU-6",
    "checkPages(bellPage, layout.BELL_AREA_PAGES, regionPages);",
    "",
  ),
  superblock("believes where the control pipe is", "TRU-6", "checkPlace(control, regionPages);", ""),
  superblock(
    "takes a largest stream id over the bound as it is",
    "LIM-1",
    "maxStreamId: Math.min(word(layout.SB_MAX_STREAM_ID), MAX_STREAM_ID),",
    "maxStreamId: word(layout.SB_MAX_STREAM_ID),",
  ),
  superblock(
    "takes blocks that begin on the superblock",
    "TRU-6",
    "if (page === 0 || page + pages > regionPages) {",
    "if (page + pages > regionPages) {",
  ),
  superblock(
    "looks at where a block begins, and not where it ends",
    "TRU-6",
    "if (page === 0 || page + pages > regionPages) {",
    "if (page === 0 || page > regionPages) {",
  ),
  superblock(
    "takes capacities that are no powers of two",
    "PIPE-3",
    "const powerOfTwo = capacity > 0 && (capacity & (capacity - 1)) === 0;",
    "const powerOfTwo = true;",
  ),
  superblock("takes rings below 4096 bytes", "PIPE-3", "capacity < MIN_RING_BYTES ||", ""),
  superblock("takes rings above 16 MiB", "PIPE-3", "|| capacity > MAX_RING_BYTES", ""),
  // ── Attach ──
  session(
    "attaches without a ring",
    "BELL-7",
    "storeWord(this.#memory, layout.SB_ATTACH_REQUEST, this.#request); this.#doorbell.ring();",
    "storeWord(this.#memory, layout.SB_ATTACH_REQUEST, this.#request);",
  ),
  session(
    "asks with the number that it finds answered",
    "ATT-2",
    "while (next === reply);",
    "while (false);",
  ),
  session("asks with 0 at the wrap", "ATT-2", "next === largest ? 1 : next + 1", "(next + 1) >>> 0"),
  session(
    "asks with the same number again",
    "ATT-2",
    "this.#request = nextAttachRequest(loadWord(this.#memory, layout.SB_ATTACH_REQUEST), reply);",
    "this.#request = reply + 1;",
  ),
  session(
    "does not say that it attaches",
    "ATT-2",
    "storeWord(this.#memory, layout.SB_GUEST_STATE, GuestState.ATTACHING);",
    "",
  ),
  session(
    "leaves the minor version of the guest before",
    "VER-2",
    "storeWord(this.#memory, layout.SB_GUEST_VERSION_MINOR, layout.VERSION_MINOR);",
    "",
  ),
  session(
    "leaves the features that the guest before accepted",
    "VER-3",
    "storeWord(this.#memory, layout.SB_FEATURES_ACCEPTED, 0);",
    "",
  ),
  session(
    "goes by the host state alone, answered or not",
    "ATT-4",
    "const answered = loadWord(this.#memory, layout.SB_ATTACH_REPLY) === this.#request;",
    "const answered = true;",
  ),
  session(
    "does not say that it is attached",
    "ATT-4",
    "storeWord(this.#memory, layout.SB_GUEST_STATE, GuestState.ATTACHED);",
    "",
  ),
  session(
    "is attached without a ring",
    "BELL-7",
    "GuestState.ATTACHED); this.#doorbell.ring();",
    "GuestState.ATTACHED);",
  ),
  session("waits for replies and does not say so", "RING-9", "this.#control.toGuest.wantData();", ""),
  session(
    "waits for a host that drains to be ready",
    "ATT-4",
    "if (state === HostState.READY || state === HostState.DRAINING) this.#beginEpoch();",
    "if (state === HostState.READY) this.#beginEpoch();",
  ),
  session(
    "takes the places of the monitor before",
    "ATT-4",
    "try { this.#layout = readLayout(this.#memory); }",
    "try { }",
  ),
  session(
    "rings into the doorbells of the monitor before",
    "SB-1",
    "[this.#bell, this.#pending] = this.#bells(); this.#control = new",
    "this.#control = new",
  ),
  // ── Epochs ──
  session("takes any host state", "SB-4", "if (state > HostState.FAILED)", "if (false)"),
  session(
    "looks at the host state and not at the epoch",
    "ATT-8",
    "const sameEpoch = loadWord(this.#memory, layout.SB_EPOCH) === this.#epoch;",
    "const sameEpoch = true;",
  ),
  session(
    "looks at the epoch and not at the host state",
    "ATT-8",
    'else if (!sameEpoch || (state !== HostState.READY && state !== HostState.DRAINING)) this.#end("lost");',
    'else if (!sameEpoch) this.#end("lost");',
  ),
  session(
    "gives its streams up when the host drains",
    "SB-4",
    "(state !== HostState.READY && state !== HostState.DRAINING)",
    "state !== HostState.READY",
  ),
  session(
    "takes FAILED for an epoch that is over",
    "ERR-4",
    'if (sameEpoch && state === HostState.FAILED) this.#end("failed");',
    'if (sameEpoch && state === HostState.FAILED) this.#end("lost");',
  ),
  session("takes the streams of the old epoch along", "ATT-3", "this.#pipes.clear();", ""),
  session(
    "leaves without a word",
    "ATT-7",
    "storeWord(this.#memory, layout.SB_GUEST_STATE, GuestState.DETACHED);",
    "",
  ),
  session(
    "leaves without a ring",
    "BELL-7",
    "GuestState.DETACHED); this.#doorbell.ring();",
    "GuestState.DETACHED);",
  ),
  // ── Streams that the host gives ──
  session(
    "takes stream 0",
    "CTL-3",
    "if (info.id === 0 || info.id > this.#layout.maxStreamId)",
    "if (info.id > this.#layout.maxStreamId)",
  ),
  session(
    "takes streams above the largest id",
    "CTL-3",
    "if (info.id === 0 || info.id > this.#layout.maxStreamId)",
    "if (info.id === 0)",
  ),
  session("takes a stream that it has", "CTL-3", "if (this.#pipes.has(info.id))", "if (false)"),
  session("believes where a stream's block is", "TRU-6", "checkPlace(place, this.#layout.regionPages);", ""),
  session(
    "knows a stream for ever",
    "PIPE-2",
    "if (this.#pipes.get(pipe.id) === pipe) this.#pipes.delete(pipe.id);",
    "",
  ),
];
