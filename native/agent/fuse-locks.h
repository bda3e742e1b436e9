// Locks of programs: see fuse-locks.c.

#ifndef RINGWAY_AGENT_FUSE_LOCKS_H
#define RINGWAY_AGENT_FUSE_LOCKS_H

#include "fuse-ops.h"

// Asks the host to give back what an owner has locked on the op's file: RW_OK when all of it is asked.
int32_t locks_closed(struct fuse_op *op, uint64_t owner);
// The same of all that were made by an open file.
int32_t locks_released(struct fuse_op *op, const struct fuse_open *open);

#endif
