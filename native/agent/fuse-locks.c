// Locks of programs: GETLK, SETLK, SETLKW, of fcntl(2) and flock(2).
//
// The host's locks are a handle's. Those of programs have owners: a process by fcntl(), however often it has the file
// open, and an open file by flock(). So each owner gets a handle of its own on the file, with its first lock:
//
//   first lock ── MountOpen of what is open ──▶ OWNED ── close(2) of the owner, or the file's last ──▶ MountRelease
//
// which is just what close(2) is to a lock: all of that owner's on this file are gone.
//
// flock() and fcntl() know nothing of each other, and a program may use both: flock() is a byte that lies beyond all
// others, FLOCK_AT. Ranges of fcntl() end before it.

#define _GNU_SOURCE
#include "fuse-locks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "errors.h"
#include "fuse-actions.h"
#include "fuse-replies.h"

#define FLOCK_AT (RW_ALL_BYTES - 1)
#define LAST_AT (FLOCK_AT - 1) // of fcntl()'s
#define OFFSET_MAX UINT64_C(0x7fffffffffffffff)

enum { UNLOCK = 0, SHARED = 1, EXCLUSIVE = 2 }; // MNT-18

// Steps of an op.
enum { OPENS_OWN = 1, OPENS_AS_IT_IS = 2, TRIES_AS_IT_IS = 3, LOCKS = 4 };

struct fuse_lock_owner {
  struct fuse_lock_owner *next;
  struct fuse_node *node;
  const struct fuse_open *via; // by which it came
  uint64_t owner;
  int is_flock;
  uint32_t handle, epoch;
};

static const struct fuse_lk_in *lock_of(const struct fuse_op *op) { return (const void *)op->body; }
static int is_flock(const struct fuse_op *op) { return (lock_of(op)->lk_flags & FUSE_LK_FLOCK) != 0; }

static struct fuse_lock_owner *find(const struct fuse_op *op) {
  struct fuse_lock_owner *at = op->mount->locks;
  while (at && !(at->node == op->node && at->owner == lock_of(op)->owner && at->is_flock == is_flock(op) &&
                 at->epoch == op->mount->epoch))
    at = at->next;
  return at;
}

static int own(struct fuse_op *op, uint32_t handle) {
  struct fuse_lock_owner *new = malloc(sizeof *new);
  if (!new) return 0;
  *new = (struct fuse_lock_owner){.next = op->mount->locks,
                                  .node = op->node,
                                  .via = op->open,
                                  .owner = lock_of(op)->owner,
                                  .is_flock = is_flock(op),
                                  .handle = handle,
                                  .epoch = op->mount->epoch};
  op->mount->locks = new;
  node_use(op->node);
  return 1;
}

// ── The end of locks ────────────────────────────────────────────────────────────────────────────────────────────────

static int32_t give_back(struct fuse_op *op, uint32_t handle) {
  return op_ask(op, RW_T_MOUNT_RELEASE, rw_encode_u32(op_fields, sizeof op_fields, handle));
}

// The one at `link`; of an epoch that is over there is nobody to tell.
static int32_t end_owner(struct fuse_op *op, struct fuse_lock_owner **link) {
  struct fuse_lock_owner *gone = *link;
  int32_t status = gone->epoch == op->mount->epoch ? give_back(op, gone->handle) : RW_OK;
  if (status != RW_OK) return status;
  *link = gone->next;
  node_leave(&op->mount->nodes, gone->node);
  free(gone);
  return RW_OK;
}

int32_t locks_closed(struct fuse_op *op, uint64_t owner) {
  struct fuse_lock_owner **link = &op->mount->locks;
  while (*link) {
    struct fuse_lock_owner *at = *link;
    int is_its = at->node == op->node && at->owner == owner && !at->is_flock;
    int32_t status = is_its ? end_owner(op, link) : RW_OK;
    if (status != RW_OK) return status;
    if (!is_its) link = &at->next;
  }
  return RW_OK;
}

int32_t locks_released(struct fuse_op *op, const struct fuse_open *open) {
  struct fuse_lock_owner **link = &op->mount->locks;
  while (*link) {
    struct fuse_lock_owner *at = *link;
    int is_its = at->via == open;
    int32_t status = is_its ? end_owner(op, link) : RW_OK;
    if (status != RW_OK) return status;
    if (!is_its) link = &at->next;
  }
  return RW_OK;
}

// ── Ranges ──────────────────────────────────────────────────────────────────────────────────────────────────────────

struct range {
  uint32_t kind;
  uint64_t start, bytes;
};

// 0: there is no such range on the host.
static int range_of(const struct fuse_op *op, struct range *to) {
  const struct fuse_file_lock *lock = &lock_of(op)->lk;
  to->kind = lock->type == F_RDLCK ? SHARED : lock->type == F_WRLCK ? EXCLUSIVE : UNLOCK;
  if (is_flock(op)) {
    to->start = FLOCK_AT;
    to->bytes = 1;
    return 1;
  }
  uint64_t end = lock->end < LAST_AT ? lock->end : LAST_AT;
  to->start = lock->start;
  to->bytes = end - lock->start + 1;
  return lock->start <= end;
}

