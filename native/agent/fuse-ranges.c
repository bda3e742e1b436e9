// FALLOCATE, LSEEK for data and holes, COPY_FILE_RANGE: numbers alone.

#define _GNU_SOURCE
#include <errno.h>

#include "fuse-actions.h"

// ── FALLOCATE ───────────────────────────────────────────────────────────────────────────────────────────────────────

// Modes are those of fallocate(2); the host says which it has.
static int32_t fallocate_begin(struct fuse_op *op) {
  const struct fuse_fallocate_in *in = (const void *)op->body;
  if (op_is_lost(op)) return op_fail(op, EIO);
  return op_ask(op, RW_T_MOUNT_FALLOCATE,
                rw_encode_mount_fallocate(op_fields, sizeof op_fields, op->open->handle, in->mode, in->offset,
                                          in->length));
}

static void fallocate_took(struct fuse_op *op, const struct fuse_flight *flight, const struct rw_frame *frame) {
  (void)flight;
  (void)frame;
  op->open->written = 1;
  op_done(op);
}

const struct fuse_action fuse_fallocate = {.body_bytes = sizeof(struct fuse_fallocate_in),
                                           .traits = OPENED | CHANGES,
                                           .reply = RW_T_DONE,
                                           .begin = fallocate_begin,
                                           .took = fallocate_took};

// ── LSEEK ───────────────────────────────────────────────────────────────────────────────────────────────────────────

static int32_t lseek_begin(struct fuse_op *op) {
  const struct fuse_lseek_in *in = (const void *)op->body;
  if (op_is_lost(op)) return op_fail(op, EIO);
  return op_ask(op, RW_T_MOUNT_SEEK,
                rw_encode_mount_seek(op_fields, sizeof op_fields, op->open->handle, in->whence, in->offset));
}

static void lseek_took(struct fuse_op *op, const struct fuse_flight *flight, const struct rw_frame *frame) {
  struct fuse_lseek_out out;
  (void)flight;
  if (rw_decode_u64(frame->payload, frame->bytes, &out.offset) == RW_OK) op_answer(op, &out, sizeof out);
  else op_fail(op, EIO);
}

const struct fuse_action fuse_lseek = {.body_bytes = sizeof(struct fuse_lseek_in),
                                       .traits = OPENED,
                                       .reply = RW_T_POSITION,
                                       .begin = lseek_begin,
                                       .took = lseek_took};

// ── COPY_FILE_RANGE ─────────────────────────────────────────────────────────────────────────────────────────────────

// Both are the host's: no byte of it comes here. A part at a time, so that nobody waits long.
static int32_t copy_begin(struct fuse_op *op) {
  const struct fuse_copy_file_range_in *in = (const void *)op->body;
  const struct fuse_open *to = open_at(in->fh_out);
  if (op_is_lost(op) || !to || to->epoch != op->mount->epoch) return op_fail(op, EIO);
  if (in->flags != 0) return op_fail(op, EINVAL);
  uint64_t count = in->len < FUSE_COPY_BYTES ? in->len : FUSE_COPY_BYTES;
  return op_ask(op, RW_T_MOUNT_COPY_RANGE,
                rw_encode_mount_copy_range(op_fields, sizeof op_fields, op->open->handle, to->handle, in->off_in,
                                           in->off_out, count));
}

static void copy_took(struct fuse_op *op, const struct fuse_flight *flight, const struct rw_frame *frame) {
  const struct fuse_copy_file_range_in *in = (const void *)op->body;
  struct fuse_write_out out = {.size = 0};
  (void)flight;
  if (rw_decode_u32(frame->payload, frame->bytes, &out.size) != RW_OK || out.size > in->len) {
    op_fail(op, EIO);
    return;
  }
  struct fuse_open *to = open_at(in->fh_out);
  if (out.size > 0) to->written = 1;
  op_answer(op, &out, sizeof out);
}

const struct fuse_action fuse_copy_file_range = {.body_bytes = sizeof(struct fuse_copy_file_range_in),
                                                 .traits = OPENED | CHANGES,
                                                 .reply = RW_T_WRITTEN,
                                                 .begin = copy_begin,
                                                 .took = copy_took};
