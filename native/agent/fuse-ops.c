// Requests of the kernel to a mount, from when they come until they are answered.
//
//             a host, room in its ring, nothing renamed        the host has answered all
//   QUEUED ──────────────────────────────────────────▶ UNDER WAY ─────────────────────▶ answered
//      ▲ ▲                                               │   │
//      │ └──────────── one more step (op_more) ──────────┘   │
//      └── the stream is gone: what is harmless ─────────────┴── the rest: EIO
//
// The queue is served in its order, and stands while its first cannot go on. So a request that leads by names waits for
// a rename that is under way, and a rename for those: a name is never asked for while it is another's (MNT-3). What
// comes while no monitor is there waits for --hold-ms.
//
// Requests are in memory once: a small one in its op, a large one in the buffer that it was read into.
//
// Invariant: under_way counts the flights that count (MNT-3); by_name and alone the ops that have begun and are so.

#include "fuse-ops.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "fuse-device.h"
#include "host.h"
#include "options.h"
#include "ringway-posix.h"

uint8_t op_fields[FUSE_FIELDS_BYTES];
static struct fuse_op *free_ops;
static uint8_t *buffers[FUSE_BUFFERS_KEPT];
static uint32_t buffers_kept;

uint8_t *buffer_take(void) { return buffers_kept > 0 ? buffers[--buffers_kept] : malloc(FUSE_BUFFER_BYTES); }

void buffer_give(uint8_t *buffer) {
  if (buffer && buffers_kept < FUSE_BUFFERS_KEPT) buffers[buffers_kept++] = buffer;
  else free(buffer);
}

// ── Beginning and end ───────────────────────────────────────────────────────────────────────────────────────────────

static struct fuse_op *clean_op(struct fuse_mount *mount, const struct fuse_action *action) {
  struct fuse_op *op = free_ops ? free_ops : malloc(sizeof *op);
  if (!op) return NULL;
  if (op == free_ops) free_ops = op->next;
  memset(op, 0, offsetof(struct fuse_op, small));
  op->mount = mount;
  op->action = action;
  op->body = op->small;
  return op;
}

struct fuse_op *op_own(struct fuse_mount *mount, const struct fuse_action *action, struct fuse_open *open) {
  struct fuse_op *op = clean_op(mount, action);
  if (!op) return NULL;
  op->open = open;
  op->node = open->node;
  node_use(op->node);
  return op;
}

struct fuse_op *op_new(struct fuse_mount *mount, const struct fuse_action *action, uint8_t **buffer) {
  const struct fuse_in_header *header = (const void *)*buffer;
  uint32_t bytes = header->len - (uint32_t)sizeof *header;
  uint8_t *other = bytes > FUSE_SMALL_BYTES ? buffer_take() : NULL;
  if (bytes > FUSE_SMALL_BYTES && !other) return NULL;
  struct fuse_op *op = clean_op(mount, action);
  if (!op) {
    buffer_give(other);
    return NULL;
  }
  op->unique = header->unique;
  op->opcode = header->opcode;
  op->bytes = bytes;
  if (other) {
    op->buffer = *buffer;
    op->body = op->buffer + sizeof *header;
    *buffer = other;
  } else {
    memcpy(op->small, *buffer + sizeof *header, bytes);
  }
  return op;
}

// Behind it, names, attributes and contents may be others.
static void count_change(struct fuse_op *op) {
  if (op->action->traits & CHANGES) op->mount->changes++;
}

static void uncount_begun(struct fuse_op *op) {
  if (!op->begun) return;
  op->begun = 0;
  if (op->action->traits & BY_NAME) op->mount->by_name--;
  if (op->action->traits & ALONE) op->mount->alone--;
  count_change(op);
}

static void end(struct fuse_op *op) {
  struct fuse_mount *mount = op->mount;
  assert(op->flights == 0);
  uncount_begun(op);
  if (op->action->ended) op->action->ended(op);
  if (op->node) node_leave(&mount->nodes, op->node);
  buffer_give(op->buffer);
  if (op->out) buffer_give(op->out);
  op->next = free_ops;
  free_ops = op;
}

int32_t op_answer(struct fuse_op *op, const void *data, uint32_t bytes) {
  if (op->unique && op->mount->fd >= 0) device_answer(op->mount->fd, op->unique, 0, data, bytes);
  end(op);
  return OP_OVER;
}

int32_t op_done(struct fuse_op *op) { return op_answer(op, NULL, 0); }

