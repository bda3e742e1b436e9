// What the kernel will ask for next, asked before it does: while its program wakes up and works, the host does too.
//
//   a small file is opened to be read ──▶ all of it                 ┐ under way ──▶ kept with the open file ──▶ READ,
//   a folder's listing was used up ──▶ what is behind it            ┘     │                                   READDIR
//   (fuse-folders.c)                                                      └── an error: the host is asked again
//
// One is under way for an open file. Who comes for it meanwhile waits. What has come is used as long as the kernel may
// believe what it is told, while it was told of the file as it was when it was opened, and nothing was changed or
// locked in the mount since it was asked for: whoever has a lock, be it another file, reads what others wrote before.
//
// Invariants: open->ahead is the op that is under way for it, whose open is that one; neither outlives the other's
// word. kept_bytes is what is kept and what is asked for: nothing is asked for that could not be kept.

#include "fuse-ahead.h"

#include <stdlib.h>
#include <string.h>

#include "fuse-actions.h"
#include "ringway-posix.h"

// ── One for each open file ──────────────────────────────────────────────────────────────────────────────────────────

struct fuse_op *ahead_begin(struct fuse_mount *mount, const struct fuse_action *action, struct fuse_open *open) {
  if (open->ahead || !mount->ready || mount->under_way > mount->requests / 2) return NULL;
  struct fuse_op *op = op_own(mount, action, open);
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

struct fuse_ahead {
  struct fuse_ahead *older, *newer;
  struct fuse_open *open;
  uint32_t changes, bytes; // changes: of its mount, when it was asked for
  uint64_t size;           // and time of change, as the host's OPEN gave them
  struct rw_time modified;
  int64_t until_ms;
  uint8_t data[];
};

static uint32_t kept_bytes; // of all mounts
static struct fuse_ahead *oldest, *newest;

static void forget_file(struct fuse_open *open) {
  struct fuse_ahead *file = open->file;
  if (!file) return;
  *(file->older ? &file->older->newer : &oldest) = file->newer;
  *(file->newer ? &file->newer->older : &newest) = file->older;
  kept_bytes -= file->bytes;
  free(file);
  open->file = NULL;
}

void ahead_forget(struct fuse_open *open) {
  if (open->ahead) open->ahead->open = NULL;
  open->ahead = NULL;
  forget_file(open);
}

static int32_t file_begin(struct fuse_op *op) {
  if (!op->open || op_is_lost(op)) return op_done(op);
  op->step = op->mount->changes;
  return op_ask_with(op, RW_T_MOUNT_READ,
                     rw_encode_mount_read(op_fields, sizeof op_fields, op->open->handle, 0, op->sent), NULL,
                     (struct fuse_flight){.bytes = op->sent});
}

// What the file had when it was opened, or less, and then that is all.
static void file_took(struct fuse_op *op, const struct fuse_flight *flight, const struct rw_frame *frame) {
  struct fuse_ahead *file = NULL;
  struct fuse_open *open = op->open;
  if (open && !open->file && frame->bytes <= flight->bytes) file = malloc(sizeof *file + frame->bytes);
  if (file) {
    *file = (struct fuse_ahead){.older = newest,
                                .open = open,
                                .changes = op->step,
                                .bytes = frame->bytes,
                                .size = op->sent,
                                .modified = open->modified,
                                .until_ms = rw_posix_now_ms() + FUSE_VALID_S * 1000};
    memcpy(file->data, frame->payload, frame->bytes);
    kept_bytes += file->bytes;
    *(newest ? &newest->newer : &oldest) = file;
    newest = open->file = file;
  }
  op_done(op);
}

static void file_ended(struct fuse_op *op) {
  kept_bytes -= op->sent;
  ahead_ended(op);
}

static const struct fuse_action ahead_file = {
    .traits = OPENED, .reply = RW_T_DATA, .begin = file_begin, .took = file_took, .ended = file_ended};

void ahead_of_file(struct fuse_mount *mount, struct fuse_open *open, const struct rw_attributes *of) {
  if (of->size == 0 || of->size > FUSE_AHEAD_BYTES || of->size > mount->read_most) return;
  while (oldest && oldest->until_ms <= rw_posix_now_ms()) forget_file(oldest->open);
  if (kept_bytes + of->size > FUSE_AHEAD_KEPT_BYTES) return;
  struct fuse_op *op = ahead_begin(mount, &ahead_file, open);
  if (!op) return;
  open->modified = of->modified;
  op->sent = (uint32_t)of->size;
  kept_bytes += op->sent;
  op_queue(op);
}

static int is_good(const struct fuse_op *op, const struct fuse_ahead *file) {
  const struct rw_attributes then = {.size = file->size, .modified = file->modified};
  return file->changes == op->mount->changes && !node_differs(op->node, &then) && rw_posix_now_ms() < file->until_ms;
}

// Once: who comes again wants to know what there is now.
int ahead_read(struct fuse_op *op) {
  const struct fuse_read_in *in = (const void *)op->body;
  struct fuse_open *open = op->open;
  const struct fuse_ahead *file = open->file;
  if (!file) return 0;
  if (is_good(op, file) && in->offset < file->bytes) {
    const uint32_t left = file->bytes - (uint32_t)in->offset;
    op_answer(op, file->data + in->offset, left < in->size ? left : in->size);
    if (left > in->size) return 1;
    forget_file(open);
    return 1;
  }
  forget_file(open);
  return 0;
}
