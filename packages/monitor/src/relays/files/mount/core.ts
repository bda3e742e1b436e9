// What the parts of a mount's relay share: handles, places, and requests that are under way, answered as they finish.

import {
  Done,
  Errno,
  FRAME_HEADER_BYTES,
  IO_MAX_BYTES,
  type Message,
  maxPayload,
  mountMessages,
  Protocol,
  type Refusal,
} from "@ringway/control";
import type { MountOperation } from "../../../disk/mount/operations.ts";
import type { DiskResult } from "../../../disk/operations.ts";
import type { Stream } from "../../../guests/stream.ts";
import type { GuestName } from "../../../policy/paths.ts";
import { refusal } from "../../../policy/refusal.ts";
import { NOTHING } from "../../empty-body.ts";
import type { RelayHost } from "../../host.ts";
import { Replies } from "../../replies.ts";
import { auditFailure, closeOnDisk, type DiskWork, explainFailure, onDisk } from "../access.ts";
import { type Handle, Handles } from "./handles.ts";
import { Places, type Target } from "./places.ts";

/** One that waits, for a worker or for something else. */
export interface Waiting {
  readonly requestId: number;
  /** Takes it back: false where it goes its way. What answers it is the caller's. */
  cancel(): boolean;
}

/** How a request is carried out on disk. */
export interface Work {
  readonly requestId: number;
  /** For people, and the audit log. */
  readonly shown: string;
  /** In use until it is over. */
  readonly handles?: readonly (Handle | undefined)[];
  /** Its answer; what is told comes encoded. Done where there is none. */
  readonly reply?: { readonly type: number };
  /** In place of an answer, where it succeeded. */
  readonly done?: (result: DiskResult) => void;
  /** In place of an answer, whatever became of it. */
  readonly settle?: (result: DiskResult) => void;
  /** Gives back what was taken for it: once, also where no worker has begun it, and then without a result. */
  readonly over?: (result?: DiskResult) => void;
}

export class MountCore {
  readonly host: RelayHost;
  readonly stream: Stream;
  /** What one MountRead may ask for: what fits a frame of this ring. */
  readonly dataMax: number;
  readonly handles: Handles = new Handles();
  readonly places: Places;
  /** Ranges that all handles have locked. */
  readonly locked: { count: number } = { count: 0 };
  /** Requests that wait, each once. */
  readonly waiting: Set<Waiting> = new Set();
  /** Replies that wait for room, and events. A reply's request is under way until it is in the ring (LIM-1). */
  readonly replies: Replies;
  /** The next reply is that of work which is over. */
  #answers = false;
  /** Bytes of the events among them, and how often all of them have gone. */
  eventBytes = 0;
  flushes = 0;
  /** Requests under way, which count (MNT-3). */
  underWay = 0;
  /** Under way and not counted: handles that are given back for a MountRelease, locks that are asked for again. */
  uncounted = 0;
  /** The guest has ended: nothing is begun any more, and nothing waits but for a disk. */
  isEnding = false;
  /** The stream is over: what comes is nobody's any more. */
  isOver = false;

  constructor(host: RelayHost, stream: Stream, root: readonly GuestName[]) {
    this.host = host;
    this.stream = stream;
    this.dataMax = Math.min(IO_MAX_BYTES, maxPayload(stream.pipe.toGuest.capacity));
    this.replies = new Replies(stream);
    this.places = new Places(stream.guest, root, this.handles);
  }

  reply<T>(kind: Message<T>, requestId: number, value: T): void {
    this.put(kind.type, requestId, kind.encode(value));
  }

