// Several logical channels over one stream of addressed batches, each with a bound of its own: a channel that nobody
// reads holds its window of bytes, and the others go on.
//
//        channel 7: send() ─▶ window: what the peer has room for ─▶ ╮
//        channel 9: send() ─▶ window ─────────────────────────────▶ ┴─▶ queue() of the stream
//        channel 7: read() ◀─ inbox: at most a window ◀─ ╮
//        channel 9: read() ◀─ inbox ◀────────────────────┴──────────── accept()
//
// A batch costs its bytes and COST more, so that empty ones are bounded as well. Each side begins with a window for
// each channel, the same on both. What read() has freed is granted to the peer, by half a window at once, in a batch
// to the address GRANTS: pairs of an address and a number of bytes, both of 32 bits, big endian. So a batch may take
// half a window: one that took more could wait for ever for what is read and not granted. A peer that sends more than
// it was granted breaks the rules. One that knows no grants, as DFIR, is served with `grants: false`: then a batch that
// finds its inbox full is dropped, and counted.
//
// Invariant: 0 <= inbox cost <= windowBytes; 0 <= credit. A batch in an inbox has its own memory, no view of a chunk
// that is larger than it by far.

import type { Bytes } from "./codec.ts";
import { requireKnown, requireWhole } from "./codec.ts";
import type { Addressed } from "./codecs/addressed.ts";
import { invariant } from "./invariant.ts";

/** The one address that is no channel. */
export const GRANTS = 0xffffffff;

/** What an entry of an inbox takes beside its bytes, and more than a frame's length and address. */
const COST = 64;
const GRANT_BYTES = 8;

export interface ChannelsOptions {
  /** Puts a batch on the stream: whether it was taken. */
  readonly queue: (message: Addressed) => boolean;
  /** There is something to read, and there was nothing before. */
  readonly onReadable?: (channel: Channel) => void;
  /** send() was refused, and may be taken now. */
  readonly onDrain?: (channel: Channel) => void;
  /** A batch for which there is no channel, or no room, of a peer that knows no grants: it is dropped. */
  readonly onDrop?: (message: Addressed) => void;
  /** Of each channel, each way. Default 64 KiB. */
  readonly windowBytes?: number;
  /** Whether the peer knows grants. Default true. */
  readonly grants?: boolean;
}

export class Channel {
  readonly address: number;
  /** Batches that came and found no room. */
  dropped = 0;
  readonly #channels: Channels;
  /** @internal */
  readonly inbox: Bytes[] = [];
  /** @internal */
  inboxCost = 0;
  /** @internal */
  credit: number;
  /** Read, and not granted to the peer yet. @internal */
  freed = 0;
  /** What send() did not take; 0 where it took the last one. @internal */
  refused = 0;

  /** @internal */
  constructor(channels: Channels, address: number, credit: number) {
    this.#channels = channels;
    this.address = address;
    this.credit = credit;
  }

  /** Whether it was taken: not where the peer has no room for it, or the stream has none. */
  send(batch: Bytes): boolean {
    return this.#channels.sendFrom(this, batch);
  }

  /** The next batch; undefined where there is none. */
  read(): Bytes | undefined {
    const batch = this.inbox.shift();
    if (batch !== undefined) this.#channels.hasRead(this, batch.length + COST);
    return batch;
  }

  /** Of batches that nobody has read, with what each takes beside its bytes. */
  heldBytes(): number {
    return this.inboxCost;
  }
}

export class Channels {
  readonly windowBytes: number;
  readonly #options: ChannelsOptions;
  readonly #grants: boolean;
  readonly #channels = new Map<number, Channel>();

  constructor(options: ChannelsOptions) {
    requireKnown(options, ["queue", "onReadable", "onDrain", "onDrop", "windowBytes", "grants"]);
    const { windowBytes = 64 * 1024, grants = true } = options;
    requireWhole("windowBytes", windowBytes, 2 * COST, 2 ** 31);
    this.windowBytes = windowBytes;
    this.#options = options;
    this.#grants = grants;
  }

