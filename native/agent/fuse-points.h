// Where mounts may be: see fuse-points.c.

#ifndef RINGWAY_AGENT_FUSE_POINTS_H
#define RINGWAY_AGENT_FUSE_POINTS_H

void points_check(void); // before the first mount; it may not return

#endif
