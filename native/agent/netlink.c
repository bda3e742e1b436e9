// Requests of netlink: a header, a head that each kind has its own of, attributes, which may have attributes in them.
//
//   netlink_request ─▶ netlink_put ... [netlink_nest ─▶ netlink_put ... ─▶ netlink_nested] ─▶ netlink_ask
//
// Several stand in one buffer and go in one send(). The kernel does what they say within that call, and has answered
// each when it returns: so there is nothing to wait for. An answer has the number of its request.

#define _GNU_SOURCE
#include "netlink.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

enum { REQUEST = 1, ACK = 4, IS_ANSWER = 2, NESTED = 0x8000 };

struct header { // nlmsghdr
  uint32_t bytes;
  uint16_t type, flags;
  uint32_t sequence, port;
};

struct answer { // nlmsghdr, nlmsgerr
  struct header header;
  int32_t error;
  struct header request;
};

struct attribute { // nlattr
  uint16_t bytes, type;
};

int netlink_open(enum netlink_protocol protocol) {
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, (int)protocol);
  return fd < 0 ? -errno : fd;
}

// ── Putting together ────────────────────────────────────────────────────────────────────────────────────────────────

// All that stands in it begins at a multiple of 4; the bytes between are 0.
static void *room(struct netlink *to, uint32_t bytes) {
  uint32_t whole = (bytes + 3) & ~3u;
  if (to->full || whole > sizeof to->bytes - to->length) {
    to->full = 1;
    return NULL;
  }
  void *at = to->bytes + to->length;
  memset(at, 0, whole);
  to->length += whole;
  return at;
}

// Where it began to where it ends now.
static void close_last(struct netlink *to) {
  if (to->length == 0) return;
  uint32_t bytes = to->length - to->last;
  memcpy(to->bytes + to->last, &bytes, sizeof bytes);
}

static void begin(struct netlink *to, uint32_t type, uint32_t flags, uint32_t number, const void *head,
                  uint32_t bytes) {
  struct header header = {.type = (uint16_t)type, .flags = (uint16_t)(REQUEST | flags), .sequence = number};
  close_last(to);
  to->last = to->length;
  void *at = room(to, sizeof header);
  if (at) memcpy(at, &header, sizeof header);
  at = room(to, bytes);
  if (at) memcpy(at, head, bytes);
}

uint32_t netlink_request(struct netlink *to, uint32_t type, uint32_t flags, const void *head, uint32_t bytes) {
  begin(to, type, ACK | flags, to->requests, head, bytes);
  return to->requests++;
}

void netlink_bracket(struct netlink *to, uint32_t type, const void *head, uint32_t bytes) {
  begin(to, type, 0, NETLINK_NUMBER_NONE, head, bytes);
}

void netlink_put(struct netlink *to, uint32_t type, const void *bytes, uint32_t count) {
  struct attribute attribute = {.bytes = (uint16_t)(sizeof attribute + count), .type = (uint16_t)type};
  uint8_t *at = room(to, (uint32_t)sizeof attribute + count);
  if (!at) return;
  memcpy(at, &attribute, sizeof attribute);
  if (count > 0) memcpy(at + sizeof attribute, bytes, count);
}

void netlink_put_text(struct netlink *to, uint32_t type, const char *text) {
  netlink_put(to, type, text, (uint32_t)strlen(text) + 1);
}

void netlink_put_be32(struct netlink *to, uint32_t type, uint32_t value) {
  uint32_t wire = htonl(value);
  netlink_put(to, type, &wire, sizeof wire);
}

uint32_t netlink_nest(struct netlink *to, uint32_t type) {
  uint32_t nest = to->length;
  netlink_put(to, type | NESTED, NULL, 0);
  return nest;
}

void netlink_nested(struct netlink *to, uint32_t nest) {
  uint16_t bytes = (uint16_t)(to->length - nest);
  if (!to->full) memcpy(to->bytes + nest, &bytes, sizeof bytes);
}

// ── Asking ──────────────────────────────────────────────────────────────────────────────────────────────────────────

// Every answer that is there. An error repeats the request behind what is looked at here.
static int hear(int fd, uint32_t requests, uint32_t *which) {
  uint32_t answered = 0;
  int error = 0;
  for (;;) {
    static _Alignas(4) uint8_t bytes[NETLINK_BYTES];
    ssize_t got = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) break;
    for (size_t at = 0; at + sizeof(struct answer) <= (size_t)got;) {
      struct answer answer;
      memcpy(&answer, bytes + at, sizeof answer);
      if (answer.header.bytes < sizeof answer.header) break;
      at += (answer.header.bytes + 3) & ~3u;
      if (answer.header.type != IS_ANSWER) continue;
      if (answer.header.sequence < requests) answered++;
      if (answer.error == 0 || error != 0) continue;
      error = -answer.error;
      *which = answer.header.sequence;
    }
  }
  return error == 0 && answered < requests ? EIO : error;
}

int netlink_ask(int fd, struct netlink *requests, uint32_t *which) {
  *which = 0;
  close_last(requests);
  if (requests->full) return EMSGSIZE;
  ssize_t sent = send(fd, requests->bytes, requests->length, MSG_NOSIGNAL); // nobody else is asked than the kernel
  return sent < 0 ? errno : hear(fd, requests->requests, which);
}
