// What the host tells of a file, as the kernel has it. The host is not trusted: what no file system says is refused
// before it gets here (attributes_are_sane(), name_is_sane()).
//
// Owners: what belongs to the owner of the mount's root on the host belongs to the agent's user here, and the same of
// groups; all else is told as it is. So a folder of the user who started the monitor is root's own in the guest, with
// what programs make in it.
//
// Inode numbers are the host's. Files of its other file systems may have the same ones: the device changes their upper
// half.

#define _GNU_SOURCE
#include "fuse-attributes.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "limits.h"

void owner_map_of(struct fuse_owner_map *map, const struct rw_attributes *root) {
  *map = (struct fuse_owner_map){
      .host_uid = root->uid, .host_gid = root->gid, .device = root->device, .uid = geteuid(), .gid = getegid()};
}

uint32_t owner_map_uid(const struct fuse_owner_map *map, uint32_t uid) { return uid == map->uid ? map->host_uid : uid; }
uint32_t owner_map_gid(const struct fuse_owner_map *map, uint32_t gid) { return gid == map->gid ? map->host_gid : gid; }

static int time_is_sane(const struct rw_time *time) { return time->nanoseconds < 1000000000; }

int attributes_are_sane(const struct rw_attributes *of) {
  return of->kind >= RW_KIND_FILE && of->kind <= RW_KIND_OTHER && (of->mode & ~0777u) == 0 &&
         time_is_sane(&of->accessed) && time_is_sane(&of->modified) && time_is_sane(&of->changed);
}

// What is none of the three can only be looked at: a socket is what nobody can open.
static uint32_t format_of(uint32_t kind) {
  static const uint32_t formats[] = {
      [RW_KIND_FILE] = S_IFREG, [RW_KIND_DIRECTORY] = S_IFDIR, [RW_KIND_SYMLINK] = S_IFLNK, [RW_KIND_OTHER] = S_IFSOCK};
  return formats[kind];
}

uint32_t attributes_type(uint32_t kind) {
  static const uint32_t types[] = {
      [RW_KIND_FILE] = DT_REG, [RW_KIND_DIRECTORY] = DT_DIR, [RW_KIND_SYMLINK] = DT_LNK, [RW_KIND_OTHER] = DT_SOCK};
  return kind >= RW_KIND_FILE && kind <= RW_KIND_OTHER ? types[kind] : DT_UNKNOWN;
}

uint64_t attributes_inode(const struct fuse_owner_map *map, const struct rw_attributes *of) {
  return ((uint64_t)(of->inode_high ^ of->device ^ map->device) << 32) | of->inode_low;
}

void attributes_to_kernel(const struct fuse_owner_map *map, const struct rw_attributes *of, struct fuse_attr *to) {
  *to = (struct fuse_attr){
      .ino = attributes_inode(map, of),
      .size = of->size,
      .blocks = of->blocks,
      .atime = (uint64_t)of->accessed.seconds,
      .mtime = (uint64_t)of->modified.seconds,
      .ctime = (uint64_t)of->changed.seconds,
      .atimensec = of->accessed.nanoseconds,
      .mtimensec = of->modified.nanoseconds,
      .ctimensec = of->changed.nanoseconds,
      .mode = format_of(of->kind) | of->mode,
      .nlink = of->links,
      .uid = of->uid == map->host_uid ? map->uid : of->uid,
      .gid = of->gid == map->host_gid ? map->gid : of->gid,
      .blksize = RW_IO_MAX_BYTES, // what programs read and write at once: what goes into one frame
  };
}

int name_is_sane(const uint8_t *name, uint32_t bytes) {
  if (bytes == 0 || bytes > RW_NAME_MAX_BYTES) return 0;
  if (name[0] == '.' && (bytes == 1 || (bytes == 2 && name[1] == '.'))) return 0;
  return !memchr(name, '/', bytes) && !memchr(name, 0, bytes);
}
