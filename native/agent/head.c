// The head of a request (RFC 9112, 2 to 6): read, judged, and rewritten for the server. No I/O, and nothing is kept.
//
//   CONNECT host:port HTTP/1.1 ...
//   GET http://host:port/path HTTP/1.1 ...    becomes GET /path HTTP/1.1, Host: host:port, Connection: close
//
// The server must see the same end of the request that is seen here. So what bounds it has one reading or is refused
// (RFC 9112, 6.3 and 11.2), and is written anew: `Content-Length:  04` goes on as `Content-Length: 4`.
//
// Upgrade is a header of this hop, and the agent can pass it (RFC 9110, 7.8): after 101 it only carries bytes. h2c it
// does not offer: the server ignores an upgrade that nobody asks for, and RFC 9113 (3.1) has given up that one.

#include "head.h"

#include <strings.h>

#include "limits.h"

enum { EMPTY_LINES_MAX = 4 }; // before a request; RFC 9112, 2.2 asks for one

// ── Spans ───────────────────────────────────────────────────────────────────────────────────────────────────────────

static int is(struct span span, const char *text) {
  return span.bytes == strlen(text) && strncasecmp(span.at, text, span.bytes) == 0;
}

static int begins(struct span span, const char *text) {
  size_t bytes = strlen(text);
  return span.bytes >= bytes && strncasecmp(span.at, text, bytes) == 0;
}

// A line ends with LF; a CR before it is not part of it. 0: there is none.
static int next_line(struct span *rest, struct span *line) {
  const char *end = rest->bytes == 0 ? NULL : memchr(rest->at, '\n', rest->bytes);
  if (!end) return 0;
  *line = (struct span){rest->at, (uint32_t)(end - rest->at)};
  rest->bytes -= line->bytes + 1;
  rest->at = end + 1;
  if (line->bytes > 0 && line->at[line->bytes - 1] == '\r') line->bytes--;
  return 1;
}

// Up to `stop`, which is taken as well; all of it where there is none.
static struct span until(struct span *rest, char stop) {
  const char *end = rest->bytes == 0 ? NULL : memchr(rest->at, stop, rest->bytes);
  struct span part = {rest->at, end ? (uint32_t)(end - rest->at) : rest->bytes};
  uint32_t taken = part.bytes + (end ? 1 : 0);
  rest->at += taken;
  rest->bytes -= taken;
  return part;
}

static struct span trim(struct span span) {
  while (span.bytes > 0 && (*span.at == ' ' || *span.at == '\t')) span.at++, span.bytes--;
  while (span.bytes > 0 && (span.at[span.bytes - 1] == ' ' || span.at[span.bytes - 1] == '\t')) span.bytes--;
  return span;
}

static int plain(struct span span) { // no space or control character
  for (uint32_t i = 0; i < span.bytes; i++)
    if ((unsigned char)span.at[i] <= ' ' || span.at[i] == 0x7f) return 0;
  return span.bytes > 0;
}

static int is_token(struct span span) {
  for (uint32_t i = 0; i < span.bytes; i++)
    if (!http_is_token((uint8_t)span.at[i])) return 0;
  return span.bytes > 0;
}

static int number(struct span span, uint32_t *value) {
  *value = 0;
  for (uint32_t i = 0; i < span.bytes; i++) {
    if (span.at[i] < '0' || span.at[i] > '9' || *value > 65535) return 0;
    *value = *value * 10 + (uint32_t)(span.at[i] - '0');
  }
  return span.bytes > 0 && *value > 0 && *value <= 65535;
}

// ── The target ──────────────────────────────────────────────────────────────────────────────────────────────────────

// host, host:port, [IPv6], [IPv6]:port. Whether the host is a name or an address, and a good one, is the host's to say.
static int read_authority(struct request *request, uint32_t port) {
  struct span rest = request->authority;
  if (!plain(rest) || memchr(rest.at, '@', rest.bytes)) return 0;
  if (rest.at[0] == '[') {
    rest.at++, rest.bytes--;
    uint32_t before = rest.bytes;
    request->host = until(&rest, ']');
    if (before == request->host.bytes) return 0; // no bracket closed it
    if (rest.bytes > 0 && rest.at[0] != ':') return 0;
    if (rest.bytes > 0) rest.at++, rest.bytes--;
    else if (port == 0) return 0;
  } else {
    request->host = until(&rest, ':');
  }
  request->port = port;
  if (request->host.bytes == 0 || request->host.bytes > RW_HOST_MAX_BYTES) return 0;
  if (rest.bytes == 0) return port != 0;
  return number(rest, &request->port);
}

