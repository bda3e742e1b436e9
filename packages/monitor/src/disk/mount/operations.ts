// What a mount asks of a disk worker: plain data, as all operations are (../operations.ts). What is told comes encoded
// in `data`.

import type { mountMessages } from "@ringway/control";
import { type PathLike, statfs } from "@ringway/linux";
import { failed, type Place } from "../judgement.ts";
import { withObject } from "../landing.ts";
import * as names from "../names.ts";
import type { Identity } from "../roots.ts";
import { capacityOf } from "../status.ts";
import type { Guard } from "../tree.ts";
import { type Changes, setAttributes, stat, type Told } from "./attributes.ts";
import * as contents from "./contents.ts";
import { describe, type Listing, list } from "./list.ts";
import * as made from "./names.ts";
import { openHandle } from "./open.ts";
import { type Watched, type Watching, watchFolder } from "./watch.ts";

/** On a file that is open. */
type OnHandle =
  | { readonly kind: "mount-read"; readonly bytes: number; readonly offset: number }
  | { readonly kind: "mount-write"; readonly data: Uint8Array; readonly offset: number }
  | { readonly kind: "mount-flush" }
  | {
      readonly kind: "mount-fallocate";
      readonly mode: number;
      readonly offset: number;
      readonly bytes: number;
    }
  | {
      readonly kind: "mount-copy";
      readonly to: number;
      readonly fromOffset: number;
      readonly toOffset: number;
      readonly bytes: number;
    }
  | { readonly kind: "mount-seek"; readonly offset: number; readonly whence: number }
  | {
      readonly kind: "mount-lock" | "mount-test-lock";
      readonly lock: number;
      readonly start: number;
      readonly bytes: number;
    };

/** On what a place names. */
type OnPlace =
  | { readonly kind: "mount-open"; readonly flags: number; readonly mode: number; readonly handle: number }
  | { readonly kind: "mount-stat"; readonly follow: boolean }
  | { readonly kind: "mount-set"; readonly follow: boolean; readonly changes: Changes }
  | { readonly kind: "mount-list"; readonly listing: Listing }
  | { readonly kind: "mount-mkdir" | "mount-mknod"; readonly mode: number }
  | { readonly kind: "mount-symlink"; readonly target: PathLike }
  | { readonly kind: "mount-link"; readonly to: Place }
  | { readonly kind: "mount-rename"; readonly to: Place; readonly flags: number }
  | { readonly kind: "mount-unlink"; readonly directory: boolean }
  | { readonly kind: "mount-readlink" | "mount-statfs" }
  | {
      readonly kind: "mount-get-xattr" | "mount-remove-xattr";
      readonly follow: boolean;
      readonly name: Uint8Array;
    }
  | {
      readonly kind: "mount-set-xattr";
      readonly follow: boolean;
      readonly name: Uint8Array;
      readonly value: Uint8Array;
      readonly flags: number;
    }
  | { readonly kind: "mount-list-xattr"; readonly follow: boolean }
  | ({ readonly kind: "mount-watch" } & Watching);

export type MountOperation =
  | (OnHandle & { readonly fd: number })
  | (OnPlace & { readonly place: Place })
  | { readonly kind: "mount-describe"; readonly places: readonly Place[] };

export interface MountResult extends Told {
  readonly value?: number;
  readonly root?: number;
  readonly guard?: Guard;
  /**
   * Of what was opened: how many names it had, which file of the host's it is, and whether what is cached of it may be
   * read without a worker (file-systems.ts).
   */
  readonly links?: number;
  readonly identity?: Identity;
  readonly readsAtOnce?: boolean;
  readonly described?: readonly (mountMessages.Attributes | undefined)[];
  readonly watched?: Watched;
}

export function performMount(operation: MountOperation): MountResult {
  if ("fd" in operation) return onHandle(operation);
  if ("place" in operation) return onPlace(operation, operation.place);
  return { errno: 0, described: describe(operation.places) };
}

function onHandle(operation: OnHandle & { readonly fd: number }): MountResult {
  const { fd } = operation;
  switch (operation.kind) {
    case "mount-read":
      return contents.read(fd, operation.bytes, operation.offset);
    case "mount-write":
      return contents.write(fd, operation.data, operation.offset);
    case "mount-flush":
      return contents.flush(fd);
    case "mount-fallocate":
      return contents.allocate(fd, operation.mode, operation.offset, operation.bytes);
    case "mount-copy":
      return contents.copy(fd, operation.fromOffset, operation.to, operation.toOffset, operation.bytes);
    case "mount-seek":
      return contents.position(fd, operation.offset, operation.whence);
    case "mount-lock":
      return contents.lock(fd, operation.lock, operation.start, operation.bytes);
    case "mount-test-lock":
      return contents.lookForLock(fd, operation.lock, operation.start, operation.bytes);
  }
}

function onPlace(operation: OnPlace, place: Place): MountResult {
  switch (operation.kind) {
    case "mount-open":
      return openHandle(place, operation.flags, operation.mode, operation.handle);
    case "mount-stat":
      return stat(place, operation.follow);
    case "mount-set":
      return setAttributes(place, operation.follow, operation.changes);
    case "mount-list":
      return list(place, operation.listing);
    case "mount-mkdir":
      return made.mkdir(place, operation.mode);
    case "mount-mknod":
      return made.mknod(place, operation.mode);
    case "mount-symlink":
      return made.symlink(place, operation.target);
    case "mount-link":
      return made.link(place, operation.to);
    case "mount-rename":
      return names.rename(place, operation.to, operation.flags);
    case "mount-unlink":
      return names.unlink(place, operation.directory);
    case "mount-readlink":
      return made.readlink(place);
    case "mount-statfs":
      return withObject<Told>(place, true, false, ({ fd }) => {
        const found = statfs(fd);
        return typeof found === "number" ? failed(-found) : { errno: 0, data: capacityOf(found) };
      });
    case "mount-get-xattr":
      return made.getAttribute(place, operation.follow, operation.name);
    case "mount-remove-xattr":
      return made.removeAttribute(place, operation.follow, operation.name);
    case "mount-set-xattr":
      return made.setAttribute(place, operation.follow, operation.name, operation.value, operation.flags);
    case "mount-list-xattr":
      return made.listAttributes(place, operation.follow);
    case "mount-watch":
      return watchFolder(place, operation);
  }
}
