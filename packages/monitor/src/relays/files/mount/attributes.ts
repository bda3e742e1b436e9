// Opening, attributes and listings of a mount (MNT-7, MNT-8, MNT-13, MNT-14).

import {
  Errno,
  type Frame,
  mountMessages as m,
  maxPayload,
  PERMISSION_BITS,
  Protocol,
  type Refusal,
} from "@ringway/control";
import { OpenFlags, type SetTime } from "@ringway/linux";
import { UNKNOWN } from "../../../disk/mount/list.ts";
import type { DiskResult } from "../../../disk/operations.ts";
import type { Flow } from "../../../guests/flow.ts";
import { refusal } from "../../../policy/refusal.ts";
import { closeOnDisk } from "../access.ts";
import { AtOnce } from "../at-once.ts";
import type { MountCore, Waiting } from "./core.ts";
import type { Handle } from "./handles.ts";
import { LockRanges } from "./lock-ranges.ts";
import type { MountLocks } from "./locks.ts";
import { decide, folderAttributes, shownNames, type Target } from "./places.ts";

const { READ, WRITE, CREATE, EXCLUSIVE, TRUNCATE, NO_FOLLOW, FOLDER } = m.MountFlags;
const FLAGS_ALL = READ | WRITE | CREATE | EXCLUSIVE | TRUNCATE | NO_FOLLOW | FOLDER;
const VALID_ALL = 255;

/** Payload of one listing, at the most: all that is held of it. */
const LISTING_BYTES_MAX = 32 * 1024;
const ENTRIES_MAX = 4096;
/** Of one with the longest name. */
const ENTRY_BYTES_MAX = 108 + 255;

/** Open flags for the kernel; undefined where the guest's make no sense. */
function kernelFlags(flags: number, mode: number): number | undefined {
  const has = (flag: number): boolean => (flags & flag) !== 0;
  if ((flags & ~FLAGS_ALL) !== 0 || (mode & ~PERMISSION_BITS) !== 0) return undefined;
  const follow = has(NO_FOLLOW) ? OpenFlags.NO_FOLLOW : 0;
  if (has(FOLDER)) return (flags & ~NO_FOLLOW) === (FOLDER | READ) ? OpenFlags.DIRECTORY | follow : undefined;
  if (!has(READ) && !has(WRITE)) return undefined;
  if (!has(WRITE) && has(CREATE | EXCLUSIVE | TRUNCATE)) return undefined;
  if (has(EXCLUSIVE) && !has(CREATE)) return undefined;
  const { READ_ONLY, READ_WRITE, WRITE_ONLY } = OpenFlags;
  return (
    (has(WRITE) ? (has(READ) ? READ_WRITE : WRITE_ONLY) : READ_ONLY) |
    (has(CREATE) ? OpenFlags.CREATE : 0) |
    (has(EXCLUSIVE) ? OpenFlags.EXCLUSIVE : 0) |
    (has(TRUNCATE) ? OpenFlags.TRUNCATE : 0) |
    follow
  );
}

export class MountAttributesPart {
  readonly #core: MountCore;
  readonly #locks: MountLocks;
  readonly #listingMax: number;

  constructor(core: MountCore, locks: MountLocks) {
    this.#core = core;
    this.#locks = locks;
    this.#listingMax = Math.min(LISTING_BYTES_MAX, maxPayload(core.stream.pipe.toGuest.capacity)) - 4;
  }

  serve({ type, requestId, payload }: Frame): boolean {
    switch (type) {
      case m.MountOpen.type:
        this.#open(requestId, m.MountOpen.decode(payload));
        return true;
      case m.MountRelease.type:
        this.#release(requestId, m.MountRelease.decode(payload).handle);
        return true;
      case m.MountStat.type:
        this.#stat(requestId, m.MountStat.decode(payload));
        return true;
      case m.MountSetAttr.type:
        this.#setAttr(requestId, m.MountSetAttr.decode(payload));
        return true;
      case m.MountReadDir.type:
        this.#readDir(requestId, m.MountReadDir.decode(payload), false);
        return true;
      case m.MountReadDirPlus.type:
        this.#readDir(requestId, m.MountReadDirPlus.decode(payload), true);
        return true;
      default:
        return false;
    }
  }

