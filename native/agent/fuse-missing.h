// Names that are not there, as the kernel was told: see fuse-missing.c.

#ifndef RINGWAY_AGENT_FUSE_MISSING_H
#define RINGWAY_AGENT_FUSE_MISSING_H

#include <stdint.h>

#include "limits.h"

struct fuse_missing {
  struct {
    uint32_t name; // a hash; 0: none
    int64_t until_ms;
  } told[FUSE_MISSING_MAX];
};

void missing_told(struct fuse_missing *all, uint32_t name, int64_t now);
int missing_take(struct fuse_missing *all, uint32_t name, int64_t now); // 1: it was told so, and believes it still
void missing_none(struct fuse_missing *all); // it believes in none any more

#endif
