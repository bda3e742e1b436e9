// Open files: OPEN, CREATE, RELEASE, FLUSH, FSYNC; and RELEASEDIR, FSYNCDIR, which are the same.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>

#include "errors.h"
#include "fuse-actions.h"
#include "fuse-ahead.h"
#include "fuse-device.h"
#include "fuse-locks.h"
#include "fuse-replies.h"
#include "fuse-ways.h"

enum { AS_ASKED = 1 }; // an op's `sent`: not with more rights
enum { CREATE = 4, EXCLUSIVE = 8, TRUNCATE = 32, NO_FOLLOW = 64 }; // MNT-7

static uint32_t access_of(uint32_t flags) {
  switch (flags & O_ACCMODE) {
    case O_RDONLY: return MAY_READ;
    case O_WRONLY: return MAY_WRITE;
    default: return MAY_READ | MAY_WRITE;
  }
}

// Where the kernel writes later it reads what is around the bytes that are written.
static uint32_t access_for(const struct fuse_mount *mount, uint32_t flags) {
  uint32_t access = access_of(flags);
  return mount->writes_back && access == MAY_WRITE ? MAY_READ | MAY_WRITE : access;
}

// O_RDONLY may go with O_TRUNC.
static uint32_t wish_of(uint32_t flags, uint32_t access) {
  uint32_t cut = flags & O_TRUNC ? TRUNCATE | MAY_WRITE : 0;
  return access | NO_FOLLOW | cut | (flags & O_EXCL ? EXCLUSIVE : 0);
}

// ── OPEN ────────────────────────────────────────────────────────────────────────────────────────────────────────────

static int32_t open_begin(struct fuse_op *op) {
  const struct fuse_open_in *in = (const void *)op->body;
  struct fuse_way way = op->node->names ? way_by_name(op, op->node) : way_to(op, op->node, 0);
  if (way.bytes < 0) return op_fail(op, (uint32_t)-way.bytes);
  op->step = way.at == 0;
  op->done = op->sent == AS_ASKED ? access_of(in->flags) : access_for(op->mount, in->flags);
  uint32_t flags = wish_of(in->flags & ~(uint32_t)O_EXCL, op->done);
  return op_ask(op, RW_T_MOUNT_OPEN,
                rw_encode_mount_open(op_fields, sizeof op_fields, way.at, flags, 0, way.path, (uint32_t)way.bytes));
}

static void open_took(struct fuse_op *op, const struct fuse_flight *flight, const struct rw_frame *frame) {
  const struct fuse_open_in *in = (const void *)op->body;
  struct fuse_mount *mount = op->mount;
  struct rw_attributes of;
  uint32_t handle;
  (void)flight;
  if (rw_decode_mount_handle(frame->payload, frame->bytes, &handle, &of) != RW_OK || handle == 0) {
    op_fail(op, EIO);
    return;
  }
  if (in->flags & O_TRUNC) mount->changes++;
  // Another file, by name: the kernel looks for the name again, and opens that.
  int is_other = op->step ? !nodes_is(&mount->nodes, op->node, &of) : of.kind != op->node->kind;
  struct fuse_open *open = is_other ? NULL : open_new(op->node, handle, mount->epoch, op->done);
  if (!open) {
    handle_give_back(mount, handle);
    if (is_other) nodes_stale(&mount->nodes, op->node);
    op_fail(op, is_other ? ESTALE : ENOMEM);
    return;
  }
  // Who opens a file sees all of what was written before.
  if (node_differs(op->node, &of)) device_forget_attributes(mount->fd, nodes_id(&mount->nodes, op->node));
  struct fuse_open_out out = {.fh = open_id(open), .open_flags = op->sent == AS_ASKED ? FOPEN_DIRECT_IO : 0};
  const int is_read = op->sent != AS_ASKED && (in->flags & (O_ACCMODE | O_TRUNC | O_DIRECT)) == O_RDONLY;
  op_answer(op, &out, sizeof out);
  if (is_read) ahead_of_file(mount, open, &of);
}

// Nobody may read it: then what is written is written at once.
static void open_failed(struct fuse_op *op, const struct fuse_flight *flight, uint32_t error) {
  const struct fuse_open_in *in = (const void *)op->body;
  (void)flight;
  if (error != LINUX_EACCES || op->done == access_of(in->flags)) {
    op_fail(op, error);
    return;
  }
  op->sent = AS_ASKED;
  op_more(op);
}