  // ── Handles ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #open(requestId: number, { at, flags, mode, path }: m.MountOpen): void {
    const core = this.#core;
    const kernel = kernelFlags(flags, mode);
    if (kernel === undefined) {
      const reason = `flags ${flags} and mode 0o${mode.toString(8)} make no sense`;
      core.fail(requestId, refusal(Errno.EINVAL, reason));
      return;
    }
    const write = (flags & WRITE) !== 0;
    const target = core.find(requestId, at, path, write);
    if (target === undefined) return;
    const { budget } = core.stream.guest;
    const { place } = target;
    if (place === undefined && (flags & FOLDER) === 0) {
      core.fail(requestId, refusal(Errno.EISDIR, `${target.shown} is a folder`));
      return;
    }
    const tooMany = budget.takeFile();
    if (tooMany !== undefined) {
      core.fail(requestId, tooMany);
      return;
    }
    const id = core.handles.take();
    if (place === undefined) {
      this.#add(id, flags, target, undefined);
      core.reply(m.MountHandle, requestId, { handle: id, ...folderAttributes(target.names) });
      return;
    }
    core.perform(
      { kind: "mount-open", place, flags: kernel, mode, handle: id },
      {
        requestId,
        shown: target.shown,
        handles: [target.handle],
        done: (result) => {
          this.#add(id, flags, target, result);
          core.put(m.MountHandle.type, requestId, result.data!);
        },
        over: (result) => {
          if (result?.errno !== 0) budget.giveFile();
          else if (core.isOver) {
            if ((flags & FOLDER) === 0) this.#openedLate(target);
            closeOnDisk(core.host, core.stream, result.value);
          }
        },
      },
    );
  }

  #add(id: number, flags: number, target: Target, result: DiskResult | undefined): void {
    const { names, place } = target;
    const isFolder = (flags & FOLDER) !== 0;
    const tree = place?.tree ?? this.#core.stream.guest.policy.folders.tree;
    const fd = result?.value ?? -1;
    const { root = 0, guard, links = 0, identity = "" } = result ?? {};
    // A file that is opened again by its handle has been judged then, whatever policy there is now.
    const before = place?.path === "." && !isFolder ? place.from : undefined;
    const held =
      guard && (before ? { ...before, fd } : { fd, isFolder, tree, root, guard, guest: names, links });
    const handle: Handle = {
      ...{
        id,
        fd,
        isFolder,
        names,
        held,
        identity,
        tree,
        uses: 0,
        over: undefined,
        listings: new Set(),
        isListing: false,
      },
      mayRead: (flags & READ) !== 0,
      atOnce: new AtOnce((flags & READ) !== 0 && result?.readsAtOnce === true),
      mayWrite: (flags & WRITE) !== 0,
      locks: new LockRanges(this.#core.locked),
      flow: isFolder ? undefined : this.#opened(target),
    };
    this.#core.handles.add(handle);
  }

  /** A file of the host's. */
  #opened({ shown, rule }: Target): Flow | undefined {
    const { reports } = this.#core.stream.guest;
    const flow = reports.flow(Protocol.MOUNT, shown, rule);
    if (flow !== undefined) reports.opened(flow, undefined);
    return flow;
  }

  /** Nobody is left to have it: it is closed at once. */
  #openedLate(target: Target): void {
    const flow = this.#opened(target);
    if (flow !== undefined) this.#core.stream.guest.reports.closed(flow, "cut");
  }

  #release(requestId: number, id: number): void {
    const core = this.#core;
    const handle = core.handles.get(id);
    if (handle === undefined) {
      core.fail(requestId, refusal(Errno.EBADF, `${id} is no open handle`));
      return;
    }
    // What waits for a lock of it would never be over.
    this.#locks.cancelAll(handle);
    core.uncounted++;
    core.release(handle, () => {
      core.uncounted--;
      if (core.isOver) return;
      core.done(requestId);
      core.stream.run();
    });
  }

  // ── Attributes ──────────────────────────────────────────────────────────────────────────────────────────────────

  #stat(requestId: number, { at, follow, path }: m.FollowRequest): void {
    const core = this.#core;
    const target = core.find(requestId, at, path, false);
    if (target === undefined) return;
    const { place, handle, shown, names } = target;
    if (place === undefined) core.reply(m.MountAttributes, requestId, folderAttributes(names));
    else {
      const work = { requestId, shown, handles: [handle], reply: m.MountAttributes };
      core.perform({ kind: "mount-stat", place, follow }, work);
    }
  }

  #setAttr(requestId: number, request: m.MountSetAttr): void {
    const core = this.#core;
    const { at, path, follow, valid, mode, uid, gid, size, accessed, modified } = request;
    const wrong = mistakeOf(request);
    if (wrong !== undefined) {
      core.fail(requestId, wrong);
      return;
    }
    const target = core.find(requestId, at, path, true);
    if (target === undefined) return;
    const { handle, isItself, shown } = target;
    const has = (bit: number): boolean => (valid & bit) !== 0;
    const { MODE, UID, GID, SIZE, ACCESSED, MODIFIED, ACCESSED_NOW, MODIFIED_NOW } = m.MountValid;
    if (has(SIZE) && isItself && handle?.isFolder === false && !handle.mayWrite) {
      core.fail(requestId, refusal(Errno.EINVAL, `handle ${at} is not open for writing`));
      return;
    }
    const set = (at: number, now: number, time: Exclude<SetTime, string>): SetTime =>
      has(at) ? time : has(now) ? "now" : "keep";
    const changes = {
      mode: has(MODE) ? mode : -1,
      uid: has(UID) ? uid : -1,
      gid: has(GID) ? gid : -1,
      size: has(SIZE) ? size : -1,
      accessed: set(ACCESSED, ACCESSED_NOW, accessed),
      modified: set(MODIFIED, MODIFIED_NOW, modified),
    };
    const work = { requestId, shown, handles: [handle], reply: m.MountAttributes };
    core.perform({ kind: "mount-set", place: target.place!, follow, changes }, work);
  }

  // ── Listings ────────────────────────────────────────────────────────────────────────────────────────────────────

  #readDir(requestId: number, request: m.MountReadDir, plus: boolean): void {
    const core = this.#core;
    const { handle: id, entries } = request;
    const handle = core.handle(requestId, id);
    if (handle === undefined) return;
    const wrong = !handle.isFolder
      ? refusal(Errno.ENOTDIR, `handle ${id} is no folder's`)
      : entries < 1 || entries > ENTRIES_MAX
        ? refusal(Errno.EINVAL, `${entries} entries`)
        : undefined;
    if (wrong !== undefined) {
      core.fail(requestId, wrong);
      return;
    }
    if (handle.isListing) this.#inTurn(requestId, handle, request, plus);
    else this.#list(requestId, handle, request, plus);
  }

  #list(requestId: number, handle: Handle, request: m.MountReadDir, plus: boolean): void {
    const core = this.#core;
    const { cookieLow, cookieHigh, entries } = request;
    const { matcher, folders } = core.stream.guest.policy;
    const { ruleIndex: root } = decide(matcher, handle.names, false);
    if (handle.held === undefined || root < 0) {
      this.#listNames(requestId, handle, cookieLow, entries, plus);
      return;
    }
    const place = { tree: folders.tree, root, path: ".", asFolder: true, from: handle.held };
    const listing = { cookieLow, cookieHigh, entries, bytes: this.#listingMax, plus };
    handle.isListing = true;
    core.perform(
      { kind: "mount-list", place, listing },
      {
        requestId,
        shown: shownNames(handle.names),
        handles: [handle],
        reply: plus ? m.MountEntries : m.MountNames,
        over: () => {
          handle.isListing = false;
          for (const turn of handle.listings) {
            if (handle.isListing) break;
            turn();
          }
        },
      },
    );
  }

  /**
   * One listing of a folder at a time: they share its position. One that waits its turn is judged when it comes, and
   * may be taken back before.
   */
  #inTurn(requestId: number, handle: Handle, request: m.MountReadDir, plus: boolean): void {
    const core = this.#core;
    // Under way as one that a worker has.
    core.begin();
    handle.uses++;
    const over = (): void => {
      handle.listings.delete(turn);
      core.waiting.delete(waiting);
      core.over();
      core.used(handle);
    };
    const turn = (): void => {
      const wrong = core.isOver ? undefined : core.places.stillAllowed(handle);
      if (wrong !== undefined) core.fail(requestId, wrong);
      else if (!core.isOver) this.#list(requestId, handle, request, plus);
      over();
    };
    const waiting: Waiting = {
      requestId,
      cancel: () => {
        if (!handle.listings.has(turn)) return false;
        over();
        return true;
      },
    };
    handle.listings.add(turn);
    core.waiting.add(waiting);
  }

  /** Of a folder that is in the guest's tree alone; cookies count its names. */
  #listNames(requestId: number, { names, id }: Handle, from: number, most: number, plus: boolean): void {
    const core = this.#core;
    const { matcher } = core.stream.guest.policy;
    const room = Math.floor(this.#listingMax / ENTRY_BYTES_MAX);
    const some = matcher.namesBelow(names).slice(from, from + Math.min(most, room));
    const cookie = (i: number) => ({ cookieLow: from + i + 1, cookieHigh: 0 });
    const targets = some.map((name) => core.places.find(id, Buffer.from(name), false));
    const known = targets.map((target) =>
      "errno" in target || target.place !== undefined ? undefined : folderAttributes(target.names),
    );
    if (!plus) {
      const entries = some.map((name, i) => {
        const { inodeLow = 0, inodeHigh = 0 } = known[i] ?? {};
        return { ...cookie(i), kind: 2, inodeLow, inodeHigh, name: Buffer.from(name) };
      });
      core.reply(m.MountNames, requestId, { entries });
      return;
    }
    const places = targets.flatMap((target) => ("errno" in target ? [] : (target.place ?? [])));
    const done = ({ described = [] }: DiskResult): void => {
      let next = 0;
      const entries = some.map((name, i) => {
        const target = targets[i]!;
        const found = known[i] ?? ("errno" in target ? undefined : described[next++]);
        return { ...(found ?? UNKNOWN), ...cookie(i), name: Buffer.from(name) };
      });
      core.reply(m.MountEntries, requestId, { entries });
    };
    if (places.length === 0) done({ errno: 0, value: 0 });
    else core.perform({ kind: "mount-describe", places }, { requestId, shown: shownNames(names), done });
  }
}

