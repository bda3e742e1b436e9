// Names that are looked for and made: LOOKUP, MKDIR, MKNOD, SYMLINK, LINK. Each is answered by the entry that there is
// then.

#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "errors.h"
#include "fuse-actions.h"
#include "fuse-replies.h"
#include "fuse-ways.h"
#include "ringway-posix.h"

// The name of a request that has one at `at`, and where it leads.
static const uint8_t *name_at(const struct fuse_op *op, uint32_t at, uint32_t *bytes) {
  const uint8_t *name = op_name(op, at, bytes);
  return name && name_is_sane(name, *bytes) ? name : NULL;
}

// Why there is no such name: the kernel takes longer ones than the host.
static uint32_t no_name(const struct fuse_op *op, uint32_t at) {
  uint32_t bytes;
  return op_name(op, at, &bytes) && bytes > RW_NAME_MAX_BYTES ? ENAMETOOLONG : EINVAL;
}

// ── LOOKUP ──────────────────────────────────────────────────────────────────────────────────────────────────────────

static int32_t lookup_begin(struct fuse_op *op) {
  uint32_t bytes;
  const uint8_t *name = name_at(op, 0, &bytes);
  if (!name) return op_fail(op, no_name(op, 0));
  struct fuse_way way = way_below(op, op->node, name, bytes);
  if (way.bytes < 0) return op_fail(op, (uint32_t)-way.bytes);
  return op_ask(op, RW_T_MOUNT_STAT,
                rw_encode_mount_stat(op_fields, sizeof op_fields, way.at, 0, way.path, (uint32_t)way.bytes));
}

static void lookup_took(struct fuse_op *op, const struct fuse_flight *flight, const struct rw_frame *frame) {
  uint32_t bytes;
  const uint8_t *name = op_name(op, 0, &bytes);
  (void)flight;
  reply_entry(op, name, bytes, frame);
}

// That there is no such name may be believed for a while, too.
static void lookup_failed(struct fuse_op *op, const struct fuse_flight *flight, uint32_t error) {
  struct fuse_entry_out nothing = {.entry_valid = FUSE_VALID_S};
  uint32_t bytes;
  const uint8_t *name = op_name(op, 0, &bytes);
  (void)flight;
  if (error != LINUX_ENOENT) {
    op_fail(op, error);
    return;
  }
  struct fuse_entry at = {op->node, name, bytes};
  nodes_gone(&op->mount->nodes, at);
  if (op->mount->is_watched) missing_told(&op->mount->missing, nodes_hash(&at), rw_posix_now_ms());
  op_answer(op, &nothing, sizeof nothing);
}

const struct fuse_action fuse_lookup = {
    .body_bytes = 1, .traits = BY_NAME | HARMLESS, .reply = RW_T_MOUNT_ATTRIBUTES,
    .begin = lookup_begin, .took = lookup_took, .failed = lookup_failed};

// ── MKDIR, MKNOD ────────────────────────────────────────────────────────────────────────────────────────────────────

static int32_t make(struct fuse_op *op, uint32_t type, uint32_t mode, uint32_t name_at_byte) {
  uint32_t bytes;
  const uint8_t *name = name_at(op, name_at_byte, &bytes);
  if (!name) return op_fail(op, no_name(op, name_at_byte));
  struct fuse_way way = way_below(op, op->node, name, bytes);
  if (way.bytes < 0) return op_fail(op, (uint32_t)-way.bytes);
  reply_makes(op->mount, &(struct fuse_entry){op->node, name, bytes});
  return op_ask(op, type,
                rw_encode_mount_make(op_fields, sizeof op_fields, way.at, mode & 07777, way.path, (uint32_t)way.bytes));
}

static int32_t mkdir_begin(struct fuse_op *op) {
  const struct fuse_mkdir_in *in = (const void *)op->body;
  return make(op, RW_T_MOUNT_MKDIR, in->mode, sizeof *in);
}

static void mkdir_took(struct fuse_op *op, const struct fuse_flight *flight, const struct rw_frame *frame) {
  uint32_t bytes;
  const uint8_t *name = op_name(op, sizeof(struct fuse_mkdir_in), &bytes);
  (void)flight;
  reply_entry(op, name, bytes, frame);
}

