// Handles: files and folders that stay open, with how they were judged (MNT-7).

import { mountMessages } from "@ringway/control";
import { AT_FDCWD, closeFd, Errno, fstat, OpenFlags, openat2, truncate } from "@ringway/linux";
import { fileReadsAtOnce, systemReadsAtOnce } from "../file-systems.ts";
import { asOpened, begin } from "../held.ts";
import { type Failed, failed, type Landing, mayChange, notOpened, type Place, served } from "../judgement.ts";
import { withOpening } from "../landing.ts";
import { kernelName, type OpenedFile, open, severalNames, unfit } from "../open.ts";
import { type Identity, identityOf } from "../roots.ts";
import type { Guard } from "../tree.ts";
import { attributesOf, type Told } from "./attributes.ts";

export interface OpenedHandle extends Told {
  /** The descriptor. */
  readonly value?: number;
  readonly root?: number;
  readonly guard?: Guard;
  readonly links?: number;
  readonly identity?: Identity;
  readonly readsAtOnce?: boolean;
}

const { CREATE, DIRECTORY, EXCLUSIVE, NO_CONTROLLING_TERMINAL, NO_FOLLOW, NON_BLOCKING } = OpenFlags;
const { PATH, READ_ONLY, READ_WRITE, TRUNCATE, WRITE_ONLY } = OpenFlags;

/** `handle`: the number that it will have. */
export function openHandle(place: Place, flags: number, mode: number, handle: number): OpenedHandle {
  const opened = openAny(place, flags, mode);
  if ("errno" in opened) return opened;
  const { fd, found, links, root, guard, readsAtOnce } = opened;
  const data = mountMessages.MountHandle.encode({ handle, ...attributesOf(found) });
  return { errno: 0, value: fd, root, guard, links, identity: identityOf(found), data, readsAtOnce };
}

function openAny(place: Place, flags: number, mode: number): OpenedFile | Failed {
  if ((flags & DIRECTORY) !== 0) return openFolder(place, (flags & NO_FOLLOW) === 0);
  const { from, path } = place;
  return from !== undefined && path === "." ? openAgain(place, flags) : open(place, flags, mode, true);
}

function openFolder(place: Place, follow: boolean): OpenedFile | Failed {
  return withOpening<OpenedFile | Failed>(
    place,
    follow,
    false,
    (landing) => {
      const how = READ_ONLY | DIRECTORY | NON_BLOCKING | (follow ? 0 : NO_FOLLOW);
      const fd = openat2(landing.folder, kernelName(landing), how, 0, landing.root.resolve);
      if (fd === -Errno.ELOOP) return "link";
      if (fd === -Errno.ENOTDIR && !follow && isLink(landing)) return failed(Errno.ELOOP);
      if (fd < 0) return notOpened(fd);
      const found = fstat(fd);
      const wrong = typeof found === "number" ? failed(-found) : served(landing, fd, found);
      if (wrong !== undefined || typeof found === "number") {
        closeFd(fd);
        return wrong!;
      }
      const guard = landing.tree.guards.get(identityOf(found)) ?? landing.guard;
      return { fd, found, links: found.links, root: landing.root.index, guard, readsAtOnce: false };
    },
    true,
  );
}

/** Of a link that is not followed the kernel says that it is no folder, where one is asked for. */
function isLink(landing: Landing): boolean {
  const fd = openat2(landing.folder, kernelName(landing), PATH | NO_FOLLOW, 0, landing.root.resolve);
  if (fd < 0) return false;
  const found = fstat(fd);
  closeFd(fd);
  return typeof found !== "number" && found.kind === "symlink";
}

/** What is open already, with other flags: by its descriptor, so it is the same file. */
function openAgain(place: Place, flags: number): OpenedFile | Failed {
  const write = (flags & (WRITE_ONLY | READ_WRITE)) !== 0;
  const start = begin(place, write);
  if ("errno" in start) return start;
  if (place.from!.isFolder) return failed(Errno.EISDIR);
  if ((flags & (CREATE | EXCLUSIVE)) === (CREATE | EXCLUSIVE)) return failed(Errno.EEXIST);
  if (place.asFolder) return failed(Errno.ENOTDIR);
  const landing = { ...start, folder: -1, name: ".", fd: place.from!.fd, asFolder: false };
  const now = (write ? mayChange(landing) : undefined) ?? unfit(landing, landing.fd, write);
  if ("errno" in now) return now;
  const opened = asOpened(place, now);
  const wrong = write ? severalNames(landing, opened) : undefined;
  if (wrong !== undefined) return wrong;
  const how = (flags & (WRITE_ONLY | READ_WRITE)) | NON_BLOCKING | NO_CONTROLLING_TERMINAL;
  const fd = openat2(AT_FDCWD, `/proc/self/fd/${landing.fd}`, how, 0, 0);
  if (fd < 0) return failed(-fd);
  const cut = (flags & TRUNCATE) === 0 ? 0 : truncate(fd, 0);
  const found = cut < 0 ? cut : fstat(fd);
  if (typeof found !== "number") {
    const { root, guard } = start;
    // The root is the path's, which another policy may have given to another file system.
    const readsAtOnce = systemReadsAtOnce(fd) && fileReadsAtOnce(fd, flags);
    return { fd, found, links: opened.links, root: root.index, guard, readsAtOnce };
  }
  closeFd(fd);
  return failed(-found);
}
