// What is followed as a capture: each event as the blocks that are written for it.
//
// Invariant: a conversation is known here from its opened to its closed, so as many as a client follows.

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
  packets = 0;
  conversations = 0;
  lostBytes = 0;

  constructor(snapBytes: number) {
    this.#snapBytes = snapBytes;
  }

  /** Another file begins. */
  forget(): void {
    this.#named.clear();
  }

  blocks(event: FollowedEvent): Uint8Array[] {
    if (event.kind === "ready" || event.kind === "missed") return [];
    if (event.kind === "opened") {
      const begun = conversing(event);
      this.#open.set(event.conversation, begun);
      this.conversations++;
      return [...this.#name(begun.guest.address, event.guest), ...this.#packets(begun.begin(event.timeNs))];
    }
    const known = this.#open.get(event.conversation);
    if (known === undefined) return [];
    switch (event.kind) {
      case "data":
        return this.#packets(known.data(event));
      case "lost":
        this.lostBytes += event.lost;
        return this.#packets(known.lost(event));
      case "closed":
        this.#open.delete(event.conversation);
        return this.#packets(known.closed(event));
    }
  }

  #name(address: Uint8Array, name: string): Uint8Array[] {
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
