// What the kernel says to a mount: each request becomes an op, but for the few that the host need not hear of. And what
// the host says: each frame to its op.
//
// A request is read while there is room for it in the queue; the kernel keeps the others. There is room for many: what
// comes behind them may be a signal for one of them.

#define _GNU_SOURCE
#include "fuse-serve.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "fuse-actions.h"
#include "fuse-device.h"
#include "fuse-watch.h"

static const struct fuse_action *const actions[FUSE_OPCODES] = {
    [FUSE_LOOKUP] = &fuse_lookup,
    [FUSE_GETATTR] = &fuse_getattr,
    [FUSE_SETATTR] = &fuse_setattr,
    [FUSE_READLINK] = &fuse_readlink,
    [FUSE_SYMLINK] = &fuse_symlink,
    [FUSE_MKNOD] = &fuse_mknod,
    [FUSE_MKDIR] = &fuse_mkdir,
    [FUSE_UNLINK] = &fuse_unlink,
    [FUSE_RMDIR] = &fuse_rmdir,
    [FUSE_RENAME] = &fuse_rename,
    [FUSE_LINK] = &fuse_link,
    [FUSE_OPEN] = &fuse_open_file,
    [FUSE_READ] = &fuse_read,
    [FUSE_WRITE] = &fuse_write,
    [FUSE_STATFS] = &fuse_statfs,
    [FUSE_RELEASE] = &fuse_release,
    [FUSE_FSYNC] = &fuse_fsync,
    [FUSE_SETXATTR] = &fuse_setxattr,
    [FUSE_GETXATTR] = &fuse_getxattr,
    [FUSE_LISTXATTR] = &fuse_listxattr,
    [FUSE_REMOVEXATTR] = &fuse_removexattr,
    [FUSE_FLUSH] = &fuse_flush,
    [FUSE_OPENDIR] = &fuse_opendir,
    [FUSE_READDIR] = &fuse_readdir,
    [FUSE_RELEASEDIR] = &fuse_release,
    [FUSE_FSYNCDIR] = &fuse_fsync,
    [FUSE_GETLK] = &fuse_getlk,
    [FUSE_SETLK] = &fuse_setlk,
    [FUSE_SETLKW] = &fuse_setlkw,
    [FUSE_CREATE] = &fuse_create,
    [FUSE_FALLOCATE] = &fuse_fallocate,
    [FUSE_READDIRPLUS] = &fuse_readdirplus,
    [FUSE_RENAME2] = &fuse_rename2,
    [FUSE_LSEEK] = &fuse_lseek,
    [FUSE_COPY_FILE_RANGE] = &fuse_copy_file_range,
};

// ── INIT ────────────────────────────────────────────────────────────────────────────────────────────────────────────

enum { BACKGROUND = 64 }; // requests that nobody waits for: read-ahead, and what is written back

static const uint32_t wanted = FUSE_CAN_ASYNC_READ | FUSE_CAN_POSIX_LOCKS | FUSE_CAN_ATOMIC_O_TRUNC |
                               FUSE_CAN_BIG_WRITES | FUSE_CAN_FLOCK_LOCKS | FUSE_CAN_AUTO_INVAL_DATA |
                               FUSE_CAN_READDIRPLUS | FUSE_CAN_READDIRPLUS_AUTO | FUSE_CAN_ASYNC_DIO |
                               FUSE_CAN_PARALLEL_DIROPS | FUSE_CAN_MAX_PAGES | FUSE_CAN_CACHE_SYMLINKS |
                               FUSE_CAN_KILLPRIV_V2;

static void say_too_old(const struct fuse_mount *mount, const struct fuse_init_in *in) {
  say_begin();
  say("mount on ");
  say(mount->point);
  say(": the kernel's FUSE is ");
  say_number(in->major);
  say(".");
  say_number(in->minor);
  say("; 7.31 is wanted, of Linux 5.4");
  say_end();
}

static void init(struct fuse_mount *mount, uint64_t unique, const struct fuse_init_in *in) {
  if (in->major != FUSE_MAJOR || in->minor < FUSE_MINOR) {
    say_too_old(mount, in);
    device_answer(mount->fd, unique, EPROTO, NULL, 0);
    return;
  }
  struct fuse_init_out out = {.major = FUSE_MAJOR,
                              .minor = FUSE_MINOR,
                              .max_readahead = FUSE_DATA_BYTES,
                              .flags = in->flags & (wanted | (mount->writes_back ? FUSE_CAN_WRITEBACK_CACHE : 0)),
                              .max_background = BACKGROUND,
                              .congestion_threshold = BACKGROUND * 3 / 4,
                              .max_write = FUSE_DATA_BYTES,
                              .time_gran = 1,
                              .max_pages = (uint16_t)(FUSE_DATA_BYTES / sysconf(_SC_PAGESIZE))};
  device_answer(mount->fd, unique, 0, &out, sizeof out);
}

// ── FORGET, INTERRUPT ───────────────────────────────────────────────────────────────────────────────────────────────

static void forget(struct fuse_mount *mount, uint64_t id, uint64_t lookups) {
  nodes_forget(&mount->nodes, nodes_at(&mount->nodes, id), lookups);
}

