// The body of a request, as its framing bounds it (RFC 9112, 6 and 7): nothing, Content-Length bytes, or chunks. It
// says how many of the bytes at hand belong to the body; they are passed on as they are.
//
//   left bytes:  DATA ──▶ OVER
//   chunked:     SIZE ──▶ DIGITS ──▶ PADDING, EXTENSION ──▶ SIZE_LF ──▶ CHUNK ──▶ CHUNK_CR ──▶ CHUNK_LF ──▶ SIZE
//                                            size 0: SIZE_LF ──▶ LINE ──▶ LAST_LF ──▶ OVER
//                                          a trailer:            LINE ──▶ NAME ──▶ VALUE ──▶ VALUE_LF ──▶ LINE
//
// Strict, so that no server sees another end of the body than this does: lines end with CR LF, and have no other
// control characters.

#include "body.h"

#include "limits.h"

#include <string.h>

enum at {
  OVER, DATA,
  SIZE, DIGITS, PADDING, EXTENSION, SIZE_LF, CHUNK, CHUNK_CR, CHUNK_LF,
  LINE, NAME, VALUE, VALUE_LF, LAST_LF, BAD,
};

void body_length(struct body *body, uint64_t bytes) {
  *body = (struct body){.left = bytes, .at = bytes ? DATA : OVER};
}
void body_chunked(struct body *body) { *body = (struct body){.at = SIZE}; }
int body_is_over(const struct body *body) { return body->at == OVER; }

uint64_t body_data(const struct body *body) { return body->at == DATA || body->at == CHUNK ? body->left : 0; }

void body_took(struct body *body, uint64_t bytes) {
  body->left -= bytes;
  if (body->left == 0) body->at = body->at == CHUNK ? CHUNK_CR : OVER;
}

int http_is_token(uint8_t byte) {
  if ((byte | 32) >= 'a' && (byte | 32) <= 'z') return 1;
  if (byte >= '0' && byte <= '9') return 1;
  return byte != 0 && strchr("!#$%&'*+-.^_`|~", byte) != 0;
}

static int hex(uint8_t byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  byte |= 32;
  return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

static int is_text(uint8_t byte) { return byte == '\t' || (byte >= ' ' && byte != 0x7f); }

static enum at digit(struct body *body, uint8_t byte) {
  int value = hex(byte);
  if (value < 0 || body->left >> 58) return BAD;
  body->left = body->left << 4 | (uint32_t)value;
  return DIGITS;
}

// What follows one byte of a line.
static enum at next(struct body *body, uint8_t byte) {
  switch ((enum at)body->at) {
    case SIZE:
      body->left = body->line = 0;
      return digit(body, byte);
    case DIGITS:
      if (hex(byte) >= 0) return digit(body, byte);
      // fall through
    case PADDING: // some fill the size up with spaces
      if (byte == ' ' || byte == '\t') return PADDING;
      if (byte == ';') return EXTENSION;
      return byte == '\r' ? SIZE_LF : BAD;
    case EXTENSION:
      return byte == '\r' ? SIZE_LF : is_text(byte) ? EXTENSION : BAD;
    case SIZE_LF:
      body->line = 0;
      return byte != '\n' ? BAD : body->left ? CHUNK : LINE;
    case CHUNK_CR:
      return byte == '\r' ? CHUNK_LF : BAD;
    case CHUNK_LF:
      return byte == '\n' ? SIZE : BAD;
    case LINE:
      return byte == '\r' ? LAST_LF : http_is_token(byte) ? NAME : BAD;
    case NAME:
      return byte == ':' ? VALUE : http_is_token(byte) ? NAME : BAD;
    case VALUE:
      return byte == '\r' ? VALUE_LF : is_text(byte) ? VALUE : BAD;
    case VALUE_LF:
      return byte == '\n' ? LINE : BAD;
    case LAST_LF:
      return byte == '\n' ? OVER : BAD;
    case OVER:
    case DATA:
    case CHUNK:
    case BAD:
      break;
  }
  return BAD;
}

int32_t body_take(struct body *body, const uint8_t *bytes, uint32_t count) {
  uint32_t taken = 0;
  while (taken < count && body->at != OVER) {
    uint64_t data = body_data(body);
    if (data > 0) {
      if (data > count - taken) data = count - taken;
      body_took(body, data);
      taken += (uint32_t)data;
      continue;
    }
    body->at = (uint8_t)next(body, bytes[taken++]);
    if (body->at == BAD) return -1;
    if (++body->line > (body->at >= LINE || body->at == OVER ? TRAILERS_BYTES_MAX : CHUNK_LINE_BYTES_MAX)) return -1;
  }
  return (int32_t)taken;
}
