// What the host tells of a file, as the kernel has it: see fuse-attributes.c.

#ifndef RINGWAY_AGENT_FUSE_ATTRIBUTES_H
#define RINGWAY_AGENT_FUSE_ATTRIBUTES_H

#include "fuse-wire.h"
#include "ringway-mount.h"

// Whose the mount's root is: on the host, and here.
struct fuse_owner_map {
  uint32_t host_uid, host_gid, device; // device: the root's
  uint32_t uid, gid;
};

void owner_map_of(struct fuse_owner_map *map, const struct rw_attributes *root);
uint32_t owner_map_uid(const struct fuse_owner_map *map, uint32_t uid); // of the guest's, the host's
uint32_t owner_map_gid(const struct fuse_owner_map *map, uint32_t gid);

// 1 where a file system may say so.
int attributes_are_sane(const struct rw_attributes *of);
void attributes_to_kernel(const struct fuse_owner_map *map, const struct rw_attributes *of, struct fuse_attr *to);
uint32_t attributes_type(uint32_t kind); // of a directory entry: DT_REG, ...
uint64_t attributes_inode(const struct fuse_owner_map *map, const struct rw_attributes *of);
// 1 where a name is one of a folder's entries: not empty, no slash, no NUL, neither "." nor "..".
int name_is_sane(const uint8_t *name, uint32_t bytes);

#endif
