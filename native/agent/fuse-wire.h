// What the kernel and a file system say to each other over /dev/fuse: linux/fuse.h, as far as it is used here. musl has
// no such header. Native byte order; requests and replies begin with a header, and the rest lies behind it.

#ifndef RINGWAY_AGENT_FUSE_WIRE_H
#define RINGWAY_AGENT_FUSE_WIRE_H

#include <stdint.h>

enum {
  FUSE_MAJOR = 7,
  FUSE_MINOR = 31,      // of what is laid out here: Linux 5.4
  FUSE_ROOT_ID = 1,
  FUSE_NAME_MAX = 1024, // the kernel's own; the host's is less
};

enum fuse_opcode {
  FUSE_LOOKUP = 1,
  FUSE_FORGET = 2, // no reply
  FUSE_GETATTR = 3,
  FUSE_SETATTR = 4,
  FUSE_READLINK = 5,
  FUSE_SYMLINK = 6,
  FUSE_MKNOD = 8,
  FUSE_MKDIR = 9,
  FUSE_UNLINK = 10,
  FUSE_RMDIR = 11,
  FUSE_RENAME = 12,
  FUSE_LINK = 13,
  FUSE_OPEN = 14,
  FUSE_READ = 15,
  FUSE_WRITE = 16,
  FUSE_STATFS = 17,
  FUSE_RELEASE = 18,
  FUSE_FSYNC = 20,
  FUSE_SETXATTR = 21,
  FUSE_GETXATTR = 22,
  FUSE_LISTXATTR = 23,
  FUSE_REMOVEXATTR = 24,
  FUSE_FLUSH = 25,
  FUSE_INIT = 26,
  FUSE_OPENDIR = 27,
  FUSE_READDIR = 28,
  FUSE_RELEASEDIR = 29,
  FUSE_FSYNCDIR = 30,
  FUSE_GETLK = 31,
  FUSE_SETLK = 32,
  FUSE_SETLKW = 33,
  FUSE_CREATE = 35,
  FUSE_INTERRUPT = 36,
  FUSE_DESTROY = 38,
  FUSE_IOCTL = 39,
  FUSE_BATCH_FORGET = 42, // no reply
  FUSE_FALLOCATE = 43,
  FUSE_READDIRPLUS = 44,
  FUSE_RENAME2 = 45,
  FUSE_LSEEK = 46,
  FUSE_COPY_FILE_RANGE = 47,
  FUSE_OPCODES,
};

struct fuse_in_header {
  uint32_t len, opcode;
  uint64_t unique, nodeid;
  uint32_t uid, gid, pid, extension;
};

struct fuse_out_header {
  uint32_t len;
  int32_t error; // an errno, negative
  uint64_t unique;
};

// What is told without a request: `unique` is 0, and `error` says what it is.
enum { FUSE_NOTIFY_INVAL_INODE = 2, FUSE_NOTIFY_INC_EPOCH = 8 };
struct fuse_notify_inval_inode_out {
  uint64_t ino;
  int64_t off, len; // off below 0: attributes alone
};

// ── INIT ────────────────────────────────────────────────────────────────────────────────────────────────────────────

enum {
  FUSE_CAN_ASYNC_READ = 1 << 0,
  FUSE_CAN_POSIX_LOCKS = 1 << 1,
  FUSE_CAN_ATOMIC_O_TRUNC = 1 << 3,
  FUSE_CAN_BIG_WRITES = 1 << 5,
  FUSE_CAN_FLOCK_LOCKS = 1 << 10,
  FUSE_CAN_AUTO_INVAL_DATA = 1 << 12, // cached pages go where size or time of change are others than before
  FUSE_CAN_READDIRPLUS = 1 << 13,
  FUSE_CAN_READDIRPLUS_AUTO = 1 << 14,
  FUSE_CAN_ASYNC_DIO = 1 << 15,
  FUSE_CAN_WRITEBACK_CACHE = 1 << 16, // the kernel has size and times of change, and may read what is open to write
  FUSE_CAN_PARALLEL_DIROPS = 1 << 18,
  FUSE_CAN_MAX_PAGES = 1 << 22,
  FUSE_CAN_CACHE_SYMLINKS = 1 << 23,
  FUSE_CAN_KILLPRIV_V2 = 1 << 28, // the host clears set-id bits: no question for each write whether there are any
};

struct fuse_init_in {
  uint32_t major, minor, max_readahead, flags;
};

struct fuse_init_out {
  uint32_t major, minor, max_readahead, flags;
  uint16_t max_background, congestion_threshold;
  uint32_t max_write, time_gran;
  uint16_t max_pages, map_alignment;
  uint32_t flags2, unused[7];
};

// ── Attributes and entries ──────────────────────────────────────────────────────────────────────────────────────────

struct fuse_attr {
  uint64_t ino, size, blocks, atime, mtime, ctime;
  uint32_t atimensec, mtimensec, ctimensec, mode, nlink, uid, gid, rdev, blksize, flags;
};

