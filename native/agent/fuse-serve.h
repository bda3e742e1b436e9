// What the kernel says to a mount, and what the host does: see fuse-serve.c.

#ifndef RINGWAY_AGENT_FUSE_SERVE_H
#define RINGWAY_AGENT_FUSE_SERVE_H

#include "fuse-ops.h"

// One request of the kernel's: 1, there may be more; 0, there is none, or it is not their time; below 0, it is no more
// mounted.
int serve_kernel(struct fuse_mount *mount);
// Frames of the host's, a turn of them: a status of the library's; RW_OK, there may be more.
int32_t serve_host(struct fuse_mount *mount);

#endif
