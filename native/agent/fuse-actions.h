// What the requests of the kernel are to the host. A file each for what belongs together.

#ifndef RINGWAY_AGENT_FUSE_ACTIONS_H
#define RINGWAY_AGENT_FUSE_ACTIONS_H

#include "fuse-ops.h"

// fuse-names.c
extern const struct fuse_action fuse_lookup, fuse_mkdir, fuse_mknod, fuse_symlink, fuse_link;
// fuse-moves.c
extern const struct fuse_action fuse_unlink, fuse_rmdir, fuse_rename, fuse_rename2, fuse_readlink;
// fuse-status.c
extern const struct fuse_action fuse_getattr, fuse_setattr, fuse_statfs;
// fuse-xattrs.c
extern const struct fuse_action fuse_getxattr, fuse_setxattr, fuse_listxattr, fuse_removexattr;
// fuse-files.c
extern const struct fuse_action fuse_open_file, fuse_create, fuse_release, fuse_flush, fuse_fsync;
// fuse-data.c
extern const struct fuse_action fuse_read, fuse_write;
uint8_t *data_place(const struct fuse_flight *flight, uint32_t bytes); // where a Data goes; NULL: not so many
// fuse-ranges.c
extern const struct fuse_action fuse_fallocate, fuse_lseek, fuse_copy_file_range;
// fuse-folders.c
extern const struct fuse_action fuse_opendir, fuse_readdir, fuse_readdirplus;
// fuse-locks.c
extern const struct fuse_action fuse_getlk, fuse_setlk, fuse_setlkw;

#endif
