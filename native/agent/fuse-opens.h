// Open files and folders of a mount: see fuse-opens.c.

#ifndef RINGWAY_AGENT_FUSE_OPENS_H
#define RINGWAY_AGENT_FUSE_OPENS_H

#include "fuse-nodes.h"

enum { MAY_READ = 1, MAY_WRITE = 2, IS_FOLDER = 128 }; // as in MountOpen's flags (MNT-7)

struct fuse_open {
  struct fuse_open *next; // of its node
  struct fuse_node *node;
  uint32_t handle, epoch; // the host's, of that epoch alone
  uint32_t may;
  int written;            // since the last flush
  struct fuse_listing *listing; // of a folder, or NULL: fuse-folders.c
  struct fuse_ahead *file;      // what was read ahead of a file, or NULL: fuse-ahead.c
  struct fuse_op *ahead;        // what is under way for that, or for the next listing
  struct rw_time modified;      // when it was opened, if it is read ahead
};

// NULL: no memory, and the handle is the caller's.
struct fuse_open *open_new(struct fuse_node *node, uint32_t handle, uint32_t epoch, uint32_t may);
// What was read ahead for it is gone (fuse-ahead.c).
void open_free(struct fuse_nodes *all, struct fuse_open *open);
struct fuse_open *open_at(uint64_t fh);
uint64_t open_id(const struct fuse_open *open);
// One by which the host can be asked about a node; `may` is what it must allow. NULL: there is none.
struct fuse_open *open_of(const struct fuse_node *node, uint32_t epoch, uint32_t may);

#endif
