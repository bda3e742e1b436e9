// Open files and folders of a mount: what the kernel calls fh, and the host's handle.
//
// A handle is the host's stream's, and ends with its epoch: what was opened before says EIO from then on, until its
// program has closed it. An open file keeps its node, and is what the host is asked by where the node has no name any
// more.

#include "fuse-opens.h"

#include <stdlib.h>

struct fuse_open *open_new(struct fuse_node *node, uint32_t handle, uint32_t epoch, uint32_t may) {
  struct fuse_open *open = calloc(1, sizeof *open);
  if (!open) return NULL;
  *open = (struct fuse_open){.next = node->opens, .node = node, .handle = handle, .epoch = epoch, .may = may};
  node->opens = open;
  return open;
}

void open_free(struct fuse_nodes *all, struct fuse_open *open) {
  struct fuse_node *node = open->node;
  struct fuse_open **link = &node->opens;
  while (*link != open) link = &(*link)->next;
  *link = open->next;
  free(open->listing);
  free(open);
  nodes_forget(all, node, 0);
}

struct fuse_open *open_at(uint64_t fh) { return (struct fuse_open *)(uintptr_t)fh; }
uint64_t open_id(const struct fuse_open *open) { return (uint64_t)(uintptr_t)open; }

struct fuse_open *open_of(const struct fuse_node *node, uint32_t epoch, uint32_t may) {
  struct fuse_open *open = node->opens;
  while (open && (open->epoch != epoch || (open->may & may) != may)) open = open->next;
  return open;
}
