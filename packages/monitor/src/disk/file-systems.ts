// File systems that are no files but the kernel's own handles on processes, devices and itself. No root lies on one,
// and none is reached from a root that crosses mounts: /proc/self/mem alone would give a guest the monitor.

import { readFileSync } from "node:fs";
import { Errno, type FileStat, keepAccessTime, OpenFlags, statfs } from "@ringway/linux";

/** Of statfs(2), linux/magic.h and the file systems' own sources. */
const KERNEL_FILE_SYSTEMS: ReadonlyMap<number, string> = new Map([
  [0x9fa0, "procfs"],
  [0x62656572, "sysfs"],
  [0x27e0eb, "cgroup"],
  [0x63677270, "cgroup2"],
  [0x07655821, "resctrl"],
  [0x1cd1, "devpts"],
  [0x64626720, "debugfs"],
  [0x74726163, "tracefs"],
  [0x73636673, "securityfs"],
  [0xf97cff8c, "selinuxfs"],
  [0x43415d53, "smackfs"],
  [0x5a3c69f0, "apparmorfs"],
  [0xcafe4a11, "bpf"],
  [0x62656570, "configfs"],
  [0xde5e81e4, "efivarfs"],
  [0x6165676c, "pstore"],
  [0x65735543, "fusectl"],
  [0x19800202, "mqueue"],
  [0x42494e4d, "binfmt_misc"],
  [0x6e667364, "nfsd"],
  [0x67596969, "rpc_pipefs"],
  [0x6c6f6f70, "binder"],
  [0xabba1974, "xenfs"],
  [0x9fa2, "usbdevfs"],
  [0x9fa1, "openpromfs"],
  [0x6e736673, "nsfs"],
  [0x50494446, "pidfs"],
  [0x50495045, "pipefs"],
  [0x534f434b, "sockfs"],
  [0x09041934, "anon_inode"],
  [0x62646576, "bdev"],
  [0x444d4142, "dma-buf"],
  [0x454d444d, "devmem"],
  [0x5345434d, "secretmem"],
  [0x474d454d, "guest_memfd"],
]);

const BTRFS = 0x9123683e;

/**
 * File systems on a disk of this machine whose reads with RWF_NOWAIT take their bytes from memory alone: ext4 (and its
 * elders, which have no such reads), XFS, btrfs, F2FS. That a file system takes the flag is not enough for a thread
 * that must never wait: one in user space, or over a network, may ask its server how large the file is now before it
 * looks at what is cached, and the server may be anybody's. Those without such reads (tmpfs, overlayfs) are not asked
 * in vain.
 */
const READ_AT_ONCE: ReadonlySet<number> = new Set([0xef53, 0x58465342, BTRFS, 0xf2f52010]);

export const deviceOf = ({ deviceMajor, deviceMinor }: FileStat): string => `${deviceMajor}:${deviceMinor}`;

/** Where device nodes are: /dev is a tmpfs by its number, so the list of mounts tells. */
export function deviceNodeSystems(): readonly string[] {
  let mounts: string;
  try {
    mounts = readFileSync("/proc/self/mountinfo", "latin1");
  } catch {
    // No procfs in sight. Nodes are not opened, renamed or removed in any case.
    return [];
  }
  // 24 27 0:6 / /dev rw,relatime shared:2 - devtmpfs devtmpfs rw
  return [...mounts.matchAll(/^\d+ \d+ (\d+:\d+) .* - devtmpfs /gm)].map(([, device]) => device!);
}

/** The name of the kernel's own file system that a descriptor lies on; "" where it is one for files; or -errno. */
export function kernelFileSystem(
  fd: number,
  found: FileStat,
  nodeSystems: readonly string[],
): string | number {
  const system = statfs(fd);
  if (typeof system === "number") return system;
  return KERNEL_FILE_SYSTEMS.get(system.type) ?? (nodeSystems.includes(deviceOf(found)) ? "devtmpfs" : "");
}

/** Are files of this file system such that readAtNoWait() finds what is cached of them, and asks nobody? */
export function systemReadsAtOnce(fd: number): boolean {
  const system = statfs(fd);
  return typeof system !== "number" && READ_AT_ONCE.has(system.type);
}

/**
 * May a thread that must not wait read what is cached of this file, just opened with these flags, on such a file
 * system? Only where that is no access to be noted: the kernel notes it in the read, whatever RWF_NOWAIT says, and
 * for that waits for the file system's journal, which waits for the disk. So reads of it, a worker's too, leave its
 * access time as it is. Of another user's file the kernel does not allow that (EPERM).
 */
export function fileReadsAtOnce(fd: number, flags: number): boolean {
  if ((flags & OpenFlags.WRITE_ONLY) !== 0) return false;
  const kept = keepAccessTime(fd);
  if (kept !== -Errno.EPERM) return kept === 0;
  const system = statfs(fd);
  return typeof system !== "number" && system.keepsAccessTimes;
}

/** One mount of a btrfs shows many devices, and one of its subvolumes may be seen in several mounts. */
export function hasSubvolumes(fd: number): boolean {
  const system = statfs(fd);
  return typeof system !== "number" && system.type === BTRFS;
}
