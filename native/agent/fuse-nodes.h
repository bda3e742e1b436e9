// What the kernel knows of a mount: see fuse-nodes.c.

#ifndef RINGWAY_AGENT_FUSE_NODES_H
#define RINGWAY_AGENT_FUSE_NODES_H

#include "ringway-mount.h"

struct fuse_node {
  struct fuse_node *next;   // in the table, of the same hash
  struct fuse_name *names;  // the one that was found last comes first
  struct fuse_open *opens;  // its open handles: fuse-opens.c
  uint64_t lookups;         // the kernel's, not forgotten yet
  uint32_t uses;            // names below it, requests, locks
  uint32_t kind, device, epoch; // device: of this epoch
  uint32_t inode_low, inode_high;
  struct rw_time created;
  uint64_t generation;
  uint64_t told_bytes;      // its size and time of change, as the kernel was told last
  struct rw_time told_time;
};

struct fuse_name {
  struct fuse_name *next; // in the table, of the same hash
  struct fuse_name *also; // of the same node
  struct fuse_node *node, *parent;
  uint32_t hash, bytes;
  uint8_t text[];
};

// A name in a folder.
struct fuse_entry {
  struct fuse_node *parent;
  const uint8_t *name;
  uint32_t bytes;
};

struct fuse_nodes {
  struct fuse_node **nodes;
  struct fuse_name **names;
  uint32_t node_count, node_room, name_count, name_room; // rooms: powers of two
  struct fuse_node root;
  uint64_t generation;
  uint32_t epoch;
};

int nodes_init(struct fuse_nodes *all); // 0: no memory
void nodes_epoch(struct fuse_nodes *all, uint32_t epoch, const struct rw_attributes *root);
struct fuse_node *nodes_at(struct fuse_nodes *all, uint64_t id);
uint64_t nodes_id(struct fuse_nodes *all, const struct fuse_node *node);

uint32_t nodes_hash(const struct fuse_entry *at); // of a name in a folder
struct fuse_node *nodes_named(struct fuse_nodes *all, struct fuse_entry at); // NULL: it is not known
// Something was found by this name, and the kernel will know of it: one lookup more. NULL: no memory.
struct fuse_node *nodes_found(struct fuse_nodes *all, struct fuse_entry at, const struct rw_attributes *of);
// Is it what stands here, as far as can be told? Of an answer to a question by name.
int nodes_is(struct fuse_nodes *all, struct fuse_node *node, const struct rw_attributes *of);
void nodes_gone(struct fuse_nodes *all, struct fuse_entry at);          // nothing has this name any more
void nodes_stale(struct fuse_nodes *all, struct fuse_node *node);       // another has its name
void nodes_renamed(struct fuse_nodes *all, struct fuse_entry from, struct fuse_entry to, int exchanged);
void nodes_forget(struct fuse_nodes *all, struct fuse_node *node, uint64_t lookups);
void node_told(struct fuse_node *node, const struct rw_attributes *of); // the kernel is
int node_differs(const struct fuse_node *node, const struct rw_attributes *of); // from what it was told
void node_use(struct fuse_node *node);
void node_leave(struct fuse_nodes *all, struct fuse_node *node);        // ends node_use()

#endif
