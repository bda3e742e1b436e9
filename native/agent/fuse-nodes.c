// What the kernel knows of a mount: nodes, and the names by which they were found.
//
// The host has no numbers for its files that could be asked by, but names. So a node is a file as long as the kernel
// knows of it, and its names lead to it: (folder, name) to node, one table; (inode) to node, another. A path is put
// together of names when it is needed, so what is renamed takes along all that is below.
//
// A node is one file: where a name leads to another one now (device, inode and birth tell them apart) it gets another
// node, and the old one stays for those who have it open. Two names of one file have one node, where its count of links
// says that there are several; a folder has one name. What has no name any more is asked for by an open handle, or is
// ESTALE.
//
// Devices are numbers of one epoch. In the next one a file is taken for the same by name, inode and birth.
//
// Invariant: a node is in the table as long as it has lookups, names below, requests or open handles; a name as long as
// its node, or until it is known to lead elsewhere.

#include "fuse-nodes.h"

#include <stdlib.h>
#include <string.h>

#include "fuse-wire.h"

enum { ROOM_MIN = 1024 };
static uint32_t mix(uint32_t hash) {
  hash ^= hash >> 16;
  hash *= 0x7feb352du;
  hash ^= hash >> 15;
  hash *= 0x846ca68bu;
  return hash ^ hash >> 16;
}

static uint32_t node_hash(uint32_t low, uint32_t high) { return mix(low ^ mix(high)); }
uint32_t nodes_hash(const struct fuse_entry *at) {
  uint32_t hash = mix((uint32_t)((uintptr_t)at->parent >> 4));
  for (uint32_t i = 0; i < at->bytes; i++) hash = (hash ^ at->name[i]) * 16777619u;
  return mix(hash);
}

int nodes_init(struct fuse_nodes *all) {
  all->nodes = calloc(ROOM_MIN, sizeof *all->nodes);
  all->names = calloc(ROOM_MIN, sizeof *all->names);
  all->node_room = all->name_room = ROOM_MIN;
  all->root = (struct fuse_node){.kind = RW_KIND_DIRECTORY, .lookups = 1};
  return all->nodes && all->names;
}

struct fuse_node *nodes_at(struct fuse_nodes *all, uint64_t id) {
  return id == FUSE_ROOT_ID ? &all->root : (struct fuse_node *)(uintptr_t)id;
}

uint64_t nodes_id(struct fuse_nodes *all, const struct fuse_node *node) {
  return node == &all->root ? FUSE_ROOT_ID : (uint64_t)(uintptr_t)node;
}

// ── The tables ──────────────────────────────────────────────────────────────────────────────────────────────────────

// Where there is no memory for larger ones they get slower.
static void grow_nodes(struct fuse_nodes *all) {
  uint32_t room = all->node_room * 2;
  struct fuse_node **nodes = calloc(room, sizeof *nodes);
  if (!nodes) return;
  for (uint32_t i = 0; i < all->node_room; i++) {
    for (struct fuse_node *node = all->nodes[i], *next; node; node = next) {
      struct fuse_node **head = &nodes[node_hash(node->inode_low, node->inode_high) & (room - 1)];
      next = node->next;
      node->next = *head;
      *head = node;
    }
  }
  free(all->nodes);
  all->nodes = nodes;
  all->node_room = room;
}

static void grow_names(struct fuse_nodes *all) {
  uint32_t room = all->name_room * 2;
  struct fuse_name **names = calloc(room, sizeof *names);
  if (!names) return;
  for (uint32_t i = 0; i < all->name_room; i++) {
    for (struct fuse_name *name = all->names[i], *next; name; name = next) {
      struct fuse_name **head = &names[name->hash & (room - 1)];
      next = name->next;
      name->next = *head;
      *head = name;
    }
  }
  free(all->names);
  all->names = names;
  all->name_room = room;
}

