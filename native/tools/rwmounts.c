// `ringway-agent rwmounts NAMESPACE FROM COUNT FOLDER PROGRAM...`: starts a program that has an agent's mounts. Those
// are FROM/0 to FROM/COUNT-1 in the mount namespace that the descriptor is of, and FOLDER/0 and so on here. Of `ringway
// run --files mount`, between rwenter and bubblewrap, which binds them from there; not for people.
//
//   a namespace of its own, a copy of the host's ──▶ in the agent's: take a mount ──▶ in its own: put it in its place
//                                                     ▲                                │
//                                                     └────────── for the next ────────┘
//
// To enter a namespace makes / the current folder (setns(2)): the paths are absolute.
//
// Invariant: the mounts are in namespaces alone that end with the agent and the program. So nothing is left of them,
// whatever kills whom.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "programs.h"
#include "say.h"

// <linux/mount.h>, which not every libc comes with. The calls have these numbers on all machines, since Linux 5.2.
enum { OPEN_TREE = 428, MOVE_MOUNT = 429, OPEN_TREE_CLONE = 1, MOVE_MOUNT_FROM_DESCRIPTOR = 4 };

static void enter(int namespace) {
  if (setns(namespace, CLONE_NEWNS) != 0) say_cannot("cannot enter a mount namespace", errno, EXIT_CANNOT);
}

static void path_of(char *path, const char *folder, long index) {
  int length = snprintf(path, PATH_MAX, "%s/%ld", folder, index);
  if (length < 0 || length >= PATH_MAX) say_cannot(folder, ENAMETOOLONG, EXIT_CANNOT);
}

static int take(const char *from, long index) {
  char path[PATH_MAX];
  path_of(path, from, index);
  long tree = syscall(OPEN_TREE, AT_FDCWD, path, OPEN_TREE_CLONE | O_CLOEXEC);
  if (tree < 0) say_cannot("cannot take a mount of the agent's", errno, EXIT_CANNOT);
  return (int)tree;
}

static void put(int tree, const char *folder, long index) {
  char path[PATH_MAX];
  path_of(path, folder, index);
  if (syscall(MOVE_MOUNT, tree, "", AT_FDCWD, path, MOVE_MOUNT_FROM_DESCRIPTOR) != 0)
    say_cannot(path, errno, EXIT_CANNOT);
  close(tree);
}

int rwmounts_main(int argc, char **argv) {
  say_program = "ringway";
  if (argc < 6) say_wrong_usage("rwmounts NAMESPACE FROM COUNT FOLDER PROGRAM...", NULL);
  int agents = atoi(argv[1]);
  if (unshare(CLONE_NEWNS) != 0) say_cannot("no mount namespace", errno, EXIT_CANNOT);
  int own = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
  if (own < 0) say_cannot("/proc/self/ns/mnt", errno, EXIT_CANNOT);
  for (long i = 0, count = atol(argv[3]); i < count; i++) {
    enter(agents);
    int tree = take(argv[2], i);
    enter(own);
    put(tree, argv[4], i);
  }
  close(agents);
  execvp(argv[5], argv + 5);
  say_cannot(argv[5], errno, EXIT_CANNOT);
}
