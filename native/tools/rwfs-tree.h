// What rwfs does in the tree of files.

#ifndef RINGWAY_RWFS_TREE_H
#define RINGWAY_RWFS_TREE_H

void rwfs_list(const char *path, int in_full);
void rwfs_stat(const char *path);
void rwfs_mkdir(const char *path, int parents);
void rwfs_move(const char *from, const char *to);
void rwfs_remove(const char *path, char how); // 'd': an empty folder, 'r': with all that is in it, 0: no folder

#endif
