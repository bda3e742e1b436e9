// The socket at the other end of a connection over loopback. Both ends are sockets of one kernel, and that tells of the
// program's what TCP itself does not (NETLINK_SOCK_DIAG): its state, and its inode, which is 0 once no descriptor names
// it. One socket is asked for, not a list. In another namespace, or under a kernel that has no such thing, nothing is
// known.

#define _GNU_SOURCE
#include "diag.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// <linux/inet_diag.h>, which musl-gcc does not find.
enum {
  NETLINK_SOCK_DIAG = 4,
  NLM_F_REQUEST = 1,
  SOCK_DIAG_BY_FAMILY = 20,
};

struct header { // nlmsghdr
  uint32_t bytes;
  uint16_t type, flags;
  uint32_t sequence, port;
};

struct ends { // inet_diag_sockid; ports and addresses in network order
  uint16_t source_port, target_port;
  uint32_t source[4], target[4], interface, cookie[2];
};

struct question { // inet_diag_req_v2
  struct header header;
  uint8_t family, protocol, extensions, pad;
  uint32_t states;
  struct ends ends;
};

struct answer { // inet_diag_msg
  struct header header;
  uint8_t family, state, timer, retransmits;
  struct ends ends;
  uint32_t expires, to_read, to_write, user, inode;
};

static uint16_t put_end(const struct sockaddr_storage *from, uint32_t address[4]) {
  if (from->ss_family == AF_INET6) {
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)from;
    memcpy(address, &in6->sin6_addr, 16);
    return in6->sin6_port;
  }
  const struct sockaddr_in *in = (const struct sockaddr_in *)from;
  memcpy(address, &in->sin_addr, 4);
  return in->sin_port;
}

// The program's end of it: what is our peer is its own address.
static int ends_of(int fd, struct question *question) {
  struct sockaddr_storage own, peer;
  socklen_t own_bytes = sizeof own, peer_bytes = sizeof peer;
  if (getsockname(fd, (struct sockaddr *)&own, &own_bytes) < 0) return 0;
  if (getpeername(fd, (struct sockaddr *)&peer, &peer_bytes) < 0) return 0;
  question->family = (uint8_t)own.ss_family;
  question->ends.source_port = put_end(&peer, question->ends.source);
  question->ends.target_port = put_end(&own, question->ends.target);
  return 1;
}

static int netlink = -1; // there is none

void diag_init(void) { netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG); }

// The kernel answers within send().
static int ask(struct question *question, struct answer *answer) {
  static uint32_t sequence;
  if (netlink < 0) return 0;
  question->header.sequence = ++sequence;
  if (send(netlink, question, sizeof *question, MSG_DONTWAIT | MSG_NOSIGNAL) != sizeof *question) return 0;
  ssize_t got; // attributes follow, which are not wanted
  do got = recv(netlink, answer, sizeof *answer, MSG_DONTWAIT);
  while (got >= (ssize_t)sizeof answer->header && answer->header.sequence != sequence);
  return got == sizeof *answer && answer->header.type == SOCK_DIAG_BY_FAMILY;
}

int diag_ask(int fd, struct far_end *end) {
  struct question question = {
      .header = {.bytes = sizeof question, .type = SOCK_DIAG_BY_FAMILY, .flags = NLM_F_REQUEST},
      .protocol = IPPROTO_TCP,
      .states = UINT32_MAX,
      .ends.cookie = {UINT32_MAX, UINT32_MAX},
  };
  struct answer answer;
  if (!ends_of(fd, &question) || !ask(&question, &answer)) return 0;
  *end = (struct far_end){.state = answer.state, .inode = answer.inode};
  return 1;
}
