// Replies that several actions have: see fuse-replies.c.

#ifndef RINGWAY_AGENT_FUSE_REPLIES_H
#define RINGWAY_AGENT_FUSE_REPLIES_H

#include "fuse-ops.h"

// MountAttributes of what a name in op->node leads to: the node, or NULL, and the op is answered by an error.
void reply_entry(struct fuse_op *op, const uint8_t *name, uint32_t bytes, const struct rw_frame *frame);
// What was found, as the kernel gets it. 0: no memory; a lookup is the kernel's otherwise.
struct fuse_node *reply_found(struct fuse_mount *mount, struct fuse_entry at, const struct rw_attributes *of,
                              struct fuse_entry_out *to);
// It asks for a name that is made here: that it has appeared is told to nobody.
void reply_makes(struct fuse_mount *mount, const struct fuse_entry *at);
void reply_attributes(struct fuse_op *op, const struct rw_attributes *of);

// A handle that nobody has here.
void handle_give_back(struct fuse_mount *mount, uint32_t handle);
void handles_give_back(struct fuse_mount *mount); // those for which the ring had no room

#endif
