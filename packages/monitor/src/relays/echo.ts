// echo: sends back what it gets (STR-9). For tests, and for measuring rings without a socket.

import { Protocol, type RegionMemory } from "@ringway/control";
import type { Relay } from "../guests/relay.ts";
import { Direction, type Stream } from "../guests/stream.ts";
import { alwaysAllowed, NOTHING, requireEmpty } from "./empty-body.ts";
import { PIECE_COST_BYTES } from "./piece-cost.ts";
import type { Judged, ProtocolEntry } from "./protocol.ts";
import { Waiting, waitingBytes } from "./waiting-bytes.ts";

/** Bytes moved in one step before others get their turn. */
const BUDGET_BYTES = 256 * 1024;

/** Up to here words are copied one by one, faster than by a call. */
const LOOP_BYTES = 256;

const ALLOWED: Judged<undefined> = alwaysAllowed(Protocol.ECHO);

export const ECHO: ProtocolEntry<undefined> = {
  judge(_rules, body) {
    requireEmpty(body);
    return ALLOWED;
  },
  open(_host, stream, requestId) {
    stream.opened(requestId, NOTHING);
    stream.become(new EchoRelay(stream));
  },
};

class EchoRelay implements Relay {
  readonly #stream: Stream;

  constructor(stream: Stream) {
    this.#stream = stream;
  }

  step(): boolean {
    const stream = this.#stream;
    const { toHost, toGuest } = stream.pipe;
    const memory = stream.guest.region;
    let budget = BUDGET_BYTES;
    for (;;) {
      const readable = waitingBytes(toHost);
      if (readable <= 0) {
        if (readable === Waiting.RESET) stream.reset();
        else if (readable === Waiting.END) stream.end();
        return false;
      }
      if (budget <= 0) return true;
      if (toGuest.abandoned()) {
        budget -= Math.max(readable, PIECE_COST_BYTES);
        if (toHost.advance(readable)) stream.signal();
        continue;
      }
      const writable = toGuest.writable();
      if (writable === 0) {
        if (toGuest.wantSpace(1)) continue;
        return false;
      }
      const length = Math.min(toHost.spanBytes(readable), toGuest.spanBytes(writable), budget);
      const from = toHost.spanOffset();
      const to = toGuest.spanOffset();
      copy(memory, to, from, length);
      stream.moved(Direction.TO_HOST, from, length);
      stream.moved(Direction.TO_GUEST, to, length);
      budget -= Math.max(length, PIECE_COST_BYTES);
      const guestWantsSpace = toHost.advance(length);
      const guestWantsData = toGuest.advance(length);
      if (guestWantsSpace || guestWantsData) stream.signal();
    }
  }

  dispose(): void {}
}

/** From one ring to another: the two do not overlap. */
function copy({ words, bytes }: RegionMemory, to: number, from: number, length: number): void {
  if (length > LOOP_BYTES || ((to | from | length) & 3) !== 0) {
    bytes.copyWithin(to, from, from + length);
    return;
  }
  const toWord = to / 4;
  const fromWord = from / 4;
  for (let i = length / 4 - 1; i >= 0; i--) words[toWord + i] = words[fromWord + i]!;
}
