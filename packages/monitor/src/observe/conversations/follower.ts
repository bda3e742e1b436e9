// Who follows conversations, on the reactor's thread: one ring, and the conversations in it.
//
//   a conversation begins ── wanted, and there is a place for it ──▶ followed (followed.ts)
//                               └── none: MISSED is told, and how many
//
// Invariant: at most `most` conversations are open, or ended and not taken yet: each may hold `capacity` bytes of the
// main thread's, so that what a follower costs is bounded, however many streams there are.

import { Followed, type FollowedBy, type Paced } from "./followed.ts";
import { type ConversationOpened, From, RecordKind } from "./records.ts";
import { ConversationRing } from "./ring.ts";
import { wallMs } from "./wall-clock.ts";
import { Wanted, type WantedConversations } from "./wanted.ts";

/** How late the main thread is told of little, in milliseconds: to post takes some 20 us, and wakes it. */
const LATE_MS = 2;

/** As the main thread asks for it. */
export interface FollowOptions extends WantedConversations {
  readonly memory: SharedArrayBuffer;
  readonly whenSlow: "backpressure" | "drop";
  /** Of one conversation, bytes that its reader has not taken; infinite where they stay in the ring. */
  readonly capacity: number;
  /** Conversations at once. */
  readonly most: number;
}

/** What it needs of the reactor's thread. */
export interface FollowerHost {
  after(delayMs: number, callback: () => void): void;
  soon(run: () => void): void;
  /** The main thread is to look at the ring. */
  tell(follower: number): void;
}

const encoder = new TextEncoder();

export class Follower implements FollowedBy {
  readonly id: number;
  readonly ring: ConversationRing;
  readonly paces: boolean;
  readonly capacity: number;
  readonly #most: number;
  readonly #wanted: Wanted;
  readonly #host: FollowerHost;
  readonly #all: Map<number, Followed> = new Map();
  #next = 1;
  /** Something of them is due, or their streams stand still. */
  readonly #waiting: Set<Followed> = new Set();
  #isTold = false;
  #missed = 0;
  /** Until it is ready, those that it was told of: of the streams that are there, none is met twice. */
  #met: WeakSet<Paced> | undefined = new WeakSet();
  #isReady = false;
  #isReadyTold = false;
  #isOver = false;

  constructor(id: number, options: FollowOptions, host: FollowerHost) {
    this.id = id;
    this.ring = new ConversationRing(options.memory);
    this.paces = options.whenSlow === "backpressure";
    this.capacity = options.capacity;
    this.#most = options.most;
    this.#wanted = new Wanted(options);
    this.#host = host;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Something is due, and waits for room in the ring. */
  get isDue(): boolean {
    return this.#waiting.size > 0;
  }

  /** A conversation begins, or is there. Undefined: it is not followed. */
  begin(protocol: number, opened: ConversationOpened, stream: Paced): Followed | undefined {
    if (this.#isOver || !this.#wanted.has(protocol, opened)) return undefined;
    if (this.#met?.has(stream)) return undefined;
    this.#met?.add(stream);
    if (this.#all.size >= this.#most) {
      this.#missed++;
      this.#settleOwn();
      return undefined;
    }
    const id = this.#next++;
    const followed = new Followed(id, this, stream, opened);
    this.#all.set(id, followed);
    return followed;
  }

  /** All that were there are followed. */
  ready(): void {
    this.#isReady = true;
    this.#met = undefined;
    this.#settleOwn();
  }

  /** The reader has taken so much of a conversation; `isOver`: and wants no more of it. */
  read(conversation: number, bytes: number, isOver: boolean): void {
    const followed = this.#all.get(conversation);
    if (followed === undefined) return;
    if (!isOver) {
      followed.read(bytes);
      return;
    }
    this.#all.delete(conversation);
    this.#waiting.delete(followed);
    followed.letGo();
  }

  /** There is room: what is due is told, and streams that stood still go on. */
  readonly room = (): void => {
    if (this.#isOver) return;
    if (!this.#settleOwn()) return;
    for (const followed of [...this.#waiting]) {
      this.#waiting.delete(followed);
      if (followed.settle()) followed.resume();
      else if (this.#waiting.has(followed)) return;
    }
  };

  /** Nobody follows any more. */
  end(): void {
    this.#isOver = true;
    for (const followed of this.#all.values()) followed.letGo();
    this.#all.clear();
    this.#waiting.clear();
  }

  // ── As its conversations have it ──────────────────────────────────────────────────────────────────────────────

  told(): void {
    if (this.#isTold) {
      if (this.ring.used < this.ring.capacity / 4) return;
    } else {
      if (!this.ring.mustTell()) return;
      this.#isTold = true;
      if (this.ring.used < this.ring.capacity / 4) {
        this.#host.after(LATE_MS, this.#tell);
        return;
      }
    }
    this.#tell();
  }

  readonly #tell = (): void => {
    if (!this.#isTold) return;
    this.#isTold = false;
    if (!this.#isOver) this.#host.tell(this.id);
  };

  wait(followed: Followed): void {
    this.#waiting.add(followed);
    this.#wantRoom();
  }

  #wantRoom(): void {
    if (this.ring.wantRoom()) this.#host.soon(this.room);
  }

  closed(followed: Followed): void {
    this.#waiting.delete(followed);
    // Else it is over when its reader says so.
    if (this.capacity === Number.POSITIVE_INFINITY) this.#all.delete(followed.id);
  }

  /** What is of no conversation. False: there is no room. */
  #settleOwn(): boolean {
    if (this.#isReady && !this.#isReadyTold) {
      if (!this.#say(RecordKind.READY, {})) return false;
      this.#isReadyTold = true;
    }
    if (this.#missed > 0) {
      if (!this.#say(RecordKind.MISSED, { missed: this.#missed })) return false;
      this.#missed = 0;
    }
    return true;
  }

  #say(kind: RecordKind, what: object): boolean {
    const timeMs = wallMs();
    const payload = encoder.encode(JSON.stringify(what));
    if (this.ring.put({ kind, from: From.INITIATOR, conversation: 0, timeMs }, payload)) {
      this.told();
      return true;
    }
    this.#wantRoom();
    return false;
  }
}
