// unix-connect: policy, then a disk worker, which finds the socket, looks at it and connects (disk/sockets.ts); then
// a relay for its kind takes the stream over (PROTOCOL.md section 18).
//
//   Open ─▶ ASKING ─ connected ─▶ TcpRelay, or RecordsRelay
//             │ ↑ └─ it cannot be had, or time over ─▶ Refused
//             │ └─ a while ─┐
//             └─ the server's backlog is full ─▶ RESTING
//
// While a worker is asked, the policy that has allowed it stays (onDisk). While it rests none is held: if there is
// another by then, that one judges it before it is tried again.

import { performance } from "node:perf_hooks";
import { Errno, Protocol, type Refusal, unixMessages } from "@ringway/control";
import { closeFd, errnoMessage, errnoOf, type UnixType } from "@ringway/linux";
import type { DiskResult } from "../disk/operations.ts";
import type { Relay } from "../guests/relay.ts";
import { guestGaveUp, type Stream } from "../guests/stream.ts";
import { denial, refusal } from "../policy/refusal.ts";
import type { Timer } from "../reactor/timers.ts";
import { auditFailure, type DiskWork, onDisk } from "./files/access.ts";
import type { RelayHost } from "./host.ts";
import type { ProtocolEntry } from "./protocol.ts";
import {
  kindMistake,
  placeOfSocket,
  type SocketAsked,
  type SocketPlace,
  socketFailure,
  tooManyUnread,
  unixRelay,
  unixType,
} from "./unix-sockets.ts";

/** How long until a full backlog is tried again: at first, and at most. */
const AGAIN_MS_MIN = 2;
const AGAIN_MS_MAX = 100;

type Asked = SocketAsked<unixMessages.UnixConnectRequest>;

export const UNIX_CONNECT: ProtocolEntry<Asked> = {
  network: "connects",
  isFlow: true,
  judge({ matcher }, body) {
    const request = unixMessages.UnixConnectRequest.decode(body);
    const { kind, path } = request;
    const decision = matcher.socket(path, "connect");
    return { asked: { request, decision }, decision, what: path, mistake: kindMistake(kind) };
  },
  open(host, stream, requestId, { asked }) {
    const place = placeOfSocket(stream.guest, asked);
    if ("errno" in place) {
      stream.refuse(requestId, place);
      return;
    }
    const tooMany = tooManyUnread(stream.guest) ?? stream.guest.budget.takeAttempt();
    if (tooMany !== undefined) {
      stream.refuse(requestId, tooMany);
      return;
    }
    const relay = new UnixConnectRelay(host, stream, requestId, asked.request, place);
    stream.become(relay);
    relay.start();
  },
};

class UnixConnectRelay implements Relay {
  readonly transfers = true;
  readonly #host: RelayHost;
  readonly #stream: Stream;
  readonly #requestId: number;
  readonly #request: unixMessages.UnixConnectRequest;
  readonly #path: string;
  readonly #type: UnixType;
  /** Of the policy that has allowed it last. */
  #place: SocketPlace;
  readonly #timeoutMs: number;
  readonly #sinceMs: number = performance.now();
  #deadline: Timer | undefined;
  #resting: Timer | undefined;
  #againMs = AGAIN_MS_MIN;
  #work: DiskWork | undefined;
  #finished = false;

  constructor(
    host: RelayHost,
    stream: Stream,
    requestId: number,
    request: unixMessages.UnixConnectRequest,
    place: SocketPlace,
  ) {
    const { kind, path, timeoutMs } = request;
    this.#host = host;
    this.#stream = stream;
    this.#requestId = requestId;
    this.#request = request;
    this.#path = path;
    this.#type = unixType(kind);
    this.#place = place;
    const longest = stream.guest.policy.policy.timeouts.connectMs;
    this.#timeoutMs = timeoutMs === 0 ? longest : Math.min(timeoutMs, longest);
  }

  start(): void {
    this.#deadline = this.#host.reactor.after(this.#timeoutMs, () => {
      const reason = `connect to ${this.#path}: nobody accepted within ${this.#timeoutMs} ms`;
      this.#stream.perform(() => this.#refuse(refusal(Errno.ETIMEDOUT, reason)));
    });
    this.#ask();
  }

  step(): boolean {
    if (guestGaveUp(this.#stream.pipe)) this.#stream.reset();
    return false;
  }

  dispose(): void {
    if (this.#finished) return;
    this.#finished = true;
    const { reactor } = this.#host;
    reactor.cancel(this.#deadline);
    reactor.cancel(this.#resting);
    // Else the answer gives it back.
    if (this.#work === undefined || this.#work.cancel()) this.#stream.guest.budget.giveAttempt();
  }

  #ask(): void {
    const own = this.#host.ownSockets.now;
    const operation = { kind: "connectSocket", ...this.#place, type: this.#type, own } as const;
    this.#work = onDisk(this.#host, this.#stream, operation, (result) => {
      this.#work = undefined;
      this.#answered(result);
    });
  }

  #answered(result: DiskResult): void {
    const { errno, value: fd } = result;
    if (this.#finished) {
      if (errno === 0) {
        this.#stream.openedLate();
        closeFd(fd);
      } else auditFailure(this.#stream.guest, Protocol.UNIX_CONNECT, this.#path, result);
      this.#stream.guest.budget.giveAttempt();
    } else if (errno === 0) this.#connected(fd, result.peer!);
    else if (errno === Errno.EAGAIN) this.#rest();
    else this.#refuse(socketFailure(this.#stream.guest, Protocol.UNIX_CONNECT, this.#path, result));
  }

  #rest(): void {
    this.#resting = this.#host.reactor.after(this.#againMs, () => {
      this.#againMs = Math.min(2 * this.#againMs, AGAIN_MS_MAX);
      this.#stream.perform(() => {
        if (!this.#finished) this.#askAgain();
      });
    });
  }

  /** A policy that has come meanwhile judges it anew: where the one before had its socket, nobody may look any more. */
  #askAgain(): void {
    const { guest } = this.#stream;
    const { matcher, folders } = guest.policy;
    if (folders.tree !== this.#place.tree) {
      const decision = matcher.socket(this.#path, "connect");
      if (!decision.allowed) {
        this.#refuse(denial(guest, Protocol.UNIX_CONNECT, this.#path, decision));
        return;
      }
      const place = placeOfSocket(guest, { request: this.#request, decision });
      if ("errno" in place) {
        this.#refuse(place);
        return;
      }
      this.#stream.allowed(this.#path, decision.rule);
      this.#place = place;
    }
    this.#ask();
  }

  #connected(fd: number, peer: unixMessages.UnixPeer): void {
    const stream = this.#stream;
    let relay: Relay;
    try {
      relay = unixRelay(this.#host, stream, fd, this.#type === "stream");
    } catch (error) {
      stream.openedLate();
      closeFd(fd);
      const errno = errnoOf(error, Errno.ENOMEM);
      this.#refuse(refusal(errno, `connect to ${this.#path}: ${errnoMessage(errno)}`));
      return;
    }
    this.dispose();
    this.#host.connected(Protocol.UNIX_CONNECT, this.#sinceMs);
    // The relay first: it closes the socket, whatever the guest has done to the ring that Opened goes to.
    stream.become(relay);
    stream.opened(this.#requestId, unixMessages.UnixConnectReply.encode(peer));
    stream.run();
  }

  #refuse(refusal: Refusal): void {
    if (!this.#finished) this.#stream.refuse(this.#requestId, refusal);
  }
}
