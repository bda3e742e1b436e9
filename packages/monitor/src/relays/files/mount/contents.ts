// What a mount asks of its handles' contents (MNT-9 to MNT-12), each on a disk worker: it may have to wait. Reads of
// what the page cache has do not come here (cached-reads.ts).

import {
  Done,
  Errno,
  type Frame,
  fileMessages,
  IO_MAX_BYTES,
  mountMessages as m,
  type Refusal,
} from "@ringway/control";
import { refusal } from "../../../policy/refusal.ts";
import { Counter } from "../../../reactor/counters.ts";
import { OVER_QUOTA } from "../access.ts";
import type { MountCore } from "./core.ts";
import type { Handle } from "./handles.ts";
import { shownNames } from "./places.ts";

/** Of one MountCopyRange, and of one piece of what is allocated: bounded work for a worker. */
const COPY_MAX_BYTES = 4 * 1024 * 1024;
const PIECE_BYTES = 256 * 1024 * 1024;

const { ALLOCATE, ALLOCATE_KEEP_SIZE, PUNCH_HOLE, ZERO, ZERO_KEEP_SIZE } = m.MountFallocateMode;
const FALLOCATE_MODES: readonly number[] = [ALLOCATE, ALLOCATE_KEEP_SIZE, PUNCH_HOLE, ZERO, ZERO_KEEP_SIZE];

const { Data, Written, Position } = fileMessages;

/** Of a MountWrite before its data. */
const WRITE_FIELDS_BYTES = 16;

/** Its data are the frame's, and not copied: a worker gets the frame's memory for them. */
function decodeWrite(payload: Uint8Array): m.MountWrite {
  const fields = m.MountWrite.decode(payload.subarray(0, WRITE_FIELDS_BYTES));
  return { ...fields, data: payload.subarray(WRITE_FIELDS_BYTES) };
}

const BEYOND: Refusal = refusal(Errno.EINVAL, "the range ends past 2^53 - 1");
const within = (offset: number, bytes: number): boolean => Number.isSafeInteger(offset + bytes);

export class MountContents {
  readonly #core: MountCore;

  constructor(core: MountCore) {
    this.#core = core;
  }

  /** False where it is no request of these. */
  serve({ type, requestId, payload }: Frame): boolean {
    switch (type) {
      case m.MountRead.type:
        this.#read(requestId, m.MountRead.decode(payload));
        return true;
      case m.MountWrite.type:
        this.#write(requestId, decodeWrite(payload));
        return true;
      case m.MountFlush.type: {
        const handle = this.#core.handle(requestId, m.MountFlush.decode(payload).handle);
        if (handle === undefined) return true;
        if (handle.fd < 0) this.#core.done(requestId);
        else this.#core.perform({ kind: "mount-flush", fd: handle.fd }, this.#work(requestId, handle));
        return true;
      }
      case m.MountFsync.type:
        this.#fsync(requestId, m.MountFsync.decode(payload));
        return true;
      case m.MountFallocate.type:
        this.#fallocate(requestId, m.MountFallocate.decode(payload));
        return true;
      case m.MountCopyRange.type:
        this.#copy(requestId, m.MountCopyRange.decode(payload));
        return true;
      case m.MountSeek.type:
        this.#seek(requestId, m.MountSeek.decode(payload));
        return true;
      default:
        return false;
    }
  }

