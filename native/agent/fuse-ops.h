// Requests of the kernel to a mount, from when they come until they are answered: see fuse-ops.c.

#ifndef RINGWAY_AGENT_FUSE_OPS_H
#define RINGWAY_AGENT_FUSE_OPS_H

#include <stddef.h>

#include "fuse-attributes.h"
#include "fuse-missing.h"
#include "fuse-nodes.h"
#include "fuse-opens.h"
#include "table.h"

struct fuse_op;

// A request of ours that the host has not answered yet, for an op: a part of its data, or a step of it.
struct fuse_flight {
  struct fuse_op *op; // NULL: free
  uint32_t request;
  uint32_t at, bytes; // of the data
};

enum fuse_traits {
  BY_NAME = 1,    // it leads by names: not while one is renamed
  ALONE = 2,      // it changes names that others are led by
  HARMLESS = 4,   // what it asks for changes nothing: after a loss it is asked again
  UNCOUNTED = 8,  // the host takes it however many are under way (MNT-3)
  OPENED = 16,    // it begins with an open file
  CHANGES = 32,   // what is known of files may be something else behind it
};

enum { OP_OVER = 1 }; // of `begin`: it is answered, and gone

struct fuse_action {
  uint32_t body_bytes; // behind the header, at least
  uint32_t traits;
  uint32_t reply;      // the type of the host's; 0: `took` looks itself
  // Asks the host, once or several times: RW_OK, all is asked; RW_AGAIN, the ring is full, and it is called again when
  // there is room, or the next answer is there; another status of the library's; or OP_OVER.
  int32_t (*begin)(struct fuse_op *op);
  // The host has answered, as it should. The op is answered in it, or more is asked (op_more()).
  void (*took)(struct fuse_op *op, const struct fuse_flight *flight, const struct rw_frame *frame);
  // It answered with an Error, or with what is no answer to it (EIO). NULL: so is the op.
  void (*failed)(struct fuse_op *op, const struct fuse_flight *flight, uint32_t error);
  void (*ended)(struct fuse_op *op); // whatever became of it. NULL: nothing to do
};

struct fuse_op {
  struct fuse_op *next; // in the queue, or among the free
  struct fuse_mount *mount;
  const struct fuse_action *action;
  struct fuse_node *node;
  struct fuse_open *open;  // of READ and the like
  struct fuse_op *waiter;  // of fuse-ahead.c: what waits for it
  uint64_t unique;         // 0: nobody waits for an answer
  uint32_t opcode;
  int queued;
  int interrupted;         // its program has something else to do
  int begun;               // it counts in the mount's by_name, or alone
  uint32_t flights;
  uint32_t step, sent, done, error; // its action's
  int64_t due_ms;          // while there is no host
  const uint8_t *body;     // of the request, behind the header
  uint32_t bytes;
  uint8_t *buffer;         // of the pool, with `body` in it; or NULL: it is in `small`
  uint8_t *out;            // of the pool, or NULL
  uint8_t small[FUSE_SMALL_BYTES];
};

struct fuse_mount {
  const char *path;  // of the host's, as the policy names it
  const char *point; // where it is here
  int fd;            // the device's; -1: it is mounted no more
  int readable;      // and there may be a request
  struct conn *conn; // its stream's, or NULL
  int ready;         // the stream is open
  int broken;        // and was found to be broken
  uint32_t refused;  // an errno: the host has no such mount
  int64_t retry_ms;  // no stream before
  uint32_t epoch;    // streams so far
  uint32_t requests; // that may be under way
  uint32_t read_most, write_most; // bytes in one frame
  int is_watched, writes_back; // words of --mount
  uint32_t watch, watch_request; // the host's, 0: none; and what asks for it, until it is answered
  struct fuse_missing missing;
  struct fuse_owner_map owners;
  struct fuse_nodes nodes;
  struct fuse_lock_owner *locks; // fuse-locks.c
  struct fuse_op *first, *last;
  uint32_t queued, under_way, by_name, alone;
  uint32_t large; // of those in the queue, with a buffer
  uint32_t changes;  // grows with each, and with each lock
  uint32_t unwanted[FUSE_FLIGHTS_MAX]; // handles that are still to be given back: fuse-replies.c
  uint32_t unwanted_count;
  struct fuse_flight flights[FUSE_FLIGHTS_MAX];
};

// ── Beginning and end ───────────────────────────────────────────────────────────────────────────────────────────────

uint8_t *buffer_take(void); // of FUSE_BUFFER_BYTES; NULL: no memory
void buffer_give(uint8_t *buffer);
// A request that came: `*buffer` is taken over, and set to another, where it must be kept. NULL: no memory.
struct fuse_op *op_new(struct fuse_mount *mount, const struct fuse_action *action, uint8_t **buffer);
// One that nobody has asked for, with an open file. NULL: no memory.
struct fuse_op *op_own(struct fuse_mount *mount, const struct fuse_action *action, struct fuse_open *open);
void op_queue(struct fuse_op *op);
void ops_run(struct fuse_mount *mount);                        // what stands in the queue, as far as it goes
void ops_frame(struct fuse_mount *mount, const struct rw_frame *frame); // of the host's
struct fuse_flight *ops_flight(struct fuse_mount *mount, uint32_t request);
void ops_lost(struct fuse_mount *mount, uint32_t error);       // the stream is gone
void ops_refuse(struct fuse_mount *mount, uint32_t error);     // all that wait, by this
int64_t ops_expire(struct fuse_mount *mount, int64_t now);     // those that waited too long; when to call again, or -1
int ops_interrupt_queued(struct fuse_mount *mount, uint64_t unique); // by a signal; 1: it was there
int ops_have_room(const struct fuse_mount *mount);             // for one more in the queue
int32_t op_cancel(struct fuse_op *op);                         // one that is under way: asks the host

// ── For actions ─────────────────────────────────────────────────────────────────────────────────────────────────────

// What the request has behind `body_bytes`: a name, ended by a NUL. NULL: none.
const uint8_t *op_name(const struct fuse_op *op, uint32_t at, uint32_t *bytes);
extern uint8_t op_fields[FUSE_FIELDS_BYTES]; // for an encoder
int32_t op_ask_with(struct fuse_op *op, uint32_t type, int32_t fields, const void *data, struct fuse_flight part);
static inline int32_t op_ask(struct fuse_op *op, uint32_t type, int32_t fields) {
  return op_ask_with(op, type, fields, NULL, (struct fuse_flight){.op = NULL});
}
void op_more(struct fuse_op *op); // begin() is called once more

int32_t op_answer(struct fuse_op *op, const void *data, uint32_t bytes); // OP_OVER, as the next two
int32_t op_fail(struct fuse_op *op, uint32_t error);
int32_t op_done(struct fuse_op *op);

int op_is_lost(const struct fuse_op *op); // its open file is of an epoch that is over

#endif
