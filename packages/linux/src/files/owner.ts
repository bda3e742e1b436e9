// Whose a thing in a file system is. What a thread makes is its file system user's (setfsuid(2)), which is the
// process's user as long as nobody says otherwise. Said before, it holds from the first moment: nothing is another's at
// first, and nothing is given away by a name that may be another file's by then.
//
// All of it is the calling thread's own: the calls go to the kernel directly, since libc would change every thread.
// Between the two users nothing but `make` runs, and its thread is never left as another: where it cannot be put back,
// that is an exception which ends the thread.

import { Capability, holdsCapabilities, restoreCapabilities, savedCapabilities } from "../capabilities.ts";
import { Errno } from "../errno.ts";
import { isX64, libcCall, outcome, scratch, syscall } from "../libc.ts";
import { SystemError } from "../system-error.ts";

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

const SYS = { setfsuid: isX64 ? 122 : 151, setfsgid: isX64 ? 123 : 152 };
const setCall = syscall(["uintptr_t"]);
const chownCall = libcCall("fchownat", "int", ["int", "uintptr_t", "uint32_t", "uint32_t", "int"]);

const AT_EMPTY_PATH = 0x1000;
/** Nobody's: who is set to it stays who he is. */
const NO_ID = 0xffffffff;
const empty = scratch(1);

/** Is that the thread's user for files now? The kernel says nothing of one that it did not set. */
const isAs = ({ uid, gid }: Owner): boolean =>
  setCall(SYS.setfsuid, NO_ID) === uid && setCall(SYS.setfsgid, NO_ID) === gid;

/**
 * Makes things as `owner`'s, with the capabilities of this thread: what `make` returns, or -EPERM where the thread may
 * not (CAP_SETUID, CAP_SETGID).
 */
export function makeAs(owner: Owner, make: () => number): number {
  // Those for files go with root's user, and are taken up again.
  const capabilities = savedCapabilities();
  if (typeof capabilities === "number") return capabilities;
  const gid = setCall(SYS.setfsgid, owner.gid);
  const uid = setCall(SYS.setfsuid, owner.uid);
  try {
    if (!isAs(owner)) return -Errno.EPERM;
    const restored = restoreCapabilities(capabilities);
    return restored < 0 ? restored : make();
  } finally {
    putBack({ uid, gid }, capabilities);
  }
}

function putBack(own: Owner, capabilities: Uint8Array): void {
  setCall(SYS.setfsuid, own.uid);
  setCall(SYS.setfsgid, own.gid);
  const restored = restoreCapabilities(capabilities);
  if (restored < 0 || !isAs(own)) throw new SystemError(Errno.EPERM, "setfsuid");
}

/**
 * May this thread make things of that user and group, do with them all that it may with its own, and give it others?
 * One to which modes and owners apply may not.
 */
export function mayMakeAs(owner: Owner): boolean {
  if (isAs(owner)) return true;
  const { CHANGE_OWNER, PASS_MODES, ACT_AS_OWNER } = Capability;
  return holdsCapabilities(CHANGE_OWNER, PASS_MODES, ACT_AS_OWNER) && makeAs(owner, () => 0) === 0;
}

/**
 * Gives what is open to another user and group, also what is opened as a name only; -1: they stay. 0 or -errno (-EPERM:
 * without CAP_CHOWN).
 */
export function chownOpen(fd: number, uid: number, gid: number): number {
  return outcome(chownCall(fd, empty.address, uid >>> 0, gid >>> 0, AT_EMPTY_PATH));
}