struct fuse_entry_out {
  uint64_t nodeid, generation, entry_valid, attr_valid;
  uint32_t entry_valid_nsec, attr_valid_nsec;
  struct fuse_attr attr;
};

struct fuse_attr_out {
  uint64_t attr_valid;
  uint32_t attr_valid_nsec, dummy;
  struct fuse_attr attr;
};

enum { FUSE_GETATTR_FH = 1 };
struct fuse_getattr_in {
  uint32_t flags, dummy;
  uint64_t fh;
};

enum {
  FATTR_MODE = 1 << 0,
  FATTR_UID = 1 << 1,
  FATTR_GID = 1 << 2,
  FATTR_SIZE = 1 << 3,
  FATTR_ATIME = 1 << 4,
  FATTR_MTIME = 1 << 5,
  FATTR_FH = 1 << 6,
  FATTR_ATIME_NOW = 1 << 7,
  FATTR_MTIME_NOW = 1 << 8,
};
struct fuse_setattr_in {
  uint32_t valid, padding;
  uint64_t fh, size, lock_owner, atime, mtime, ctime;
  uint32_t atimensec, mtimensec, ctimensec, mode, unused4, uid, gid, unused5;
};

struct fuse_kstatfs {
  uint64_t blocks, bfree, bavail, files, ffree;
  uint32_t bsize, namelen, frsize, padding, spare[6];
};

// ── Names ───────────────────────────────────────────────────────────────────────────────────────────────────────────

struct fuse_forget_in {
  uint64_t nlookup;
};
struct fuse_forget_one {
  uint64_t nodeid, nlookup;
};
struct fuse_batch_forget_in {
  uint32_t count, dummy;
};
struct fuse_mknod_in {
  uint32_t mode, rdev, umask, padding;
};
struct fuse_mkdir_in {
  uint32_t mode, umask;
};
struct fuse_rename_in {
  uint64_t newdir;
};
struct fuse_rename2_in {
  uint64_t newdir;
  uint32_t flags, padding;
};
struct fuse_link_in {
  uint64_t oldnodeid;
};

// ── Open files ──────────────────────────────────────────────────────────────────────────────────────────────────────

struct fuse_open_in {
  uint32_t flags, open_flags;
};
struct fuse_create_in {
  uint32_t flags, mode, umask, open_flags;
};
enum { FOPEN_DIRECT_IO = 1 };
struct fuse_open_out {
  uint64_t fh;
  uint32_t open_flags, padding;
};
struct fuse_release_in {
  uint64_t fh;
  uint32_t flags, release_flags;
  uint64_t lock_owner;
};
struct fuse_flush_in {
  uint64_t fh;
  uint32_t unused, padding;
  uint64_t lock_owner;
};
struct fuse_read_in {
  uint64_t fh, offset;
  uint32_t size, read_flags;
  uint64_t lock_owner;
  uint32_t flags, padding;
};
enum { FUSE_WRITE_CACHE = 1 }; // the kernel's own, out of its cache
struct fuse_write_in {
  uint64_t fh, offset;
  uint32_t size, write_flags;
  uint64_t lock_owner;
  uint32_t flags, padding;
};
struct fuse_write_out {
  uint32_t size, padding;
};
enum { FUSE_FSYNC_DATA = 1 };
struct fuse_fsync_in {
  uint64_t fh;
  uint32_t fsync_flags, padding;
};
struct fuse_fallocate_in {
  uint64_t fh, offset, length;
  uint32_t mode, padding;
};
struct fuse_lseek_in {
  uint64_t fh, offset;
  uint32_t whence, padding;
};
struct fuse_lseek_out {
  uint64_t offset;
};
struct fuse_copy_file_range_in {
  uint64_t fh_in, off_in, nodeid_out, fh_out, off_out, len, flags;
};

struct fuse_dirent { // the name behind it, padded to 8 bytes with it
  uint64_t ino, off;
  uint32_t namelen, type;
};
struct fuse_direntplus {
  struct fuse_entry_out entry_out;
  struct fuse_dirent dirent;
};

// ── Extended attributes, locks, interrupts ──────────────────────────────────────────────────────────────────────────

struct fuse_getxattr_in {
  uint32_t size, padding;
};
struct fuse_getxattr_out {
  uint32_t size, padding;
};
struct fuse_setxattr_in { // as it is where FUSE_SETXATTR_EXT was not asked for
  uint32_t size, flags;
};

enum { FUSE_LK_FLOCK = 1 };
struct fuse_file_lock {
  uint64_t start, end; // end: the last byte
  uint32_t type, pid;
};
struct fuse_lk_in {
  uint64_t fh, owner;
  struct fuse_file_lock lk;
  uint32_t lk_flags, padding;
};
struct fuse_lk_out {
  struct fuse_file_lock lk;
};

struct fuse_interrupt_in {
  uint64_t unique;
};

#endif
