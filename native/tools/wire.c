// A stream through the agent: bytes and frames over its service socket. A buffer of this side stands for each ring.

#define _GNU_SOURCE
#include "wire.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "words.h"

enum { HEADER = RW_FRAME_HEADER_BYTES, ANSWER_MS = 2000 };

// ── Bytes ───────────────────────────────────────────────────────────────────────────────────────────────────────────

static const char *service;

int wire_connect(const char *path) {
  service = path;
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof to.sun_path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  strcpy(to.sun_path, path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) == 0) return fd;
  int error = errno;
  close(fd);
  errno = error;
  return -1;
}

// An agent that is killed ends its connections as one that passes an END on: without a mark. So who sees an end asks
// whether it is still there. One that is hangs up on a question without words, with a mark; a socket that nobody serves
// ends, or is not there.
static int agent_is_there(void) {
  int fd = wire_connect(service);
  if (fd < 0) return 0;
  shutdown(fd, SHUT_WR);
  char byte;
  struct pollfd answer = {.fd = fd, .events = POLLIN};
  int told = poll(&answer, 1, ANSWER_MS); // none in time: it has other things to do
  int there = told == 0 || (told == 1 && recv(fd, &byte, 1, MSG_DONTWAIT) == 1);
  close(fd);
  return there;
}

// RW_OK when nothing is left of what was to be sent.
int32_t wire_flush(struct wire *wire) {
  while (wire->out_bytes > 0) {
    ssize_t put = send(wire->fd, wire->out + wire->out_at, wire->out_bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && errno == EAGAIN) return RW_AGAIN;
    if (put < 0) { // the host takes no more; why, what it sends tells
      wire->out_bytes = 0;
      return errno == EPIPE ? RW_CLOSED : RW_RESET;
    }
    wire->out_at += (uint32_t)put;
    wire->out_bytes -= (uint32_t)put;
  }
  wire->out_at = 0;
  if (wire->ended && !wire->shut) {
    shutdown(wire->fd, SHUT_WR);
    wire->shut = 1;
  }
  return RW_OK;
}

// What has come, behind what is there already. A descriptor in the train of a byte is the agent's way to say RESET; the
// kernel gives the bytes before it in the same piece, and nothing behind it.
int32_t wire_fill(struct wire *wire) {
  if (wire->over != RW_OK) return wire->over;
  uint32_t end = wire->in_at + wire->in_bytes; // never at the end of the buffer: see wire_next()
  union {
    struct cmsghdr align;
    uint8_t bytes[CMSG_SPACE(sizeof(int))];
  } control;
  struct iovec part = {.iov_base = wire->in + end, .iov_len = sizeof wire->in - end};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  ssize_t got;
  do got = recvmsg(wire->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  while (got < 0 && errno == EINTR);
  if (got < 0 && errno == EAGAIN) return RW_AGAIN;
  if (got > 0 && (message.msg_controllen > 0 || (message.msg_flags & MSG_CTRUNC))) {
    wire->over = RW_RESET; // the descriptor ends with this program
    if (--got == 0) return wire->over;
  }
  if (got <= 0) return wire->over = got == 0 && agent_is_there() ? RW_END : RW_RESET;
  wire->in_bytes += (uint32_t)got;
  return RW_OK;
}

void wire_consume(struct wire *wire, uint32_t count) {
  wire->in_at += count;
  wire->in_bytes -= count;
  if (wire->in_bytes == 0) wire->in_at = 0;
}

// ── Frames ──────────────────────────────────────────────────────────────────────────────────────────────────────────

static int32_t put(struct wire *wire, uint32_t type, uint32_t request, const void *first, uint32_t first_bytes,
                   const void *second, uint32_t second_bytes) {
  int32_t status = wire_flush(wire);
  if (status != RW_OK) return status;
  uint32_t bytes = first_bytes + second_bytes;
  if (bytes > RW_FRAME_PAYLOAD_MAX) return RW_TOO_LONG;
  put_word(wire->out, bytes);
  put_word(wire->out + 4, type);
  put_word(wire->out + 8, request);
  if (first_bytes > 0) memcpy(wire->out + HEADER, first, first_bytes);
  if (second_bytes > 0) memcpy(wire->out + HEADER + first_bytes, second, second_bytes);
  wire->out_at = 0;
  wire->out_bytes = HEADER + bytes;
  status = wire_flush(wire);
  return status == RW_AGAIN ? RW_OK : status;
}

int32_t wire_send(struct wire *wire, uint32_t type, const void *first, uint32_t first_bytes, const void *second,
                  uint32_t second_bytes) {
  int32_t status = put(wire, type, wire->request + 1, first, first_bytes, second, second_bytes);
  return status == RW_OK ? (int32_t)++wire->request : status;
}

int32_t wire_tell(struct wire *wire, uint32_t type, const void *first, uint32_t first_bytes, const void *second,
                  uint32_t second_bytes) {
  return put(wire, type, 0, first, first_bytes, second, second_bytes);
}

// The payload stays in the buffer, and is good until the next call.
int32_t wire_next(struct wire *wire, struct rw_frame *frame) {
  for (;;) {
    const uint8_t *at = wire->in + wire->in_at;
    if (wire->in_bytes >= HEADER) {
      frame->bytes = word_at(at);
      frame->type = word_at(at + 4);
      frame->request = word_at(at + 8);
      if (frame->bytes > RW_FRAME_PAYLOAD_MAX) return wire->over = RW_BAD_LENGTH;
      if (!(frame->type & 0x8000)) return wire->over = RW_BAD_TYPE;
      if (wire->in_bytes >= HEADER + frame->bytes) {
        frame->payload = at + HEADER;
        // Not moved: what was taken is still where it was.
        wire->in_at += HEADER + frame->bytes;
        wire->in_bytes -= HEADER + frame->bytes;
        return RW_OK;
      }
    }
    // Room for a whole frame lies behind in_at, or is made.
    if (wire->in_bytes == 0) wire->in_at = 0;
    else if (wire->in_at > sizeof wire->in - HEADER - RW_FRAME_PAYLOAD_MAX) {
      memmove(wire->in, at, wire->in_bytes);
      wire->in_at = 0;
    }
    int32_t status = wire_fill(wire);
    if (status == RW_END && wire->in_bytes > 0) return wire->over = RW_BAD_LENGTH; // cut off
    if (status != RW_OK) return status;
  }
}
