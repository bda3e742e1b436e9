// file-stream: a file's bytes straight into the ring, or out of it: the fast path (PROTOCOL.md section 14).
//
//   read    FLOW: preadv2(RWF_NOWAIT) into the ring; not cached ─▶ BUSY: a disk worker reads into the ring ─▶ FLOW
//           all sent, or the file is shorter by now ─▶ END
//   write   FLOW ─ bytes ─▶ BUSY: a disk worker writes out of the ring ─▶ FLOW;  END and empty ─▶ WriteDone, END
//
// An append takes all that the ring holds, around its end, in one call: of a guest that puts whole records they are
// whole in the file.
//
// While BUSY, a worker uses the ring's memory by address: the memory is kept, and the positions move afterwards.

import { Closed, Errno, FRAME_HEADER_BYTES, fileMessages, Protocol, type Refusal } from "@ringway/control";
import { errnoMessage, readAtNoWait } from "@ringway/linux";
import type { DiskOperation } from "../../disk/operations.ts";
import type { WriteGrant } from "../../guests/budget.ts";
import type { Relay } from "../../guests/relay.ts";
import { Direction, type Stream } from "../../guests/stream.ts";
import { refusal } from "../../policy/refusal.ts";
import { Counter } from "../../reactor/counters.ts";
import type { RelayHost } from "../host.ts";
import { PIECE_COST_BYTES } from "../piece-cost.ts";
import type { ProtocolEntry } from "../protocol.ts";
import { Waiting, waitingBytes } from "../waiting-bytes.ts";
import { closeOnDisk, type DiskWork, OVER_QUOTA, onDisk } from "./access.ts";
import { AtOnce } from "./at-once.ts";
import { type AskedFile, flagsMistake, judgedFile, openForStream } from "./opening.ts";

/** Bytes moved in one step, and at the most in one operation on disk but an append. */
const BUDGET_BYTES = 1024 * 1024;
/**
 * Bytes of one read from the page cache. It takes some 30 us: a guest that polls (50 us, say) is still awake when they
 * come, and uses them while the next are read. With reads of a whole ring the two take turns, and each turn begins with
 * a wake-up.
 */
const CACHED_READ_BYTES = 256 * 1024;
/** What to wait for on a full ring (RING-9). */
const WANT_SPACE_SHARE = 2;

export const FILE_STREAM: ProtocolEntry<AskedFile<fileMessages.FileStreamOpen>> = {
  isFlow: true,
  judge({ matcher }, body) {
    const request = fileMessages.FileStreamOpen.decode(body);
    const { path, direction } = request;
    const decision = matcher.file(path, direction === fileMessages.FileDirection.WRITE);
    return judgedFile(request, decision, mistakeOf(request));
  },
  open(host, stream, requestId, { asked: { request, decision } }) {
    const { direction, flags, offset, length } = request;
    const open = { protocol: Protocol.FILE_STREAM, ...request, decision };
    const reading = direction === fileMessages.FileDirection.READ;
    const append = (flags & fileMessages.FileFlags.APPEND) !== 0;
    openForStream(host, stream, requestId, open, (fd, stat, readsAtOnce) => {
      const promised = reading ? Math.max(0, Math.min(length, stat.size - offset)) : 0;
      const relay = reading
        ? new FileReadRelay(host, stream, fd, readsAtOnce, offset, promised)
        : new FileWriteRelay(host, stream, requestId, fd, append ? -1 : offset, length);
      return { relay, opened: fileMessages.FileStreamOpened.encode({ length: promised, ...stat }) };
    });
  },
};

/** What makes no sense, with whatever path. */
function mistakeOf({ direction, flags, offset, mode }: fileMessages.FileStreamOpen): Refusal | undefined {
  const { READ, WRITE, APPEND } = fileMessages.FileFlags;
  const reading = direction === fileMessages.FileDirection.READ;
  const own = reading ? READ : WRITE;
  const known = reading || direction === fileMessages.FileDirection.WRITE;
  const append = (flags & APPEND) !== 0;
  if (known && (flags & (READ | WRITE)) === own && !(append && offset !== 0))
    return flagsMistake(flags, mode);
  const reason = `direction ${direction}, flags ${flags} and offset ${offset} make no sense`;
  return refusal(Errno.EINVAL, reason);
}