const struct fuse_action fuse_open_file = {.body_bytes = sizeof(struct fuse_open_in),
                                           .traits = BY_NAME,
                                           .reply = RW_T_MOUNT_HANDLE,
                                           .begin = open_begin,
                                           .took = open_took,
                                           .failed = open_failed};

// ── CREATE ──────────────────────────────────────────────────────────────────────────────────────────────────────────

// What there is opens as O_CREAT or not says nothing of: with no more rights than those that are asked for.
static uint32_t create_flags(const struct fuse_op *op, int as_asked) {
  const struct fuse_create_in *in = (const void *)op->body;
  if (as_asked) return wish_of(in->flags, access_of(in->flags));
  // O_RDONLY may go with O_CREAT; with the host, only who may write makes files.
  return wish_of(in->flags, access_for(op->mount, in->flags)) | CREATE | MAY_WRITE;
}

static int32_t create_begin(struct fuse_op *op) {
  const struct fuse_create_in *in = (const void *)op->body;
  uint32_t bytes;
  const uint8_t *name = op_name(op, sizeof *in, &bytes);
  if (name && bytes > RW_NAME_MAX_BYTES) return op_fail(op, ENAMETOOLONG);
  if (!name || !name_is_sane(name, bytes)) return op_fail(op, EINVAL);
  struct fuse_way way = way_below(op, op->node, name, bytes);
  if (way.bytes < 0) return op_fail(op, (uint32_t)-way.bytes);
  uint32_t flags = create_flags(op, op->sent == AS_ASKED);
  op->done = op->sent == AS_ASKED ? access_of(in->flags) : access_for(op->mount, in->flags);
  reply_makes(op->mount, &(struct fuse_entry){op->node, name, bytes});
  return op_ask(op, RW_T_MOUNT_OPEN,
                rw_encode_mount_open(op_fields, sizeof op_fields, way.at, flags, in->mode & 07777,
                                     way.path, (uint32_t)way.bytes));
}

static void create_took(struct fuse_op *op, const struct fuse_flight *flight, const struct rw_frame *frame) {
  const struct fuse_create_in *in = (const void *)op->body;
  struct {
    struct fuse_entry_out entry;
    struct fuse_open_out open;
  } out = {.open = {.fh = 0}};
  struct fuse_entry at = {.parent = op->node};
  struct rw_attributes of;
  uint32_t handle;
  (void)flight;
  at.name = op_name(op, sizeof *in, &at.bytes);
  if (rw_decode_mount_handle(frame->payload, frame->bytes, &handle, &of) != RW_OK || handle == 0) {
    op_fail(op, EIO);
    return;
  }
  if (!attributes_are_sane(&of) || of.kind != RW_KIND_FILE) {
    handle_give_back(op->mount, handle);
    op_fail(op, EIO);
    return;
  }
  struct fuse_node *node = reply_found(op->mount, at, &of, &out.entry);
  struct fuse_open *open = node ? open_new(node, handle, op->mount->epoch, op->done) : NULL;
  if (!open) {
    if (node) nodes_forget(&op->mount->nodes, node, 1);
    handle_give_back(op->mount, handle);
    op_fail(op, ENOMEM);
    return;
  }
  out.open.fh = open_id(open);
  if (op->sent == AS_ASKED) out.open.open_flags = FOPEN_DIRECT_IO;
  op_answer(op, &out, sizeof out);
}

// The host may have made it since the kernel looked for it, and nobody may write it, or read it: it opens all the same
// for who asks for no more than there is.
static void create_failed(struct fuse_op *op, const struct fuse_flight *flight, uint32_t error) {
  const struct fuse_create_in *in = (const void *)op->body;
  const uint32_t first = create_flags(op, 0) & ~(uint32_t)CREATE;
  (void)flight;
  if (op->sent == AS_ASKED) {
    op_fail(op, error == LINUX_ENOENT ? op->error : error);
  } else if ((error != LINUX_EACCES && error != LINUX_EROFS) || in->flags & O_EXCL || first == create_flags(op, 1)) {
    op_fail(op, error);
  } else {
    op->sent = AS_ASKED;
    op->error = error;
    op_more(op);
  }
}

const struct fuse_action fuse_create = {.body_bytes = sizeof(struct fuse_create_in),
                                        .traits = BY_NAME | CHANGES,
                                        .reply = RW_T_MOUNT_HANDLE,
                                        .begin = create_begin,
                                        .took = create_took,
                                        .failed = create_failed};

