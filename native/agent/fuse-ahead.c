// What the kernel will ask for next, asked before it does: while its program wakes up and works, the host does too.
//
//   a small file is opened to be read ──▶ all of it                 ┐ under way ──▶ kept with the open file ──▶ READ,
//   a folder's listing was used up ──▶ what is behind it            ┘     │                                   READDIR
//   (fuse-folders.c)                                                      └── an error: the host is asked again
//
// One is under way for an open file. Who comes for it meanwhile waits. What has come is used as long as the kernel may
// believe what it is told, and while nothing of it was changed or locked here.
//
// Invariant: open->ahead is the op that is under way for it, whose open is that one; neither outlives the other's word.

#include "fuse-ahead.h"

#include <stdlib.h>
#include <string.h>

#include "fuse-actions.h"
#include "ringway-posix.h"

// ── One for each open file ──────────────────────────────────────────────────────────────────────────────────────────

struct fuse_op *ahead_begin(struct fuse_mount *mount, const struct fuse_action *action, struct fuse_open *open) {
  struct fuse_op *op = open->ahead || !mount->ready ? NULL : op_own(mount, action, open);
  if (!op) return NULL;
  open->ahead = op;
  return op;
}

void ahead_ended(struct fuse_op *op) {
  if (op->open) op->open->ahead = NULL;
  if (op->waiter) op_more(op->waiter);
}

int ahead_waits(struct fuse_op *op) {
  struct fuse_op *ahead = op->open->ahead;
  if (!ahead || ahead->waiter) return 0;
  ahead->waiter = op;
  return 1;
}

// ── Files ───────────────────────────────────────────────────────────────────────────────────────────────────────────

static uint32_t kept_bytes; // of all mounts

struct fuse_ahead {
  uint32_t writes, bytes; // writes: as many as its node had had when it was asked for
  int64_t until_ms;
  uint8_t data[];
};

static void forget_file(struct fuse_open *open) {
  if (!open->file) return;
  kept_bytes -= open->file->bytes;
  free(open->file);
  open->file = NULL;
}

void ahead_forget(struct fuse_open *open) {
  if (open->ahead) open->ahead->open = NULL;
  open->ahead = NULL;
  forget_file(open);
}

static int32_t file_begin(struct fuse_op *op) {
  if (!op->open || op_is_lost(op)) return op_done(op);
  op->step = op->node->writes;
  return op_ask_with(op, RW_T_MOUNT_READ,
                     rw_encode_mount_read(op_fields, sizeof op_fields, op->open->handle, 0, op->mount->read_most), NULL,
                     (struct fuse_flight){.bytes = op->mount->read_most});
}

// Fewer bytes than were asked for are all that there are.
static void file_took(struct fuse_op *op, const struct fuse_flight *flight, const struct rw_frame *frame) {
  struct fuse_ahead *file = NULL;
  if (op->open && !op->open->file && frame->bytes < flight->bytes && kept_bytes + frame->bytes <= FUSE_AHEAD_KEPT_BYTES)
    file = malloc(sizeof *file + frame->bytes);
  if (file) {
    *file = (struct fuse_ahead){
        .writes = op->step, .bytes = frame->bytes, .until_ms = rw_posix_now_ms() + FUSE_VALID_S * 1000};
    memcpy(file->data, frame->payload, frame->bytes);
    kept_bytes += file->bytes;
    op->open->file = file;
  }
  op_done(op);
}

static const struct fuse_action ahead_file = {
    .traits = OPENED, .reply = RW_T_DATA, .begin = file_begin, .took = file_took, .ended = ahead_ended};

void ahead_of_file(struct fuse_mount *mount, struct fuse_open *open, uint64_t size) {
  if (size == 0 || size > FUSE_AHEAD_BYTES || size >= mount->read_most) return;
  struct fuse_op *op = ahead_begin(mount, &ahead_file, open);
  if (op) op_queue(op);
}

// Once: who comes again wants to know what there is now.
int ahead_read(struct fuse_op *op) {
  const struct fuse_read_in *in = (const void *)op->body;
  struct fuse_open *open = op->open;
  const struct fuse_ahead *file = open->file;
  if (!file) return 0;
  const int is_good = file->writes == op->node->writes && rw_posix_now_ms() < file->until_ms;
  if (is_good && in->offset < file->bytes) {
    const uint32_t left = file->bytes - (uint32_t)in->offset;
    op_answer(op, file->data + in->offset, left < in->size ? left : in->size);
    if (left > in->size) return 1;
    forget_file(open);
    return 1;
  }
  forget_file(open);
  return 0;
}
