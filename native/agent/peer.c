// Which program is at the other end of a connection on loopback. TCP has no SO_PEERCRED, so it takes two steps: the
// kernel tells the inode of the socket at that end (sock_diag, one socket and no list), and /proc/PID/fd who has it
// open.
//
// It is for people, in a line that is rare (refusal.c): nothing is decided by it. The caller says how many links may be
// read, about 2 us each. A program that hides behind more descriptors, ends, or is another user's (for an agent that is
// not root) is not found.

#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent.h"
#include "text.h"

enum { NETLINK_SOCK_DIAG_ = 4, SOCK_DIAG_BY_FAMILY_ = 20, NETLINK_REQUEST = 1, PROCESSES_MAX = 2048 };

// Of <linux/netlink.h> and <linux/inet_diag.h>, which musl's own headers do not bring.
struct netlink_head {
  uint32_t bytes;
  uint16_t type, flags;
  uint32_t sequence, port;
};
struct diag_socket {
  uint16_t source_port, destination_port; // and addresses: big-endian
  uint32_t source[4], destination[4], interface, cookie[2];
};
struct diag_request {
  struct netlink_head head;
  uint8_t family, protocol, extensions, pad;
  uint32_t states;
  struct diag_socket socket;
};
struct diag_answer {
  struct netlink_head head;
  uint8_t family, state, timer, retransmits;
  struct diag_socket socket;
  uint32_t expires, read_queue, write_queue, user, inode;
};

static void put_end(int family, const struct sockaddr_storage *end, uint32_t ip[4], uint16_t *port) {
  const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)end;
  const struct sockaddr_in *in = (const struct sockaddr_in *)end;
  if (family == AF_INET6) memcpy(ip, &in6->sin6_addr, 16);
  else memcpy(ip, &in->sin_addr, 4);
  *port = family == AF_INET6 ? in6->sin6_port : in->sin_port;
}

// 0: the kernel does not tell; it may be built without sock_diag.
static uint32_t inode_of_peer(int fd) {
  struct sockaddr_storage theirs = {0}, ours = {0};
  socklen_t bytes = sizeof theirs, more = sizeof ours;
  if (getpeername(fd, (struct sockaddr *)&theirs, &bytes) < 0 || getsockname(fd, (struct sockaddr *)&ours, &more) < 0)
    return 0;
  struct diag_request request = {
      .head = {.bytes = sizeof request, .type = SOCK_DIAG_BY_FAMILY_, .flags = NETLINK_REQUEST},
      .family = (uint8_t)theirs.ss_family,
      .protocol = IPPROTO_TCP,
      .states = UINT32_MAX,
      .socket = {.cookie = {UINT32_MAX, UINT32_MAX}},
  };
  put_end(theirs.ss_family, &theirs, request.socket.source, &request.socket.source_port);
  put_end(theirs.ss_family, &ours, request.socket.destination, &request.socket.destination_port);
  union {
    struct diag_answer answer;
    uint8_t room[512];
  } got;
  int diag = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG_);
  // The kernel answers within send().
  ssize_t count = diag < 0 ? -1 : send(diag, &request, sizeof request, MSG_DONTWAIT);
  if (count > 0) count = recv(diag, &got, sizeof got, MSG_DONTWAIT);
  if (diag >= 0) close(diag);
  return count >= (ssize_t)sizeof got.answer && got.answer.head.type == SOCK_DIAG_BY_FAMILY_ ? got.answer.inode : 0;
}

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

int peer_find(int fd, uint32_t *links, struct peer *peer) {
  char bytes[32];
  struct text link = {.bytes = bytes, .room = sizeof bytes};
  uint32_t inode = *links == 0 ? 0 : inode_of_peer(fd);
  DIR *processes = inode == 0 ? NULL : opendir("/proc");
  if (!processes) return 0;
  put(&link, "socket:[");
  put_number(&link, inode);
  put(&link, "]");
  int found = search(processes, &link, links, peer);
  closedir(processes);
  return found;
}
