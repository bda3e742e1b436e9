// READ and WRITE: up to 1 MiB of the kernel's, in pieces of a frame each, all asked for at once.
//
// What is told is as far as it went without a gap: pieces come back in any order, one may be short (the file ends
// there) or fail, and then nothing behind it counts. `done` is that end, `error` what ended it.
//
// Appending is one piece after the other: each goes where the file ends by then, which the host alone knows.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "fuse-actions.h"
#include "fuse-ahead.h"

// The data end at `at`, by an error or because there is no more.
static void ends_at(struct fuse_op *op, uint32_t at, uint32_t error) {
  if (at >= op->done) return;
  op->done = at;
  op->error = error;
}

// The next piece that is to be asked for; 0: there is none.
static int next_piece(struct fuse_op *op, uint32_t size, uint32_t most, struct fuse_flight *piece) {
  if (op->step++ == 0) op->done = size;
  if (op->done < size) op->sent = size; // no more of it
  if (op->sent >= size) return 0;
  piece->at = op->sent;
  piece->bytes = size - op->sent < most ? size - op->sent : most;
  return 1;
}

// ── READ ────────────────────────────────────────────────────────────────────────────────────────────────────────────

static int32_t read_over(struct fuse_op *op) {
  if (op->done == 0 && op->error) return op_fail(op, op->error);
  return op_answer(op, op->out, op->done);
}

static int32_t read_begin(struct fuse_op *op) {
  const struct fuse_read_in *in = (const void *)op->body;
  struct fuse_flight piece = {.op = NULL};
  if (op_is_lost(op)) return op_fail(op, EIO);
  if (in->size > FUSE_DATA_BYTES) return op_fail(op, EINVAL);
  if (in->offset > RW_ALL_BYTES - in->size) return op_done(op); // no file of the host's goes so far
  const int is_new = op->step == 0 && !(in->flags & O_DIRECT);
  if (is_new && ahead_waits(op)) return RW_OK;
  if (is_new && ahead_read(op)) return OP_OVER;
  if (!op->out && !(op->out = buffer_take())) return op_fail(op, ENOMEM);
  while (next_piece(op, in->size, op->mount->read_most, &piece)) {
    int32_t fields = rw_encode_mount_read(op_fields, sizeof op_fields, op->open->handle, in->offset + piece.at,
                                          piece.bytes);
    int32_t status = op_ask_with(op, RW_T_MOUNT_READ, fields, NULL, piece);
    if (status != RW_OK) return status;
    op->sent += piece.bytes;
  }
  return op->flights > 0 ? RW_OK : read_over(op);
}

uint8_t *data_place(const struct fuse_flight *flight, uint32_t bytes) {
  if (flight->op->opcode != FUSE_READ || bytes > flight->bytes) return NULL;
  return flight->op->out + flight->at;
}

static void read_on(struct fuse_op *op) {
  const struct fuse_read_in *in = (const void *)op->body;
  if (op->flights == 0 && op->sent >= in->size) read_over(op);
}

static void read_took(struct fuse_op *op, const struct fuse_flight *flight, const struct rw_frame *frame) {
  uint8_t *place = data_place(flight, frame->bytes);
  if (!place) ends_at(op, flight->at, EIO);
  else if (place != frame->payload) memcpy(place, frame->payload, frame->bytes);
  if (place && frame->bytes < flight->bytes) ends_at(op, flight->at + frame->bytes, 0);
  read_on(op);
}

static void read_failed(struct fuse_op *op, const struct fuse_flight *flight, uint32_t error) {
  ends_at(op, flight->at, error);
  read_on(op);
}

const struct fuse_action fuse_read = {.body_bytes = sizeof(struct fuse_read_in),
                                      .traits = OPENED,
                                      .reply = RW_T_DATA,
                                      .begin = read_begin,
                                      .took = read_took,
                                      .failed = read_failed};

// ── WRITE ───────────────────────────────────────────────────────────────────────────────────────────────────────────

enum { APPEND = 1 }; // MNT-10

static int appends(const struct fuse_write_in *in) {
  return (in->flags & O_APPEND) && !(in->write_flags & FUSE_WRITE_CACHE);
}

static int32_t write_over(struct fuse_op *op) {
  struct fuse_write_out out = {.size = op->done};
  const struct fuse_write_in *in = (const void *)op->body;
  if (op->done > 0) op->open->written = 1;
  if (op->done == 0 && in->size > 0) return op_fail(op, op->error);
  return op_answer(op, &out, sizeof out);
}

static int32_t write_begin(struct fuse_op *op) {
  const struct fuse_write_in *in = (const void *)op->body;
  struct fuse_flight piece = {.op = NULL};
  if (op_is_lost(op)) return op_fail(op, EIO);
  if (op->bytes - sizeof *in < in->size) return op_fail(op, EINVAL);
  if (in->offset > RW_ALL_BYTES - in->size) return op_fail(op, EFBIG);
  int one_by_one = appends(in);
  while (next_piece(op, in->size, op->mount->write_most, &piece)) {
    int32_t fields = rw_encode_mount_write(op_fields, sizeof op_fields, op->open->handle, one_by_one ? APPEND : 0,
                                           one_by_one ? 0 : in->offset + piece.at);
    int32_t status = op_ask_with(op, RW_T_MOUNT_WRITE, fields, op->body + sizeof *in + piece.at, piece);
    if (status != RW_OK) return status;
    op->sent += piece.bytes;
    if (one_by_one) return RW_OK;
  }
  return op->flights > 0 ? RW_OK : write_over(op);
}

static void write_on(struct fuse_op *op) {
  const struct fuse_write_in *in = (const void *)op->body;
  if (op->flights > 0 || op->queued) return;
  if (op->sent < in->size && op->done == in->size) op_more(op);
  else write_over(op);
}

static void write_took(struct fuse_op *op, const struct fuse_flight *flight, const struct rw_frame *frame) {
  uint32_t bytes;
  if (rw_decode_u32(frame->payload, frame->bytes, &bytes) != RW_OK || bytes > flight->bytes)
    ends_at(op, flight->at, EIO);
  else if (bytes < flight->bytes) ends_at(op, flight->at + bytes, EIO);
  write_on(op);
}

static void write_failed(struct fuse_op *op, const struct fuse_flight *flight, uint32_t error) {
  ends_at(op, flight->at, error);
  write_on(op);
}

const struct fuse_action fuse_write = {.body_bytes = sizeof(struct fuse_write_in),
                                       .traits = OPENED | CHANGES,
                                       .reply = RW_T_WRITTEN,
                                       .begin = write_begin,
                                       .took = write_took,
                                       .failed = write_failed};