static struct fuse_name **find_name(struct fuse_nodes *all, const struct fuse_entry *at, uint32_t hash) {
  struct fuse_name **link = &all->names[hash & (all->name_room - 1)];
  for (; *link; link = &(*link)->next) {
    struct fuse_name *name = *link;
    if (name->hash == hash && name->parent == at->parent && name->bytes == at->bytes &&
        memcmp(name->text, at->name, at->bytes) == 0)
      break;
  }
  return link;
}

// ── Ends ────────────────────────────────────────────────────────────────────────────────────────────────────────────

static void remove_node(struct fuse_nodes *all, struct fuse_node *node) {
  struct fuse_node **link = &all->nodes[node_hash(node->inode_low, node->inode_high) & (all->node_room - 1)];
  while (*link != node) link = &(*link)->next;
  *link = node->next;
  all->node_count--;
  free(node);
}

static struct fuse_node *remove_name(struct fuse_nodes *all, struct fuse_name *name) {
  struct fuse_entry at = {name->parent, name->text, name->bytes};
  struct fuse_name **link = find_name(all, &at, name->hash), **also = &name->node->names;
  struct fuse_node *parent = name->parent;
  *link = name->next;
  while (*also != name) also = &(*also)->also;
  *also = name->also;
  all->name_count--;
  free(name);
  return parent;
}

// Up the tree, as far as nobody needs the folders either.
static void free_unused(struct fuse_nodes *all, struct fuse_node *node) {
  while (node && node != &all->root && node->lookups == 0 && node->uses == 0 && !node->opens) {
    struct fuse_node *parent = NULL;
    while (node->names) {
      struct fuse_node *above = remove_name(all, node->names);
      if (parent) node_leave(all, parent);
      parent = above; // in use by the name that is gone, to the end: it may be above the next one
    }
    remove_node(all, node);
    if (parent) parent->uses--;
    node = parent;
  }
}

static void drop_name(struct fuse_nodes *all, struct fuse_name *name) {
  struct fuse_node *node = name->node, *parent = remove_name(all, name);
  free_unused(all, node);
  node_leave(all, parent);
}

void node_told(struct fuse_node *node, const struct rw_attributes *of) {
  node->told_bytes = of->size;
  node->told_time = of->modified;
}

int node_differs(const struct fuse_node *node, const struct rw_attributes *of) {
  return node->told_bytes != of->size || node->told_time.seconds != of->modified.seconds ||
         node->told_time.nanoseconds != of->modified.nanoseconds;
}

void node_use(struct fuse_node *node) { node->uses++; }

void node_leave(struct fuse_nodes *all, struct fuse_node *node) {
  node->uses--;
  free_unused(all, node);
}

void nodes_forget(struct fuse_nodes *all, struct fuse_node *node, uint64_t lookups) {
  if (node == &all->root) return;
  node->lookups -= lookups < node->lookups ? lookups : node->lookups;
  free_unused(all, node);
}

// ── Names found, and gone ───────────────────────────────────────────────────────────────────────────────────────────

static int is_same(const struct fuse_nodes *all, const struct fuse_node *node, const struct rw_attributes *of) {
  return node->kind == of->kind && node->inode_low == of->inode_low && node->inode_high == of->inode_high &&
         node->created.seconds == of->created.seconds && node->created.nanoseconds == of->created.nanoseconds &&
         (node->epoch != all->epoch || node->device == of->device);
}

int nodes_is(struct fuse_nodes *all, struct fuse_node *node, const struct rw_attributes *of) {
  if (node == &all->root) return of->kind == RW_KIND_DIRECTORY;
  if (!is_same(all, node, of)) return 0;
  node->device = of->device;
  node->epoch = all->epoch;
  return 1;
}

void nodes_epoch(struct fuse_nodes *all, uint32_t epoch, const struct rw_attributes *root) {
  all->epoch = all->root.epoch = epoch;
  all->root.device = root->device;
}

// Another name of a file that is known: one of this epoch, since no device tells them apart across two.
static struct fuse_node *find_linked(struct fuse_nodes *all, const struct rw_attributes *of) {
  if (of->kind == RW_KIND_DIRECTORY || of->links < 2) return NULL;
  struct fuse_node *node = all->nodes[node_hash(of->inode_low, of->inode_high) & (all->node_room - 1)];
  while (node && !(node->epoch == all->epoch && is_same(all, node, of))) node = node->next;
  return node;
}

