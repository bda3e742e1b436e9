// Open files and folders of a mount: what the kernel calls fh, and the host's handle.
//
// A handle is the host's stream's, and ends with its epoch: what was opened before says EIO from then on, until its
// program has closed it. An open file keeps its node, and is what the host is asked by where the node has no name any
// more.

#include "fuse-opens.h"

#include <stdlib.h>

#include "fuse-ops.h"

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

// ── Handles that nobody wants ───────────────────────────────────────────────────────────────────────────────────────

// No more than were asked for before the ring was full.
void handle_give_back(struct fuse_mount *mount, uint32_t handle) {
  if (mount->unwanted_count < FUSE_FLIGHTS_MAX) mount->unwanted[mount->unwanted_count++] = handle;
  handles_give_back(mount);
}

void handles_give_back(struct fuse_mount *mount) {
  while (mount->ready && mount->unwanted_count > 0) {
    int32_t fields = rw_encode_u32(op_fields, sizeof op_fields, mount->unwanted[mount->unwanted_count - 1]);
    if (rw_request(mount->conn->stream, RW_T_MOUNT_RELEASE, op_fields, (uint32_t)fields) < 0) return;
    mount->unwanted_count--;
  }
}
