// What the agent's mounts know of: nodes, and the names that lead to them.

#include <stdlib.h>

#include "../../native/agent/fuse-nodes.h"
#include "host.h"
#include "unit.h"

static struct fuse_node *found(struct fuse_nodes *all, struct fuse_node *in, char name, uint32_t kind, uint32_t inode) {
  const uint8_t text[] = {(uint8_t)name};
  const struct rw_attributes of = {.kind = kind, .inode_low = inode, .links = kind == RW_KIND_FILE ? 2 : 1};
  return nodes_found(all, (struct fuse_entry){in, text, 1}, &of);
}

// A file with a name in a folder, and one in a folder of that: the kernel forgets the folders first.
void folders_stay_as_long_as_a_name_below_them(void) {
  for (int upper_first = 0; upper_first <= 1; upper_first++) {
    struct fuse_nodes all = {.epoch = 0};
    CHECK(nodes_init(&all));
    struct fuse_node *upper = found(&all, &all.root, 'p', RW_KIND_DIRECTORY, 1);
    struct fuse_node *lower = found(&all, upper, 'q', RW_KIND_DIRECTORY, 2);
    struct fuse_node *file = found(&all, upper_first ? upper : lower, 'x', RW_KIND_FILE, 3);
    CHECK(found(&all, upper_first ? lower : upper, 'x', RW_KIND_FILE, 3) == file);
    nodes_forget(&all, upper, 1);
    nodes_forget(&all, lower, 1);
    IS(all.node_count, 3);
    IS(all.name_count, 4);
    nodes_forget(&all, file, 2);
    IS(all.node_count, 0);
    IS(all.name_count, 0);
    IS(all.root.uses, 0);
    free(all.nodes);
    free(all.names);
  }
}
