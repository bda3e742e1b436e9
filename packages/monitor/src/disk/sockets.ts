// Unix sockets of the policy's rules, on a disk worker: each is a name in a folder that is open since the policy came
// into force. What the name is, is found below that folder by the kernel's guard, as a file is below its root: no
// symbolic link, no other mount. Then it is looked at and used by its descriptor, so whoever renames what meanwhile can
// at most make a guest get what now has the name: never something that was not judged.
//
//   connect   openat2(folder, name, PATH) ─▶ a socket, and not the monitor's own ─▶ connect(/proc/self/fd/N)
//   listen    bind(/proc/self/fd/FOLDER/name), which makes the name or fails ─▶ looked at: its identity
//   end       the name is removed where it still is what was made
//
// The monitor's own sockets are known by what they are (the attach socket), and by their place (that, and the doorbells
// of VMs, which their hypervisors make): under another name they are the same.

import { basename, dirname } from "node:path";
import {
  AT_FDCWD,
  bindUnixName,
  chmodOpen,
  closeFd,
  connectUnixFile,
  Errno,
  type FileStat,
  fstat,
  isSocketFile,
  listen,
  OpenFlags,
  openat2,
  openUnixFile,
  type PeerCredentials,
  peerCredentials,
  ResolveFlags,
  stat,
  type UnixType,
  unlinkat,
} from "@ringway/linux";
import { type Failed, failed, notOpened, refused } from "./judgement.ts";
import { lookedUp } from "./lookups.ts";
import { type Identity, identityOf, type SocketFolder } from "./roots.ts";
import { treeOf } from "./tree.ts";

/** What no rule leads to. */
export interface OwnPlaces {
  readonly files: readonly Identity[];
  readonly paths: readonly string[];
}

/** The socket of a rule. */
interface SocketPlace {
  readonly tree: number;
  /** Index of the rule. */
  readonly socket: number;
}

/** Connects, or says EAGAIN where the backlog is full: a descriptor, and who listens. */
export interface ConnectSocket extends SocketPlace {
  readonly kind: "connectSocket";
  readonly type: UnixType;
  readonly own: OwnPlaces;
}

/** A descriptor that listens, and which file it made. */
export interface ListenAtSocket extends SocketPlace {
  readonly kind: "listenAtSocket";
  readonly type: UnixType;
  readonly mode: number;
  readonly backlog: number;
  readonly own: OwnPlaces;
}

/** Removes its name where that is still `file`, then closes it: who connects meanwhile is turned away by either. */
export interface EndListener extends SocketPlace {
  readonly kind: "endListener";
  readonly listener: number;
  readonly file: Identity;
}

interface Made extends Failed {
  readonly value: number;
  readonly peer?: PeerCredentials;
  readonly text?: Identity;
}

const { BENEATH, NO_SYMLINKS, NO_MAGIC_LINKS, NO_CROSS_DEVICE } = ResolveFlags;
const GUARD = BENEATH | NO_SYMLINKS | NO_MAGIC_LINKS | NO_CROSS_DEVICE;

/** Undefined: its policy is gone. */
const folderOf = ({ tree, socket }: SocketPlace): SocketFolder | undefined => treeOf(tree)?.sockets[socket];

export function connectSocket(operation: ConnectSocket): Made | Failed {
  const folder = folderOf(operation);
  if (folder === undefined) return failed(Errno.ESTALE);
  return withFile(folder, (file, found) => {
    // Opened as a name only, a link is what it is.
    if (found.kind === "symlink") return failed(Errno.ELOOP);
    if (!isSocketFile(file)) return refused(Errno.EACCES, "kind", "is no socket");
    const own = isOwn(operation.own, folder, identityOf(found));
    if (own !== undefined) return own;
    const fd = connectUnixFile(file, operation.type);
    return fd < 0 ? failed(-fd) : { errno: 0, value: fd, peer: peerCredentials(fd) };
  });
}

export function listenAtSocket(operation: ListenAtSocket): Made | Failed {
  const folder = folderOf(operation);
  if (folder === undefined) return failed(Errno.ESTALE);
  const { own, type, mode, backlog } = operation;
  const mine = isOwn(own, folder, undefined);
  if (mine !== undefined) return mine;
  lookedUp(1);
  const fd = bindUnixName(folder.fd, folder.name, type, mode);
  if (fd < 0) return failed(-fd);
  const made = withFile(folder, (file, found): Made | Failed => {
    // Another has the name by now, and keeps it.
    if (!isSocketFile(file) || !isMade(fd, found, mode)) return failed(Errno.EADDRINUSE);
    // What the umask took is given back.
    const result = found.mode !== mode ? chmodOpen(file, mode) : 0;
    const listening = result < 0 ? result : listen(fd, backlog);
    if (listening >= 0) return { errno: 0, value: fd, text: identityOf(found) };
    removeFile(folder, identityOf(found));
    return failed(-listening);
  });
  if (made.errno !== 0) closeFd(fd);
  // Made a moment ago, and gone: somebody races for the name.
  return made.errno === Errno.ENOENT ? failed(Errno.EADDRINUSE) : made;
}

/**
 * Is it the file that the socket has made? The kernel tells, but for who lacks CAP_NET_ADMIN: for them it is one of the
 * same user, and open to no more. That says nothing of root's on a file server that gives it to another user.
 */
function isMade(fd: number, found: FileStat, mode: number): boolean {
  const file = openUnixFile(fd);
  if (file < 0) return found.uid === process.geteuid!() && (found.mode & ~mode) === 0;
  const made = fstat(file);
  closeFd(file);
  return typeof made !== "number" && identityOf(made) === identityOf(found);
}

export function endListener(operation: EndListener): Failed {
  const folder = folderOf(operation);
  if (folder !== undefined) removeFile(folder, operation.file);
  closeFd(operation.listener);
  return failed(folder === undefined ? Errno.ESTALE : 0);
}

/** Between the look and the removal another could put a file of its own there: for microseconds. */
function removeFile(folder: SocketFolder, made: Identity): void {
  lookedUp(1);
  const found = stat(folder.fd, folder.name, false);
  if (typeof found !== "number" && identityOf(found) === made) unlinkat(folder.fd, folder.name, false);
}

/** Uses what has the name of a rule's socket, opened as a name only. */
function withFile<R>(folder: SocketFolder, use: (file: number, found: FileStat) => R): R | Failed {
  lookedUp(1);
  const { PATH, NO_FOLLOW } = OpenFlags;
  const file = openat2(folder.fd, folder.name, PATH | NO_FOLLOW, 0, GUARD);
  if (file < 0) return notOpened(file);
  try {
    const found = fstat(file);
    return typeof found === "number" ? failed(-found) : use(file, found);
  } finally {
    closeFd(file);
  }
}

/** Is the socket, or the name that a rule has for it, one of the monitor's own? */
function isOwn(
  { files, paths }: OwnPlaces,
  folder: SocketFolder,
  socket: Identity | undefined,
): Failed | undefined {
  const isSame = (path: string): boolean => {
    const above = stat(AT_FDCWD, dirname(path), true);
    if (typeof above === "number") return false;
    if (identityOf(above) === folder.identity && basename(path) === folder.name) return true;
    const there = socket === undefined ? -1 : stat(AT_FDCWD, path, true);
    return typeof there !== "number" && identityOf(there) === socket;
  };
  const known = socket !== undefined && files.includes(socket);
  if (!known && !paths.some(isSame)) return undefined;
  return refused(Errno.EACCES, "monitor", "is a socket of the monitor's own, which no guest may reach");
}
