// --mount: folders of the host, as the policy gives them, mounted in the guest by FUSE. The kernel's protocol is spoken
// here, over /dev/fuse; the host's is a stream for each mount (PROTOCOL.md section 19).
//
//   program ── open(), read() ──▶ kernel ── /dev/fuse ──▶ op (fuse-serve.c, fuse-ops.c) ── request ──▶ host
//
//   a mount's stream:   none ──▶ WANTING ─▶ ASKED ─▶ OPENING ─▶ OWN: ready
//                        ▲  with each epoch, and again when asked      │ refused, broken, the link is down
//                        └──────────────────────────────────────────────┘
//
// It is mounted as long as the agent runs, whether a monitor is there or not. While there is none, requests wait for
// --hold-ms, and then are EIO. What was open when the stream went is EIO for good; names and folders are there again as
// soon as there is another stream.
//
// ── The rooms ───────────────────────────────────────────────────────────────────────────────────────────────────────
//
//   fuse.c               the mounts and their streams
//   fuse-serve.c         what the kernel says, and the host
//   fuse-watch.c         what others change
//   fuse-names.c, fuse-moves.c, fuse-status.c, fuse-xattrs.c, fuse-files.c, fuse-data.c, fuse-ranges.c,
//   fuse-folders.c       what each request of the kernel's is to the host
//   fuse-locks.c         locks
//   fuse-ahead.c         what the kernel will ask for next
//   fuse-replies.c, fuse-ways.c    what they share: entries and attributes; at and path
//   fuse-ops.c           requests, from when they come until they are answered
//   fuse-opens.c, fuse-nodes.c, fuse-missing.c     what is open; what the kernel knows of, and that is not there
//   fuse-attributes.c    what the host tells, as the kernel has it
//   fuse-points.c        where mounts may be
//   fuse-device.c        /dev/fuse, mount(2)

#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "begin.h"
#include "end.h"
#include "errors.h"
#include "front.h"
#include "fuse-device.h"
#include "fuse-points.h"
#include "fuse-replies.h"
#include "fuse-serve.h"
#include "fuse-watch.h"
#include "host.h"
#include "listen.h"

static struct fuse_mount *mounts; // as many as options.mounts
static int mounted;

static struct fuse_mount *mount_of(const struct conn *conn) { return &mounts[conn->route]; }

// ── Mounting ────────────────────────────────────────────────────────────────────────────────────────────────────────

static void say_mount(const struct fuse_mount *mount) {
  say_begin();
  say("mount of ");
  say(mount->path);
  say(" on ");
  say(mount->point);
}

// At every end of the agent that it brings about itself.
static void unmount_all(void) {
  for (int i = 0; i < mounted; i++) {
    if (mounts[i].fd < 0) continue;
    int fd = mounts[i].fd;
    mounts[i].fd = -1;
    device_unmount(fd, mounts[i].point);
  }
}

_Noreturn static void cannot(const struct fuse_mount *mount, const char *what, int error) {
  say_mount(mount);
  say(": ");
  say(what);
  say(": ");
  say_errno((uint32_t)error);
  say_end();
  exit(1);
}

static void mount_listen(void) {
  if (options.mounts == 0) return;
  points_check();
  mounts = calloc(options.mounts, sizeof *mounts);
  if (mounts) atexit(unmount_all);
  for (uint32_t i = 0; i < options.mounts; i++) {
    const char *what;
    if (!mounts || !nodes_init(&mounts[i].nodes)) {
      say_begin();
      say("no memory for mounts");
      say_end();
      exit(1);
    }
    struct fuse_mount *mount = &mounts[i];
    mount->path = options.mount[i].path;
    mount->point = options.mount[i].point;
    mount->is_watched = options.mount[i].is_watched;
    mount->writes_back = options.mount[i].writes_back;
    mount->fd = device_mount(mount->point, &what);
    if (mount->fd < 0) cannot(mount, what, -mount->fd);
    mounted++;
    listen_own(mount->fd, &mount_front);
    say_mount(mount);
    say_end();
  }
}

// ── The kernel ──────────────────────────────────────────────────────────────────────────────────────────────────────

// By somebody else: the agent goes on without it.
static void is_unmounted(struct fuse_mount *mount) {
  say_mount(mount);
  say(": it was unmounted");
  say_end();
  device_close(mount->fd);
  mount->fd = -1;
  if (mount->conn) conn_drop(mount->conn, CLOSE); // first: who is in the queue may have asked a part
  ops_refuse(mount, ENODEV);
}

static int read_one(struct fuse_mount *mount) {
  int more = serve_kernel(mount);
  if (more < 0) is_unmounted(mount);
  return more > 0;
}

static int mount_come(int fd) {
  uint32_t i = 0;
  while (i < options.mounts && mounts[i].fd != fd) i++;
  if (i == options.mounts) return 0;
  mounts[i].readable = 1;
  return read_one(&mounts[i]);
}

// ── The stream ──────────────────────────────────────────────────────────────────────────────────────────────────────

static void mount_up(void) {
  for (uint32_t i = 0; i < options.mounts; i++) {
    mounts[i].retry_ms = 0;
    mounts[i].refused = 0;
  }
}

