// The socket at the other end of a connection over loopback. Both ends are sockets of one kernel, and that tells of the
// program's what TCP itself does not (NETLINK_SOCK_DIAG): its state, and its inode, which is 0 once no descriptor names
// it. One socket is asked for, not a list. In another namespace, or under a kernel that has no such thing, nothing is
// known.

#define _GNU_SOURCE
#include "diag.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "inet.h"
#include "limits.h"

// <linux/inet_diag.h>, which musl-gcc does not find.
enum {
  NETLINK_SOCK_DIAG = 4,
  NLM_F_REQUEST = 1,
  NLM_F_DUMP = 0x300,
  NLMSG_ERROR = 2,
  NLMSG_DONE = 3,
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

// ── Both ends ───────────────────────────────────────────────────────────────────────────────────────────────────────

int diag_ends(int fd, struct rw_inet *program, struct rw_inet *asked) {
  struct sockaddr_storage own, peer;
  socklen_t own_bytes = sizeof own, peer_bytes = sizeof peer;
  if (getsockname(fd, (struct sockaddr *)&own, &own_bytes) < 0) return 0;
  if (getpeername(fd, (struct sockaddr *)&peer, &peer_bytes) < 0) return 0;
  *program = inet_from(&peer);
  *asked = inet_from(&own);
  return 1;
}

// ── Asking ──────────────────────────────────────────────────────────────────────────────────────────────────────────

static int netlink = -1; // there is none
static uint32_t lo;

void diag_init(void) {
  netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);
  lo = if_nametoindex("lo");
}

// The kernel answers within send(). That it knows no such socket counts once it has known one: without a module for TCP
// it says the same of all.
static enum far ask(struct question *question, struct answer *answer) {
  static uint32_t sequence;
  static int has_known;
  if (netlink < 0) return FAR_UNKNOWN;
  question->header.sequence = ++sequence;
  if (send(netlink, question, sizeof *question, MSG_DONTWAIT | MSG_NOSIGNAL) != sizeof *question) return FAR_UNKNOWN;
  ssize_t got; // attributes follow, which are not wanted
  do got = recv(netlink, answer, sizeof *answer, MSG_DONTWAIT);
  while (got >= (ssize_t)sizeof answer->header && answer->header.sequence != sequence);
  if (got == sizeof *answer && answer->header.type == SOCK_DIAG_BY_FAMILY) {
    if (question->protocol == IPPROTO_TCP) has_known = 1;
    return FAR_THERE;
  }
  int32_t error = 0;
  if (got >= (ssize_t)(sizeof answer->header + sizeof error) && answer->header.type == NLMSG_ERROR)
    memcpy(&error, (const uint8_t *)answer + sizeof answer->header, sizeof error);
  return error == -ENOENT && has_known ? FAR_GONE : FAR_UNKNOWN;
}

static enum far look(uint8_t protocol, const struct rw_inet *source, const struct rw_inet *target,
                     struct far_end *end) {
  struct question question = {
      .header = {.bytes = sizeof question, .type = SOCK_DIAG_BY_FAMILY, .flags = NLM_F_REQUEST},
      .family = source->family == 6 ? AF_INET6 : AF_INET,
      .protocol = protocol,
      .states = UINT32_MAX,
      .ends.interface = lo, // else a socket that is bound to it is not found
      .ends.cookie = {UINT32_MAX, UINT32_MAX},
      .ends.source_port = htons((uint16_t)source->port),
      .ends.target_port = htons((uint16_t)target->port),
  };
  struct answer answer;
  memcpy(question.ends.source, source->address, sizeof question.ends.source);
  memcpy(question.ends.target, target->address, sizeof question.ends.target);
  enum far far = ask(&question, &answer);
  if (far == FAR_THERE) *end = (struct far_end){.state = answer.state, .inode = answer.inode};
  return far;
}

enum far diag_look(const struct rw_inet *program, const struct rw_inet *asked, struct far_end *end) {
  return look(IPPROTO_TCP, program, asked, end);
}

// Of UDP the kernel wants them the other way round.
enum far diag_datagrams(const struct rw_inet *program, const struct rw_inet *asked, struct far_end *end) {
  return look(IPPROTO_UDP, asked, program, end);
}

int diag_ask(int fd, struct far_end *end) {
  struct rw_inet program, asked;
  return diag_ends(fd, &program, &asked) && diag_look(&program, &asked, end) == FAR_THERE;
}

// ── A list ──────────────────────────────────────────────────────────────────────────────────────────────────────────

static void tell_one(const struct answer *answer, void (*tell)(const struct rw_inet *at, uint32_t inode)) {
  struct rw_inet at = {.family = answer->family == AF_INET6 ? 6 : 4, .port = ntohs(answer->ends.source_port)};
  memcpy(at.address, answer->ends.source, at.family == 6 ? 16 : 4);
  tell(&at, answer->inode);
}

static int error_of(const uint8_t *bytes, size_t count) {
  int32_t error = 0;
  if (count >= sizeof(struct header) + sizeof error) memcpy(&error, bytes + sizeof(struct header), sizeof error);
  return error < 0 ? error : -EPROTO;
}

// Of a part of the list: 1 where there are more, 0 at its end, an errno below 0 where there is none.
static int tell_part(const uint8_t *bytes, size_t count, void (*tell)(const struct rw_inet *at, uint32_t inode)) {
  struct answer answer;
  for (size_t at = 0; at + sizeof answer.header <= count;) {
    memcpy(&answer.header, bytes + at, sizeof answer.header);
    if (answer.header.type == NLMSG_DONE) return 0;
    if (answer.header.type == NLMSG_ERROR) return error_of(bytes + at, count - at);
    if (answer.header.bytes < sizeof answer.header) return -EPROTO;
    if (answer.header.type == SOCK_DIAG_BY_FAMILY && at + sizeof answer <= count) {
      memcpy(&answer, bytes + at, sizeof answer);
      tell_one(&answer, tell);
    }
    at += (answer.header.bytes + 3) & ~3u;
  }
  return 1;
}

// Each recv() has the kernel make the next part.
int diag_listeners(int ipv6, void (*tell)(const struct rw_inet *at, uint32_t inode)) {
  enum { STATE_LISTEN = 10 };
  static uint8_t bytes[NETLINK_BYTES];
  struct question question = {
      .header = {.bytes = sizeof question, .type = SOCK_DIAG_BY_FAMILY, .flags = NLM_F_REQUEST | NLM_F_DUMP},
      .family = ipv6 ? AF_INET6 : AF_INET,
      .protocol = IPPROTO_TCP,
      .states = 1u << STATE_LISTEN,
  };
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG); // no other answers in it
  if (fd < 0) return errno;
  int more = send(fd, &question, sizeof question, MSG_NOSIGNAL) < 0 ? -errno : 1;
  while (more > 0) {
    ssize_t got = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    more = got < 0 ? -errno : tell_part(bytes, (size_t)got, tell);
  }
  close(fd);
  return -more;
}
