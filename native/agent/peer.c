// Which program is at the other end of a connection on loopback. TCP has no SO_PEERCRED, so it takes two steps: the
// kernel tells the inode of the socket at that end (diag.c), and here /proc/PID/fd who has it open.
//
// It is for people, in a line that is rare (refusal.c): nothing is decided by it. The caller says how many links may be
// read, about 2 us each. A program that hides behind more descriptors, ends, or is another user's (for an agent that is
// not root) is not found.

#define _GNU_SOURCE
#include "peer.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "limits.h"
#include "text.h"

// Does this process have it open?
static int has_open(int process, const char *link, uint32_t length, uint32_t *links) {
  int at = openat(process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *folder = at < 0 ? NULL : fdopendir(at);
  const struct dirent *entry;
  char text[64];
  int found = 0;
  if (!folder && at >= 0) close(at);
  while (folder && !found && *links > 0 && (entry = readdir(folder)) != NULL) {
    --*links;
    found = readlinkat(at, entry->d_name, text, sizeof text) == (ssize_t)length && memcmp(text, link, length) == 0;
  }
  if (folder) closedir(folder);
  return found;
}

static void read_name(int process, struct peer *peer) {
  int fd = openat(process, "comm", O_RDONLY | O_CLOEXEC);
  ssize_t count = fd < 0 ? 0 : read(fd, peer->name, sizeof peer->name);
  if (fd >= 0) close(fd);
  while (count > 0 && peer->name[count - 1] == '\n') count--;
  peer->name_bytes = count > 0 ? (uint32_t)count : 0;
}

static int search_process(int processes, uint32_t pid, const struct text *link, uint32_t *links, struct peer *peer) {
  char bytes[12] = "";
  struct text name = {.bytes = bytes, .room = sizeof bytes - 1};
  put_number(&name, pid);
  int process = openat(processes, bytes, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (process < 0) return 0;
  int found = has_open(process, link->bytes, link->length, links);
  if (found) {
    peer->pid = pid;
    read_name(process, peer);
  }
  close(process);
  return found;
}

// The youngest first: who is refused has mostly just begun. /proc lists them by their numbers. A process costs a link.
static int search(DIR *processes, const struct text *link, uint32_t *links, struct peer *peer) {
  static uint32_t pids[PROCESSES_MAX]; // the last of them
  const struct dirent *entry;
  uint32_t count = 0;
  while ((entry = readdir(processes)) != NULL)
    if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
      pids[count++ % PROCESSES_MAX] = (uint32_t)strtoul(entry->d_name, NULL, 10);
  for (uint32_t i = 0; i < count && i < PROCESSES_MAX && *links > 0; i++) {
    --*links;
    if (search_process(dirfd(processes), pids[(count - 1 - i) % PROCESSES_MAX], link, links, peer)) return 1;
  }
  return 0;
}

int peer_find(uint32_t inode, uint32_t *links, struct peer *peer) {
  char bytes[32];
  struct text link = {.bytes = bytes, .room = sizeof bytes};
  if (*links == 0 || inode == 0) return 0;
  DIR *processes = opendir("/proc");
  if (!processes) return 0;
  put(&link, "socket:[");
  put_number(&link, inode);
  put(&link, "]");
  int found = search(processes, &link, links, peer);
  closedir(processes);
  return found;
}
