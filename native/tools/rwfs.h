// Between the files of rwfs: how it asks the host, and how it fails. `what` begins the line on stderr: a path.

#ifndef RINGWAY_RWFS_H
#define RINGWAY_RWFS_H

#include "say.h"
#include "talk.h"

enum { RWFS_BODY_BYTES = 2 * RW_PATH_MAX_BYTES + 64 };

extern uint8_t rwfs_body[RWFS_BODY_BYTES]; // the payload of the next request

void rwfs_begin(const char *what); // of a line
_Noreturn void rwfs_fail_line(void);
_Noreturn void rwfs_fail(const char *what, int32_t status);
_Noreturn void rwfs_fail_errno(const char *what, int error);
_Noreturn void rwfs_fail_frame(const char *what, const struct rw_frame *frame, uint32_t error_number);

void rwfs_open(const char *what); // a stream of fs
int32_t rwfs_path(const char *path); // into rwfs_body; its bytes, or RW_INVALID
void rwfs_ask(const char *what, uint32_t type, int32_t payload_bytes);
void rwfs_any_frame(const char *what, struct rw_frame *frame);
void rwfs_next_frame(const char *what, struct rw_frame *frame); // any but an Error, which ends the program
void rwfs_expect_done(const char *what);
void rwfs_write(int fd, const char *name, const void *at, size_t bytes); // all of it

void rwfs_list(const char *path, int in_full);
void rwfs_stat(const char *path);
void rwfs_mkdir(const char *path, int parents);
void rwfs_move(const char *from, const char *to);
void rwfs_remove(const char *path, char how); // 'd': an empty folder, 'r': with all that is in it, 0: no folder

#endif