static int32_t mount_open(struct conn *conn) {
  const struct fuse_mount *mount = mount_of(conn);
  return rw_mount(conn->stream, mount->path, (uint32_t)strlen(mount->path));
}

// What a frame carries is a multiple of a page where it can be.
static uint32_t most_of(uint32_t ring_bytes, uint32_t fields) {
  uint32_t most = ring_bytes - RW_FRAME_HEADER_BYTES - fields;
  if (most >= RW_IO_MAX_BYTES) return RW_IO_MAX_BYTES;
  return most >= RW_PAGE_BYTES ? most / RW_PAGE_BYTES * RW_PAGE_BYTES : most;
}

static void mount_opened(struct conn *conn, const struct rw_frame *frame) {
  struct fuse_mount *mount = mount_of(conn);
  struct rw_attributes root;
  uint32_t handles;
  if (!frame->payload || rw_decode_mount(frame->payload, frame->bytes, &handles, &mount->requests, &root) != RW_OK ||
      mount->requests == 0 || !attributes_are_sane(&root) || root.kind != RW_KIND_DIRECTORY) {
    host_over(RW_BAD_PAYLOAD);
    return;
  }
  mount->read_most = most_of(rw_stream_to_guest_bytes(conn->stream), 0);
  mount->write_most = most_of(rw_stream_to_host_bytes(conn->stream), 16);
  owner_map_of(&mount->owners, &root);
  nodes_epoch(&mount->nodes, ++mount->epoch, &root);
  mount->refused = 0;
  mount->ready = 1;
  watch_begin(mount);
  conn->state = OWN;
  conn_deadline(conn, 0);
  conn_wake(conn);
}

// A host of version 1.0 has no such protocol, and a policy may have no such folder: it is asked again when a program
// asks, but not often. Where it has no stream to spare the requests wait for their own time.
static void mount_refused(struct conn *conn, const struct rw_error *error) {
  struct fuse_mount *mount = mount_of(conn);
  int is_full = error->error == LINUX_EMFILE || error->error == LINUX_ENOMEM || error->error == LINUX_ENETDOWN;
  mount->retry_ms = rw_posix_now_ms() + (is_full ? RETRY_MS_MIN : RETRY_MS_MAX);
  if (!is_full) {
    if (mount->refused != error->error) {
      say_mount(mount);
      say(": ");
      say_error(error);
      say_end();
    }
    mount->refused = error->error;
    ops_refuse(mount, mount->refused);
  }
  conn_drop(conn, CLOSE);
}

static void mount_step(struct conn *conn) {
  struct fuse_mount *mount = mount_of(conn);
  int32_t status = mount->broken ? RW_RESET : serve_host(mount);
  handles_give_back(mount);
  ops_run(mount);
  if (status == RW_OK) conn_wake(conn);
  if (status == RW_OK || status == RW_AGAIN) {
    int more = 1;
    for (int n = 0; more && n < ACCEPTS_AT_ONCE; n++) more = read_one(mount);
    if (more && mount->conn) conn_wake(conn);
  } else if (!host_lost(status)) {
    mount->retry_ms = rw_posix_now_ms() + RETRY_MS_MIN;
    conn_drop(conn, RESET);
  }
}

static void mount_ended(struct conn *conn) {
  struct fuse_mount *mount = mount_of(conn);
  if (mount->conn != conn) return;
  mount->conn = NULL;
  watch_end(mount);
  ops_lost(mount, EIO);
}

// When to try again, or -1.
static int64_t begin_stream(struct fuse_mount *mount, int64_t now) {
  if (mount->conn || mount->fd < 0 || !host_is_up() || (mount->refused && mount->queued == 0)) return -1;
  if (now < mount->retry_ms) return mount->retry_ms;
  mount->retry_ms = now + RETRY_MS_MIN;
  mount->conn = conn_new(&mount_front, -1);
  if (!mount->conn) return mount->retry_ms;
  mount->conn->route = (uint32_t)(mount - mounts);
  begin_wish(mount->conn);
  int is_large = host_region_pages() / options.mounts >= FUSE_REGION_BYTES_MIN / RW_PAGE_BYTES;
  if (is_large) mount->conn->ring_bytes = FUSE_RING_BYTES;
  return -1;
}

static int64_t mount_tick(int64_t now) {
  int64_t next = -1;
  for (uint32_t i = 0; i < options.mounts; i++) {
    int more = !mounts[i].ready;
    for (int n = 0; more && n < ACCEPTS_AT_ONCE; n++) more = read_one(&mounts[i]);
    if (more) next = now;
    int64_t begins_ms = begin_stream(&mounts[i], now), expires_ms = ops_expire(&mounts[i], now);
    if (begins_ms >= 0 && (next < 0 || begins_ms < next)) next = begins_ms;
    if (expires_ms >= 0 && (next < 0 || expires_ms < next)) next = expires_ms;
  }
  return next;
}

const struct front mount_front = {
    .name = "mount",
    .side = BESIDE,
    .ring_bytes_max = RINGS_LARGE_BYTES,
    .listen = mount_listen,
    .come = mount_come,
    .up = mount_up,
    .tick = mount_tick,
    .open = mount_open,
    .opened = mount_opened,
    .refused = mount_refused,
    .step = mount_step,
    .ended = mount_ended,
};