static struct fuse_node *new_node(struct fuse_nodes *all, const struct rw_attributes *of) {
  struct fuse_node *node = calloc(1, sizeof *node);
  if (!node) return NULL;
  if (all->node_count >= all->node_room) grow_nodes(all);
  *node = (struct fuse_node){.kind = of->kind,
                             .device = of->device,
                             .epoch = all->epoch,
                             .inode_low = of->inode_low,
                             .inode_high = of->inode_high,
                             .created = of->created,
                             .generation = ++all->generation};
  struct fuse_node **head = &all->nodes[node_hash(of->inode_low, of->inode_high) & (all->node_room - 1)];
  node->next = *head;
  *head = node;
  all->node_count++;
  return node;
}

static int add_name(struct fuse_nodes *all, struct fuse_node *node, const struct fuse_entry *at) {
  struct fuse_name *name = malloc(sizeof *name + at->bytes);
  if (!name) return 0;
  if (all->name_count >= all->name_room) grow_names(all);
  *name = (struct fuse_name){
      .also = node->names, .node = node, .parent = at->parent, .hash = nodes_hash(at), .bytes = at->bytes};
  memcpy(name->text, at->name, at->bytes);
  node->names = name;
  struct fuse_name **head = &all->names[name->hash & (all->name_room - 1)];
  name->next = *head;
  *head = name;
  all->name_count++;
  node_use(at->parent);
  return 1;
}

// It comes first among its node's.
static void prefer(struct fuse_name *name) {
  struct fuse_name **also = &name->node->names;
  while (*also != name) also = &(*also)->also;
  *also = name->also;
  name->also = name->node->names;
  name->node->names = name;
}

struct fuse_node *nodes_found(struct fuse_nodes *all, struct fuse_entry at, const struct rw_attributes *of) {
  struct fuse_name *name = *find_name(all, &at, nodes_hash(&at));
  if (name && nodes_is(all, name->node, of)) {
    prefer(name);
    name->node->lookups++;
    return name->node;
  }
  if (name) drop_name(all, name);
  struct fuse_node *node = find_linked(all, of);
  if (!node) node = new_node(all, of);
  if (!node) return NULL;
  node->lookups++;
  if (add_name(all, node, &at)) return node;
  nodes_forget(all, node, 1);
  return NULL;
}

struct fuse_node *nodes_named(struct fuse_nodes *all, struct fuse_entry at) {
  const struct fuse_name *name = *find_name(all, &at, nodes_hash(&at));
  return name ? name->node : NULL;
}

void nodes_gone(struct fuse_nodes *all, struct fuse_entry at) {
  struct fuse_name *name = *find_name(all, &at, nodes_hash(&at));
  if (name) drop_name(all, name);
}

void nodes_stale(struct fuse_nodes *all, struct fuse_node *node) {
  if (node->names) drop_name(all, node->names);
}

// Who gets no name for want of memory has none, until it is looked for again.
static void move(struct fuse_nodes *all, struct fuse_name *name, const struct fuse_entry *to) {
  struct fuse_node *node = name->node;
  node_use(node);
  drop_name(all, name);
  add_name(all, node, to);
  node_leave(all, node);
}

void nodes_renamed(struct fuse_nodes *all, struct fuse_entry from, struct fuse_entry to, int exchanged) {
  struct fuse_name *source = *find_name(all, &from, nodes_hash(&from));
  struct fuse_name *target = *find_name(all, &to, nodes_hash(&to));
  // Two names of one file: nothing happens (rename(2)).
  if (source && target && source->node == target->node && !exchanged) return;
  node_use(from.parent);
  node_use(to.parent);
  struct fuse_node *other = target && exchanged ? target->node : NULL;
  if (other) node_use(other);
  if (target) drop_name(all, target);
  if (source) move(all, source, &to);
  if (other) add_name(all, other, &from);
  if (other) node_leave(all, other);
  node_leave(all, to.parent);
  node_leave(all, from.parent);
}
