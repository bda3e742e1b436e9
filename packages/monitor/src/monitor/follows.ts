// Who follows conversations, as the main thread has it: a ring of records from the reactor's thread, which is told when
// there is room again, and tells when there is something.
//
//   take() ... nothing is left ── isEmpty() ──▶ told: onRecords() ──▶ take() ...
//   the monitor ends ──▶ what is in the ring still ──▶ isOver

import type { FollowOptions } from "../observe/conversations/follower.ts";
import { ConversationRing } from "../observe/conversations/ring.ts";
import type { ReactorHandle } from "./reactor-handle.ts";

/** Each has a ring. */
const FOLLOWERS_MAX = 16;
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
    this.#host.send({ kind: "unfollow", id: this.#id });
    this.#onEnd();
  }

  /** The monitor is over: nothing more comes. */
  last(): void {
    this.#isLast = true;
    this.onRecords();
  }
}

export class Follows {
  readonly #host: Pick<ReactorHandle, "send">;
  readonly #all: Map<number, Follow> = new Map();
  #next = 1;

  constructor(host: Pick<ReactorHandle, "send">) {
    this.#host = host;
  }

  /** Throws FollowersError. */
  begin(options: Omit<FollowOptions, "memory">): Follow {
    if (this.#all.size >= FOLLOWERS_MAX) throw new FollowersError();
    const id = this.#next++;
    const ring = new ConversationRing(RING_BYTES);
    const follow = new Follow(id, ring, this.#host, () => void this.#all.delete(id));
    this.#all.set(id, follow);
    ring.wantData();
    this.#host.send({ kind: "follow", id, options: { ...options, memory: ring.memory } });
    return follow;
  }

  told(id: number): void {
    this.#all.get(id)?.onRecords();
  }

  /** The reactor's thread is over. */
  end(): void {
    const all = [...this.#all.values()];
    this.#all.clear();
    for (const follow of all) follow.last();
  }
}
