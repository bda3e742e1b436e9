// file: one open file, its position, and requests in order (PROTOCOL.md section 13).
//
// The position is kept here, so that every read and write names its offset. Reads of what the page cache has are done
// at once (RWF_NOWAIT); whatever may wait on a disk goes to the pool.

import {
  Done,
  Errno,
  type Frame,
  fileMessages,
  IO_MAX_BYTES,
  Protocol,
  ProtocolError,
  StatReply,
  Violation,
} from "@ringway/control";
import { errnoMessage, readAtNoWait, SEEK_CUR, SEEK_END } from "@ringway/linux";
import type { DiskResult } from "../../disk/operations.ts";
import { Direction, type Stream } from "../../guests/stream.ts";
import { refusal } from "../../policy/refusal.ts";
import { Counter } from "../../reactor/counters.ts";
import type { RelayHost } from "../host.ts";
import type { ProtocolEntry } from "../protocol.ts";
import { unknownRequest } from "../unknown.ts";
import { closeOnDisk, OVER_QUOTA } from "./access.ts";
import { AtOnce } from "./at-once.ts";
import { type AskedFile, flagsMistake, judgedFile, openForStream } from "./opening.ts";
import { RequestRelay } from "./requests.ts";

export const FILE: ProtocolEntry<AskedFile<fileMessages.FileOpen>> = {
  isFlow: true,
  judge({ matcher }, body) {
    const request = fileMessages.FileOpen.decode(body);
    const { path, flags, mode } = request;
    const decision = matcher.file(path, (flags & fileMessages.FileFlags.WRITE) !== 0);
    return judgedFile(request, decision, flagsMistake(flags, mode));
  },
  open(host, stream, requestId, { asked: { request, decision } }) {
    const open = { protocol: Protocol.FILE, ...request, decision };
    openForStream(host, stream, requestId, open, (fd, stat, readsAtOnce) => ({
      relay: new FileRelay(host, stream, fd, readsAtOnce, request.flags),
      opened: fileMessages.FileOpened.encode(stat),
    }));
  },
};

class FileRelay extends RequestRelay {
  readonly #fd: number;
  readonly #atOnce: AtOnce;
  readonly #append: boolean;
  readonly #dataMax: number;
  /** NaN after an append: where it ended only the descriptor knows. */
  #position = 0;
  #closed = false;

  constructor(host: RelayHost, stream: Stream, fd: number, readsAtOnce: boolean, flags: number) {
    super(host, stream);
    this.#fd = fd;
    this.#atOnce = new AtOnce(readsAtOnce);
    this.#append = (flags & fileMessages.FileFlags.APPEND) !== 0;
    this.#dataMax = Math.min(IO_MAX_BYTES, stream.pipe.toGuest.capacity - 12);
  }