// Of what is no errno of programs (EHWPOISON is the last) the kernel would make nothing good. ENOSYS would be to it
// that there is no such request, for all files and for ever: without OPEN it has no fh.
int32_t op_fail(struct fuse_op *op, uint32_t error) {
  uint32_t known = error == 0 || error > EHWPOISON ? EIO : error == ENOSYS ? EOPNOTSUPP : error;
  if (op->unique && op->mount->fd >= 0) device_answer(op->mount->fd, op->unique, known, NULL, 0);
  end(op);
  return OP_OVER;
}

// ── Asking ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const uint8_t *op_name(const struct fuse_op *op, uint32_t at, uint32_t *bytes) {
  const uint8_t *name = op->body + at;
  const uint8_t *ends = at < op->bytes ? memchr(name, 0, op->bytes - at) : NULL;
  if (!ends || ends == name) return NULL;
  *bytes = (uint32_t)(ends - name);
  return name;
}

static struct fuse_flight *new_flight(struct fuse_mount *mount) {
  for (uint32_t i = 0; i < FUSE_FLIGHTS_MAX; i++)
    if (!mount->flights[i].op) return &mount->flights[i];
  return NULL;
}

// Those that count, and those that wait for locks, which the host has places of its own for.
static int counts(const struct fuse_op *op) {
  return !(op->action->traits & UNCOUNTED) && op->opcode != FUSE_SETLKW;
}

int32_t op_ask_with(struct fuse_op *op, uint32_t type, int32_t fields, const void *data, struct fuse_flight part) {
  struct fuse_mount *mount = op->mount;
  if (fields < 0) return op_fail(op, fields == RW_TOO_LONG ? ENAMETOOLONG : EINVAL); // 2^53 and more
  struct fuse_flight *flight = new_flight(mount);
  if (!flight || (counts(op) && mount->under_way >= mount->requests)) return RW_AGAIN;
  uint32_t bytes = data ? part.bytes : 0;
  int32_t request = rw_request_with(mount->conn->stream, type, op_fields, (uint32_t)fields, data, bytes);
  if (request == RW_TOO_LONG) return op_fail(op, op->opcode == FUSE_SETXATTR ? E2BIG : ENAMETOOLONG);
  if (request < 0) return request;
  part.op = op;
  part.request = (uint32_t)request;
  *flight = part;
  op->flights++;
  mount->under_way += (uint32_t)counts(op);
  return RW_OK;
}

struct fuse_flight *ops_flight(struct fuse_mount *mount, uint32_t request) {
  for (uint32_t i = 0; i < FUSE_FLIGHTS_MAX; i++)
    if (mount->flights[i].op && mount->flights[i].request == request) return &mount->flights[i];
  return NULL;
}

static void land(struct fuse_flight *flight) {
  flight->op->mount->under_way -= (uint32_t)counts(flight->op);
  flight->op->flights--;
  flight->op = NULL;
}

int op_is_lost(const struct fuse_op *op) { return op->open->epoch != op->mount->epoch; }

// ── The queue ───────────────────────────────────────────────────────────────────────────────────────────────────────

static void count_queued(struct fuse_op *op, int by) {
  op->queued = by > 0;
  op->mount->queued += (uint32_t)by;
  if (op->buffer) op->mount->large += (uint32_t)by;
}

int ops_have_room(const struct fuse_mount *mount) {
  return mount->queued < FUSE_QUEUE_MAX && mount->large < FUSE_QUEUE_LARGE_MAX;
}

static void push(struct fuse_op *op) {
  struct fuse_mount *mount = op->mount;
  op->next = mount->first;
  mount->first = op;
  if (!op->next) mount->last = op;
  count_queued(op, 1);
}

static struct fuse_op *pop(struct fuse_mount *mount) {
  struct fuse_op *op = mount->first;
  mount->first = op->next;
  if (!mount->first) mount->last = NULL;
  count_queued(op, -1);
  return op;
}

void op_queue(struct fuse_op *op) {
  struct fuse_mount *mount = op->mount;
  op->next = NULL;
  op->due_ms = mount->ready ? 0 : rw_posix_now_ms() + options.hold_ms;
  if (mount->last) mount->last->next = op;
  else mount->first = op;
  mount->last = op;
  count_queued(op, 1);
}

void op_more(struct fuse_op *op) {
  push(op);
  if (op->mount->conn) conn_wake(op->mount->conn);
}

static int must_wait(const struct fuse_mount *mount, const struct fuse_op *op) {
  if (op->begun) return 0;
  if (op->action->traits & ALONE) return mount->by_name + mount->alone > 0;
  return (op->action->traits & BY_NAME) && mount->alone > 0;
}

static void count_begun(struct fuse_op *op) {
  if (op->begun) return;
  op->begun = 1;
  if (op->action->traits & BY_NAME) op->mount->by_name++;
  if (op->action->traits & ALONE) op->mount->alone++;
  count_change(op);
}