static int read_target(struct request *request, struct span target) {
  if (request->is_connect) {
    request->authority = target;
    return read_authority(request, 0);
  }
  if (!begins(target, "http://")) return 0;
  target.at += 7, target.bytes -= 7;
  uint32_t length = 0;
  while (length < target.bytes && !strchr("/?#", target.at[length])) length++;
  request->authority = (struct span){target.at, length};
  request->path = (struct span){target.at + length, target.bytes - length};
  return read_authority(request, 80);
}

// ── The headers ─────────────────────────────────────────────────────────────────────────────────────────────────────

// name: value. A folded line has no name.
static int read_header(struct span line, struct span *name, struct span *value) {
  if (memchr(line.at, '\r', line.bytes) || memchr(line.at, 0, line.bytes)) return 0;
  *value = line;
  *name = until(value, ':');
  if (name->bytes == line.bytes || !is_token(*name)) return 0;
  *value = trim(*value);
  return 1;
}

static int read_length(struct request *request, struct span digits) {
  uint64_t length = 0;
  for (uint32_t i = 0; i < digits.bytes; i++) {
    if (digits.at[i] < '0' || digits.at[i] > '9' || length > UINT64_MAX / 16) return 0;
    length = length * 10 + (uint64_t)(digits.at[i] - '0');
  }
  if (request->lengths++ > 0 && length != request->length) return 0;
  request->length = length;
  return digits.bytes > 0;
}

// A list of codings: chunked must be the last, and once. 501: another one comes before it, which the agent does not
// know.
static int read_codings(struct request *request, struct span list, int *unknown) {
  int more;
  do {
    uint32_t before = list.bytes;
    struct span coding = until(&list, ',');
    more = coding.bytes < before;
    coding = trim(coding);
    // Something after chunked; or no coding at all, or one with parameters.
    if (request->codings > 0 || !is_token(coding)) return 400;
    if (is(coding, "chunked")) request->codings++;
    else *unknown = 1;
  } while (more);
  return HEAD_OK;
}

// A header of this hop is not for the server, but what bounds and directs the request is of no hop.
static int read_named(struct request *request, struct span list) {
  while (list.bytes > 0) {
    struct span name = trim(until(&list, ','));
    if (name.bytes == 0) continue;
    if (request->nameds == NAMED_MAX || !is_token(name)) return 0;
    if (is(name, "Host") || is(name, "Content-Length") || is(name, "Transfer-Encoding")) return 0;
    request->named[request->nameds++] = name;
  }
  return 1;
}

static int is_named(const struct request *request, struct span name) {
  for (uint32_t i = 0; i < request->nameds; i++)
    if (name.bytes == request->named[i].bytes && strncasecmp(name.at, request->named[i].at, name.bytes) == 0) return 1;
  return 0;
}

// The next protocol of an Upgrade that can be passed: name, or name/version. 0: there is no more.
static int next_protocol(struct span *list, struct span *protocol) {
  while (list->bytes > 0) {
    *protocol = trim(until(list, ','));
    struct span version = *protocol, name = until(&version, '/');
    if (is_token(name) && (name.bytes == protocol->bytes || is_token(version)) && !is(name, "h2c")) return 1;
  }
  return 0;
}

// Many a server takes one for the other: Content_Length is a length for one that makes variables of headers.
static int looks_like_framing(struct span name) { return is(name, "Content_Length") || is(name, "Transfer_Encoding"); }

static int read_headers(struct request *request) {
  struct span rest = request->headers, line, name, value, protocol;
  int status = HEAD_OK, unknown = 0, offers = 0;
  while (next_line(&rest, &line)) {
    read_header(line, &name, &value);
    if (is(name, "Content-Length") && !read_length(request, value)) return 400;
    if (is(name, "Transfer-Encoding")) status = read_codings(request, value, &unknown);
    if (is(name, "Connection") && !read_named(request, value)) return 400;
    if (is(name, "Upgrade") && next_protocol(&value, &protocol)) offers = 1;
    if (status != HEAD_OK || looks_like_framing(name)) return 400;
  }
  if ((request->codings > 0 || unknown) && (request->lengths > 0 || !is(request->version, "HTTP/1.1"))) return 400;
  if (unknown) return request->codings > 0 ? 501 : 400;
  if (request->codings > 0) body_chunked(&request->body);
  else body_length(&request->body, request->length);
  // Of HTTP/1.0, and where Connection does not name it, Upgrade is to be ignored.
  struct span upgrade = {"Upgrade", 7};
  request->offers = offers && is_named(request, upgrade) && is(request->version, "HTTP/1.1");
  return HEAD_OK;
}