  #work(requestId: number, handle: Handle, reply: { readonly type: number } = Done) {
    return { requestId, shown: shownNames(handle.names), handles: [handle], reply };
  }

  /** The handle of a file, open for this; undefined where the request is answered. */
  #file(requestId: number, id: number, how?: "mayRead" | "mayWrite"): Handle | undefined {
    const handle = this.#core.handle(requestId, id);
    if (handle === undefined) return undefined;
    const errno = handle.isFolder ? Errno.EISDIR : how === undefined || handle[how] ? 0 : Errno.EBADF;
    if (errno === 0) return handle;
    this.#core.fail(requestId, refusal(errno, `handle ${id} is not one for this`));
    return undefined;
  }

  #read(requestId: number, { handle: id, offset, bytes }: m.MountRead): void {
    const core = this.#core;
    const handle = this.#file(requestId, id, "mayRead");
    if (handle === undefined) return;
    if (bytes > core.dataMax || !within(offset, bytes)) {
      core.fail(requestId, refusal(Errno.EINVAL, `${bytes} bytes are over ${core.dataMax}`));
      return;
    }
    const { counters } = core.host;
    core.perform(
      { kind: "mount-read", fd: handle.fd, bytes, offset },
      {
        ...this.#work(requestId, handle, Data),
        over: (result) => {
          handle.atOnce.workerRead();
          counters.add(Counter.fileBytesRead, result?.value ?? 0);
          handle.flow?.toGuest(result?.value ?? 0);
        },
      },
    );
  }

  #write(requestId: number, { handle: id, flags, offset, data }: m.MountWrite): void {
    const core = this.#core;
    const handle = this.#file(requestId, id, "mayWrite");
    if (handle === undefined) return;
    const append = flags === m.MOUNT_WRITE_APPEND;
    const { length } = data;
    if (
      flags > m.MOUNT_WRITE_APPEND ||
      (append && offset !== 0) ||
      length > IO_MAX_BYTES ||
      !within(offset, length)
    ) {
      core.fail(requestId, refusal(Errno.EINVAL, `${length} bytes, offset ${offset} and flags ${flags}`));
      return;
    }
    const grant = core.stream.guest.budget.takeWrite(length);
    // An append is in one piece, or not at all.
    if (grant.bytes < length && (append || grant.bytes === 0)) {
      grant.settle(0);
      core.fail(requestId, OVER_QUOTA);
      return;
    }
    const granted = grant.bytes === length ? data : data.slice(0, grant.bytes);
    core.perform(
      { kind: "mount-write", fd: handle.fd, data: granted, offset: append ? -1 : offset },
      {
        ...this.#work(requestId, handle, Written),
        over: (result) => {
          grant.settle(result?.value ?? 0);
          handle.flow?.toHost(result?.value ?? 0);
        },
      },
    );
  }

  #fsync(requestId: number, { handle: id, dataOnly }: m.MountFsync): void {
    const handle = this.#core.handle(requestId, id);
    if (handle === undefined) return;
    if (handle.fd < 0) this.#core.done(requestId);
    else this.#core.onWorker({ kind: "sync", fd: handle.fd, dataOnly }, this.#work(requestId, handle));
  }

  /** In pieces, each an operation on disk; a hole takes none. */
  #fallocate(requestId: number, { handle: id, mode, offset, bytes }: m.MountFallocate): void {
    const core = this.#core;
    const handle = this.#file(requestId, id, "mayWrite");
    if (handle === undefined) return;
    if (!FALLOCATE_MODES.includes(mode)) {
      core.fail(requestId, refusal(Errno.EOPNOTSUPP, `mode ${mode} of MountFallocate`));
      return;
    }
    if (bytes === 0 || !within(offset, bytes)) {
      core.fail(requestId, bytes === 0 ? refusal(Errno.EINVAL, "no bytes") : BEYOND);
      return;
    }
    this.#allocate(requestId, handle, mode, offset, bytes);
  }

  #allocate(requestId: number, handle: Handle, mode: number, offset: number, bytes: number): void {
    const core = this.#core;
    // What is allocated counts as written: a disk is as full of it.
    const isHole = mode === PUNCH_HOLE;
    const piece = isHole ? bytes : Math.min(bytes, PIECE_BYTES);
    const grant = core.stream.guest.budget.takeWrite(isHole ? 0 : piece);
    if (!isHole && grant.bytes < piece) {
      grant.settle(0);
      core.fail(requestId, OVER_QUOTA);
      return;
    }
    const rest = bytes - piece;
    core.perform(
      { kind: "mount-fallocate", fd: handle.fd, mode, offset, bytes: piece },
      {
        ...this.#work(requestId, handle),
        done: () =>
          rest > 0 ? this.#allocate(requestId, handle, mode, offset + piece, rest) : core.done(requestId),
        over: (result) => grant.settle(result?.errno === 0 ? grant.bytes : 0),
      },
    );
  }

  #copy(requestId: number, { from, to, fromOffset, toOffset, bytes }: m.MountCopyRange): void {
    const core = this.#core;
    const source = this.#file(requestId, from, "mayRead");
    if (source === undefined) return;
    const target = this.#file(requestId, to, "mayWrite");
    if (target === undefined) return;
    if (!within(fromOffset, bytes) || !within(toOffset, bytes)) {
      core.fail(requestId, BEYOND);
      return;
    }
    const wanted = Math.min(bytes, COPY_MAX_BYTES);
    const grant = core.stream.guest.budget.takeWrite(wanted);
    if (grant.bytes === 0 && wanted > 0) {
      core.fail(requestId, OVER_QUOTA);
      return;
    }
    const operation = { kind: "mount-copy", fd: source.fd, to: target.fd, fromOffset, toOffset } as const;
    core.perform(
      { ...operation, bytes: grant.bytes },
      {
        ...this.#work(requestId, target, Written),
        handles: [source, target],
        over: (result) => {
          const copied = result?.value ?? 0;
          grant.settle(copied);
          source.flow?.toGuest(copied);
          target.flow?.toHost(copied);
        },
      },
    );
  }

  #seek(requestId: number, { handle: id, whence, offset }: m.MountSeek): void {
    const handle = this.#file(requestId, id);
    if (handle === undefined) return;
    const { DATA, HOLE } = m.MountWhence;
    if (whence !== DATA && whence !== HOLE) {
      this.#core.fail(requestId, refusal(Errno.EINVAL, `whence ${whence}`));
      return;
    }
    const operation = { kind: "mount-seek", fd: handle.fd, offset, whence } as const;
    this.#core.perform(operation, this.#work(requestId, handle, Position));
  }
}
