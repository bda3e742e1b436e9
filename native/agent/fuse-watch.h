// What others change in a mount's folder: see fuse-watch.c.

#ifndef RINGWAY_AGENT_FUSE_WATCH_H
#define RINGWAY_AGENT_FUSE_WATCH_H

#include "fuse-ops.h"

void watch_begin(struct fuse_mount *mount); // its stream is open
void watch_end(struct fuse_mount *mount);   // and is gone
int watch_took(struct fuse_mount *mount, const struct rw_frame *frame); // 1: it was of the watch

#endif
