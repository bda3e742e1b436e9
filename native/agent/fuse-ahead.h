// What the kernel will ask for next, asked before it does: see fuse-ahead.c.

#ifndef RINGWAY_AGENT_FUSE_AHEAD_H
#define RINGWAY_AGENT_FUSE_AHEAD_H

#include "fuse-ops.h"

// A file was opened to be read, and is so.
void ahead_of_file(struct fuse_mount *mount, struct fuse_open *open, const struct rw_attributes *of);
int ahead_read(struct fuse_op *op); // a READ: 1, it is answered

void ahead_forget(struct fuse_open *open); // it is closed

// Begins `action` for an open file, for nobody; its `ended` is ahead_ended(). NULL: there is no memory, one is under
// way already, or the host has a lot to do.
struct fuse_op *ahead_begin(struct fuse_mount *mount, const struct fuse_action *action, struct fuse_open *open);
void ahead_ended(struct fuse_op *op);
// Something is asked ahead for this op's open file, and it waits for that: its `begin` is called again.
int ahead_waits(struct fuse_op *op);

#endif
