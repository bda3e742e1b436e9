// A text that is put together in place: the head of a request or of an answer. What does not fit is cut off.

#ifndef RINGWAY_AGENT_TEXT_H
#define RINGWAY_AGENT_TEXT_H

#include <stdint.h>
#include <string.h>

struct span { // bytes of somebody else's
  const char *at;
  uint32_t bytes;
};

struct text {
  char *bytes;
  uint32_t length, room;
};

static inline void put_span(struct text *text, struct span span) {
  uint32_t left = text->room - text->length;
  if (span.bytes > left) span.bytes = left;
  memcpy(text->bytes + text->length, span.at, span.bytes);
  text->length += span.bytes;
}

static inline void put(struct text *text, const char *string) {
  put_span(text, (struct span){string, (uint32_t)strlen(string)});
}

static inline void put_number(struct text *text, uint64_t value) {
  char digits[20];
  uint32_t at = sizeof digits;
  do digits[--at] = (char)('0' + value % 10);
  while ((value /= 10) != 0);
  put_span(text, (struct span){digits + at, (uint32_t)sizeof digits - at});
}

#endif