  protected letGo(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeOnDisk(this.host, this.stream, this.#fd);
  }

  protected serve({ type, requestId, payload }: Frame): void {
    switch (type) {
      case fileMessages.Read.type: {
        const { bytes } = fileMessages.Read.decode(payload);
        this.#withPosition(requestId, () =>
          this.#read(requestId, bytes, this.#position, (count) => {
            this.#position += count;
          }),
        );
        return;
      }
      case fileMessages.ReadAt.type: {
        const { bytes, offset } = fileMessages.ReadAt.decode(payload);
        this.#read(requestId, bytes, offset, () => {});
        return;
      }
      case fileMessages.Write.type: {
        const { data } = fileMessages.Write.decode(payload);
        if (this.#append) this.#appendData(requestId, data);
        else {
          this.#write(requestId, data, this.#position, (count) => {
            this.#position += count;
          });
        }
        return;
      }
      case fileMessages.WriteAt.type: {
        const { data, offset } = fileMessages.WriteAt.decode(payload);
        this.#write(requestId, data, offset, () => {});
        return;
      }
      case fileMessages.Seek.type:
        this.#seek(requestId, fileMessages.Seek.decode(payload));
        return;
      case fileMessages.FileStat.type:
        fileMessages.FileStat.decode(payload);
        this.disk({ kind: "fstat", fd: this.#fd }, (result) => {
          if (this.#succeeded(requestId, result)) this.reply(StatReply, requestId, result.stat!);
        });
        return;
      case fileMessages.Truncate.type:
        this.#truncate(requestId, fileMessages.Truncate.decode(payload).bytes);
        return;
      case fileMessages.Sync.type: {
        const { dataOnly } = fileMessages.Sync.decode(payload);
        if (dataOnly > 1)
          throw new ProtocolError(Violation.FRAME_MALFORMED, "FILE-7", `data only is ${dataOnly}`);
        this.disk({ kind: "sync", fd: this.#fd, dataOnly: dataOnly === 1 }, (result) => {
          if (this.#succeeded(requestId, result)) this.reply(Done, requestId, {});
        });
        return;
      }
      case fileMessages.Close.type:
        fileMessages.Close.decode(payload);
        this.#close(requestId);
        return;
      default:
        this.fail(requestId, unknownRequest(type));
    }
  }

  #succeeded(requestId: number, { errno }: DiskResult): boolean {
    if (errno !== 0) this.fail(requestId, refusal(errno, errnoMessage(errno)));
    return errno === 0;
  }

  #read(requestId: number, bytes: number, offset: number, then: (count: number) => void): void {
    const { counters, scratch } = this.host;
    const wanted = Math.min(bytes, this.#dataMax);
    const read = (count: number): void => {
      counters.add(Counter.fileBytesRead, count);
      this.stream.carried(Direction.TO_GUEST, count);
    };
    const give = (data: Uint8Array): void => {
      then(data.length);
      this.reply(fileMessages.Data, requestId, { data });
    };
    const { tries } = this.#atOnce;
    const count = tries ? readAtNoWait(this.#fd, scratch.address, wanted, offset) : -1;
    if (tries) this.#atOnce.gave(count, wanted, offset);
    if (count > 0 || (count === 0 && wanted === 0)) {
      read(count);
      give(scratch.bytes.subarray(0, count));
      return;
    }
    // Not in the page cache, as far as that is known; or the end, which RWF_NOWAIT does not always tell apart.
    this.disk(
      { kind: "read", fd: this.#fd, bytes: wanted, offset },
      (result) => {
        this.#atOnce.workerRead();
        if (this.#succeeded(requestId, result)) give(result.data!);
      },
      (result) => read(result?.data?.length ?? 0),
    );
  }

  #write(requestId: number, data: Uint8Array, offset: number, then: (count: number) => void): void {
    if (data.length > IO_MAX_BYTES) {
      this.fail(requestId, refusal(Errno.EINVAL, `${data.length} bytes are over ${IO_MAX_BYTES}`));
      return;
    }
    const grant = this.stream.guest.budget.takeWrite(data.length);
    if (grant.bytes === 0 && data.length > 0) {
      this.fail(requestId, OVER_QUOTA);
      return;
    }
    this.disk(
      { kind: "write", fd: this.#fd, data: data.slice(0, grant.bytes), offset },
      (result) => {
        if (!this.#succeeded(requestId, result)) return;
        then(result.value);
        this.reply(fileMessages.Written, requestId, { bytes: result.value });
      },
      (result) => {
        const written = result?.value ?? 0;
        grant.settle(written);
        this.stream.carried(Direction.TO_HOST, written);
      },
    );
  }

  /** With APPEND the kernel moves the descriptor's own position, to the end of what it wrote. */
  #appendData(requestId: number, data: Uint8Array): void {
    this.#write(requestId, data, -1, () => {
      this.#position = Number.NaN;
    });
  }

  /** The position, once it is known. */
  #withPosition(requestId: number, use: () => void): void {
    if (!Number.isNaN(this.#position)) {
      use();
      return;
    }
    this.disk({ kind: "position", fd: this.#fd, whence: SEEK_CUR }, (result) => {
      if (!this.#succeeded(requestId, result)) return;
      this.#position = result.value;
      use();
    });
  }

  #seek(requestId: number, { whence, offset }: fileMessages.Seek): void {
    const to = (position: number): void => {
      if (position < 0 || !Number.isSafeInteger(position)) {
        this.fail(requestId, refusal(Errno.EINVAL, `position ${position}`));
        return;
      }
      this.#position = position;
      this.reply(fileMessages.Position, requestId, { offset: position });
    };
    const { START, CURRENT, END } = fileMessages.Whence;
    if (whence === START) to(offset);
    else if (whence === CURRENT) this.#withPosition(requestId, () => to(this.#position + offset));
    else if (whence === END) {
      this.disk({ kind: "position", fd: this.#fd, whence: SEEK_END }, (result) => {
        if (this.#succeeded(requestId, result)) to(result.value + offset);
      });
    } else this.fail(requestId, refusal(Errno.EINVAL, `whence ${whence}`));
  }

  #truncate(requestId: number, bytes: number): void {
    this.disk({ kind: "truncate", fd: this.#fd, bytes }, (result) => {
      if (this.#succeeded(requestId, result)) this.reply(Done, requestId, {});
    });
  }

  #close(requestId: number): void {
    this.#closed = true;
    const { budget } = this.stream.guest;
    budget.takeClosing();
    budget.giveFile();
    this.disk(
      { kind: "close", fd: this.#fd },
      (result) => {
        if (this.#succeeded(requestId, result)) this.reply(Done, requestId, {});
        this.afterReplies(() => this.stream.end());
      },
      () => budget.giveClosing(),
    );
  }
}
