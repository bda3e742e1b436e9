// How rwfs asks: requests of fs and their replies, on one stream (section 15). What is refused ends the program.

#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "rwfs-ask.h"

enum { SMALL_RING_BYTES = 1 << 16 };

uint8_t rwfs_body[RWFS_BODY_BYTES];

void rwfs_any_frame(const char *what, struct rw_frame *frame) {
  int32_t status;
  while ((status = talk_frame(&job_talk, frame)) == RW_AGAIN) job_wait(what);
  if (status != RW_OK) job_fail(what, status == RW_END ? RW_RESET : status);
}

void rwfs_next_frame(const char *what, struct rw_frame *frame) {
  rwfs_any_frame(what, frame);
  if (frame->type == RW_T_ERROR) job_fail_frame(what, frame, EPROTO);
}

void rwfs_ask(const char *what, uint32_t type, int32_t payload_bytes) {
  int32_t status = payload_bytes;
  if (status == RW_INVALID) job_fail_errno(what, EINVAL);
  if (status >= 0)
    while ((status = talk_request(&job_talk, type, rwfs_body, (uint32_t)payload_bytes)) == RW_AGAIN) job_wait(what);
  if (status < 0) job_fail(what, status);
}

void rwfs_open(const char *what) {
  struct rw_frame answer;
  job_open(what, SMALL_RING_BYTES, RW_FS, rwfs_body, 0, &answer);
}

int32_t rwfs_path(const char *path) {
  return rw_encode_path(rwfs_body, sizeof rwfs_body, path, (uint32_t)strlen(path));
}

void rwfs_expect_done(const char *what) {
  struct rw_frame frame;
  rwfs_next_frame(what, &frame);
  if (frame.type != RW_T_DONE) job_fail(what, RW_BAD_TYPE);
}

void rwfs_write(int fd, const char *name, const void *at, size_t bytes) {
  for (size_t done = 0; done < bytes;) {
    ssize_t put = write(fd, (const char *)at + done, bytes - done);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) job_fail_errno(name, errno);
    done += (size_t)put;
  }
}