static void forget_many(struct fuse_mount *mount, const uint8_t *body, uint32_t bytes) {
  const struct fuse_batch_forget_in *in = (const void *)body;
  const struct fuse_forget_one *one = (const void *)(in + 1);
  if (bytes < sizeof *in) return;
  for (uint32_t i = 0; i < in->count && sizeof *in + (i + 1) * sizeof *one <= bytes; i++)
    forget(mount, one[i].nodeid, one[i].nlookup);
}

// What waits for its turn is taken back, and what waits for a lock. All else ends by itself, and soon.
static void interrupt(struct fuse_mount *mount, uint64_t own, uint64_t unique) {
  if (ops_interrupt_queued(mount, unique)) return;
  for (uint32_t i = 0; i < FUSE_FLIGHTS_MAX; i++) {
    struct fuse_op *op = mount->flights[i].op;
    if (!op || op->unique != unique || op->opcode != FUSE_SETLKW) continue;
    op->interrupted = 1;
    // The ring is full: the kernel says it again.
    if (op_cancel(op) == RW_AGAIN) device_answer(mount->fd, own, EAGAIN, NULL, 0);
    return;
  }
}

// ── The kernel's requests ───────────────────────────────────────────────────────────────────────────────────────────

static void begin_op(struct fuse_mount *mount, const struct fuse_in_header *header, struct fuse_op *op) {
  if (op->action->traits & OPENED) {
    op->open = open_at(*(const uint64_t *)(const void *)op->body);
    if (!op->open) {
      op_fail(op, EIO);
      return;
    }
  }
  op->node = op->open ? op->open->node : nodes_at(&mount->nodes, header->nodeid);
  node_use(op->node);
  // A lost file is told so at once, whether a host is there or not.
  int32_t status = op->open && op_is_lost(op) ? op->action->begin(op) : RW_AGAIN;
  if (status == RW_OK || status == OP_OVER) return;
  if (mount->refused && rw_posix_now_ms() < mount->retry_ms) op_fail(op, mount->refused);
  else op_queue(op);
}

static void take(struct fuse_mount *mount, uint8_t **buffer) {
  const struct fuse_in_header *header = (const void *)*buffer;
  const uint8_t *body = *buffer + sizeof *header;
  uint32_t bytes = header->len - (uint32_t)sizeof *header, opcode = header->opcode;
  uint64_t unique = header->unique;
  if (opcode == FUSE_INIT && bytes >= sizeof(struct fuse_init_in)) {
    init(mount, unique, (const void *)body);
  } else if (opcode == FUSE_FORGET && bytes >= sizeof(struct fuse_forget_in)) {
    forget(mount, header->nodeid, ((const struct fuse_forget_in *)(const void *)body)->nlookup);
  } else if (opcode == FUSE_BATCH_FORGET) {
    forget_many(mount, body, bytes);
  } else if (opcode == FUSE_INTERRUPT && bytes >= sizeof(struct fuse_interrupt_in)) {
    interrupt(mount, unique, ((const struct fuse_interrupt_in *)(const void *)body)->unique);
  } else if (opcode == FUSE_DESTROY) {
    device_answer(mount->fd, unique, 0, NULL, 0);
  } else {
    const struct fuse_action *action = opcode < FUSE_OPCODES ? actions[opcode] : NULL;
    // The kernel does without what is ENOSYS, and asks no more.
    uint32_t error = opcode == FUSE_IOCTL ? ENOTTY : !action ? ENOSYS : bytes < action->body_bytes ? EINVAL : 0;
    struct fuse_in_header copy = *header;
    struct fuse_op *op = error ? NULL : op_new(mount, action, buffer);
    if (op) begin_op(mount, &copy, op);
    else device_answer(mount->fd, unique, error ? error : ENOMEM, NULL, 0);
  }
}

int serve_kernel(struct fuse_mount *mount) {
  static uint8_t *buffer; // for the next one, whosever it is
  if (mount->fd < 0 || !mount->readable || !ops_have_room(mount)) return 0;
  if (!buffer && !(buffer = buffer_take())) return 0;
  ssize_t got = device_read(mount->fd, buffer, FUSE_BUFFER_BYTES);
  if (got == -EAGAIN) mount->readable = 0;
  if (got == -EAGAIN) return 0;
  if (got < 0) return -1;
  const struct fuse_in_header *header = (const void *)buffer;
  if (got < (ssize_t)sizeof *header || header->len != (size_t)got) return -1;
  take(mount, &buffer);
  ops_run(mount);
  return 1;
}

// ── The host's frames ───────────────────────────────────────────────────────────────────────────────────────────────

// Data go straight to where they are for; all else is small, or comes through the library's scratch.
static int32_t next_frame(struct fuse_mount *mount, struct rw_frame *frame) {
  static uint8_t small[512];
  struct rw_stream *stream = mount->conn->stream;
  int32_t status = rw_frame_next(stream, frame, small, sizeof small);
  if (status != RW_TOO_LONG) return status;
  const struct fuse_flight *flight = frame->type == RW_T_DATA ? ops_flight(mount, frame->request) : NULL;
  uint8_t *place = flight ? data_place(flight, frame->bytes) : NULL;
  return rw_frame_next(stream, frame, place, place ? frame->bytes : 0);
}

int32_t serve_host(struct fuse_mount *mount) {
  struct rw_frame frame;
  for (int frames = 0; frames < FRAMES_AT_ONCE; frames++) {
    int32_t status = next_frame(mount, &frame);
    if (status != RW_OK) return status;
    if (!watch_took(mount, &frame)) ops_frame(mount, &frame);
  }
  return RW_OK;
}
