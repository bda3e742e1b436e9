// How the host is asked about a node: by a name of it, from the mount's root on, or by an open handle.
//
// A handle is the file itself, whatever it is called by now, and the only way to one that has no name any more. The
// names of what is below a folder go by the folder's name where it has one, since the policy's rules are about names.

#include "fuse-ways.h"

#include <errno.h>
#include <string.h>

enum { ROOMS = 4 }; // a rename has two ways, and each is put together in two

static uint8_t rooms[ROOMS][RW_PATH_MAX_BYTES];
static uint32_t turn;

static uint8_t *next_room(void) { return rooms[turn = (turn + 1) % ROOMS]; }

// Its path below the root, written to the end of `to`: its bytes, or a negative errno.
// A name is at least one byte and a slash: so it ends, whatever the names.
static int32_t path_of(const struct fuse_nodes *all, const struct fuse_node *node, uint8_t to[RW_PATH_MAX_BYTES]) {
  uint32_t at = RW_PATH_MAX_BYTES;
  while (node != &all->root) {
    const struct fuse_name *name = node->names;
    if (!name) return -ESTALE;
    if (at < RW_PATH_MAX_BYTES) to[--at] = '/';
    if (name->bytes >= at) return -ENAMETOOLONG;
    at -= name->bytes;
    memcpy(to + at, name->text, name->bytes);
    node = name->parent;
  }
  return (int32_t)(RW_PATH_MAX_BYTES - at);
}

struct fuse_way way_by_name(struct fuse_op *op, const struct fuse_node *node) {
  uint8_t *room = next_room();
  int32_t bytes = path_of(&op->mount->nodes, node, room);
  return (struct fuse_way){.path = room + RW_PATH_MAX_BYTES - (bytes > 0 ? bytes : 0), .bytes = bytes};
}

struct fuse_way way_by_handle(const struct fuse_open *open) {
  return (struct fuse_way){.at = open->handle, .path = next_room()};
}

struct fuse_way way_to(struct fuse_op *op, const struct fuse_node *node, uint32_t may) {
  const struct fuse_open *open = open_of(node, op->mount->epoch, may);
  return open ? way_by_handle(open) : way_by_name(op, node);
}

static int has_name(const struct fuse_op *op, const struct fuse_node *node) {
  return node->names || node == &op->mount->nodes.root;
}

struct fuse_way way_below(struct fuse_op *op, const struct fuse_node *folder, const uint8_t *name, uint32_t bytes) {
  struct fuse_way way = has_name(op, folder) ? way_by_name(op, folder) : way_to(op, folder, 0);
  if (way.bytes < 0) return way;
  uint8_t *room = next_room();
  uint32_t before = (uint32_t)way.bytes + (way.bytes > 0);
  if (bytes > RW_NAME_MAX_BYTES || before + bytes > RW_PATH_MAX_BYTES) {
    way.bytes = -ENAMETOOLONG;
    return way;
  }
  memcpy(room, way.path, (uint32_t)way.bytes);
  if (way.bytes > 0) room[way.bytes] = '/';
  memcpy(room + before, name, bytes);
  way.path = room;
  way.bytes = (int32_t)(before + bytes);
  return way;
}
