// What is followed as a capture: each event as the blocks that are written for it.
//
// Invariants: a conversation is known here from its opened to its closed, so as many as a client follows. In each file
// the first packet of one says whose it is, and its guest's address has a name before it.

import type { FollowedEvent } from "@ringway/monitor";
import { type Conversing, conversing } from "./conversation-packets.ts";
import { nameBlock, type Packet, packetBlock } from "./pcapng.ts";

/** Addresses that have a name in one file: others have only their comments. */
const NAMES_MAX = 4096;

export class PacketWriter {
  readonly #snapBytes: number;
  readonly #open: Map<number, Conversing> = new Map();
  /** Addresses that the present file has names for. */
  readonly #named: Set<string> = new Set();
  /** Those that were there before the present file, and have nothing in it yet. */
  readonly #unnamed: WeakSet<Conversing> = new WeakSet();
  packets = 0;
  conversations = 0;
  lostBytes = 0;
  /** Conversations that were too many to be followed. */
  missed = 0;

  constructor(snapBytes: number) {
    this.#snapBytes = snapBytes;
  }

  /** Another file begins. */
  forget(): void {
    this.#named.clear();
    for (const open of this.#open.values()) {
      open.introduce();
      this.#unnamed.add(open);
    }
  }

  blocks(event: FollowedEvent): Uint8Array[] {
    if (event.kind === "ready") return [];
    if (event.kind === "missed") {
      this.missed += event.missed;
      return [];
    }
    if (event.kind === "opened") {
      const begun = conversing(event);
      this.#open.set(event.conversation, begun);
      this.conversations++;
      return [...this.#name(begun), ...this.#packets(begun.begin(event.timeNs))];
    }
    const known = this.#open.get(event.conversation);
    if (known === undefined) return [];
    const name = this.#unnamed.delete(known) ? this.#name(known) : [];
    return [...name, ...this.#packets(this.#packetsOf(known, event))];
  }

  #packetsOf(known: Conversing, event: Extract<FollowedEvent, { conversation: number }>): Packet[] {
    switch (event.kind) {
      case "data":
        return known.data(event);
      case "lost":
        this.lostBytes += event.lost;
        return known.lost(event);
      case "closed":
        this.#open.delete(event.conversation);
        return known.closed(event);
      default:
        return [];
    }
  }

  #name({ guest: { address }, name }: Conversing): Uint8Array[] {
    const key = address.join(".");
    if (this.#named.has(key) || this.#named.size >= NAMES_MAX) return [];
    this.#named.add(key);
    return [nameBlock(address, name)];
  }

  #packets(packets: readonly Packet[]): Uint8Array[] {
    this.packets += packets.length;
    return packets.map((packet) =>
      packetBlock({ ...packet, bytes: packet.bytes.subarray(0, this.#snapBytes) }),
    );
  }
}