static int is_version(struct span version) {
  return version.bytes == 8 && memcmp(version.at, "HTTP/", 5) == 0 && version.at[5] >= '0' && version.at[5] <= '9' &&
         version.at[6] == '.' && version.at[7] >= '0' && version.at[7] <= '9';
}

// ── All of it ───────────────────────────────────────────────────────────────────────────────────────────────────────

// Empty lines, which some programs send behind a body, are no request's. 0: more of them than are passed over, or none
// such.
static int skip_empty_lines(struct span *rest) {
  struct span line;
  for (int lines = 0; rest->bytes > 0 && (rest->at[0] == '\r' || rest->at[0] == '\n'); lines++) {
    if (rest->bytes == 1 && rest->at[0] == '\r') return 1;
    if (lines == EMPTY_LINES_MAX || (rest->at[0] == '\r' && rest->at[1] != '\n')) return 0;
    next_line(rest, &line);
  }
  return 1;
}

int head_parse(const uint8_t *bytes, uint32_t count, struct request *request) {
  struct span rest = {(const char *)bytes, count}, line, words, name, value;
  memset(request, 0, sizeof *request);
  if (!skip_empty_lines(&rest)) return 400;
  // Who speaks something else is told at once, as far as it understands it.
  if (rest.bytes > 0 && rest.at[0] != '\r' && (rest.at[0] < 'A' || rest.at[0] > 'z')) return 400;
  if (!next_line(&rest, &words)) return count >= PEEK_BYTES ? 431 : HEAD_MORE;
  request->headers.at = rest.at;
  do {
    request->headers.bytes = (uint32_t)(rest.at - request->headers.at);
    if (!next_line(&rest, &line)) return count >= PEEK_BYTES ? 431 : HEAD_MORE;
    if (line.bytes > 0 && !read_header(line, &name, &value)) return 400;
  } while (line.bytes > 0);
  request->bytes = count - rest.bytes;

  request->method = until(&words, ' ');
  struct span target = until(&words, ' ');
  request->version = words;
  if (!is_token(request->method) || !plain(target) || !is_version(words)) return 400;
  if (!is(words, "HTTP/1.1") && !is(words, "HTTP/1.0")) return 505;
  request->is_connect = is(request->method, "CONNECT");
  if (!read_target(request, target)) return 400;
  return request->is_connect ? HEAD_OK : read_headers(request);
}

// ── Rewriting ───────────────────────────────────────────────────────────────────────────────────────────────────────

// Headers of one hop (RFC 9110, 7.6.1), and the Host, which follows from the request's target.
static int is_dropped(const struct request *request, struct span name) {
  static const char *const names[] = {"Connection", "Keep-Alive", "Host", "TE", "Upgrade", "HTTP2-Settings"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (is(name, names[i])) return 1;
  return begins(name, "Proxy-") || is_named(request, name);
}

// No `close` beside it: a server that does not switch may keep the connection, and the program's next request is told
// by a RST.
static void put_upgrade(const struct request *request, struct text *text) {
  struct span rest = request->headers, line, name, value, protocol;
  const char *before = "Connection: Upgrade\r\nUpgrade: ";
  while (next_line(&rest, &line)) {
    read_header(line, &name, &value);
    if (!is(name, "Upgrade")) continue;
    while (next_protocol(&value, &protocol)) {
      put(text, before);
      put_span(text, protocol);
      before = ", ";
    }
  }
  put(text, "\r\n");
}

static void put_header(const struct request *request, struct text *text, struct span line, int *lengths) {
  struct span after = line, name = until(&after, ':');
  if (is_dropped(request, name)) return;
  if (is(name, "Content-Length")) {
    if ((*lengths)++ > 0) return; // the same once more
    put(text, "Content-Length: ");
    put_number(text, request->length);
  } else if (is(name, "Transfer-Encoding")) {
    put(text, "Transfer-Encoding: chunked");
  } else {
    put_span(text, line);
  }
  put(text, "\r\n");
}

void head_rewrite(const struct request *request, struct text *text) {
  struct span rest = request->headers, line;
  int lengths = 0;
  text->length = 0;
  put_span(text, request->method);
  put(text, " ");
  if (request->path.bytes == 0 || request->path.at[0] != '/')
    put(text, request->path.bytes == 0 && is(request->method, "OPTIONS") ? "*" : "/");
  put_span(text, request->path);
  put(text, " ");
  put_span(text, request->version);
  put(text, "\r\nHost: ");
  put_span(text, request->authority);
  put(text, "\r\n");
  if (request->offers) put_upgrade(request, text);
  else put(text, "Connection: close\r\n");
  while (next_line(&rest, &line)) put_header(request, text, line, &lengths);
  put(text, "\r\n");
}
