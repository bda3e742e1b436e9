// A stream through the agent: bytes and frames over its service socket. See wire.c.

#ifndef RINGWAY_WIRE_H
#define RINGWAY_WIRE_H

#include "ringway-posix.h"

struct wire {
  int fd;
  uint32_t request; // id of the last one
  int ended, shut;  // END is to be passed on; was
  int over;         // RW_END, or the status that broke it
  uint32_t in_at, in_bytes, out_at, out_bytes;
  uint8_t in[128 * 1024], out[72 * 1024]; // any frame, and then some
};

int wire_connect(const char *path);    // a descriptor, or -1 and errno
int32_t wire_flush(struct wire *wire); // RW_OK when nothing is left of what was to be sent
int32_t wire_fill(struct wire *wire);  // what has come, behind what is there already
void wire_consume(struct wire *wire, uint32_t count);
// A frame, its payload in two parts; its id.
int32_t wire_send(struct wire *wire, uint32_t type, const void *first, uint32_t first_bytes, const void *second,
                  uint32_t second_bytes);
// One that nobody answers, with id 0: RW_OK.
int32_t wire_tell(struct wire *wire, uint32_t type, const void *first, uint32_t first_bytes, const void *second,
                  uint32_t second_bytes);
// The payload stays in the buffer, and is good until the next call.
int32_t wire_next(struct wire *wire, struct rw_frame *frame);

#endif
