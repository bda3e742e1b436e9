// Names that a mount makes, links and moves, and extended attributes: with the attributes of what was made (MNT-15 to
// MNT-17).

import { mountMessages } from "@ringway/control";
import {
  closeFd,
  Errno,
  type FileStat,
  getXattr,
  listXattrs,
  mkdirat,
  OpenFlags,
  type PathLike,
  readlinkat,
  removeXattr,
  setXattr,
  stat,
  symlinkat,
} from "@ringway/linux";
import { type Failed, failed, type Landing, makeBelow, type Place } from "../judgement.ts";
import { withName, withObject } from "../landing.ts";
import * as names from "../names.ts";
import { kernelName, open } from "../open.ts";
import { bytesOf } from "../paths.ts";
import { attributesOf, type Told, tell } from "./attributes.ts";

const { CREATE, EXCLUSIVE, WRITE_ONLY } = OpenFlags;
const { MountAttributes, MountXattrs } = mountMessages;

function made(place: Place, make: (landing: Landing) => number): Told {
  return withName<Told>(place, true, (landing) => {
    if (landing.name === ".") return failed(Errno.EEXIST);
    const result = makeBelow(landing.root, () => make(landing));
    return result < 0 ? failed(-result) : tell(stat(landing.folder, landing.name, false));
  });
}

export function mkdir(place: Place, mode: number): Told {
  return made(place, (landing) => mkdirat(landing.folder, kernelName(landing), mode));
}

export function symlink(place: Place, target: PathLike): Told {
  return made(place, (landing) => symlinkat(target, landing.folder, kernelName(landing)));
}

/** An empty file. */
export function mknod(place: Place, mode: number): Told {
  const opened = open(place, CREATE | EXCLUSIVE | WRITE_ONLY, mode);
  if ("errno" in opened) return opened;
  closeFd(opened.fd);
  return { errno: 0, data: MountAttributes.encode(attributesOf(opened.found)) };
}

export function link(from: Place, to: Place): Told {
  const linked = names.link(from, to);
  if (linked.errno !== 0) return linked;
  return withName<Told>(to, false, ({ folder, name }) => tell(stat(folder, name, false)));
}

export function readlink(place: Place): Told {
  return withObject<Told>(place, false, false, ({ fd }) => {
    const target = readlinkat(fd, "");
    // Of what is no link, an empty name says ENOENT.
    if (typeof target === "number") return failed(target === -Errno.ENOENT ? Errno.EINVAL : -target);
    return { errno: 0, data: bytesOf(target) };
  });
}

// ── Extended attributes ───────────────────────────────────────────────────────────────────────────────────────────

const done = (result: number): Failed => failed(Math.max(0, -result));

/** Is it every guest's, or one that the rule names? The others belong to programs of the host. */
function isShown({ root }: Landing, name: Uint8Array): boolean {
  const text = Buffer.from(name).toString();
  if (text.startsWith("user.")) return true;
  return root.xattrs.some((shown) =>
    shown.endsWith("*") ? text.startsWith(shown.slice(0, -1)) : text === shown,
  );
}

export function getAttribute(place: Place, follow: boolean, name: Uint8Array): Told {
  return withObject<Told>(place, follow, false, (landing) => {
    if (!isShown(landing, name)) return failed(Errno.EOPNOTSUPP);
    const value = getXattr(landing.fd, name);
    return typeof value === "number" ? failed(-value) : { errno: 0, data: value };
  });
}

export function listAttributes(place: Place, follow: boolean): Told {
  return withObject<Told>(place, follow, false, (landing) => {
    const found = listXattrs(landing.fd);
    // A file system without them has none.
    if (found === -Errno.EOPNOTSUPP) return { errno: 0, data: MountXattrs.encode({ names: [] }) };
    if (typeof found === "number") return failed(-found);
    try {
      const shown = found.filter((name) => isShown(landing, name));
      return { errno: 0, data: MountXattrs.encode({ names: shown }) };
    } catch (error) {
      if (error instanceof RangeError) return failed(Errno.EOVERFLOW);
      throw error;
    }
  });
}

export function setAttribute(
  place: Place,
  follow: boolean,
  name: Uint8Array,
  value: Uint8Array,
  flags: number,
): Told {
  return changeAttribute(place, follow, name, (fd) => setXattr(fd, name, value, flags));
}

export function removeAttribute(place: Place, follow: boolean, name: Uint8Array): Told {
  return changeAttribute(place, follow, name, (fd) => removeXattr(fd, name));
}

function changeAttribute(
  place: Place,
  follow: boolean,
  name: Uint8Array,
  change: (fd: number) => number,
): Told {
  const checked = (fd: number, _: FileStat, landing: Landing): Failed =>
    isShown(landing, name) ? done(change(fd)) : failed(Errno.EOPNOTSUPP);
  return names.modify(place, checked, follow);
}