/** What both directions share: the file, and whether a disk worker has it. */
abstract class FileStreamRelay implements Relay {
  readonly transfers = true;
  protected readonly host: RelayHost;
  protected readonly stream: Stream;
  protected readonly fd: number;
  #work: DiskWork | undefined;
  #disposed = false;

  constructor(host: RelayHost, stream: Stream, fd: number) {
    this.host = host;
    this.stream = stream;
    this.fd = fd;
  }

  protected abstract readonly direction: Direction;

  abstract step(): boolean;

  protected get busy(): boolean {
    return this.#work !== undefined;
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    // Work in the memory of a guest that stays is waited for: its pages are then still the stream's.
    if (this.stream.guest.departed && this.#work?.cancel()) this.#worked(0);
    if (!this.busy) closeOnDisk(this.host, this.stream, this.fd);
  }

  /** Moves bytes between the file and the region's memory on a disk worker; `done` gets a count or -errno. */
  protected onWorker(operation: DiskOperation, done: (result: number) => void): void {
    this.stream.pin();
    this.#work = onDisk(this.host, this.stream, operation, ({ errno, value }) => {
      this.#worked(errno === 0 ? value : 0);
      if (this.#disposed) {
        if (errno === 0) this.stream.carried(this.direction, value);
        closeOnDisk(this.host, this.stream, this.fd);
        return;
      }
      done(errno === 0 ? value : -errno);
      this.stream.run();
    });
  }

  /** The work is over, and moved so many bytes, whether or not anybody still wants to know. */
  protected settle(_count: number): void {}

  #worked(count: number): void {
    this.#work = undefined;
    this.settle(count);
    this.stream.unpin();
  }
}

class FileReadRelay extends FileStreamRelay {
  protected readonly direction: Direction = Direction.TO_GUEST;
  readonly #atOnce: AtOnce;
  #offset: number;
  #left: number;

  constructor(
    host: RelayHost,
    stream: Stream,
    fd: number,
    readsAtOnce: boolean,
    offset: number,
    length: number,
  ) {
    super(host, stream, fd);
    this.#atOnce = new AtOnce(readsAtOnce);
    this.#offset = offset;
    this.#left = length;
  }

