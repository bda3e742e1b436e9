// The bytes of rwcat: from read(2) into the ring and from the ring to write(2), with no copy of our own.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rwcat-carry.h"

// ── Stdin and stdout ────────────────────────────────────────────────────────────────────────────────────────────────
//
// Neither may block: the other direction must go on. A pipe is opened anew, so that its other users keep their flags; a
// socket has MSG_DONTWAIT; anything else is asked with poll(2) each time.

static struct rwcat_end end_of(int fd, int flags, const char *path, const char *name) {
  struct rwcat_end end = {.fd = fd, .kind = PLAIN, .name = name};
  struct stat stat;
  if (fstat(fd, &stat) < 0) job_fail_errno(name, errno);
  if (S_ISREG(stat.st_mode)) end.kind = REGULAR;
  if (S_ISSOCK(stat.st_mode)) end.kind = SOCKET;
  if (S_ISFIFO(stat.st_mode)) {
    int again = open(path, flags | O_NONBLOCK | O_CLOEXEC);
    if (again >= 0) {
      // The reader of our output, and the writer of our input, see no other end than this one.
      dup2(again, fd);
      close(again);
      end.kind = PIPE;
    }
  }
  end.ready = end.kind != PLAIN;
  return end;
}

// A call that moved nothing: -1, not now; errors end the program.
static ssize_t end_waits(struct rwcat_end *end) {
  if (errno != EAGAIN && errno != EINTR) job_fail_errno(end->name, errno);
  if (errno == EAGAIN) end->ready = 0;
  return -1;
}

// Bytes moved, 0 at the end of the file, -1 not now; other errors end the program.
ssize_t rwcat_read(struct rwcat_end *end, void *at, size_t bytes) {
  ssize_t got = end->kind == SOCKET ? recv(end->fd, at, bytes, MSG_DONTWAIT) : read(end->fd, at, bytes);
  if (end->kind == PLAIN) end->ready = 0;
  return got >= 0 ? got : end_waits(end);
}

ssize_t rwcat_write(struct rwcat_end *end, const void *at, size_t bytes) {
  // A blocking one that poll(2) calls writable takes at least this much.
  if (end->kind == PLAIN && bytes > 4096) bytes = 4096;
  ssize_t put = end->kind == SOCKET ? send(end->fd, at, bytes, MSG_DONTWAIT | MSG_NOSIGNAL) : write(end->fd, at, bytes);
  if (end->kind == PLAIN) end->ready = 0;
  return put >= 0 ? put : end_waits(end);
}

// Whoever reads hears that there is no more, while our other direction goes on.
static void end_close(struct rwcat_end *end) {
  int failed = end->kind == SOCKET ? shutdown(end->fd, SHUT_WR) : close(end->fd);
  if (failed < 0 && errno != EINTR && errno != ENOTCONN) job_fail_errno(end->name, errno);
}

// ── Moving bytes ────────────────────────────────────────────────────────────────────────────────────────────────────

void rwcat_check_epoch(const char *what) {
  int32_t status = talk_poll(&job_talk);
  if (status != RW_OK) job_fail(what, status);
}

// stdin to the ring: one piece.
int rwcat_step_in(struct rwcat_end *in, uint64_t *total) {
  void *at;
  int32_t room = talk_send_span(&job_talk, &at);
  if (room == RW_AGAIN) return WAITS_FOR_RING;
  // The host takes no more: whether that is an error, the other direction tells.
  if (room == RW_CLOSED || room == RW_RESET) return FINISHED;
  if (room < 0) job_fail("sending", room);
  if (!in->ready) return WAITS_FOR_END;
  ssize_t got = rwcat_read(in, at, (size_t)room);
  if (got < 0) return in->ready ? MOVED : WAITS_FOR_END;
  if (got == 0) {
    talk_end(&job_talk);
    return FINISHED;
  }
  int32_t status = talk_send_commit(&job_talk, (uint32_t)got);
  if (status == RW_CLOSED || status == RW_RESET) return FINISHED;
  if (status < 0) job_fail("sending", status);
  *total += (uint64_t)got;
  return MOVED;
}

// The ring to stdout: one piece.
static int step_out(struct rwcat_end *out, uint64_t *total) {
  void *at;
  int32_t bytes = talk_recv_span(&job_talk, &at);
  if (bytes == RW_AGAIN) return WAITS_FOR_RING;
  if (bytes == RW_END) return FINISHED;
  if (bytes < 0) job_fail("receiving", bytes);
  if (!out->ready) {
    talk_recv_pause(&job_talk);
    return WAITS_FOR_END;
  }
  ssize_t put = rwcat_write(out, at, (size_t)bytes);
  if (put < 0) return out->ready ? MOVED : WAITS_FOR_END;
  int32_t status = talk_recv_commit(&job_talk, (uint32_t)put);
  if (status < 0) job_fail("receiving", status);
  *total += (uint64_t)put;
  return MOVED;
}

// Waits for the ring, or for those of stdin and stdout that somebody waits for.
void rwcat_wait_for(struct rwcat_end *in, struct rwcat_end *out, int receives) {
  struct pollfd fds[2];
  struct rwcat_end *ends[2];
  uint32_t count = 0;
  if (in) {
    fds[count] = (struct pollfd){.fd = in->fd, .events = POLLIN};
    ends[count++] = in;
  }
  if (out) {
    fds[count] = (struct pollfd){.fd = out->fd, .events = POLLOUT};
    ends[count++] = out;
  }
  int32_t status = talk_wait(&job_talk, fds, count, receives);
  if (status < 0) job_fail("waiting", status);
  for (uint32_t i = 0; i < count; i++)
    if (fds[i].revents != 0) ends[i]->ready = 1;
}

struct rwcat_end rwcat_from_stdin(void) { return end_of(STDIN_FILENO, O_RDONLY, "/proc/self/fd/0", "stdin"); }
struct rwcat_end rwcat_to_stdout(void) { return end_of(STDOUT_FILENO, O_WRONLY, "/proc/self/fd/1", "stdout"); }

// Both ways, until both have ended.
void rwcat_carry(int in_state, int out_state, uint64_t *received) {
  struct rwcat_end in = rwcat_from_stdin();
  struct rwcat_end out = rwcat_to_stdout();
  uint64_t sent = 0;
  while (in_state != FINISHED || out_state != FINISHED) {
    rwcat_check_epoch("carrying bytes");
    if (in_state != FINISHED) in_state = rwcat_step_in(&in, &sent);
    if (out_state != FINISHED) {
      out_state = step_out(&out, received);
      if (out_state == FINISHED) end_close(&out);
    }
    if (in_state == MOVED || out_state == MOVED) continue;
    if (in_state == FINISHED && out_state == FINISHED) break;
    rwcat_wait_for(in_state == WAITS_FOR_END ? &in : NULL, out_state == WAITS_FOR_END ? &out : NULL,
             out_state == WAITS_FOR_RING);
  }
  int32_t status = talk_drain(&job_talk);
  if (status != RW_OK) job_fail("sending", status);
}
