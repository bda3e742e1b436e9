// Names that are not there, as the kernel was told, for as long as it believes that.
//
// When the host tells that such a name has appeared, the kernel must be told (fuse-watch.c), which costs it all names
// that it knows. So it is told of no name that it asked about by another way since, or asks for, as one that a program
// makes.
//
// Names are hashes here: two of the same cost a look too many. A full row forgets the one that ends soonest, which the
// kernel then believes to its end.

#include "fuse-missing.h"

#include <string.h>

enum { ROW = 4 };

static uint32_t row_of(uint32_t name) { return name % (FUSE_MISSING_MAX / ROW) * ROW; }

void missing_told(struct fuse_missing *all, uint32_t name, int64_t now) {
  uint32_t row = row_of(name), place = row;
  for (uint32_t at = row; at < row + ROW; at++) {
    if (all->told[at].name == name) place = at;
    if (all->told[at].name == name) break;
    if (all->told[at].until_ms < all->told[place].until_ms) place = at;
  }
  all->told[place].name = name;
  all->told[place].until_ms = now + FUSE_VALID_S * 1000;
}

int missing_take(struct fuse_missing *all, uint32_t name, int64_t now) {
  uint32_t row = row_of(name);
  for (uint32_t at = row; at < row + ROW; at++) {
    if (all->told[at].name != name) continue;
    int is_believed = all->told[at].until_ms > now;
    all->told[at].name = 0;
    all->told[at].until_ms = 0;
    return is_believed;
  }
  return 0;
}

void missing_none(struct fuse_missing *all) { memset(all, 0, sizeof *all); }
