// Through the agent: see wire.c. For talk.c alone.

#ifndef RINGWAY_WIRE_H
#define RINGWAY_WIRE_H

#include "talk.h"

int wire_connect(const char *path); // a descriptor, or -1 and errno
int32_t wire_flush(struct talk *talk); // RW_OK when nothing is left of what was to be sent
int32_t wire_fill(struct talk *talk);
void wire_consume(struct talk *talk, uint32_t count); // of what has come
// A frame, its payload in two parts; its id.
int32_t wire_send(struct talk *talk, uint32_t type, const void *first, uint32_t first_bytes, const void *second,
                  uint32_t second_bytes);
// The payload stays in the buffer, and is good until the next call.
int32_t wire_next(struct talk *talk, struct rw_frame *frame);

static inline void wire_put_u32(uint8_t *at, uint32_t value) {
  for (int i = 0; i < 4; i++) at[i] = (uint8_t)(value >> (8 * i));
}

#endif
