// What others change in a mount's folder, as the host tells it (--mount PATH,watch; MNT-20, MNT-21): the kernel then
// believes no more what it was told of that before.
//
//   none ── the stream is open ──▶ BEGINNING ── MountWatching ──▶ ON ── GONE, the stream's end ──▶ none
//                                      └─ Error: said once in the log ──────────────────────────▶ none
//
// All that the kernel believes it believes for FUSE_VALID_S: events make that shorter, and where one is missing (a file
// that is changed by a name outside of the folder, or through a mapping; OVERFLOW) it ends by itself.
//
// A notification may wait for locks of the kernel's that a program holds while it waits for an answer of ours: that of
// an entry for its folder's, that of pages for each page's. One thread can send neither. It sends two that wait for
// nothing:
//
// - attributes of a node (INVAL_INODE without a range). A path that is walked has its attributes looked at, and open()
//   asks by name: so what is gone, or another file now, is found by the first look at it, and pages go by the new time
//   of change (AUTO_INVAL_DATA);
// - all names at once (INC_EPOCH, Linux 6.16), where one has appeared that the kernel was told is not there. Older ones
//   believe that to its end.

#include "fuse-watch.h"

#include <errno.h>
#include <string.h>

#include "agent.h"
#include "fuse-device.h"
#include "host.h"
#include "ringway-posix.h"

enum { RECURSIVE = 1 };
enum { CREATED = 1, REMOVED = 2, MOVED_FROM = 16, MOVED_TO = 32, GONE = 256 };
enum { OF_NAMES = CREATED | REMOVED | MOVED_FROM | MOVED_TO };

static void say_unwatched(const struct fuse_mount *mount, const char *why, const struct rw_error *error) {
  say_begin();
  say("mount on ");
  say(mount->point);
  say(": what others change is seen after a second, since the host does not watch it: ");
  if (error) say_error(error);
  else say(why);
  say_end();
}

// It counts among the requests that are under way, until the host watches all folders.
void watch_begin(struct fuse_mount *mount) {
  mount->watch = 0;
  mount->watch_request = 0;
  if (!mount->is_watched) return;
  int32_t fields = rw_encode_mount_make(op_fields, sizeof op_fields, 0, RECURSIVE, "", 0);
  int32_t request = rw_request(mount->conn->stream, RW_T_MOUNT_WATCH, op_fields, (uint32_t)fields);
  if (request < 0) {
    if (!host_lost(request)) say_unwatched(mount, "there was no room to ask it", NULL);
    return;
  }
  mount->watch_request = (uint32_t)request;
  mount->under_way++;
}

static void answered(struct fuse_mount *mount) {
  mount->watch_request = 0;
  mount->under_way--;
}

void watch_end(struct fuse_mount *mount) {
  if (mount->watch_request) answered(mount);
  mount->watch = 0;
}


// ── Events ──────────────────────────────────────────────────────────────────────────────────────────────────────────

static void look_anew(struct fuse_mount *mount, const struct fuse_node *node) {
  if (node) device_forget_attributes(mount->fd, nodes_id(&mount->nodes, node));
}

// The entry that a path of the host's leads to, as far as the kernel knows of it; 0: not even of its folder.
static int entry_at(struct fuse_nodes *all, struct rw_bytes path, struct fuse_entry *to, struct fuse_node **node) {
  const uint8_t *end = path.bytes + path.length;
  *to = (struct fuse_entry){.parent = NULL, .name = path.bytes};
  *node = &all->root;
  while (to->name < end) {
    const uint8_t *slash = memchr(to->name, '/', (size_t)(end - to->name));
    to->parent = *node;
    to->bytes = (uint32_t)((slash ? slash : end) - to->name);
    if (!to->parent) return 0;
    *node = nodes_named(all, *to);
    if (!slash) return 1;
    to->name = slash + 1;
  }
  return path.length == 0; // a slash at the end leads to no name
}

static void changed(struct fuse_mount *mount, const struct rw_mount_event *event) {
  struct fuse_entry at;
  struct fuse_node *node;
  mount->changes++; // nothing that is kept may be told any more
  if (!entry_at(&mount->nodes, event->path, &at, &node)) return;
  look_anew(mount, node);
  if (!at.parent || !(event->events & OF_NAMES)) return;
  look_anew(mount, at.parent);
  int appeared = (event->events & (CREATED | MOVED_TO)) != 0;
  if (!appeared || !missing_take(&mount->missing, nodes_hash(&at), rw_posix_now_ms())) return;
  device_forget_names(mount->fd);
  missing_none(&mount->missing);
}

int watch_took(struct fuse_mount *mount, const struct rw_frame *frame) {
  struct rw_mount_event event;
  if (frame->type == RW_T_MOUNT_EVENT) {
    if (rw_decode_mount_event(frame->payload, frame->bytes, &event) != RW_OK || event.watch != mount->watch) return 1;
    if (event.events & GONE) {
      mount->watch = 0;
      say_unwatched(mount, "the watch has ended", NULL);
    } else {
      changed(mount, &event);
    }
    return 1;
  }
  if (!mount->watch_request || frame->request != mount->watch_request) return 0;
  answered(mount);
  struct rw_error error;
  if (frame->type == RW_T_MOUNT_WATCHING && rw_decode_u32(frame->payload, frame->bytes, &mount->watch) == RW_OK)
    return 1;
  int is_error = rw_decode_error(frame->payload, frame->bytes, &error) == RW_OK;
  say_unwatched(mount, "it has not said why", is_error ? &error : NULL);
  return 1;
}
