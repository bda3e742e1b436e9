// Names that go: UNLINK, RMDIR, RENAME; and READLINK.
//
// A file that is unlinked while it is open stays the host's, by its handle: nothing is renamed out of sight.

#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "errors.h"
#include "fuse-actions.h"
#include "fuse-replies.h"
#include "fuse-ways.h"

// ── UNLINK, RMDIR ───────────────────────────────────────────────────────────────────────────────────────────────────

static int32_t remove_begin(struct fuse_op *op) {
  uint32_t bytes;
  const uint8_t *name = op_name(op, 0, &bytes);
  if (!name) return op_fail(op, EINVAL);
  struct fuse_way way = way_below(op, op->node, name, bytes);
  if (way.bytes < 0) return op_fail(op, (uint32_t)-way.bytes);
  return op_ask(op, op->opcode == FUSE_RMDIR ? RW_T_MOUNT_RMDIR : RW_T_MOUNT_UNLINK,
                rw_encode_mount_path(op_fields, sizeof op_fields, way.at, way.path, (uint32_t)way.bytes));
}

static void is_gone(struct fuse_op *op) {
  uint32_t bytes;
  const uint8_t *name = op_name(op, 0, &bytes);
  nodes_gone(&op->mount->nodes, (struct fuse_entry){op->node, name, bytes});
}

static void remove_took(struct fuse_op *op, const struct fuse_flight *flight, const struct rw_frame *frame) {
  (void)flight;
  (void)frame;
  is_gone(op);
  op_done(op);
}

static void remove_failed(struct fuse_op *op, const struct fuse_flight *flight, uint32_t error) {
  (void)flight;
  if (error == LINUX_ENOENT) is_gone(op);
  op_fail(op, error);
}

const struct fuse_action fuse_unlink = {
    .body_bytes = 1, .traits = BY_NAME | CHANGES, .reply = RW_T_DONE,
    .begin = remove_begin, .took = remove_took, .failed = remove_failed};
const struct fuse_action fuse_rmdir = {
    .body_bytes = 1, .traits = BY_NAME | CHANGES, .reply = RW_T_DONE,
    .begin = remove_begin, .took = remove_took, .failed = remove_failed};

// ── RENAME, RENAME2 ─────────────────────────────────────────────────────────────────────────────────────────────────

enum { NO_REPLACE = 1, EXCHANGE = 2 }; // of renameat2(2), and of MountRename

struct renaming {
  struct fuse_entry from, to;
  uint32_t flags;
};

static int read_renaming(const struct fuse_op *op, struct renaming *to) {
  int is_second = op->opcode == FUSE_RENAME2;
  const struct fuse_rename2_in *in = (const void *)op->body;
  uint32_t at = is_second ? sizeof *in : sizeof(struct fuse_rename_in);
  to->flags = is_second ? in->flags : 0;
  to->from.parent = op->node;
  to->from.name = op_name(op, at, &to->from.bytes);
  if (!to->from.name) return 0;
  to->to.parent = nodes_at(&op->mount->nodes, in->newdir);
  to->to.name = op_name(op, at + to->from.bytes + 1, &to->to.bytes);
  return to->to.name && name_is_sane(to->to.name, to->to.bytes);
}

static int32_t rename_begin(struct fuse_op *op) {
  struct renaming asked;
  if (!read_renaming(op, &asked)) return op_fail(op, ENAMETOOLONG);
  if (asked.flags & ~(uint32_t)(NO_REPLACE | EXCHANGE)) return op_fail(op, EINVAL);
  struct fuse_way from = way_below(op, asked.from.parent, asked.from.name, asked.from.bytes);
  struct fuse_way to = way_below(op, asked.to.parent, asked.to.name, asked.to.bytes);
  if (from.bytes < 0 || to.bytes < 0) return op_fail(op, (uint32_t)(from.bytes < 0 ? -from.bytes : -to.bytes));
  reply_makes(op->mount, &asked.to);
  return op_ask(op, RW_T_MOUNT_RENAME,
                rw_encode_mount_rename(op_fields, sizeof op_fields, from.at, to.at, asked.flags, from.path,
                                       (uint32_t)from.bytes, to.path, (uint32_t)to.bytes));
}

static void rename_took(struct fuse_op *op, const struct fuse_flight *flight, const struct rw_frame *frame) {
  struct renaming asked;
  (void)flight;
  (void)frame;
  if (read_renaming(op, &asked))
    nodes_renamed(&op->mount->nodes, asked.from, asked.to, (asked.flags & EXCHANGE) != 0);
  op_done(op);
}

const struct fuse_action fuse_rename = {
    .body_bytes = sizeof(struct fuse_rename_in), .traits = ALONE | CHANGES, .reply = RW_T_DONE,
    .begin = rename_begin, .took = rename_took};
const struct fuse_action fuse_rename2 = {
    .body_bytes = sizeof(struct fuse_rename2_in), .traits = ALONE | CHANGES, .reply = RW_T_DONE,
    .begin = rename_begin, .took = rename_took};

// ── READLINK ────────────────────────────────────────────────────────────────────────────────────────────────────────

static int32_t readlink_begin(struct fuse_op *op) {
  struct fuse_way way = way_by_name(op, op->node);
  if (way.bytes < 0) return op_fail(op, (uint32_t)-way.bytes);
  return op_ask(op, RW_T_MOUNT_READLINK,
                rw_encode_mount_path(op_fields, sizeof op_fields, way.at, way.path, (uint32_t)way.bytes));
}

static void readlink_took(struct fuse_op *op, const struct fuse_flight *flight, const struct rw_frame *frame) {
  (void)flight;
  if (frame->bytes > 0 && frame->bytes <= RW_PATH_MAX_BYTES &&
      !memchr(frame->payload, 0, frame->bytes))
    op_answer(op, frame->payload, frame->bytes);
  else op_fail(op, EIO);
}

const struct fuse_action fuse_readlink = {
    .traits = BY_NAME | HARMLESS, .reply = RW_T_DATA, .begin = readlink_begin, .took = readlink_took};
