// fs: names, not contents (PROTOCOL.md section 15). Every request is judged, placed below a root, and done on disk.

import {
  Done,
  Errno,
  type Frame,
  fsMessages,
  maxPayload,
  PERMISSION_BITS,
  Protocol,
  type Refusal,
  StatReply,
} from "@ringway/control";
import type { Place } from "../../disk/judgement.ts";
import type { DiskOperation, DiskResult } from "../../disk/operations.ts";
import { refusal } from "../../policy/refusal.ts";
import { alwaysAllowed, NOTHING, requireEmpty } from "../empty-body.ts";
import type { Judged, ProtocolEntry } from "../protocol.ts";
import { unknownRequest } from "../unknown.ts";
import { auditFailure, closeOnDisk, explainFailure, place } from "./access.ts";
import { RequestRelay } from "./requests.ts";

/** Largest payload of one Entries frame: all that is held of a listing, however long the folder is. */
const ENTRIES_BYTES_MAX = 16 * 1024;
/** Of it, the fields before the entries. */
const ENTRIES_HEADER_BYTES = 12;

const ALLOWED: Judged<undefined> = alwaysAllowed(Protocol.FS);

export const FS: ProtocolEntry<undefined> = {
  judge(_rules, body) {
    requireEmpty(body);
    return ALLOWED;
  },
  open(host, stream, requestId) {
    stream.opened(requestId, NOTHING);
    stream.become(new FsRelay(host, stream));
  },
};

class FsRelay extends RequestRelay {
  /** A listing is under way: it counts as an open file. */
  #listing = false;
  /** Of the folder that is being listed; -1 before it is open. */
  #folder = -1;

