// The HTTP proxy (RFC 9110, 9112): CONNECT, and requests in absolute form, as http_proxy makes programs send them.
//
//   CONNECT host:port HTTP/1.1 ...            200, then raw bytes
//   GET http://host:port/path HTTP/1.1 ...    GET /path HTTP/1.1, Host: host:port, Connection: close; then raw bytes
//
// A connection has one request: the server is told so, and what follows the head goes to the server that it named as far as it is
// the request's body (body.c, carry.c). Where its end could be disputed, the request is refused (RFC 9112, 11.2). The head stays in
// the socket until all of it, rewritten, is in the ring; a ring smaller than the head gets it in several parts, and it is rewritten
// for each.

#include <string.h>
#include <strings.h>

#include "agent.h"

enum { HEAD_MORE = 0, STATUS_OK = 200, DONE = 1, NAMED_MAX = 32 };

struct span {
  const char *at;
  uint32_t bytes;
};

struct request {
  struct span method, host, authority, path, version, headers; // headers: their lines, without the empty one
  struct span named[NAMED_MAX];                                // by Connection: headers of this hop
  uint32_t nameds;
  uint32_t port, bytes;                                        // of the whole head
  int is_connect, lengths, codings;                            // how many Content-Length, Transfer-Encoding
  struct body body;
};

// ── Reading ─────────────────────────────────────────────────────────────────────────────────────────────────────────

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

