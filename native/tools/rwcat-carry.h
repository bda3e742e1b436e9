// Of rwcat: stdin, stdout, and the bytes between them and the ring.

#ifndef RINGWAY_RWCAT_CARRY_H
#define RINGWAY_RWCAT_CARRY_H

#include <sys/types.h>

#include "job.h"

enum rwcat_kind { PLAIN, PIPE, SOCKET, REGULAR };

// Stdin or stdout.
struct rwcat_end {
  int fd;
  enum rwcat_kind kind;
  int ready;
  const char *name;
};

// What a step came to.
enum { MOVED = 1, WAITS_FOR_END, WAITS_FOR_RING, FINISHED };

struct rwcat_end rwcat_from_stdin(void);
struct rwcat_end rwcat_to_stdout(void);
// Bytes moved, 0 at the end of the file, -1 not now; other errors end the program.
ssize_t rwcat_read(struct rwcat_end *end, void *at, size_t bytes);
ssize_t rwcat_write(struct rwcat_end *end, const void *at, size_t bytes);
int rwcat_step_in(struct rwcat_end *in, uint64_t *total); // stdin to the ring: one piece
// For the ring, or for those of stdin and stdout that somebody waits for.
void rwcat_wait_for(struct rwcat_end *in, struct rwcat_end *out, int receives);
void rwcat_check_epoch(const char *what);
// Both ways, until both have ended; FINISHED for one that has nothing to do.
void rwcat_carry(int in_state, int out_state, uint64_t *received);

#endif
