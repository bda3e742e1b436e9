// The body of an HTTP request: how much of what the program says belongs to it. See body.c.

#ifndef RINGWAY_AGENT_BODY_H
#define RINGWAY_AGENT_BODY_H

#include <stdint.h>

struct body {
  uint64_t left; // of its data, or of the chunk's
  uint16_t line; // bytes of the line, or of the trailers
  uint8_t at;
};

void body_length(struct body *body, uint64_t bytes);
void body_chunked(struct body *body);
int body_is_over(const struct body *body);
uint64_t body_data(const struct body *body);       // so many bytes are data; 0: look at what comes
void body_took(struct body *body, uint64_t bytes); // of these
// How many belong to it; -1: it is malformed.
int32_t body_take(struct body *body, const uint8_t *bytes, uint32_t count);
int http_is_token(uint8_t byte);

#endif