// ── SETLK, SETLKW ───────────────────────────────────────────────────────────────────────────────────────────────────

// What is open, once more. First for both ways: the same owner may want the other one later.
static int32_t open_own(struct fuse_op *op, uint32_t may) {
  return op_ask(op, RW_T_MOUNT_OPEN,
                rw_encode_mount_open(op_fields, sizeof op_fields, op->open->handle, may, 0, "", 0));
}

static int32_t lock_begin(struct fuse_op *op) {
  struct range range;
  if (op_is_lost(op)) return op_fail(op, EIO);
  if (op->interrupted) return op_fail(op, EINTR);
  if (!range_of(op, &range)) return op_fail(op, EOVERFLOW);
  const struct fuse_lock_owner *owner = find(op);
  if (!owner && range.kind == UNLOCK) return op_done(op);
  if (!owner && op->step != TRIES_AS_IT_IS) {
    op->step = OPENS_OWN;
    return open_own(op, MAY_READ | MAY_WRITE);
  }
  if (!owner) {
    op->step = OPENS_AS_IT_IS;
    return open_own(op, op->open->may);
  }
  op->step = LOCKS;
  return op_ask(op, RW_T_MOUNT_LOCK,
                rw_encode_mount_lock(op_fields, sizeof op_fields, owner->handle, range.kind, op->opcode == FUSE_SETLKW,
                                     range.start, range.bytes));
}

// Another request of the same owner may have been as quick: one of the two handles goes.
static void owned(struct fuse_op *op, const struct rw_frame *frame) {
  struct rw_attributes of;
  uint32_t handle;
  if (rw_decode_mount_handle(frame->payload, frame->bytes, &handle, &of) != RW_OK || handle == 0) {
    op_fail(op, EIO);
  } else if (find(op)) {
    handle_give_back(op->mount, handle);
    op_more(op);
  } else if (own(op, handle)) {
    op_more(op);
  } else {
    handle_give_back(op->mount, handle);
    op_fail(op, ENOMEM);
  }
}

// Who has a lock reads what others have written before they gave it back, wherever: not what was asked for before.
static void locked(struct fuse_op *op) {
  op->mount->changes++;
  op_done(op);
}

static void lock_took(struct fuse_op *op, const struct fuse_flight *flight, const struct rw_frame *frame) {
  (void)flight;
  if (op->step != LOCKS && frame->type == RW_T_MOUNT_HANDLE) owned(op, frame);
  else if (op->step == LOCKS && frame->type == RW_T_DONE) locked(op);
  else op_fail(op, EIO);
}

static void lock_failed(struct fuse_op *op, const struct fuse_flight *flight, uint32_t error) {
  (void)flight;
  if (op->step == OPENS_OWN && error != LINUX_EMFILE && error != ECANCELED) {
    op->step = TRIES_AS_IT_IS;
    op_more(op);
    return;
  }
  op_fail(op, error == ECANCELED ? EINTR : error);
}

const struct fuse_action fuse_setlk = {.body_bytes = sizeof(struct fuse_lk_in),
                                       .traits = OPENED,
                                       .begin = lock_begin,
                                       .took = lock_took,
                                       .failed = lock_failed};
const struct fuse_action fuse_setlkw = {.body_bytes = sizeof(struct fuse_lk_in),
                                        .traits = OPENED,
                                        .begin = lock_begin,
                                        .took = lock_took,
                                        .failed = lock_failed};

// ── GETLK ───────────────────────────────────────────────────────────────────────────────────────────────────────────

// By the owner's handle, or its own locks would be in its way.
static int32_t getlk_begin(struct fuse_op *op) {
  struct range range;
  if (op_is_lost(op)) return op_fail(op, EIO);
  if (!range_of(op, &range)) return op_fail(op, EOVERFLOW);
  const struct fuse_lock_owner *owner = find(op);
  return op_ask(op, RW_T_MOUNT_TEST_LOCK,
                rw_encode_mount_test_lock(op_fields, sizeof op_fields, owner ? owner->handle : op->open->handle,
                                          range.kind, range.start, range.bytes));
}

static void getlk_took(struct fuse_op *op, const struct fuse_flight *flight, const struct rw_frame *frame) {
  struct rw_mount_lock found;
  struct fuse_lk_out out = {.lk = {.type = F_UNLCK}};
  (void)flight;
  if (rw_decode_mount_lock(frame->payload, frame->bytes, &found) != RW_OK || found.kind > EXCLUSIVE) {
    op_fail(op, EIO);
    return;
  }
  if (found.kind != UNLOCK) {
    uint64_t last = found.start + found.bytes - 1;
    out.lk.type = found.kind == SHARED ? F_RDLCK : F_WRLCK;
    out.lk.start = found.start;
    out.lk.end = found.bytes == 0 || last >= LAST_AT ? OFFSET_MAX : last;
  }
  op_answer(op, &out, sizeof out);
}

const struct fuse_action fuse_getlk = {.body_bytes = sizeof(struct fuse_lk_in),
                                       .traits = OPENED | HARMLESS,
                                       .reply = RW_T_MOUNT_LOCK_FOUND,
                                       .begin = getlk_begin,
                                       .took = getlk_took};
