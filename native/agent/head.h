// The head of a request to the HTTP proxy: see head.c.

#ifndef RINGWAY_AGENT_HEAD_H
#define RINGWAY_AGENT_HEAD_H

#include "body.h"
#include "text.h"

enum {
  HEAD_MORE = 0, // not all of it is there
  HEAD_OK = 200,
  NAMED_MAX = 32,
};

struct request {
  struct span method, host, authority, path, version, headers; // headers: their lines, without the empty one
  struct span named[NAMED_MAX];                                // by Connection: headers of this hop
  uint32_t nameds;
  uint32_t port, bytes;                                        // of the whole head, with empty lines before it
  uint64_t length;                                             // as Content-Length says
  int is_connect, lengths, codings;                            // how many Content-Length, Transfer-Encoding
  int offers;                                                  // an upgrade, to a protocol that can be passed
  struct body body;
};

// Looks at the bytes at hand: HEAD_OK and the request, whose spans are of these bytes; HEAD_MORE; or a status to answer
// with.
int head_parse(const uint8_t *bytes, uint32_t count, struct request *request);
// The head as it goes to the server: any head fits twice PEEK_BYTES.
void head_rewrite(const struct request *request, struct text *text);

#endif
