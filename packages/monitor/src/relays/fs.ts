// fs: names, not contents (PROTOCOL.md section 15). Every request is judged, placed below a root, and done on disk.

import { Done, Errno, type Frame, fsMessages, maxPayload, Protocol, StatReply } from "@ringway/control";
import type { DiskOperation, DiskResult, RootPath } from "../disk/operations.ts";
import { explainFailure, type Failure, place } from "./file-access.ts";
import { RequestRelay } from "./requests.ts";

/** Largest payload of one Entries frame; many small frames reach the guest sooner than one large one. */
const ENTRIES_BYTES_MAX = 16 * 1024;

export class FsRelay extends RequestRelay {
  protected letGo(): void {}

  protected serve({ type, requestId, payload }: Frame): void {
    const m = fsMessages;
    switch (type) {
      case m.Stat.type:
      case m.Lstat.type: {
        const { path } = m.Stat.decode(payload);
        const follow = type === m.Stat.type;
        this.#on(
          requestId,
          path,
          false,
          (where) => ({ kind: "stat", follow, ...where }),
          (result) => this.reply(StatReply, requestId, result.stat!),
        );
        return;
      }
      case m.ReadDir.type: {
        const { path } = m.ReadDir.decode(payload);
        this.#on(
          requestId,
          path,
          false,
          (where) => ({ kind: "list", ...where }),
          (result) => this.#entries(requestId, result),
        );
        return;
      }
      case m.Mkdir.type: {
        const { path, mode, parents } = m.Mkdir.decode(payload);
        if (!this.#modeAllowed(requestId, mode)) return;
        this.#change(requestId, path, (where) => ({ kind: "mkdir", mode, parents, ...where }));
        return;
      }
      case m.Unlink.type:
      case m.Rmdir.type: {
        const { path } = m.Unlink.decode(payload);
        this.#change(requestId, path, (where) => ({
          kind: "unlink",
          directory: type === m.Rmdir.type,
          ...where,
        }));
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
      case m.Readlink.type: {
        const { path } = m.Readlink.decode(payload);
        this.#on(
          requestId,
          path,
          false,
          (where) => ({ kind: "readlink", ...where }),
          (result) => this.reply(m.Target, requestId, { target: result.text! }),
        );
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
        this.#change(requestId, path, (where) => ({ kind: "utimes", accessed, modified, ...where }));
        return;
      }
      case m.Statfs.type: {
        const { path } = m.Statfs.decode(payload);
        this.#on(
          requestId,
          path,
          false,
          (where) => ({ kind: "statfs", ...where }),
          (result) => {
            const [blockBytes, blocks, blocksFree, blocksAvailable, files, filesFree, nameMaxBytes] =
              result.numbers as [number, number, number, number, number, number, number];
            const reply = { blockBytes, blocks, blocksFree, blocksAvailable, files, filesFree, nameMaxBytes };
            this.reply(m.StatfsReply, requestId, reply);
          },
        );
        return;
      }
      default:
        this.unknown(requestId, type);
    }
  }

  /** Set-id and sticky bits are not a guest's to give (FS-6). */
  #modeAllowed(requestId: number, mode: number): boolean {
    if ((mode & ~0o777) === 0) return true;
    this.fail(requestId, {
      errno: Errno.EPERM,
      rule: "",
      reason: `mode 0o${mode.toString(8)} has more than 0o777`,
    });
    return false;
  }

  #on(
    requestId: number,
    path: string,
    write: boolean,
    operation: (where: RootPath) => DiskOperation,
    done: (result: DiskResult) => void,
  ): void {
    const where = this.#place(requestId, path, write);
    if (where !== undefined) this.#perform(requestId, path, operation(where), done);
  }

  #change(requestId: number, path: string, operation: (where: RootPath) => DiskOperation): void {
    this.#on(requestId, path, true, operation, () => this.reply(Done, requestId, {}));
  }

  #place(requestId: number, path: string, write: boolean): RootPath | undefined {
    const where: RootPath | Failure = place(this.stream.guest, Protocol.FS, path, write);
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
    this.disk(operation, (result) => {
      if (result.errno === 0) done(result);
      else this.fail(requestId, explainFailure(this.stream.guest, Protocol.FS, path, result.errno));
    });
  }

  #rename(requestId: number, { from, to }: fsMessages.Rename): void {
    const source = this.#place(requestId, from, true);
    if (source === undefined) return;
    const target = this.#place(requestId, to, true);
    if (target === undefined) return;
    if (source.root !== target.root) {
      this.fail(requestId, {
        errno: Errno.EXDEV,
        rule: "",
        reason: `${from} and ${to} lie below different roots`,
      });
      return;
    }
    this.#perform(requestId, from, { kind: "rename", from: source, to: target }, () =>
      this.reply(Done, requestId, {}),
    );
  }

  /** As many frames as it takes, the last with more = 0 (FS-4). */
  #entries(requestId: number, { entries = [], skipped = 0 }: DiskResult): void {
    const bytesMax = Math.min(ENTRIES_BYTES_MAX, maxPayload(this.stream.pipe.toGuest.capacity));
    let part: { kind: number; name: string }[] = [];
    let bytes = 12;
    for (const entry of entries) {
      // kind, length, and at most three bytes for each UTF-16 unit.
      const entryBytes = 8 + entry.name.length * 3;
      if (bytes + entryBytes > bytesMax) {
        this.reply(fsMessages.Entries, requestId, { more: true, skipped: 0, entries: part });
        part = [];
        bytes = 12;
      }
      part.push(entry);
      bytes += entryBytes;
    }
    this.reply(fsMessages.Entries, requestId, { more: false, skipped, entries: part });
  }
}