  /** The channel of an address, from now on: both sides name those that they use. */
  open(address: number): Channel {
    requireWhole("address", address, 0, GRANTS - 1);
    const known = this.#channels.get(address);
    if (known !== undefined) return known;
    const channel = new Channel(this, address, this.#grants ? this.windowBytes : Number.POSITIVE_INFINITY);
    this.#channels.set(address, channel);
    return channel;
  }

  /** Takes what the stream brings. In words, what is wrong with it, where the peer broke a rule. */
  accept(message: Addressed): string | undefined {
    if (this.#grants && message.address === GRANTS) return this.#acceptGrants(message.batch);
    const channel = this.#channels.get(message.address);
    if (channel === undefined) {
      // Dropped, it would keep its part of the peer's window for ever.
      if (this.#grants) return `a batch for channel ${message.address}, which is not there`;
      this.#options.onDrop?.(message);
      return undefined;
    }
    const { batch } = message;
    const cost = batch.length + COST;
    if (channel.inboxCost + channel.freed + cost > this.windowBytes) {
      if (this.#grants) return `more than was granted on channel ${channel.address}`;
      channel.dropped++;
      this.#options.onDrop?.(message);
      return undefined;
    }
    channel.inboxCost += cost;
    const isOwn = batch.buffer.byteLength <= 2 * batch.length;
    if (channel.inbox.push(isOwn ? batch : batch.slice()) === 1) this.#options.onReadable?.(channel);
    return undefined;
  }

  /** The stream has room again. Whoever is told first may use all of it, so the next time it is told last. */
  drain(): void {
    for (const channel of this.#channels.values()) this.#grant(channel);
    let first: Channel | undefined;
    for (const channel of [...this.#channels.values()]) {
      if (this.#tellRoom(channel)) first ??= channel;
    }
    if (first === undefined) return;
    this.#channels.delete(first.address);
    this.#channels.set(first.address, first);
  }

  invariants(): void {
    for (const { inboxCost, freed, credit, inbox } of this.#channels.values()) {
      invariant(inboxCost + freed <= this.windowBytes, "what is held and not granted lies within the window");
      invariant(credit >= 0, "no more is sent than was granted");
      invariant(inboxCost === inbox.reduce((sum, { length }) => sum + length + COST, 0), "costs add up");
    }
  }

  /** @internal */
  sendFrom(channel: Channel, batch: Bytes): boolean {
    const cost = batch.length + COST;
    if (cost > this.windowBytes / 2) {
      throw new RangeError(
        `a batch of ${batch.length} bytes is more than half a window of ${this.windowBytes}`,
      );
    }
    const isTaken = cost <= channel.credit && this.#options.queue({ address: channel.address, batch });
    if (isTaken) channel.credit -= cost;
    else channel.refused = cost;
    return isTaken;
  }

  /** @internal */
  hasRead(channel: Channel, cost: number): void {
    channel.inboxCost -= cost;
    if (!this.#grants) return;
    channel.freed += cost;
    this.#grant(channel);
  }

  /** Where the stream has no room for it, it is due at the next drain(). */
  #grant(channel: Channel): void {
    if (channel.freed < this.windowBytes / 2) return;
    const batch = new Uint8Array(GRANT_BYTES);
    const fields = new DataView(batch.buffer);
    fields.setUint32(0, channel.address);
    fields.setUint32(4, channel.freed);
    if (this.#options.queue({ address: GRANTS, batch })) channel.freed = 0;
  }

  #acceptGrants(batch: Bytes): string | undefined {
    // One for each channel, at most: whoever grants adds up what is due.
    const most = GRANT_BYTES * this.#channels.size;
    if (batch.length % GRANT_BYTES !== 0 || batch.length > most) return `grants of ${batch.length} bytes`;
    const fields = new DataView(batch.buffer, batch.byteOffset, batch.length);
    for (let at = 0; at < batch.length; at += GRANT_BYTES) {
      const channel = this.#channels.get(fields.getUint32(at));
      if (channel === undefined) return `a grant for channel ${fields.getUint32(at)}, which is not there`;
      const granted = fields.getUint32(at + 4);
      if (granted === 0) return `a grant of nothing for channel ${channel.address}`;
      channel.credit += granted;
      if (channel.credit > this.windowBytes) return `more granted than channel ${channel.address} has used`;
      this.#tellRoom(channel);
    }
    return undefined;
  }

  #tellRoom(channel: Channel): boolean {
    if (channel.refused === 0 || channel.credit < channel.refused) return false;
    channel.refused = 0;
    this.#options.onDrain?.(channel);
    return true;
  }
}
