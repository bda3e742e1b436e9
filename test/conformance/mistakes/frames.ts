// Mistakes with frames, requests and replies, and with what a stream does over time (PROTOCOL.md sections 7 to 12).

import { type Mistake, of } from "./mistake.ts";

const ring = of("ring");
const frame = of("frame");
const session = of("guest-session");
const guest = of("typescript/guest");
const stream = of("typescript/stream");

export const FRAME_MISTAKES: readonly Mistake[] = [
  // ── Frames ──
  ring(
    "writes numbers high byte first where they are not aligned",
    "FRM-2",
    "= value >>> (8 * i);",
    "= value >>> (24 - 8 * i);",
  ),
  ring(
    "reads numbers high byte first where they are not aligned",
    "FRM-1",
    "<< (8 * i);",
    "<< (24 - 8 * i);",
  ),
  frame(
    "puts the request id before the type",
    "FRM-1",
    "ring.putU32(type, at + 4); ring.putU32(requestId, at + 8);",
    "ring.putU32(requestId, at + 4); ring.putU32(type, at + 8);",
  ),
  frame(
    "waits for a frame that is longer than its ring",
    "FRM-3",
    "if (length > this.#maxPayload) {",
    "if (length > 65_600) {",
  ),
  frame(
    "takes frames of any length that fit a ring",
    "LIM-1",
    "return Math.min(FRAME_PAYLOAD_MAX, capacity - FRAME_HEADER_BYTES);",
    "return capacity - FRAME_HEADER_BYTES;",
  ),
  frame(
    "takes a frame before it is whole",
    "FRM-3",
    "return readable < FRAME_HEADER_BYTES + length ? -1 : length;",
    "return length;",
  ),
  frame("takes an end amid a frame for an end", "FRM-3", "if (left === 0) return;", "return;"),
  stream(
    "waits for room for a frame that never fits",
    "FRM-3",
    'if (payload.length > maxPayload(producer.capacity)) return { status: "invalid" };',
    "",
  ),
  // ── Requests and replies ──
  session("gives all requests one id", "FRM-2", "this.#nextRequestId = (id + 1) >>> 0 || 1;", ""),
  session("begins with request 0", "FRM-2", "#nextRequestId = 1;", "#nextRequestId = 0;"),
  session(
    "does not look whether the host has closed the control pipe",
    "CTL-1",
    "if (this.#control.toGuest.peerClosed() !== Closed.OPEN || this.#control.toHost.abandoned()) {",
    "if (false) {",
  ),
  session(
    "looks whether the host has ended the control pipe, and not whether it reads",
    "CTL-1",
    "if (this.#control.toGuest.peerClosed() !== Closed.OPEN || this.#control.toHost.abandoned()) {",
    "if (this.#control.toGuest.peerClosed() !== Closed.OPEN) {",
  ),
  guest(
    "takes a reply of any type",
    "FRM-7",
    "if (expected === undefined || (type !== expected && type !== ErrorReply.type)) {",
    "if (expected === undefined) {",
  ),
  guest(
    "passes over replies that it has not asked for",
    "FRM-2",
    "if (requestId === 0 && (type & FROM_HOST) !== 0) continue;",
    "if (!this.#asked.has(requestId)) continue;",
  ),
  guest(
    "takes what nobody asked for on the control pipe for a violation",
    "FRM-7",
    "if (requestId === 0 && (type & FROM_HOST) !== 0) continue;",
    "",
  ),
  stream(
    "passes over unknown frames, also with an id",
    "FRM-7",
    "if (frame.requestId === 0 && (frame.type & FROM_HOST) !== 0) continue;",
    "if ((frame.type & FROM_HOST) !== 0) continue;",
  ),
  stream(
    "passes over frames of its own direction",
    "FRM-4",
    "if (frame.requestId === 0 && (frame.type & FROM_HOST) !== 0) continue;",
    "if (frame.requestId === 0 || (frame.type & FROM_HOST) === 0) continue;",
  ),
  stream(
    "takes unknown frames that nobody asked for for a violation",
    "FRM-7",
    "if (frame.requestId === 0 && (frame.type & FROM_HOST) !== 0) continue;",
    "",
  ),
  guest(
    "gives up where its request was an error",
    "CTL-3",
    "else if (type === ErrorReply.type) stream.refused = ErrorReply.decode(payload).errno;",
    'else if (type === ErrorReply.type) throw new ProtocolError(Violation.FRAME_TYPE, "CTL-3", "an Error");',
  ),
  guest(
    "swaps the capacities that it wishes for",
    "CTL-2",
    "{ toHostBytes, toGuestBytes }",
    "{ toHostBytes: toGuestBytes, toGuestBytes: toHostBytes }",
  ),
  // ── Opening ──
  stream(
    "takes any answer for that to its Open",
    "FRM-2",
    "if (frame.requestId !== this.opening) {",
    "if (false) {",
  ),
  stream(
    "takes any type for Opened",
    "STR-2",
    'if (frame.type !== ("protocol" in first ? Opened.type : first.incoming)) {',
    "if (false) {",
  ),
  stream(
    "takes Refused for Opened",
    "STR-2",
    'if (frame.type === Refused.type && "protocol" in first) {',
    "if (false) {",
    'if (frame.type !== ("protocol" in first ? Opened.type : first.incoming)) {',
    "if (false) {",
  ),
  stream(
    "tells each refusal as EACCES",
    "MSG-1",
    "this.refused = Refused.decode(frame.payload).errno;",
    "this.refused = 13;",
  ),
  guest("does not signal its Open", "STR-1", "() => session.bell.signal(pipe.id))", "() => {})"),
  // ── Accept ──
  guest("names no generation in Accept", "LSN-2", "generation: pipe.generation }", "generation: 0 }"),
  guest(
    "puts Accept on the stream that it gives",
    "LSN-2",
    "const writer = new FrameWriter(listener.toHost);",
    "const writer = new FrameWriter(pipe.toHost);",
  ),
  guest(
    "gives the listener itself to the listener",
    "LSN-2",
    "const accept = { id: pipe.id, generation: pipe.generation };",
    "const accept = { id: listener.id, generation: pipe.generation };",
  ),
  stream(
    "takes the answer on a posted stream for an Opened",
    "LSN-3",
    '("protocol" in first ? Opened.type : first.incoming)',
    "Opened.type",
  ),
  guest(
    "waits for a Unix listener's connections as for those of TCP",
    "UNX-3",
    "isUnix ? unixMessages.UnixIncoming.type : Incoming.type",
    "Incoming.type",
  ),
  // ── Ends ──
  stream(
    "writes after its end",
    "STR-7",
    'if (producer.closed !== Closed.OPEN) return { status: "closed" };',
    "",
  ),
  {
    what: "writes into a block that is the host's again",
    clause: "STR-7",
    patches: [
      { module: "typescript/guest", replace: 'if (stream.through) return { status: "closed" };', by: "" },
      {
        module: "typescript/stream",
        replace: 'if (producer.closed !== Closed.OPEN) return { status: "closed" };',
        by: 'if (producer.closed !== Closed.OPEN && !this.through) return { status: "closed" };',
      },
    ],
  },
  stream(
    "closes one end where it resets",
    "STR-7",
    "this.#producer.reset(); this.#consumer.close();",
    "this.#producer.reset();",
  ),
  stream(
    "closes one end where it closes",
    "STR-7",
    "this.#producer.end(); this.#consumer.close();",
    "this.#consumer.close();",
  ),
  stream(
    "does not signal that it has ended or reads no more",
    "RING-6",
    "signal(); this.through =",
    "this.through =",
  ),
];
