// Who follows conversations, as the main thread has it: a ring of records from the reactor's thread, which is told when
// there is room again, and tells when there is something.
//
//   take() ... nothing is left ── isEmpty() ──▶ told: onRecords() ──▶ take() ...
//   the monitor ends ──▶ what is in the ring still ──▶ isOver ──▶ over()
//
// A ring is used again once the reactor's thread has let go of it, so that who begins and ends to follow, however
// often, costs what the rings at once do.

import { within } from "@ringway/linux";
import type { FollowOptions } from "../observe/conversations/follower.ts";
import { ConversationRing } from "../observe/conversations/ring.ts";
import { type Pending, pending } from "./pending.ts";
import type { ReactorHandle } from "./reactor-handle.ts";

/** Each has a ring. */
const FOLLOWERS_MAX = 16;
/** With those that the reactor's thread has not let go of yet. */
const RINGS_MAX: number = 2 * FOLLOWERS_MAX;
/** How long the end waits for those that are told of the last. */
const LAST_MS = 1000;
/** Of each ring: a millisecond or two of all that a reactor can carry. */
const RING_BYTES: number = 4 * 1024 * 1024;

/** As many follow conversations as may. */
export class FollowersError extends Error {
  override readonly name: string = "FollowersError";
  readonly code: "ERR_RINGWAY_FOLLOWERS" = "ERR_RINGWAY_FOLLOWERS";

  constructor() {
    super(`${FOLLOWERS_MAX} follow conversations already, and no more may`);
  }
}

/** One of them. */
export class Follow {
  readonly #id: number;
  readonly #ring: ConversationRing;
  readonly #host: Pick<ReactorHandle, "send">;
  readonly #onEnd: () => void;
  /** There is something, or nothing more will come. */
  onRecords: () => void = () => {};
  #isLast = false;
  readonly #passedOn: Pending<void> = pending();

  constructor(id: number, ring: ConversationRing, host: Pick<ReactorHandle, "send">, onEnd: () => void) {
    this.#id = id;
    this.#ring = ring;
    this.#host = host;
    this.#onEnd = onEnd;
  }

  /** Whole records, of `most` bytes or the first; undefined: there are none. */
  take(most: number): Uint8Array<ArrayBuffer> | undefined {
    const bytes = this.#ring.read(most);
    if (bytes === undefined) return undefined;
    if (this.#ring.release(bytes.length)) this.#host.send({ kind: "follow-room", id: this.#id });
    return bytes;
  }

  /** False: there is something already. Otherwise onRecords() is called when there is, unless it is over. */
  isEmpty(): boolean {
    return this.#ring.wantData();
  }

  /** Nothing is left, and nothing will come. */
  get isOver(): boolean {
    return this.#isLast && this.#ring.used === 0;
  }

  /** Of a conversation so much was taken; `isOver`: no more of it is wanted. */
  read(conversation: number, bytes: number, isOver: boolean): void {
    this.#host.send({ kind: "follow-read", id: this.#id, conversation, bytes, isOver });
  }

  /** Nobody follows any more. */
  end(): void {
    if (this.#isLast) return;
    this.#isLast = true;
    this.#passedOn.resolve();
    this.#host.send({ kind: "unfollow", id: this.#id });
    this.#onEnd();
  }

  /** The monitor is over: nothing more comes. Resolves when who follows has passed it all on, or has gone. */
  last(): Promise<void> {
    this.#isLast = true;
    this.onRecords();
    return this.#passedOn.promise;
  }

  /** All of it is where it goes. */
  over(): void {
    this.#passedOn.resolve();
  }
}

export class Follows {
  readonly #host: Pick<ReactorHandle, "send">;
  readonly #all: Map<number, Follow> = new Map();
  /** Nobody follows by them any more, and the reactor's thread does not know yet. */
  readonly #leaving: Map<number, ConversationRing> = new Map();
  readonly #free: ConversationRing[] = [];
  #next = 1;

  constructor(host: Pick<ReactorHandle, "send">) {
    this.#host = host;
  }

  /** Throws FollowersError. */
  begin(options: Omit<FollowOptions, "memory">): Follow {
    if (this.#all.size >= FOLLOWERS_MAX || this.#all.size + this.#leaving.size >= RINGS_MAX) {
      throw new FollowersError();
    }
    const id = this.#next++;
    const ring = this.#free.pop() ?? new ConversationRing(RING_BYTES);
    const follow = new Follow(id, ring, this.#host, () => {
      if (this.#all.delete(id)) this.#leaving.set(id, ring);
    });
    this.#all.set(id, follow);
    ring.wantData();
    this.#host.send({ kind: "follow", id, options: { ...options, memory: ring.memory } });
    return follow;
  }

  told(id: number): void {
    this.#all.get(id)?.onRecords();
  }

  /** The reactor's thread has let go of its ring. */
  unfollowed(id: number): void {
    const ring = this.#leaving.get(id);
    if (ring === undefined) return;
    this.#leaving.delete(id);
    ring.reset();
    this.#free.push(ring);
  }

  /** The reactor's thread is over. Resolves when those that follow have passed all of it on, or within LAST_MS. */
  async end(): Promise<void> {
    const all = [...this.#all.values()];
    this.#all.clear();
    await within(Promise.all(all.map((follow) => follow.last())), LAST_MS);
  }
}
