// Names that a mount makes, moves and removes, and extended attributes (MNT-15 to MNT-17).

import {
  Done,
  Errno,
  type Frame,
  fileMessages,
  fsMessages,
  mountMessages as m,
  PERMISSION_BITS,
} from "@ringway/control";
import type { MountOperation } from "../../../disk/mount/operations.ts";
import { refusal } from "../../../policy/refusal.ts";
import { OVER_QUOTA } from "../access.ts";
import type { MountCore } from "./core.ts";
import type { Target } from "./places.ts";

type OnPlace = Extract<MountOperation, { readonly place: unknown }>;
type WithoutPlace<T> = T extends OnPlace ? Omit<T, "place"> : never;
/** What to do with what a request names. */
type Doing = WithoutPlace<OnPlace>;

export class MountNames {
  readonly #core: MountCore;

  constructor(core: MountCore) {
    this.#core = core;
  }

  serve({ type, requestId, payload }: Frame): boolean {
    switch (type) {
      case m.MountMkdir.type:
      case m.MountMknod.type: {
        const { mode, ...at } = m.MountMkdir.decode(payload);
        const kind = type === m.MountMkdir.type ? "mount-mkdir" : "mount-mknod";
        if ((mode & ~PERMISSION_BITS) === 0) this.#change(requestId, at, m.MountAttributes, { kind, mode });
        else {
          const reason = `mode 0o${mode.toString(8)} has more than 0o777`;
          this.#core.fail(requestId, refusal(Errno.EPERM, reason));
        }
        return true;
      }
      case m.MountSymlink.type:
        this.#symlink(requestId, m.MountSymlink.decode(payload));
        return true;
      case m.MountLink.type:
        this.#link(requestId, m.MountLink.decode(payload));
        return true;
      case m.MountRename.type:
        this.#rename(requestId, m.MountRename.decode(payload));
        return true;
      case m.MountUnlink.type:
      case m.MountRmdir.type: {
        const directory = type === m.MountRmdir.type;
        this.#change(requestId, m.MountUnlink.decode(payload), Done, { kind: "mount-unlink", directory });
        return true;
      }
      case m.MountReadlink.type:
        this.#look(requestId, m.MountReadlink.decode(payload), fileMessages.Data, { kind: "mount-readlink" });
        return true;
      case m.MountStatfs.type:
        this.#statfs(requestId, m.MountStatfs.decode(payload));
        return true;
      default:
        return this.#serveXattrs(type, requestId, payload);
    }
  }

  #serveXattrs(type: number, requestId: number, payload: Uint8Array): boolean {
    switch (type) {
      case m.MountGetXattr.type: {
        const { name, follow, ...at } = m.MountGetXattr.decode(payload);
        if (!this.#isName(requestId, name)) return true;
        this.#look(requestId, at, fileMessages.Data, { kind: "mount-get-xattr", name, follow });
        return true;
      }
      case m.MountListXattr.type: {
        const { follow, ...at } = m.MountListXattr.decode(payload);
        this.#look(requestId, at, m.MountXattrs, { kind: "mount-list-xattr", follow });
        return true;
      }
      case m.MountSetXattr.type:
        this.#setXattr(requestId, m.MountSetXattr.decode(payload));
        return true;
      case m.MountRemoveXattr.type: {
        const { name, follow, ...at } = m.MountRemoveXattr.decode(payload);
        if (!this.#isName(requestId, name)) return true;
        this.#change(requestId, at, Done, { kind: "mount-remove-xattr", name, follow }, true);
        return true;
      }
      default:
        return false;
    }
  }

  /** Where nothing is changed. A folder that is in the guest's tree alone is no link and has no attributes. */
  #look(requestId: number, { at, path }: m.AtRequest, reply: { type: number }, doing: Doing): void {
    const core = this.#core;
    const target = core.find(requestId, at, path, false);
    if (target === undefined) return;
    const { place, shown, handle } = target;
    if (place !== undefined) {
      core.perform({ ...doing, place } as OnPlace, { requestId, shown, reply, handles: [handle] });
    } else if (doing.kind === "mount-list-xattr") core.reply(m.MountXattrs, requestId, { names: [] });
    else {
      const errno = doing.kind === "mount-readlink" ? Errno.EINVAL : Errno.ENODATA;
      core.fail(requestId, refusal(errno, `${shown} is a folder of the policy's`));
    }
  }