  put(type: number, requestId: number, payload: Uint8Array): void {
    this.replies.put(type, requestId, payload, this.#answered());
  }

  fail(requestId: number, refusal: Refusal): void {
    this.replies.fail(requestId, refusal, this.#answered());
  }

  /** What the next reply ends. One that is answered at once is under way from here on. */
  #answered(): () => void {
    if (!this.#answers) this.begin();
    this.#answers = false;
    return this.over;
  }

  done(requestId: number): void {
    this.put(Done.type, requestId, NOTHING);
  }

  /** What a request names; undefined where it is refused, and answered. */
  find(requestId: number, at: number, path: Uint8Array, write: boolean): Target | undefined {
    const target = this.places.find(at, path, write);
    if (!("errno" in target)) return target;
    this.fail(requestId, target);
    return undefined;
  }

  /** The handle of a request; undefined where it is refused, and answered. */
  handle(requestId: number, id: number): Handle | undefined {
    const handle = this.handles.get(id);
    if (handle === undefined) {
      this.fail(requestId, refusal(Errno.EBADF, `${id} is no open handle`));
      return undefined;
    }
    const wrong = this.places.stillAllowed(handle);
    if (wrong === undefined) return handle;
    this.fail(requestId, wrong);
    return undefined;
  }

  /** Gives an operation to a disk worker; its request is answered when it is over. */
  perform(operation: MountOperation, work: Work): void {
    this.onWorker({ kind: "mount", mount: operation }, work);
  }

  onWorker(operation: Parameters<typeof onDisk>[2], work: Work): void {
    const { requestId, handles = [] } = work;
    this.begin();
    for (const handle of handles) if (handle !== undefined) handle.uses++;
    const waiting: Waiting = {
      requestId,
      cancel: () => {
        if (!job.cancel()) return false;
        worked();
        this.over();
        return true;
      },
    };
    const worked = (result?: DiskResult): void => {
      this.waiting.delete(waiting);
      work.over?.(result);
      for (const handle of handles) if (handle !== undefined) this.used(handle);
    };
    const job: DiskWork = onDisk(this.host, this.stream, operation, (result) => {
      if (!this.isOver) this.#answer(work, result);
      else {
        if (result.errno !== 0) auditFailure(this.stream.guest, Protocol.MOUNT, work.shown, result);
        this.over();
      }
      worked(result);
      if (!this.isOver) this.stream.run();
    });
    this.waiting.add(waiting);
  }

  /** A request goes on beside the stream; over() once. */
  begin(): void {
    this.stream.guest.budget.takeWork();
    this.underWay++;
  }

  readonly over = (): void => {
    this.stream.guest.budget.giveWork();
    this.underWay--;
  };

  /** It is over when its reply is in the ring; where it has none, or gave the work on, at once. */
  #answer({ requestId, shown, reply, done, settle }: Work, result: DiskResult): void {
    this.#answers = true;
    if (settle !== undefined) settle(result);
    else if (result.errno !== 0) {
      this.fail(requestId, explainFailure(this.stream.guest, Protocol.MOUNT, shown, result));
    } else if (done !== undefined) done(result);
    else this.put(reply?.type ?? Done.type, requestId, result.data ?? NOTHING);
    if (this.#answers) this.over();
    this.#answers = false;
  }

  /** A request with this handle is over. */
  used(handle: Handle): void {
    handle.uses--;
    if (handle.uses === 0) handle.over?.();
  }

  event(event: mountMessages.MountEvent): void {
    this.eventBytes += FRAME_HEADER_BYTES + event.path.length;
    this.replies.reply(mountMessages.MountEvent, 0, event);
  }

  /** All that waited for room is in the ring. */
  flushed(): void {
    this.eventBytes = 0;
    this.flushes++;
  }

  /** Answers a request that waited, and does so no more. */
  cancelled(requestId: number): void {
    this.fail(requestId, refusal(Errno.ECANCELED, "it was taken back"));
  }

  /** Gives a handle back when nothing uses it; then `closed`. */
  release(handle: Handle, closed: () => void): void {
    const { flow } = handle;
    // What uses it may be on a disk that never answers, and the mount cut meanwhile.
    const ended = flow && this.stream.guest.reports.closesLater(flow, () => (this.isOver ? "cut" : "end"));
    handle.over = () => {
      handle.over = NEVER;
      this.handles.delete(handle);
      handle.locks.clear();
      ended?.();
      if (handle.fd < 0) {
        this.stream.guest.budget.giveFile();
        closed();
      } else closeOnDisk(this.host, this.stream, handle.fd, closed);
    };
    if (handle.uses === 0) handle.over();
  }
}

const NEVER = (): void => {};