void ops_run(struct fuse_mount *mount) {
  while (mount->ready && !mount->broken && mount->first && !must_wait(mount, mount->first)) {
    struct fuse_op *op = pop(mount);
    count_begun(op);
    int32_t status = op->action->begin(op);
    if (status == RW_OK || status == OP_OVER) continue;
    push(op);
    if (status == RW_AGAIN) return;
    if (!host_lost(status)) mount->broken = 1;
    conn_wake(mount->conn); // who has the stream sees it, and begins another; or the epoch ends behind its turn
    return;
  }
}

// ── Answers of the host ─────────────────────────────────────────────────────────────────────────────────────────────

static uint32_t error_of(const struct rw_frame *frame) {
  struct rw_error error;
  if (rw_decode_error(frame->payload, frame->bytes, &error) != RW_OK) return EIO;
  return error.error;
}

void ops_frame(struct fuse_mount *mount, const struct rw_frame *frame) {
  struct fuse_flight *found = ops_flight(mount, frame->request);
  if (!found) return; // of a MountCancel
  struct fuse_flight flight = *found;
  struct fuse_op *op = flight.op;
  land(found);
  int fits = frame->type == op->action->reply || (op->action->reply == 0 && frame->type != RW_T_ERROR);
  uint32_t error = fits ? 0 : frame->type == RW_T_ERROR ? error_of(frame) : EIO;
  if (fits) op->action->took(op, &flight, frame);
  else if (op->action->failed) op->action->failed(op, &flight, error);
  else op_fail(op, error);
}

// ── No host ─────────────────────────────────────────────────────────────────────────────────────────────────────────

// One of which a part is still to be asked is in the queue already: its open file is lost, and it says so itself.
static void lose(struct fuse_op *op, uint32_t error) {
  if (!op->queued && !(op->action->traits & HARMLESS)) {
    op_fail(op, error);
    return;
  }
  op->step = op->sent = op->done = op->error = 0;
  if (op->queued) return;
  uncount_begun(op); // a rename that waits for it stands before it now
  op_queue(op);
}

void ops_lost(struct fuse_mount *mount, uint32_t error) {
  mount->ready = mount->broken = 0;
  mount->epoch++; // what is open is lost
  mount->unwanted_count = 0;
  for (uint32_t i = 0; i < FUSE_FLIGHTS_MAX; i++) {
    struct fuse_op *op = mount->flights[i].op;
    if (!op) continue;
    land(&mount->flights[i]);
    if (op->flights == 0) lose(op, error);
  }
  for (struct fuse_op *op = mount->first; op; op = op->next)
    if (op->due_ms == 0) op->due_ms = rw_posix_now_ms() + options.hold_ms;
}

void ops_refuse(struct fuse_mount *mount, uint32_t error) {
  while (mount->first) op_fail(pop(mount), error); // the end of one may queue what has waited for it
}

int64_t ops_expire(struct fuse_mount *mount, int64_t now) {
  if (mount->ready) return -1;
  while (mount->first && mount->first->due_ms <= now) op_fail(pop(mount), EIO);
  return mount->first ? mount->first->due_ms : -1;
}

// ── What is taken back ──────────────────────────────────────────────────────────────────────────────────────────────

// A signal ends what may wait for long: for a lock, or for a host. close(2) is never ended: its locks would stay.
static int may_be_ended(const struct fuse_op *op) {
  if (op->begun || op->flights > 0 || op->opcode == FUSE_FLUSH) return 0;
  return op->opcode == FUSE_SETLKW || !op->mount->ready;
}

int ops_interrupt_queued(struct fuse_mount *mount, uint64_t unique) {
  struct fuse_op **link = &mount->first, *before = NULL;
  for (; *link && (*link)->unique != unique; link = &(*link)->next) before = *link;
  struct fuse_op *op = *link;
  if (!op) return 0;
  op->interrupted = op->opcode == FUSE_SETLKW; // one that has begun ends with its next step
  if (!may_be_ended(op)) return 1;
  *link = op->next;
  if (mount->last == op) mount->last = before;
  count_queued(op, -1);
  op_fail(op, EINTR);
  return 1;
}

int32_t op_cancel(struct fuse_op *op) {
  const struct fuse_mount *mount = op->mount;
  for (uint32_t i = 0; i < FUSE_FLIGHTS_MAX; i++) {
    if (mount->flights[i].op != op) continue;
    int32_t fields = rw_encode_u32(op_fields, sizeof op_fields, mount->flights[i].request);
    return rw_request(mount->conn->stream, RW_T_MOUNT_CANCEL, op_fields, (uint32_t)fields);
  }
  return RW_OK;
}
