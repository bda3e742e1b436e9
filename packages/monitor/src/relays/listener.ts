// A listening socket, and the streams that the guest has posted for its connections (PROTOCOL.md section 12). Of TCP
// (tcp-listen.ts) and of Unix sockets (unix-listen.ts): they differ in how a connection is taken, how the guest is told
// of it, and how the listener ends.
//
// A listener has one listening socket or several, its doors: its own, and of TCP those that the operator publishes for
// it (published.ts).
//
// Invariant: a door is watched only while a stream is posted, so the host never accepts what it cannot give on (LSN-4).
// After an accept that failed for want of something all of them rest for a while, and are tried again (LSN-5).

import { Accept, Closed, type FrameReader, ProtocolError, type Refusal, Violation } from "@ringway/control";
import { Errno, errnoMessage } from "@ringway/linux";
import type { Relay } from "../guests/relay.ts";
import { type Stream, StreamState } from "../guests/stream.ts";
import { refusal } from "../policy/refusal.ts";
import { Counter } from "../reactor/counters.ts";
import type { EventSource } from "../reactor/reactor.ts";
import type { Timer } from "../reactor/timers.ts";
import { type Door, OwnDoor } from "./door.ts";
import type { RelayHost } from "./host.ts";
import { Replies } from "./replies.ts";
import { unknownRequest } from "./unknown.ts";

/** How long a listener rests after an accept that failed on the host, in milliseconds. */
const ACCEPT_RETRY_MS = 100;
/** Connections accepted, and requests taken, in one step before others get their turn. */
const ACCEPT_BUDGET = 64;
/** Kernel's backlog where the guest asks for none, and at the most. */
const BACKLOG_DEFAULT = 128;
const BACKLOG_MAX = 4096;

/** The kernel's backlog for what the guest asks for. */
export function backlogFor(asked: number): number {
  return asked === 0 ? BACKLOG_DEFAULT : Math.min(asked, BACKLOG_MAX);
}

/** `Connection`: one that was taken, and what the kernel says of it. */
export abstract class ListenRelay<Connection extends object> implements Relay, EventSource {
  protected readonly host: RelayHost;
  protected readonly stream: Stream;
  readonly #signal: () => void;
  #doors: Door[] = [];
  /** Which of them is asked for a connection next. */
  #turn = 0;
  readonly #requests: FrameReader;
  /** One at the most: no request is taken while it waits. */
  readonly #replies: Replies;
  /** In the order in which they are served, with the request id of each one's Accept. */
  readonly #posted: Map<Stream, number> = new Map();
  #watching = false;
  #resting: Timer | undefined;
  #ending = false;
  #disposed = false;

  /**
   * `fd`: its own socket, or -1 where it has none, and addDoor() is called next. Throws SystemError where that cannot
   * be watched; it then stays the caller's.
   */
  constructor(host: RelayHost, stream: Stream, fd: number) {
    this.host = host;
    this.stream = stream;
    this.#signal = stream.signaller();
    this.#requests = stream.frames();
    this.#replies = new Replies(stream);
    if (fd >= 0) this.#doors.push(new OwnDoor(host.reactor, fd, this));
  }

  /** Takes a connection of a door, or -errno. */
  protected abstract accept(fd: number): Connection | number;
  /** Gives it to a stream, whose Accept has this id; one that cannot be watched is closed, and the stream reset. */
  protected abstract give(stream: Stream, requestId: number, connection: Connection): void;
  /** It is over, and not watched any more: lets go of the socket, and then calls stream.end(). */
  protected abstract finish(): void;
  /** The same where the stream is over already, unless finish() was called. Called once. */
  protected abstract release(): void;

