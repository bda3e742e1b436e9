// Mounts, of wire version 1.1 (PROTOCOL.md section 19): a tree of the host's files with handles, over one stream.
//
//   rw_mount            opens it; then rw_opened() and rw_decode_mount(): how much may be under way at once
//   rw_request          asks; `at` is 0 for the mount's root, or the handle of a folder
//   rw_frame_next       the next answer, in any order, told by frame.request; MountEvent has request id 0
//
// Names are bytes: paths, names and targets are what the host's files are called, whatever they would be as text. Each
// call below says for which messages it is; Data, Written, Position, StatfsReply and Done are those of ringway.h. A
// host of version 1.0 refuses the Open with EPROTONOSUPPORT (VER-2).

#ifndef RINGWAY_MOUNT_H
#define RINGWAY_MOUNT_H

#include "ringway.h"

#ifdef __cplusplus
extern "C" {
#endif

RW_API int32_t rw_mount(struct rw_stream *stream, const void *path, uint32_t path_bytes);

// ── Requests ────────────────────────────────────────────────────────────────────────────────────────────────────────

// Open of mount.
RW_API int32_t rw_encode_mount(uint8_t *to, uint32_t room, const void *path, uint32_t path_bytes);
// MountRelease, MountFlush: a handle. MountUnwatch: a watch. MountCancel: a request's id.
RW_API int32_t rw_encode_u32(uint8_t *to, uint32_t room, uint32_t value);
RW_API int32_t rw_encode_mount_open(uint8_t *to, uint32_t room, uint32_t at, uint32_t flags, uint32_t mode,
                                    const void *path, uint32_t path_bytes);
RW_API int32_t rw_encode_mount_read(uint8_t *to, uint32_t room, uint32_t handle, uint64_t offset, uint32_t count);
// The data follow: rw_request_with().
RW_API int32_t rw_encode_mount_write(uint8_t *to, uint32_t room, uint32_t handle, uint32_t flags, uint64_t offset);
RW_API int32_t rw_encode_mount_fsync(uint8_t *to, uint32_t room, uint32_t handle, uint32_t data_only);
RW_API int32_t rw_encode_mount_fallocate(uint8_t *to, uint32_t room, uint32_t handle, uint32_t mode, uint64_t offset,
                                         uint64_t count);
RW_API int32_t rw_encode_mount_copy_range(uint8_t *to, uint32_t room, uint32_t from, uint32_t into,
                                          uint64_t from_offset, uint64_t into_offset, uint64_t count);
RW_API int32_t rw_encode_mount_seek(uint8_t *to, uint32_t room, uint32_t handle, uint32_t whence, uint64_t offset);
RW_API int32_t rw_encode_mount_lock(uint8_t *to, uint32_t room, uint32_t handle, uint32_t kind, uint32_t wait,
                                    uint64_t start, uint64_t count);
RW_API int32_t rw_encode_mount_test_lock(uint8_t *to, uint32_t room, uint32_t handle, uint32_t kind, uint64_t start,
                                         uint64_t count);
// MountStat, MountListXattr.
RW_API int32_t rw_encode_mount_stat(uint8_t *to, uint32_t room, uint32_t at, uint32_t follow, const void *path,
                                    uint32_t path_bytes);
// MountReadDir, MountReadDirPlus.
RW_API int32_t rw_encode_mount_read_dir(uint8_t *to, uint32_t room, uint32_t handle, uint32_t cookie_low,
                                        uint32_t cookie_high, uint32_t entries);
// MountMkdir, MountMknod; MountWatch, whose flags stand in place of the mode.
RW_API int32_t rw_encode_mount_make(uint8_t *to, uint32_t room, uint32_t at, uint32_t mode, const void *path,
                                    uint32_t path_bytes);
RW_API int32_t rw_encode_mount_symlink(uint8_t *to, uint32_t room, uint32_t at, const void *target,
                                       uint32_t target_bytes, const void *path, uint32_t path_bytes);
RW_API int32_t rw_encode_mount_link(uint8_t *to, uint32_t room, uint32_t from_at, uint32_t into_at, const void *from,
                                    uint32_t from_bytes, const void *into, uint32_t into_bytes);
// MountReadlink, MountUnlink, MountRmdir, MountStatfs.
RW_API int32_t rw_encode_mount_path(uint8_t *to, uint32_t room, uint32_t at, const void *path, uint32_t path_bytes);
RW_API int32_t rw_encode_mount_rename(uint8_t *to, uint32_t room, uint32_t from_at, uint32_t into_at, uint32_t flags,
                                      const void *from, uint32_t from_bytes, const void *into, uint32_t into_bytes);
// MountGetXattr, MountRemoveXattr.
RW_API int32_t rw_encode_mount_xattr(uint8_t *to, uint32_t room, uint32_t at, uint32_t follow, const void *name,
                                     uint32_t name_bytes, const void *path, uint32_t path_bytes);
// The value follows: rw_request_with().
RW_API int32_t rw_encode_mount_set_xattr(uint8_t *to, uint32_t room, uint32_t at, uint32_t follow, uint32_t flags,
                                         const void *name, uint32_t name_bytes, const void *path, uint32_t path_bytes);
// MountSetAttr (MNT-13): `valid` says which of these count.
struct rw_set_attributes {
  uint32_t valid, mode, uid, gid;
  uint64_t size;
  struct rw_time accessed, modified;
};
RW_API int32_t rw_encode_mount_set_attr(uint8_t *to, uint32_t room, uint32_t at, uint32_t follow,
                                        const struct rw_set_attributes *set, const void *path, uint32_t path_bytes);

// ── Replies ─────────────────────────────────────────────────────────────────────────────────────────────────────────

struct rw_attributes { // MNT-5
  uint32_t kind, mode, links, uid, gid, device, inode_low, inode_high;
  uint64_t size, blocks;
  struct rw_time accessed, modified, changed, created;
};
RW_API int32_t rw_decode_mount_attributes(const uint8_t *from, uint32_t bytes, struct rw_attributes *to);
// MountReply: how many handles, and requests under way.
RW_API int32_t rw_decode_mount(const uint8_t *from, uint32_t bytes, uint32_t *handles, uint32_t *requests,
                               struct rw_attributes *root);
RW_API int32_t rw_decode_mount_handle(const uint8_t *from, uint32_t bytes, uint32_t *handle, struct rw_attributes *to);

struct rw_mount_lock { // MNT-18
  uint64_t start, bytes;
  uint32_t kind, reserved;
};
RW_API int32_t rw_decode_mount_lock(const uint8_t *from, uint32_t bytes, struct rw_mount_lock *to);

struct rw_mount_name { // MNT-14
  uint32_t cookie_low, cookie_high, kind, inode_low, inode_high, reserved;
  struct rw_bytes name;
};
struct rw_mount_entry {
  uint32_t cookie_low, cookie_high;
  struct rw_attributes attributes;
  struct rw_bytes name;
};
// Lists, as in ringway.h: checked whole, then walked.
RW_API int32_t rw_decode_mount_names(const uint8_t *from, uint32_t bytes, struct rw_list *names);
RW_API int32_t rw_next_mount_name(struct rw_list *names, struct rw_mount_name *name);
RW_API int32_t rw_decode_mount_entries(const uint8_t *from, uint32_t bytes, struct rw_list *entries);
RW_API int32_t rw_next_mount_entry(struct rw_list *entries, struct rw_mount_entry *entry);
RW_API int32_t rw_decode_mount_xattrs(const uint8_t *from, uint32_t bytes, struct rw_list *names);
RW_API int32_t rw_next_mount_xattr(struct rw_list *names, struct rw_bytes *name);

struct rw_mount_event { // MNT-21
  uint32_t watch, events, cookie, reserved;
  struct rw_bytes path;
};
RW_API int32_t rw_decode_mount_event(const uint8_t *from, uint32_t bytes, struct rw_mount_event *to);

#ifdef __cplusplus
}
#endif

#endif