  step(): boolean {
    const { toHost, toGuest } = this.stream.pipe;
    let budget = BUDGET_BYTES;
    while (!this.busy) {
      // Each time round: the guest may give up while this waits for room, and wantSpace() then says that there is some.
      if (toHost.peerClosed() === Closed.RESET || toGuest.abandoned()) {
        this.stream.reset();
        return false;
      }
      if (this.#left === 0) {
        this.stream.end();
        return false;
      }
      const writable = toGuest.writable();
      if (writable === 0) {
        if (toGuest.wantSpace(toGuest.capacity / WANT_SPACE_SHARE)) continue;
        return false;
      }
      toGuest.unwantSpace();
      if (budget <= 0) return true;
      const at = toGuest.spanOffset();
      const wanted = Math.min(toGuest.spanBytes(writable), this.#left, budget);
      const address = this.stream.guest.memory.address + at;
      const most = Math.min(wanted, CACHED_READ_BYTES);
      const { tries } = this.#atOnce;
      const count = tries ? readAtNoWait(this.fd, address, most, this.#offset) : 0;
      if (tries) this.#atOnce.gave(count, most, this.#offset);
      if (count > 0) {
        budget -= Math.max(count, PIECE_COST_BYTES);
        this.#put(count);
      } else {
        // Not in the page cache, as far as that is known; or the end, which RWF_NOWAIT does not always tell apart.
        const { fd } = this;
        const operation = { kind: "readInto", fd, address, bytes: wanted, offset: this.#offset } as const;
        this.onWorker(operation, (result) => this.#read(result));
      }
    }
    return false;
  }

  #read(result: number): void {
    this.#atOnce.workerRead();
    if (result > 0) this.#put(result);
    else if (result === 0) this.stream.end();
    else {
      this.stream.guest.reports.warn(`reading a file failed: ${errnoMessage(-result)}`);
      this.stream.reset();
    }
  }

  #put(count: number): void {
    this.#offset += count;
    this.#left -= count;
    const { toGuest } = this.stream.pipe;
    this.host.counters.add(Counter.fileBytesRead, count);
    this.stream.moved(Direction.TO_GUEST, toGuest.spanOffset(), count);
    if (toGuest.advance(count)) this.stream.signalNow();
  }
}

class FileWriteRelay extends FileStreamRelay {
  protected readonly direction: Direction = Direction.TO_HOST;
  readonly #requestId: number;
  /** -1: at the end of the file (APPEND). */
  #offset: number;
  #left: number;
  /** For the work under way. */
  #grant: WriteGrant | undefined;
  #written = 0;

  constructor(
    host: RelayHost,
    stream: Stream,
    requestId: number,
    fd: number,
    offset: number,
    length: number,
  ) {
    super(host, stream, fd);
    this.#requestId = requestId;
    this.#offset = offset;
    this.#left = length;
  }

  step(): boolean {
    const { stream } = this;
    const { toHost } = stream.pipe;
    if (this.busy) return false;
    const readable = waitingBytes(toHost);
    if (readable <= 0) {
      if (readable === Waiting.RESET) stream.reset();
      else if (readable === Waiting.END) this.#done();
      return false;
    }
    if (this.#left === 0) {
      this.#failed(refusal(Errno.EFBIG, "more bytes than the length named"));
      return false;
    }
    // All that may be written is, however the guest cut it into pieces: the count in WriteFailed is the limit's.
    const most = this.#appends() ? readable : Math.min(toHost.spanBytes(readable), BUDGET_BYTES);
    const grant = stream.guest.budget.takeWrite(Math.min(most, this.#left));
    if (grant.bytes === 0) {
      this.#failed(OVER_QUOTA);
      return false;
    }
    this.#grant = grant;
    this.onWorker(this.#writing(grant.bytes), (result) => this.#wrote(result));
    return false;
  }

  #appends(): boolean {
    return this.#offset < 0;
  }

  #writing(bytes: number): DiskOperation {
    const { stream, fd } = this;
    const { toHost } = stream.pipe;
    const start = toHost.spanOffset();
    const address = stream.guest.memory.address + start;
    if (!this.#appends()) return { kind: "writeFrom", fd, address, bytes, offset: this.#offset };
    const first = toHost.spanBytes(bytes);
    // Around the ring's end, where it begins again.
    const wrapped = address + first - toHost.capacity;
    const spans = [
      { address, bytes: first },
      { address: wrapped, bytes: bytes - first },
    ] as const;
    return { kind: "appendFrom", fd, spans };
  }

  protected override settle(count: number): void {
    this.#grant?.settle(count);
  }

  #wrote(result: number): void {
    const { stream } = this;
    const count = Math.max(0, result);
    this.#written += count;
    this.#left -= count;
    if (!this.#appends()) this.#offset += count;
    const { toHost } = stream.pipe;
    stream.moved(Direction.TO_HOST, toHost.spanOffset(), count);
    if (count > 0 && toHost.advance(count)) stream.signal();
    // After a short count the next write tells why.
    if (result <= 0) {
      const errno = result === 0 ? Errno.EIO : -result;
      this.#failed(refusal(errno, `writing the file: ${errnoMessage(errno)}`));
    }
  }

  #done(): void {
    const { WriteDone } = fileMessages;
    if (this.#roomFor(8)) this.stream.send(WriteDone, this.#requestId, { bytes: this.#written });
    this.stream.end();
  }

  #failed(refusal: Refusal): void {
    const { WriteFailed } = fileMessages;
    const failure = { bytes: this.#written, ...this.stream.guest.reports.answer(refusal) };
    if (this.#roomFor(WriteFailed.encode(failure).length))
      this.stream.send(WriteFailed, this.#requestId, failure);
    this.stream.end();
  }

  /** Only Opened is before it on the ring: a guest that lets even that lie gets no last frame. */
  #roomFor(payloadBytes: number): boolean {
    return this.stream.pipe.toGuest.writable() >= FRAME_HEADER_BYTES + payloadBytes;
  }
}