  protected letGo(last?: DiskResult): void {
    if (!this.#listing) return;
    this.#listing = false;
    // A worker closes the folder at the end of a listing.
    const folder = last === undefined ? this.#folder : (last.folder ?? -1);
    if (folder >= 0) closeOnDisk(this.host, this.stream, folder);
    else this.stream.guest.budget.giveFile();
  }

  protected serve({ type, requestId, payload }: Frame): void {
    const m = fsMessages;
    switch (type) {
      case m.Stat.type:
      case m.Lstat.type:
        this.#stat(requestId, m.Stat.decode(payload).path, type === m.Stat.type);
        return;
      case m.ReadDir.type:
        this.#readDir(requestId, m.ReadDir.decode(payload).path);
        return;
      case m.Readlink.type:
        this.#readlink(requestId, m.Readlink.decode(payload).path);
        return;
      case m.Statfs.type:
        this.#statfs(requestId, m.Statfs.decode(payload).path);
        return;
      case m.Mkdir.type: {
        const { path, mode, parents } = m.Mkdir.decode(payload);
        if (!this.#modeAllowed(requestId, mode)) return;
        this.#change(requestId, path, (where) => ({ kind: "mkdir", mode, parents, ...where }));
        return;
      }
      case m.Unlink.type:
      case m.Rmdir.type: {
        const { path } = m.Unlink.decode(payload);
        const directory = type === m.Rmdir.type;
        this.#change(requestId, path, (where) => ({ kind: "unlink", directory, ...where }));
        return;
      }
      case m.Rename.type:
        this.#rename(requestId, m.Rename.decode(payload));
        return;
      case m.Symlink.type: {
        const { path, target } = m.Symlink.decode(payload);
        this.#change(requestId, path, (where) => ({ kind: "symlink", target, ...where }));
        return;
      }
      case m.Chmod.type: {
        const { path, mode } = m.Chmod.decode(payload);
        if (!this.#modeAllowed(requestId, mode)) return;
        this.#change(requestId, path, (where) => ({ kind: "chmod", mode, ...where }));
        return;
      }
      case m.Utimes.type: {
        const { path, accessed, modified } = m.Utimes.decode(payload);
        if (!this.#timesAllowed(requestId, accessed.nanoseconds, modified.nanoseconds)) return;
        this.#change(requestId, path, (where) => ({ kind: "utimes", accessed, modified, ...where }));
        return;
      }
      default:
        this.fail(requestId, unknownRequest(type));
    }
  }

  #stat(requestId: number, path: string, follow: boolean): void {
    const where = this.#place(requestId, path, false);
    if (where === undefined) return;
    this.#perform(requestId, path, { kind: "stat", follow, ...where }, (result) =>
      this.reply(StatReply, requestId, result.stat!),
    );
  }

  #readDir(requestId: number, path: string): void {
    const where = this.#place(requestId, path, false);
    if (where === undefined) return;
    const tooMany = this.stream.guest.budget.takeFile();
    if (tooMany !== undefined) {
      this.fail(requestId, tooMany);
      return;
    }
    this.#listing = true;
    this.#list(requestId, path, { kind: "list", bytes: this.#listBytes(), ...where });
  }

  #readlink(requestId: number, path: string): void {
    const where = this.#place(requestId, path, false);
    if (where === undefined) return;
    this.#perform(requestId, path, { kind: "readlink", ...where }, (result) =>
      this.reply(fsMessages.Target, requestId, { target: result.text! }),
    );
  }

  #statfs(requestId: number, path: string): void {
    const where = this.#place(requestId, path, false);
    if (where === undefined) return;
    this.#perform(requestId, path, { kind: "statfs", ...where }, (result) => {
      const [blockBytes, blocks, blocksFree, blocksAvailable, files, filesFree, nameMaxBytes] =
        result.numbers as [number, number, number, number, number, number, number];
      const reply = { blockBytes, blocks, blocksFree, blocksAvailable, files, filesFree, nameMaxBytes };
      this.reply(fsMessages.StatfsReply, requestId, reply);
    });
  }

  /** Set-id and sticky bits are not a guest's to give (FS-6). */
  #modeAllowed(requestId: number, mode: number): boolean {
    if ((mode & ~PERMISSION_BITS) === 0) return true;
    this.fail(requestId, refusal(Errno.EPERM, `mode 0o${mode.toString(8)} has more than 0o777`));
    return false;
  }

  /** Nanoseconds past a second have meanings of the kernel's own. */
  #timesAllowed(requestId: number, ...nanoseconds: number[]): boolean {
    const wrong = nanoseconds.find((value) => value > 999_999_999);
    if (wrong === undefined) return true;
    this.fail(requestId, refusal(Errno.EINVAL, `a time has ${wrong} nanoseconds`));
    return false;
  }

  #change(requestId: number, path: string, operation: (where: Place) => DiskOperation): void {
    const where = this.#place(requestId, path, true);
    if (where === undefined) return;
    this.#perform(requestId, path, operation(where), () => this.reply(Done, requestId, {}));
  }

  #place(requestId: number, path: string, write: boolean): Place | undefined {
    const where: Place | Refusal = place(this.stream.guest, Protocol.FS, path, write);
    if (!("errno" in where)) return where;
    this.fail(requestId, where);
    return undefined;
  }

  #perform(
    requestId: number,
    path: string,
    operation: DiskOperation,
    done: (result: DiskResult) => void,
  ): void {
    this.#onDisk(path, operation, (result) => {
      if (result.errno === 0) done(result);
      else this.fail(requestId, explainFailure(this.stream.guest, Protocol.FS, path, result));
    });
  }

  /** Where the stream is over before the answer, its denial is still told. */
  #onDisk(path: string, operation: DiskOperation, done: (result: DiskResult) => void): void {
    this.disk(operation, done, (result) => {
      if (result !== undefined && this.isOver) auditFailure(this.stream.guest, Protocol.FS, path, result);
    });
  }

  #rename(requestId: number, { from, to }: fsMessages.Rename): void {
    const source = this.#place(requestId, from, true);
    if (source === undefined) return;
    const target = this.#place(requestId, to, true);
    if (target === undefined) return;
    this.#perform(requestId, `${from} or ${to}`, { kind: "rename", from: source, to: target }, () =>
      this.reply(Done, requestId, {}),
    );
  }

  #listBytes(): number {
    const payload = Math.min(ENTRIES_BYTES_MAX, maxPayload(this.stream.pipe.toGuest.capacity));
    return payload - ENTRIES_HEADER_BYTES;
  }

  /** One frame, and on to the next once it is sent; the last has more = 0 (FS-4). */
  #list(requestId: number, path: string, operation: DiskOperation): void {
    this.#onDisk(path, operation, (result) => {
      const { folder = -1 } = result;
      this.#folder = folder;
      if (folder < 0) {
        this.#listing = false;
        this.stream.guest.budget.giveFile();
      }
      if (result.errno !== 0) {
        this.fail(requestId, explainFailure(this.stream.guest, Protocol.FS, path, result));
        return;
      }
      this.replyEncoded(fsMessages.Entries.type, requestId, result.data!);
      if (folder < 0) return;
      const next = { kind: "listMore", folder, bytes: this.#listBytes() } as const;
      this.afterReplies(() => this.#list(requestId, path, next));
    });
  }
}
