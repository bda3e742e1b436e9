// GETATTR, SETATTR, STATFS.
//
// A node that is open is asked about by its handle: that is the file itself. By name it may be another one by now, and
// then the kernel is told ESTALE, looks for the name again and finds it.

#define _GNU_SOURCE
#include <errno.h>

#include "errors.h"
#include "fuse-actions.h"
#include "fuse-replies.h"
#include "fuse-ways.h"

enum { BY_HANDLE = 0, BY_ITS_NAME = 1 }; // an op's `step`

static void attributes_took(struct fuse_op *op, const struct fuse_flight *flight, const struct rw_frame *frame) {
  struct rw_attributes of;
  (void)flight;
  if (rw_decode_mount_attributes(frame->payload, frame->bytes, &of) != RW_OK || !attributes_are_sane(&of)) {
    op_fail(op, EIO);
  } else if (op->step == BY_ITS_NAME ? nodes_is(&op->mount->nodes, op->node, &of) : op->node->kind == of.kind) {
    reply_attributes(op, &of);
  } else {
    nodes_stale(&op->mount->nodes, op->node);
    op_fail(op, ESTALE);
  }
}

// ── GETATTR ─────────────────────────────────────────────────────────────────────────────────────────────────────────

static int32_t getattr_begin(struct fuse_op *op) {
  struct fuse_way way = way_to(op, op->node, 0);
  if (way.bytes < 0) return op_fail(op, (uint32_t)-way.bytes);
  op->step = way.at == 0 ? BY_ITS_NAME : BY_HANDLE;
  return op_ask(op, RW_T_MOUNT_STAT,
                rw_encode_mount_stat(op_fields, sizeof op_fields, way.at, 0, way.path, (uint32_t)way.bytes));
}

const struct fuse_action fuse_getattr = {.body_bytes = sizeof(struct fuse_getattr_in),
                                         .traits = BY_NAME | HARMLESS,
                                         .reply = RW_T_MOUNT_ATTRIBUTES,
                                         .begin = getattr_begin,
                                         .took = attributes_took};

// ── SETATTR ─────────────────────────────────────────────────────────────────────────────────────────────────────────

enum { SET_MODE = 1, SET_UID = 2, SET_GID = 4, SET_SIZE = 8, SET_ACCESSED = 16, SET_MODIFIED = 32 }; // MNT-13
enum { ACCESSED_NOW = 64, MODIFIED_NOW = 128 };

static struct rw_set_attributes changes_of(const struct fuse_mount *mount, const struct fuse_setattr_in *in) {
  struct rw_set_attributes set = {
      .mode = in->mode & 07777,
      .uid = owner_map_uid(&mount->owners, in->uid),
      .gid = owner_map_gid(&mount->owners, in->gid),
      .size = in->size,
      .accessed = {.seconds = (int64_t)in->atime, .nanoseconds = in->atimensec},
      .modified = {.seconds = (int64_t)in->mtime, .nanoseconds = in->mtimensec},
  };
  if (in->valid & FATTR_MODE) set.valid |= SET_MODE;
  if (in->valid & FATTR_UID) set.valid |= SET_UID;
  if (in->valid & FATTR_GID) set.valid |= SET_GID;
  if (in->valid & FATTR_SIZE) set.valid |= SET_SIZE;
  if (in->valid & FATTR_ATIME) set.valid |= in->valid & FATTR_ATIME_NOW ? ACCESSED_NOW : SET_ACCESSED;
  if (in->valid & FATTR_MTIME) set.valid |= in->valid & FATTR_MTIME_NOW ? MODIFIED_NOW : SET_MODIFIED;
  return set;
}

// ftruncate(2) is the open file's alone: by name it may be another one.
static int is_of_open(const struct fuse_setattr_in *in) { return (in->valid & FATTR_FH) != 0; }

static int32_t setattr_begin(struct fuse_op *op) {
  const struct fuse_setattr_in *in = (const void *)op->body;
  struct rw_set_attributes set = changes_of(op->mount, in);
  const struct fuse_open *open = is_of_open(in) ? open_at(in->fh) : NULL;
  if (is_of_open(in) && (!open || open->epoch != op->mount->epoch)) return op_fail(op, EIO);
  if ((set.valid & SET_SIZE) && set.size > RW_ALL_BYTES) return op_fail(op, EFBIG);
  struct fuse_way way = open                      ? way_by_handle(open)
                        : op->step == BY_ITS_NAME ? way_by_name(op, op->node)
                                                  : way_to(op, op->node, set.valid & SET_SIZE ? MAY_WRITE : 0);
  if (way.bytes < 0) return op_fail(op, (uint32_t)-way.bytes);
  op->step = way.at == 0 ? BY_ITS_NAME : BY_HANDLE;
  return op_ask(op, RW_T_MOUNT_SET_ATTR,
                rw_encode_mount_set_attr(op_fields, sizeof op_fields, way.at, 0, &set, way.path, (uint32_t)way.bytes));
}

// A new policy may have taken the handle's right to it, and not the name's (MNT-22).
static void setattr_failed(struct fuse_op *op, const struct fuse_flight *flight, uint32_t error) {
  (void)flight;
  if (error != LINUX_EACCES || op->step == BY_ITS_NAME || !op->node->names || is_of_open((const void *)op->body)) {
    op_fail(op, error);
    return;
  }
  op->step = BY_ITS_NAME;
  op_more(op);
}

const struct fuse_action fuse_setattr = {.body_bytes = sizeof(struct fuse_setattr_in),
                                         .traits = BY_NAME | CHANGES,
                                         .reply = RW_T_MOUNT_ATTRIBUTES,
                                         .begin = setattr_begin,
                                         .took = attributes_took,
                                         .failed = setattr_failed};

// ── STATFS ──────────────────────────────────────────────────────────────────────────────────────────────────────────

static int32_t statfs_begin(struct fuse_op *op) {
  struct fuse_way way = way_to(op, op->node, 0);
  if (way.bytes < 0) return op_fail(op, (uint32_t)-way.bytes);
  return op_ask(op, RW_T_MOUNT_STATFS,
                rw_encode_mount_path(op_fields, sizeof op_fields, way.at, way.path, (uint32_t)way.bytes));
}

static void statfs_took(struct fuse_op *op, const struct fuse_flight *flight, const struct rw_frame *frame) {
  struct rw_statfs of;
  (void)flight;
  if (rw_decode_statfs(frame->payload, frame->bytes, &of) != RW_OK) {
    op_fail(op, EIO);
    return;
  }
  struct fuse_kstatfs out = {.blocks = of.blocks,
                             .bfree = of.blocks_free,
                             .bavail = of.blocks_available,
                             .files = of.files,
                             .ffree = of.files_free,
                             .bsize = of.block_bytes,
                             .frsize = of.block_bytes,
                             .namelen = of.name_max_bytes};
  op_answer(op, &out, sizeof out);
}

const struct fuse_action fuse_statfs = {
    .traits = BY_NAME | HARMLESS, .reply = RW_T_STATFS_REPLY, .begin = statfs_begin, .took = statfs_took};