/** What makes no sense, whatever it is for. */
function mistakeOf({ valid, mode, uid, gid, accessed, modified }: m.MountSetAttr): Refusal | undefined {
  const { MODE, UID, GID, ACCESSED, MODIFIED, ACCESSED_NOW, MODIFIED_NOW } = m.MountValid;
  const both = (a: number, b: number): boolean => (valid & a) !== 0 && (valid & b) !== 0;
  if (valid > VALID_ALL || both(ACCESSED, ACCESSED_NOW) || both(MODIFIED, MODIFIED_NOW)) {
    return refusal(Errno.EINVAL, `valid ${valid}`);
  }
  if ((valid & MODE) !== 0 && (mode & ~PERMISSION_BITS) !== 0) {
    return refusal(Errno.EPERM, `mode 0o${mode.toString(8)} has more than 0o777`);
  }
  const late = [
    (valid & ACCESSED) !== 0 ? accessed : undefined,
    (valid & MODIFIED) !== 0 ? modified : undefined,
  ];
  if (late.some((time) => time !== undefined && time.nanoseconds > 999_999_999)) {
    return refusal(Errno.EINVAL, "a time has more nanoseconds than a second");
  }
  if (((valid & UID) !== 0 && uid === 0xffffffff) || ((valid & GID) !== 0 && gid === 0xffffffff)) {
    return refusal(Errno.EINVAL, "4294967295 is no owner");
  }
  return undefined;
}
