// What the HTTP proxy says itself: why there is no answer of the server's. It stands in three places, since each is all
// that some program shows: the reason phrase (wget, pip, apt), Proxy-Status (RFC 9209; curl -v), the body (curl,
// browsers, for http:).
//
//   HTTP/1.1 403 Forbidden: intranet:80: Permission denied: ... (rule default)
//   Proxy-Status: ringway; error=http_request_denied; details="intranet:80: Permission denied: ... (rule default)"
//
// Only the agent's own answers have a Proxy-Status of a member `ringway`: so a 403 of the host's policy is told from
// the server's own.

#include "answer.h"

#include "agent.h"
#include "end.h"
#include "errors.h"
#include "text.h"

static const char *phrase(int status) {
  switch (status) {
    case 400: return "Bad Request";
    case 403: return "Forbidden";
    case 431: return "Request Header Fields Too Large";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "Bad Gateway";
  }
}

static const struct { // types of RFC 9209, 2.3, of Linux numbers (ERR-2)
  uint16_t error, status;
  const char *type;
} failures[] = {
    {LINUX_EPERM, 403, "http_request_denied"},
    {LINUX_EACCES, 403, "http_request_denied"},
    {LINUX_EINVAL, 400, "http_request_error"}, // no name, no address
    {LINUX_ENOENT, 502, "dns_error"}, // no such name
    {LINUX_EAGAIN, 502, "dns_error"}, // the name could not be resolved
    {LINUX_ETIMEDOUT, 504, "connection_timeout"},
    {LINUX_ECONNREFUSED, 502, "connection_refused"},
    {LINUX_ECONNRESET, 502, "connection_terminated"},
    {LINUX_ENETUNREACH, 502, "destination_ip_unroutable"},
    {LINUX_EHOSTUNREACH, 502, "destination_ip_unroutable"},
    {LINUX_ENOMEM, 503, "connection_limit_reached"},
    {LINUX_EMFILE, 503, "connection_limit_reached"},
    {LINUX_ENOBUFS, 503, "connection_limit_reached"},
    {LINUX_ENETDOWN, 503, "destination_unavailable"}, // also, no monitor
    {LINUX_ESHUTDOWN, 503, "destination_unavailable"},
};

// Printable ASCII alone, at most REASON_BYTES_MAX; `quoted` as a string of RFC 9651.
static void put_short(struct text *text, struct rw_text sentence, int quoted) {
  uint32_t end = sentence.length < REASON_BYTES_MAX ? sentence.length : REASON_BYTES_MAX;
  for (uint32_t i = 0; i < end; i++) {
    char byte = (char)sentence.bytes[i];
    if ((byte & 0xc0) == 0x80) continue; // the rest of a character of UTF-8
    if (byte < ' ' || byte > '~') byte = '?';
    if (quoted && (byte == '"' || byte == '\\')) put(text, "\\");
    put_span(text, (struct span){&byte, 1});
  }
  if (end < sentence.length) put(text, "...");
}

static void part_with(struct conn *conn, int status, const char *type) {
  static char bytes[4096]; // three times the sentence of say.h, and the lines around it
  struct text text = {.bytes = bytes, .room = sizeof bytes};
  struct rw_text sentence = say_so_far();
  put(&text, "HTTP/1.1 ");
  put_number(&text, (uint32_t)status);
  put(&text, " ");
  put(&text, phrase(status));
  put(&text, ": ");
  put_short(&text, sentence, 0);
  put(&text, "\r\nProxy-Status: ringway; error=");
  put(&text, type);
  put(&text, "; details=\"");
  put_short(&text, sentence, 1);
  put(&text, "\"\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\nContent-Length: ");
  put_number(&text, sentence.length + 1);
  put(&text, "\r\n\r\n");
  put_span(&text, (struct span){(const char *)sentence.bytes, sentence.length});
  put(&text, "\n");
  end_with(conn, text.bytes, text.length);
}

void answer_malformed(struct conn *conn, int status) {
  say_begin_text();
  if (status == 431) say("The head of the request is longer than 16 KiB.");
  else if (status == 501) say("This proxy knows no transfer coding but chunked.");
  else if (status == 505) say("This is a proxy for HTTP/1.");
  else say("This is a proxy: CONNECT host:port, or a request for http://host/, well-formed and of one length.");
  part_with(conn, status, "http_request_error");
}

// Where a rule refused, that is why, whatever the errno: of a name's address (docs/policy.md, not-public), or of the
// request.
void answer_refused(struct conn *conn, struct rw_text authority, const struct rw_error *error) {
  static const char not_public[] = "not-public";
  int status = 502;
  const char *type = "proxy_internal_error";
  for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++)
    if (failures[i].error == error->error) status = failures[i].status, type = failures[i].type;
  if (status == 403 && error->rule.length == sizeof not_public - 1 &&
      memcmp(error->rule.bytes, not_public, sizeof not_public - 1) == 0)
    type = "destination_ip_prohibited";
  say_begin_text();
  if (authority.length > 0) {
    say_text(authority);
    say(": ");
  }
  say_error(error);
  part_with(conn, status, type);
}