  onEvents(): void {
    if (!this.#rests()) this.stream.run();
  }

  /** There may be a connection at a door that others have, too: looks for it in its guest's turn. */
  later(): void {
    if (!this.#rests()) this.stream.later();
  }

  /** What waits at a door would wake this thread over and over for a guest that is held: step() watches again. */
  #rests(): boolean {
    const { held } = this.stream.guest;
    if (held) this.#watch(false);
    return held;
  }

  /** The first is its own, where it has one. */
  protected get doors(): readonly Door[] {
    return this.#doors;
  }

  addDoor(door: Door): void {
    this.#doors.push(door);
    if (this.#watching) door.watch(true);
  }

  /** Without any, it is over, in its guest's turn. */
  removeDoor(door: Door): void {
    door.leave();
    this.#doors = this.#doors.filter((other) => other !== door);
    if (this.#doors.length === 0) this.stream.perform(() => this.#end());
  }

  step(): boolean {
    if (this.#ending) return false;
    const { pipe } = this.stream;
    for (let budget = ACCEPT_BUDGET; this.#replies.flush(); budget--) {
      if (budget === 0) return true;
      // Before the ring: what was put before END is there once END is seen (RING-6).
      const closed = pipe.toHost.peerClosed();
      const frame = this.#requests.next(this.#signal);
      if (frame === undefined) {
        if (closed === Closed.OPEN) break;
        if (closed === Closed.END) this.#requests.end();
        this.#end();
        return false;
      }
      if (frame.type === Accept.type) {
        const { id, generation } = Accept.decode(frame.payload);
        this.#post(id, generation, frame.requestId);
        // What was found on the other stream may have been the guest's end.
        if (this.#disposed) return false;
      } else {
        this.#fail(frame.requestId, unknownRequest(frame.type));
      }
    }
    return this.#acceptAll();
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    const { budget } = this.stream.guest;
    budget.giveListener();
    if (!this.#ending) this.#quiet();
    this.release();
    const posted = [...this.#posted.keys()];
    this.#posted.clear();
    for (const stream of posted) {
      budget.giveAccept();
      if (stream.state === StreamState.POSTED) stream.reset();
    }
  }

  drain(): void {
    this.#end();
  }

  #end(): void {
    if (this.#ending || this.#disposed) return;
    this.#ending = true;
    this.#quiet();
    this.finish();
  }

  /** No more of its events. */
  #quiet(): void {
    this.host.reactor.cancel(this.#resting);
    for (const door of this.#doors.splice(0)) door.leave();
  }

  /** A posted stream that its guest has closed before a connection came (LSN-3). */
  withdraw(stream: Stream): void {
    if (this.#posted.delete(stream)) this.stream.guest.budget.giveAccept();
  }

  #post(id: number, generation: number, requestId: number): void {
    const stream = this.stream.find(id, generation);
    if (stream === undefined) {
      this.#fail(requestId, refusal(Errno.EBADF, `stream ${id} is not open with generation ${generation}`));
    } else if (!isFresh(stream)) {
      this.#fail(requestId, refusal(Errno.EINVAL, `stream ${id} is not fresh`));
    } else {
      const tooMany = this.stream.guest.budget.takeAccept();
      if (tooMany !== undefined) {
        this.#fail(requestId, tooMany);
        return;
      }
      stream.posted(new PostedRelay(stream, this), this.stream);
      this.#posted.set(stream, requestId);
    }
  }

  /** Gives connections to posted streams. True: the budget is used. */
  #acceptAll(): boolean {
    if (this.#resting !== undefined) return false;
    const { guest } = this.stream;
    const { network } = guest.budget;
    for (let budget = ACCEPT_BUDGET; this.#anyPosted(); budget--) {
      if (budget === 0) return true;
      if (network.limited && !network.takeConnection(this.stream)) {
        // They wait in the backlog.
        this.#watch(false);
        return false;
      }
      const accepted = guest.budget.mayHaveConnection ? this.#acceptAny() : -Errno.EMFILE;
      if (network.limited && typeof accepted === "number") network.giveConnection();
      if (accepted === -Errno.EAGAIN) break;
      if (typeof accepted === "number") {
        // ECONNABORTED and its like are the connection's own end; the rest is the host's want of something.
        if (accepted === -Errno.ECONNABORTED || accepted === -Errno.EPROTO) continue;
        this.#rest(-accepted);
        return false;
      }
      this.#give(accepted);
    }
    if (!this.#disposed) this.#watch(this.#posted.size > 0);
    return false;
  }

  /** At the doors in turn: none keeps connections of the others waiting. */
  #acceptAny(): Connection | number {
    const doors = this.#doors;
    for (let left = doors.length; left > 0; left--) {
      this.#turn = (this.#turn + 1) % doors.length;
      const accepted = this.accept(doors[this.#turn]!.fd);
      if (accepted !== -Errno.EAGAIN) return accepted;
    }
    return -Errno.EAGAIN;
  }

  /** Is there a stream to give a connection to? Those that their guest has closed meanwhile are skipped (LSN-3). */
  #anyPosted(): boolean {
    for (const stream of this.#posted.keys()) {
      let open = false;
      stream.guard(() => {
        open = stream.pipe.toHost.peerClosed() === Closed.OPEN;
      });
      if (open) return true;
      // Closing withdraws it from here.
      if (stream.state === StreamState.POSTED) stream.end();
    }
    return false;
  }

  #give(connection: Connection): void {
    const [stream, requestId] = this.#posted.entries().next().value!;
    this.withdraw(stream);
    this.host.counters.add(Counter.accepted);
    this.give(stream, requestId, connection);
  }

  #rest(errno: number): void {
    this.host.counters.add(Counter.acceptFailures);
    const reason = `accept failed, trying again: ${errnoMessage(errno)}`;
    this.stream.guest.reports.warn(reason);
    this.#fail(0, refusal(errno, reason));
    this.#replies.flush();
    this.#watch(false);
    this.#resting = this.host.reactor.after(ACCEPT_RETRY_MS, () => {
      this.#resting = undefined;
      this.stream.run();
    });
  }

  #watch(on: boolean): void {
    if (this.#watching === on) return;
    this.#watching = on;
    for (const door of this.#doors) door.watch(on);
  }

  #fail(requestId: number, refusal: Refusal): void {
    // A report that nobody asked for is not worth holding requests up.
    if (this.#replies.length > 0 && requestId === 0) return;
    this.#replies.fail(requestId, refusal);
  }
}

/** Is it one that nothing was put on? A violation that is found there is that stream's, and not its listener's. */
function isFresh(stream: Stream): boolean {
  let fresh = false;
  stream.guard(() => {
    fresh = stream.state === StreamState.FRESH && stream.pipe.toHost.readable() === 0;
  });
  return fresh;
}

interface Withdraws {
  withdraw(stream: Stream): void;
}

/** A stream that waits for a connection: the guest may do nothing with it but close it (STR: POSTED). */
class PostedRelay implements Relay {
  readonly #stream: Stream;
  readonly #listener: Withdraws;

  constructor(stream: Stream, listener: Withdraws) {
    this.#stream = stream;
    this.#listener = listener;
  }

  step(): boolean {
    const { toHost } = this.#stream.pipe;
    if (toHost.peerClosed() !== Closed.OPEN) {
      this.#listener.withdraw(this.#stream);
      this.#stream.end();
    } else if (toHost.readable() > 0) {
      throw new ProtocolError(
        Violation.STREAM_STATE,
        "LSN-3",
        "bytes on a stream that waits for a connection",
      );
    }
    return false;
  }

  dispose(): void {
    this.#listener.withdraw(this.#stream);
  }
}