  /** What a request will change; undefined where it is refused, and answered. `itself`: a path may be empty. */
  #changing(requestId: number, { at, path }: m.AtRequest, itself = false): Target | undefined {
    const target = this.#core.find(requestId, at, path, true);
    if (target === undefined || itself || !target.isItself) return target;
    this.#core.fail(requestId, refusal(Errno.EINVAL, "no name is given"));
    return undefined;
  }

  #change(
    requestId: number,
    at: m.AtRequest,
    reply: { type: number },
    doing: Doing,
    itself = false,
    over?: (errno: number) => void,
  ): void {
    const target = this.#changing(requestId, at, itself);
    if (target === undefined) {
      over?.(Errno.EACCES);
      return;
    }
    // What may be changed lies below a root.
    const { place, shown, handle } = target;
    const work = { requestId, shown, reply, handles: [handle] };
    this.#core.perform({ ...doing, place: place! } as OnPlace, {
      ...work,
      over: (result) => over?.(result?.errno ?? Errno.ECANCELED),
    });
  }

  #symlink(requestId: number, { target, ...at }: m.MountSymlink): void {
    if (target.length === 0) this.#core.fail(requestId, refusal(Errno.ENOENT, "the target is empty"));
    else if (target.includes(0)) this.#core.fail(requestId, refusal(Errno.EINVAL, "the target has a NUL"));
    else this.#change(requestId, at, m.MountAttributes, { kind: "mount-symlink", target });
  }

  #link(requestId: number, { fromAt, toAt, from, to }: m.MountLink): void {
    const source = this.#changing(requestId, { at: fromAt, path: from });
    if (source === undefined) return;
    const target = this.#changing(requestId, { at: toAt, path: to });
    if (target === undefined) return;
    this.#core.perform(
      { kind: "mount-link", place: source.place!, to: target.place! },
      {
        requestId,
        shown: `${source.shown} or ${target.shown}`,
        reply: m.MountAttributes,
        handles: [source.handle, target.handle],
      },
    );
  }

  #rename(requestId: number, { fromAt, toAt, flags, from, to }: m.MountRename): void {
    const { NO_REPLACE, EXCHANGE } = m.MountRenameFlags;
    if (flags !== 0 && flags !== NO_REPLACE && flags !== EXCHANGE) {
      this.#core.fail(requestId, refusal(Errno.EINVAL, `flags ${flags}`));
      return;
    }
    const source = this.#changing(requestId, { at: fromAt, path: from });
    if (source === undefined) return;
    const target = this.#changing(requestId, { at: toAt, path: to });
    if (target === undefined) return;
    this.#core.perform(
      { kind: "mount-rename", place: source.place!, to: target.place!, flags },
      {
        requestId,
        shown: `${source.shown} or ${target.shown}`,
        handles: [source.handle, target.handle],
      },
    );
  }

  #statfs(requestId: number, { at, path }: m.AtRequest): void {
    const core = this.#core;
    const target = core.find(requestId, at, path, false);
    if (target === undefined) return;
    const { place, shown, handle, names } = target;
    if (place !== undefined) {
      const work = { requestId, shown, reply: fsMessages.StatfsReply, handles: [handle] };
      core.perform({ kind: "mount-statfs", place }, work);
      return;
    }
    const files = core.stream.guest.policy.matcher.namesBelow(names).length;
    const none = { blocks: 0, blocksFree: 0, blocksAvailable: 0, files, filesFree: 0 };
    core.reply(fsMessages.StatfsReply, requestId, { ...none, blockBytes: 4096, nameMaxBytes: 255 });
  }

  #setXattr(requestId: number, { flags, name, value, follow, ...at }: m.MountSetXattr): void {
    if (!this.#isName(requestId, name)) return;
    const core = this.#core;
    if (flags > m.MountXattrFlags.REPLACE) {
      core.fail(requestId, refusal(Errno.EINVAL, `flags ${flags}`));
      return;
    }
    // A value takes room on the disk as what is in a file does.
    const grant = core.stream.guest.budget.takeWrite(value.length);
    if (grant.bytes < value.length) {
      grant.settle(0);
      core.fail(requestId, OVER_QUOTA);
      return;
    }
    const doing = { kind: "mount-set-xattr", name, value, flags, follow } as const;
    this.#change(requestId, at, Done, doing, true, (errno) => grant.settle(errno === 0 ? grant.bytes : 0));
  }

  #isName(requestId: number, name: Uint8Array): boolean {
    if (name.length > 0 && !name.includes(0)) return true;
    const shown = JSON.stringify(Buffer.from(name).toString());
    this.#core.fail(requestId, refusal(Errno.EINVAL, `${shown} is no name of an attribute`));
    return false;
  }
}