// Devices, FIFOs and sockets are nothing that the host would make.
static int32_t mknod_begin(struct fuse_op *op) {
  const struct fuse_mknod_in *in = (const void *)op->body;
  if (!S_ISREG(in->mode)) return op_fail(op, EPERM);
  return make(op, RW_T_MOUNT_MKNOD, in->mode, sizeof *in);
}

static void mknod_took(struct fuse_op *op, const struct fuse_flight *flight, const struct rw_frame *frame) {
  uint32_t bytes;
  const uint8_t *name = op_name(op, sizeof(struct fuse_mknod_in), &bytes);
  (void)flight;
  reply_entry(op, name, bytes, frame);
}

const struct fuse_action fuse_mkdir = {
    .body_bytes = sizeof(struct fuse_mkdir_in), .traits = BY_NAME | CHANGES, .reply = RW_T_MOUNT_ATTRIBUTES,
    .begin = mkdir_begin, .took = mkdir_took};
const struct fuse_action fuse_mknod = {
    .body_bytes = sizeof(struct fuse_mknod_in), .traits = BY_NAME | CHANGES, .reply = RW_T_MOUNT_ATTRIBUTES,
    .begin = mknod_begin, .took = mknod_took};

// ── SYMLINK ─────────────────────────────────────────────────────────────────────────────────────────────────────────

static int32_t symlink_begin(struct fuse_op *op) {
  uint32_t bytes, target_bytes;
  const uint8_t *name = name_at(op, 0, &bytes);
  if (!name) return op_fail(op, no_name(op, 0));
  const uint8_t *target = op_name(op, bytes + 1, &target_bytes);
  if (!target) return op_fail(op, ENOENT);
  struct fuse_way way = way_below(op, op->node, name, bytes);
  if (way.bytes < 0) return op_fail(op, (uint32_t)-way.bytes);
  reply_makes(op->mount, &(struct fuse_entry){op->node, name, bytes});
  return op_ask(op, RW_T_MOUNT_SYMLINK,
                rw_encode_mount_symlink(op_fields, sizeof op_fields, way.at, target, target_bytes, way.path,
                                        (uint32_t)way.bytes));
}

const struct fuse_action fuse_symlink = {
    .body_bytes = 1, .traits = BY_NAME | CHANGES, .reply = RW_T_MOUNT_ATTRIBUTES,
    .begin = symlink_begin, .took = lookup_took};

// ── LINK ────────────────────────────────────────────────────────────────────────────────────────────────────────────

static int32_t link_begin(struct fuse_op *op) {
  const struct fuse_link_in *in = (const void *)op->body;
  uint32_t bytes;
  const uint8_t *name = name_at(op, sizeof *in, &bytes);
  if (!name) return op_fail(op, no_name(op, sizeof *in));
  struct fuse_way from = way_by_name(op, nodes_at(&op->mount->nodes, in->oldnodeid));
  if (from.bytes == -ESTALE) return op_fail(op, ENOENT);
  struct fuse_way way = way_below(op, op->node, name, bytes);
  if (from.bytes < 0 || way.bytes < 0) return op_fail(op, (uint32_t)(from.bytes < 0 ? -from.bytes : -way.bytes));
  reply_makes(op->mount, &(struct fuse_entry){op->node, name, bytes});
  return op_ask(op, RW_T_MOUNT_LINK,
                rw_encode_mount_link(op_fields, sizeof op_fields, from.at, way.at, from.path, (uint32_t)from.bytes,
                                     way.path, (uint32_t)way.bytes));
}

static void link_took(struct fuse_op *op, const struct fuse_flight *flight, const struct rw_frame *frame) {
  uint32_t bytes;
  const uint8_t *name = op_name(op, sizeof(struct fuse_link_in), &bytes);
  (void)flight;
  reply_entry(op, name, bytes, frame);
}

const struct fuse_action fuse_link = {
    .body_bytes = sizeof(struct fuse_link_in), .traits = BY_NAME | CHANGES, .reply = RW_T_MOUNT_ATTRIBUTES,
    .begin = link_begin, .took = link_took};