static int plain(struct span span) { // no space or control character
  for (uint32_t i = 0; i < span.bytes; i++)
    if ((unsigned char)span.at[i] <= ' ' || span.at[i] == 0x7f) return 0;
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

static struct span trim(struct span span) {
  while (span.bytes > 0 && (*span.at == ' ' || *span.at == '\t')) span.at++, span.bytes--;
  while (span.bytes > 0 && (span.at[span.bytes - 1] == ' ' || span.at[span.bytes - 1] == '\t')) span.bytes--;
  return span;
}

static int is_token(struct span span) {
  for (uint32_t i = 0; i < span.bytes; i++)
    if (!http_is_token((uint8_t)span.at[i])) return 0;
  return span.bytes > 0;
}

// name: value. A folded line has no name.
static int read_header(struct span line, struct span *name, struct span *value) {
  if (memchr(line.at, '\r', line.bytes) || memchr(line.at, 0, line.bytes)) return 0;
  *value = line;
  *name = until(value, ':');
  if (name->bytes == line.bytes || !is_token(*name)) return 0;
  *value = trim(*value);
  return 1;
}

static int read_length(struct span digits, uint64_t *length) {
  *length = 0;
  for (uint32_t i = 0; i < digits.bytes; i++) {
    if (digits.at[i] < '0' || digits.at[i] > '9' || *length > UINT64_MAX / 16) return 0;
    *length = *length * 10 + (uint64_t)(digits.at[i] - '0');
  }
  return digits.bytes > 0;
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

static int read_framing(struct request *request) {
  struct span rest = request->headers, line, name, value;
  uint64_t length, first = 0;
  while (next_line(&rest, &line)) {
    read_header(line, &name, &value);
    if (is(name, "Content-Length")) {
      if (!read_length(value, &length) || (request->lengths++ > 0 && length != first)) return 0;
      first = length;
    } else if (is(name, "Transfer-Encoding")) {
      if (!is(value, "chunked") || request->codings++ > 0) return 0;
    } else if (is(name, "Connection") && !read_named(request, value)) {
      return 0;
    }
  }
  if (request->codings > 0) body_chunked(&request->body);
  else body_length(&request->body, first);
  return request->codings == 0 || (request->lengths == 0 && is(request->version, "HTTP/1.1"));
}

static int is_version(struct span version) {
  return version.bytes == 8 && memcmp(version.at, "HTTP/", 5) == 0 && version.at[5] >= '0' && version.at[5] <= '9' &&
         version.at[6] == '.' && version.at[7] >= '0' && version.at[7] <= '9';
}

// Looks at the bytes at hand: STATUS_OK and the request; HEAD_MORE, not all of the head is there; or a status to answer with.
static int parse(const uint8_t *bytes, uint32_t count, struct request *request) {
  struct span rest = {(const char *)bytes, count}, line, words, name, value;
  // Who speaks something else is told at once, as far as it understands it.
  if (count > 0 && (bytes[0] < 'A' || bytes[0] > 'z')) return 400;
  memset(request, 0, sizeof *request);
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
  if (!request->is_connect && !read_framing(request)) return 400;
  return read_target(request, target) ? STATUS_OK : 400;
}

// ── Rewriting ───────────────────────────────────────────────────────────────────────────────────────────────────────

// Headers of one hop (RFC 9110, 7.6.1), and the Host, which follows from the request's target.
static int is_dropped(const struct request *request, struct span name) {
  static const char *const names[] = {"Connection", "Keep-Alive", "Host", "TE", "Upgrade", "HTTP2-Settings"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (is(name, names[i])) return 1;
  for (uint32_t i = 0; i < request->nameds; i++)
    if (name.bytes == request->named[i].bytes && strncasecmp(name.at, request->named[i].at, name.bytes) == 0) return 1;
  return begins(name, "Proxy-");
}

struct text {
  char bytes[2 * PEEK_BYTES]; // any head: a line of two bytes may become one of three, and two lines are added
  uint32_t length;
};

static void put_span(struct text *text, struct span span) {
  if (span.bytes > sizeof text->bytes - text->length) span.bytes = (uint32_t)(sizeof text->bytes - text->length);
  memcpy(text->bytes + text->length, span.at, span.bytes);
  text->length += span.bytes;
}

static void put(struct text *text, const char *string) {
  put_span(text, (struct span){string, (uint32_t)strlen(string)});
}

static void rewrite(const struct request *request, struct text *text) {
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
  put(text, "\r\nConnection: close\r\n");
  while (next_line(&rest, &line)) {
    struct span after = line, name = until(&after, ':');
    if (is_dropped(request, name)) continue;
    if (is(name, "Content-Length") && lengths++ > 0) continue; // the same once more
    put_span(text, line);
    put(text, "\r\n");
  }
  put(text, "\r\n");
}

int32_t http_send_head(struct conn *conn) {
  static struct text text;
  struct request request;
  const uint8_t *bytes;
  int32_t count = local_peek(conn, &bytes);
  if (count <= 0 || parse(bytes, (uint32_t)count, &request) != STATUS_OK) return RW_INVALID; // it was there before
  rewrite(&request, &text);
  while (conn->head_sent < text.length) {
    int32_t sent = rw_send(conn->stream, text.bytes + conn->head_sent, text.length - conn->head_sent);
    if (sent < 0) return sent;
    conn->head_sent += (uint32_t)sent;
  }
  local_consume(conn, request.bytes);
  conn->body = request.body;
  conn->flags = (uint16_t)((conn->flags & ~HEAD) | FRAMED);
  return DONE;
}

// ── Answering ───────────────────────────────────────────────────────────────────────────────────────────────────────

static const char *phrase(int status) {
  switch (status) {
    case 400: return "Bad Request";
    case 403: return "Forbidden";
    case 431: return "Request Header Fields Too Large";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "Bad Gateway";
  }
}

static int status_of(uint32_t error) {
  switch (error) { // Linux numbers (ERR-2)
    case 1:   // EPERM
    case 13:  // EACCES
      return 403;
    case 22:  // EINVAL: no name, no address
      return 400;
    case 110: // ETIMEDOUT
      return 504;
    case 12:  // ENOMEM
    case 24:  // EMFILE
    case 100: // ENETDOWN
    case 105: // ENOBUFS
    case 108: // ESHUTDOWN
      return 503;
    default:
      return 502;
  }
}

static void put_number(struct text *text, uint32_t value) {
  char digits[10];
  uint32_t at = sizeof digits;
  do digits[--at] = (char)('0' + value % 10);
  while ((value /= 10) != 0);
  put_span(text, (struct span){digits + at, (uint32_t)sizeof digits - at});
}

// The body is the line that begins with say_begin_text().
static void part_with(struct conn *conn, int status) {
  static struct text text;
  say("\n");
  struct rw_text body = say_so_far();
  text.length = 0;
  put(&text, "HTTP/1.1 ");
  put_number(&text, (uint32_t)status);
  put(&text, " ");
  put(&text, phrase(status));
  put(&text, "\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\nContent-Length: ");
  put_number(&text, body.length);
  put(&text, "\r\n\r\n");
  put_span(&text, (struct span){(const char *)body.bytes, body.length});
  local_part(conn, text.bytes, text.length);
}

static enum shake http_shake(struct conn *conn) {
  struct request request;
  const uint8_t *bytes;
  int32_t count = local_peek(conn, &bytes);
  if (count == 0 || count == -2) {
    conn_drop(conn, RESET);
    return SHAKE_OVER;
  }
  if (count < 0) return SHAKE_MORE;
  int status = parse(bytes, (uint32_t)count, &request);
  if (status == HEAD_MORE) return SHAKE_MORE;
  if (status == STATUS_OK) return SHAKE_DONE;
  say_begin_text();
  if (status == 431) say("The head of the request is longer than 16 KiB.");
  else if (status == 505) say("This is a proxy for HTTP/1.");
  else say("This is a proxy: CONNECT host:port, or a request for http://host/, well-formed and of one length.");
  part_with(conn, status);
  return SHAKE_OVER;
}

static int again(struct conn *conn, struct request *request) {
  const uint8_t *bytes;
  int32_t count = local_peek(conn, &bytes);
  return count > 0 && parse(bytes, (uint32_t)count, request) == STATUS_OK;
}

static int32_t http_open(struct conn *conn) {
  struct request request;
  if (!again(conn, &request)) return RW_INVALID;
  return rw_connect(conn->stream, request.host.at, request.host.bytes, request.port, 0);
}

static void http_opened(struct conn *conn, const struct rw_frame *frame) {
  static const char established[] = "HTTP/1.1 200 Connection established\r\n\r\n";
  struct request request;
  (void)frame;
  if (!again(conn, &request)) {
    conn_drop(conn, RESET);
    return;
  }
  if (request.is_connect) {
    if (!local_answer(conn, established, sizeof established - 1)) {
      conn_drop(conn, RESET);
      return;
    }
    local_consume(conn, request.bytes);
  } else {
    conn->flags |= HEAD;
  }
  carry_begin(conn);
}

static void http_refused(struct conn *conn, const struct rw_error *error) {
  struct request request;
  int known = again(conn, &request);
  say_begin_text();
  if (known) {
    say_text((struct rw_text){(const uint8_t *)request.authority.at, request.authority.bytes});
    say(": ");
  }
  say_error(error);
  part_with(conn, status_of(error->error));
}

const struct front http_front = {http_shake, http_open, http_opened, http_refused, RW_RING_BYTES_MAX};