// ── RELEASE, RELEASEDIR ─────────────────────────────────────────────────────────────────────────────────────────────

// The locks that were made by it go with it: before the file, or after the epoch.
static int32_t release_begin(struct fuse_op *op) {
  struct fuse_open *open = op->open;
  int32_t status = locks_released(op, open);
  if (status != RW_OK) return status;
  if (!op_is_lost(op)) {
    int32_t fields = rw_encode_u32(op_fields, sizeof op_fields, open->handle);
    status = op_ask(op, RW_T_MOUNT_RELEASE, fields);
    if (status != RW_OK) return status;
  }
  op->open = NULL;
  ahead_forget(open);
  open_free(&op->mount->nodes, open);
  return op->flights > 0 ? RW_OK : op_done(op);
}

// Of the file, and of handles for locks.
static void release_took(struct fuse_op *op, const struct fuse_flight *flight, const struct rw_frame *frame) {
  (void)flight;
  (void)frame;
  if (op->flights == 0 && !op->open) op_done(op);
}

static void release_failed(struct fuse_op *op, const struct fuse_flight *flight, uint32_t error) {
  (void)error; // close(2) has no use for it
  release_took(op, flight, NULL);
}

// Nobody was there to be told.
static void release_ended(struct fuse_op *op) {
  if (!op->open) return;
  if (op_is_lost(op)) locks_released(op, op->open);
  ahead_forget(op->open);
  open_free(&op->mount->nodes, op->open);
}

const struct fuse_action fuse_release = {.body_bytes = sizeof(struct fuse_release_in),
                                         .traits = OPENED | UNCOUNTED,
                                         .reply = RW_T_DONE,
                                         .begin = release_begin,
                                         .took = release_took,
                                         .failed = release_failed,
                                         .ended = release_ended};

// ── FLUSH, FSYNC, FSYNCDIR ──────────────────────────────────────────────────────────────────────────────────────────

// close(2): the locks of its owner on this file are gone, and what was written has its last word. After a loss there is
// none: what was written was at the host by then.
static int32_t flush_begin(struct fuse_op *op) {
  const struct fuse_flush_in *in = (const void *)op->body;
  int32_t status = locks_closed(op, in->lock_owner);
  if (status != RW_OK) return status;
  if (op->open->written && !op_is_lost(op)) {
    status = op_ask(op, RW_T_MOUNT_FLUSH, rw_encode_u32(op_fields, sizeof op_fields, op->open->handle));
    if (status != RW_OK) return status;
  }
  op->open->written = 0;
  op->step = 1; // all is asked
  if (op->flights > 0) return RW_OK;
  return op->error ? op_fail(op, op->error) : op_done(op);
}

static void flush_failed(struct fuse_op *op, const struct fuse_flight *flight, uint32_t error) {
  (void)flight;
  if (error) op->error = error;
  if (op->flights > 0 || op->step == 0) return;
  if (op->error) op_fail(op, op->error);
  else op_done(op);
}

static void flush_took(struct fuse_op *op, const struct fuse_flight *flight, const struct rw_frame *frame) {
  (void)frame;
  flush_failed(op, flight, 0);
}

const struct fuse_action fuse_flush = {.body_bytes = sizeof(struct fuse_flush_in),
                                       .traits = OPENED,
                                       .reply = RW_T_DONE,
                                       .begin = flush_begin,
                                       .took = flush_took,
                                       .failed = flush_failed};

static int32_t fsync_begin(struct fuse_op *op) {
  const struct fuse_fsync_in *in = (const void *)op->body;
  if (op_is_lost(op)) return op_fail(op, EIO);
  return op_ask(op, RW_T_MOUNT_FSYNC,
                rw_encode_mount_fsync(op_fields, sizeof op_fields, op->open->handle,
                                      (in->fsync_flags & FUSE_FSYNC_DATA) != 0));
}

static void fsync_took(struct fuse_op *op, const struct fuse_flight *flight, const struct rw_frame *frame) {
  (void)flight;
  (void)frame;
  op_done(op);
}

const struct fuse_action fuse_fsync = {.body_bytes = sizeof(struct fuse_fsync_in),
                                       .traits = OPENED,
                                       .reply = RW_T_DONE,
                                       .begin = fsync_begin,
                                       .took = fsync_took};
