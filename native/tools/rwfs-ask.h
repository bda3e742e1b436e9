// How rwfs asks the host. `what` begins the line on stderr where it fails: a path.

#ifndef RINGWAY_RWFS_ASK_H
#define RINGWAY_RWFS_ASK_H

#include "job.h"

enum { RWFS_BODY_BYTES = 2 * RW_PATH_MAX_BYTES + 64 };

extern uint8_t rwfs_body[RWFS_BODY_BYTES]; // the payload of the next request

void rwfs_open(const char *what); // a stream of fs
int32_t rwfs_path(const char *path); // into rwfs_body; its bytes, or RW_INVALID
void rwfs_ask(const char *what, uint32_t type, int32_t payload_bytes);
void rwfs_any_frame(const char *what, struct rw_frame *frame);
void rwfs_next_frame(const char *what, struct rw_frame *frame); // any but an Error, which ends the program
void rwfs_expect_done(const char *what);
void rwfs_write(int fd, const char *name, const void *at, size_t bytes); // all of it

#endif
