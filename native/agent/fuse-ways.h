// How the host is asked about a node: `at` and `path` of a request (MNT-2). See fuse-ways.c.

#ifndef RINGWAY_AGENT_FUSE_WAYS_H
#define RINGWAY_AGENT_FUSE_WAYS_H

#include "fuse-ops.h"

struct fuse_way { // good until three more were asked for
  uint32_t at;
  const uint8_t *path;
  int32_t bytes; // or a negative errno
};

struct fuse_way way_by_name(struct fuse_op *op, const struct fuse_node *node);
struct fuse_way way_by_handle(const struct fuse_open *open);
// By a handle that may so, or else by name.
struct fuse_way way_to(struct fuse_op *op, const struct fuse_node *node, uint32_t may);
struct fuse_way way_below(struct fuse_op *op, const struct fuse_node *folder, const uint8_t *name, uint32_t bytes);

#endif
