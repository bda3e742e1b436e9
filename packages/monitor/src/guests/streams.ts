// The streams of one guest, by their ids: made when the guest's first signal for one is taken, let go of one by one
// when their pipes are through, or all at once.
//
// What is let go of at once is void before the first relay lets go (the epoch counts on): one relay may end another's
// stream, as a listener does with those that are posted to it. The letting go is work in slices (dropping.ts), and the
// streams' memory is in use until that is done.

import type { HostSession } from "@ringway/control";
import { Counter } from "../reactor/counters.ts";
import { Dropping } from "./dropping.ts";
import type { Opener } from "./opener.ts";
import { Stream, type StreamOwner, type StreamTable } from "./stream.ts";

/** Whose streams they are. */
export interface StreamsOwner extends StreamOwner {
  readonly session: HostSession;
  /** Streams that were let go of at once are gone. */
  dropped(): void;
}

export class Streams implements StreamTable {
  readonly #owner: StreamsOwner;
  readonly #opener: Opener;
  #all: (Stream | undefined)[] = [];
  #epoch = 0;
  /** Under way. */
  readonly #droppings: Set<Dropping> = new Set();

  constructor(owner: StreamsOwner, opener: Opener) {
    this.#owner = owner;
    this.#opener = opener;
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** The stream with this id, if it is open. */
  at(id: number): Stream | undefined {
    const pipe = this.#owner.session.pipe(id);
    const known = this.#all[id];
    if (pipe === undefined || known?.pipe === pipe) return known;
    const stream = new Stream(this.#owner, pipe);
    this.#all[id] = stream;
    stream.become(this.#opener.relayFor(stream));
    this.#owner.counters.add(Counter.streams);
    this.#owner.counters.add(Counter.streamsOpened);
    return stream;
  }

  find(id: number, generation: number): Stream | undefined {
    const stream = this.at(id);
    return stream !== undefined && stream.pipe.generation === generation ? stream : undefined;
  }

  release(stream: Stream): void {
    if (this.#all[stream.id] !== stream) return;
    this.#all[stream.id] = undefined;
    this.#owner.session.release(stream.pipe);
    this.#owner.counters.add(Counter.streams, -1);
  }

  /** Above the id of every open stream. */
  get idsEnd(): number {
    return this.#all.length;
  }

  /** The open stream with this id. at() makes one where the guest has just signalled its first. */
  open(id: number): Stream | undefined {
    return this.#all[id];
  }

  /** The open stream with this id and generation. find() makes one where the guest has just signalled its first. */
  known(id: number, generation: number): Stream | undefined {
    const stream = this.#all[id];
    return stream?.pipe.generation === generation ? stream : undefined;
  }

  /** How many are open. */
  get count(): number {
    return this.#owner.session.openStreams;
  }

  /** Those that there are now. */
  list(): readonly (Stream | undefined)[] {
    return [...this.#all];
  }

  /** Every one that is open is looked at in the guest's turn. */
  queueAll(): void {
    const { session } = this.#owner;
    for (let id = 1, left = session.openStreams; left > 0; id++) {
      if (session.pipe(id) === undefined) continue;
      left--;
      this.at(id)!.later();
    }
  }

  /** Nothing new begins. */
  drain(): void {
    for (const stream of this.#all) stream?.relay?.drain?.();
  }

  /** Streams whose bytes are under way. */
  get transfers(): number {
    let count = 0;
    for (const stream of this.#all) if (stream?.relay?.transfers) count++;
    return count;
  }

  /** Lets go of all of them. */
  abandonAll(): void {
    const streams = this.#all;
    if (streams.length === 0) return;
    const owner = this.#owner;
    this.#all = [];
    this.#epoch++;
    owner.pinned(1);
    const drop = (stream: Stream): void => {
      owner.counters.add(Counter.streams, -1);
      stream.abandon();
    };
    const dropping = new Dropping(owner.share, streams, drop, () => {
      this.#droppings.delete(dropping);
      owner.pinned(-1);
      owner.dropped();
    });
    this.#droppings.add(dropping);
    dropping.run();
  }

  /** Are there some of which has not been let go yet? */
  get dropping(): boolean {
    return this.#droppings.size > 0;
  }

  /** Lets go of them now, where this thread fails and there are no later turns. */
  finishDropping(): void {
    for (const dropping of [...this.#droppings]) dropping.finish();
  }
}
