// unix-listen: a Unix socket of a policy's rule, made by a disk worker (disk/sockets.ts), on which a guest listens
// (PROTOCOL.md section 18). What it does with the guest's streams is in listener.ts.
//
//   Open ─▶ OPENING ─ made ─▶ LISTENS ─ ended by its guest ─▶ ENDING ─ its name removed ─▶ the stream ends
//              │                  └─ its guest is gone, or begins anew ─▶ a worker removes its name
//              └─ it cannot be ─▶ Refused
//
// The policy that has allowed it stays until its name is removed, whatever is in force by then: the folder is that
// one's.
//
// The stream of a listener ends when its name is free: who listens there again finds nobody in the way.

import { Errno, Protocol, unixMessages } from "@ringway/control";
import {
  acceptUnix,
  closeFd,
  errnoMessage,
  errnoOf,
  type PeerCredentials,
  peerCredentials,
} from "@ringway/linux";
import type { DiskResult } from "../disk/operations.ts";
import type { Relay } from "../guests/relay.ts";
import type { Stream } from "../guests/stream.ts";
import type { PolicyState } from "../policy/in-force.ts";
import { refusal } from "../policy/refusal.ts";
import { auditFailure, onDisk } from "./files/access.ts";
import { PendingRelay } from "./files/pending.ts";
import type { RelayHost } from "./host.ts";
import { backlogFor, ListenRelay } from "./listener.ts";
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

/** Permission bits. */
const MODE_MAX = 0o777;

type Asked = SocketAsked<unixMessages.UnixListenRequest>;

export const UNIX_LISTEN: ProtocolEntry<Asked> = {
  network: "carries",
  isFlow: true,
  judge({ matcher }, body) {
    const request = unixMessages.UnixListenRequest.decode(body);
    const { kind, mode, path } = request;
    const decision = matcher.socket(path, "listen");
    const wrongMode =
      mode <= MODE_MAX ? undefined : refusal(Errno.EINVAL, `mode 0o${mode.toString(8)} makes no sense`);
    return { asked: { request, decision }, decision, what: path, mistake: kindMistake(kind) ?? wrongMode };
  },
  open(host, stream, requestId, { asked }) {
    const { guest } = stream;
    const place = placeOfSocket(guest, asked);
    if ("errno" in place) {
      stream.refuse(requestId, place);
      return;
    }
    const tooMany = guest.budget.takeListener();
    if (tooMany !== undefined) {
      stream.refuse(requestId, tooMany);
      return;
    }
    const { policy } = guest;
    const { kind, mode, backlog } = asked.request;
    const operation = {
      kind: "listenAtSocket",
      ...place,
      type: unixType(kind),
      mode,
      backlog: backlogFor(backlog),
      own: host.ownSockets.now,
    } as const;
    const work = onDisk(host, stream, operation, (result) =>
      opened(host, stream, requestId, asked, { ...place, policy }, opening, result),
    );
    const opening: PendingRelay = new PendingRelay(stream, work, () => guest.budget.giveListener(), true);
    stream.become(opening);
  },
};

function opened(
  host: RelayHost,
  stream: Stream,
  requestId: number,
  { request: { kind, path } }: Asked,
  place: PolicyPlace,
  opening: PendingRelay,
  result: DiskResult,
): void {
  const { guest } = stream;
  if (result.errno !== 0) {
    guest.budget.giveListener();
    if (opening.disposed) auditFailure(guest, Protocol.UNIX_LISTEN, path, result);
    else stream.refuse(requestId, socketFailure(guest, Protocol.UNIX_LISTEN, path, result));
    return;
  }
  // The operation has kept it until now; endListener() gives it back.
  place.policy.retain();
  const made = {
    ...place,
    listener: result.value,
    file: result.text!,
    isStream: unixType(kind) === "stream",
  };
  let relay: UnixListenRelay | undefined;
  let errno = 0;
  try {
    relay = opening.disposed ? undefined : new UnixListenRelay(host, stream, made);
  } catch (error) {
    errno = errnoOf(error, Errno.ENOMEM);
  }
  if (relay === undefined) {
    guest.budget.giveListener();
    stream.openedLate();
    endListener(host, stream, made, () => {});
    if (errno !== 0) stream.refuse(requestId, refusal(errno, `listen at ${path}: ${errnoMessage(errno)}`));
    return;
  }
  // The relay first: it closes the socket, whatever the guest has done to the ring that Opened goes to.
  stream.become(relay);
  stream.opened(requestId, new Uint8Array(0));
  stream.run();
}

/** The policy whose place it is. */
interface PolicyPlace extends SocketPlace {
  readonly policy: PolicyState;
}

/** A socket that listens, and whose file it is; its policy is retained. */
interface Made extends PolicyPlace {
  readonly listener: number;
  readonly file: string;
  readonly isStream: boolean;
}

/** Called once for each. Its descriptor counts until a worker has closed it, and its policy stays until then. */
function endListener(
  host: RelayHost,
  stream: Stream,
  { tree, socket, listener, file, policy }: Made,
  done: () => void,
): void {
  const { budget } = stream.guest;
  budget.takeClosing();
  onDisk(host, stream, { kind: "endListener", tree, socket, listener, file }, () => {
    budget.giveClosing();
    policy.release();
    done();
  });
}

interface Connection {
  readonly fd: number;
}

class UnixListenRelay extends ListenRelay<Connection> {
  readonly #made: Made;
  #released = false;

  constructor(host: RelayHost, stream: Stream, made: Made) {
    super(host, stream, made.listener);
    this.#made = made;
  }

  protected override accept(listener: number): Connection | number {
    if (tooManyUnread(this.stream.guest) !== undefined) return -Errno.ENOBUFS;
    const fd = acceptUnix(listener);
    return fd < 0 ? fd : { fd };
  }

  protected override give(stream: Stream, requestId: number, { fd }: Connection): void {
    let relay: Relay;
    let peer: PeerCredentials;
    try {
      peer = peerCredentials(fd);
      relay = unixRelay(this.host, stream, fd, this.#made.isStream);
    } catch {
      closeFd(fd);
      stream.reset();
      return;
    }
    stream.become(relay);
    stream.incoming(unixMessages.UnixIncoming, requestId, peer);
    stream.later();
  }

  protected override finish(): void {
    this.#released = true;
    endListener(this.host, this.stream, this.#made, () => this.stream.end());
  }

  protected override release(): void {
    if (!this.#released) endListener(this.host, this.stream, this.#made, () => {});
  }
}
