// Asks a host for one thing a line: what the library's calls of wire version 1.1 do with a real monitor.
//
//   ask resolve | udp-connect HOST PORT | udp-bind ADDRESS PORT | unix-connect PATH | unix-listen PATH | mount PATH
//
// with RINGWAY_SOCKET. Says "opened ..." or "refused ERRNO RULE"; then each line of stdin is one call of the library,
// each frame that comes a line of stdout: "ID reply ...", the id being what "asked ID" said. The end of stdin is END;
// that of the host is "end", or "reset".

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <unistd.h>

#include "ask.h"
#include "ringway-resolve.h"
#include "ringway-udp.h"
#include "ringway-unix.h"

enum { STREAMS = 4, RING_BYTES = 256 * 1024, WAIT_MS = 20000 };

const char *words[WORDS_MAX];
struct rw_stream *stream;
uint8_t body[BODY_BYTES];
static uint32_t protocol;
static struct rw_posix posix;
static struct rw_stream streams[STREAMS];
static uint8_t buffer[RW_FRAME_PAYLOAD_MAX];

_Noreturn void fail(const char *what, int32_t status) {
  fprintf(stderr, "%s: %s\n", what, rw_status_name(status));
  exit(1);
}

int32_t check(const char *what, int32_t status) {
  if (status < 0 && status != RW_AGAIN) fail(what, status);
  return status;
}

void wait_a_while(void) {
  if (check("waiting", rw_posix_wait(&posix, NULL, 0, WAIT_MS)) > 0) return;
  fprintf(stderr, "nothing came for %d ms\n", WAIT_MS);
  exit(1);
}

// ── Printing ────────────────────────────────────────────────────────────────────────────────────────────────────────

void print_bytes(struct rw_bytes bytes) {
  for (uint32_t i = 0; i < bytes.length; i++) {
    uint8_t byte = bytes.bytes[i];
    if (byte > ' ' && byte < 0x7f && byte != '\\') putchar(byte);
    else printf("\\x%02x", byte);
  }
}

static void print_word(struct rw_bytes bytes) {
  putchar(' ');
  print_bytes(bytes);
}

static void print_inet(const struct rw_inet *inet) {
  char text[INET6_ADDRSTRLEN];
  inet_ntop(inet->family == 4 ? AF_INET : AF_INET6, inet->address, text, sizeof text);
  printf(" %s", text);
  if (inet->port != 0) printf(" %" PRIu32, inet->port);
}

static void print_error(const char *what, const struct rw_error *error) {
  printf("%s %" PRIu32 " %.*s", what, error->error, (int)error->rule.length, error->rule.bytes);
}

static void print_found(const struct rw_frame *frame) {
  struct rw_list list;
  struct rw_inet inet;
  struct rw_text text;
  uint32_t ttl;
  if (frame->type == RW_T_ADDRESSES) {
    check("Addresses", rw_decode_addresses(frame->payload, frame->bytes, &ttl, &list));
    printf("addresses %" PRIu32, ttl);
    while (rw_next_inet(&list, &inet)) print_inet(&inet);
  } else {
    check("Names", rw_decode_names(frame->payload, frame->bytes, &ttl, &list));
    printf("names %" PRIu32, ttl);
    while (rw_next_text(&list, &text)) print_word((struct rw_bytes){text.bytes, text.length});
  }
}

// 0 for what has no place on a socket.
static int print_datagrams(const struct rw_frame *frame) {
  struct rw_udp udp;
  struct rw_bytes datagram;
  if (protocol != RW_UDP_CONNECT && protocol != RW_UDP_BIND) return 0;
  check("a frame of UDP", rw_decode_udp(frame, &udp));
  switch (udp.type) {
    case RW_T_UDP_RECEIVED:
    case RW_T_UDP_RECEIVED_FROM:
      for (int i = 0; rw_next_datagram(&udp.train, &datagram); i++) {
        printf(i == 0 ? "datagram" : "\ndatagram");
        if (udp.type == RW_T_UDP_RECEIVED_FROM) print_inet(&udp.peer);
        print_word(datagram);
      }
      return 1;
    case RW_T_UDP_ERROR:
      print_error("udp-error", &udp.error);
      print_inet(&udp.peer);
      return 1;
    case RW_T_UDP_LOST: printf("lost %" PRIu32, udp.lost); return 1;
    case RW_T_UDP_PEER: printf("peer"); print_inet(&udp.peer); return 1;
    default: return 0;
  }
}

static void print_frame(const struct rw_frame *frame) {
  struct rw_error error;
  if (frame->request != 0) printf("%" PRIu32 " ", frame->request);
  if (frame->type == RW_T_ERROR) {
    check("Error", rw_decode_error(frame->payload, frame->bytes, &error));
    print_error("error", &error);
  } else if (frame->type == RW_T_DONE) {
    check("Done", rw_decode_empty(frame->payload, frame->bytes));
    printf("done");
  } else if (frame->type == RW_T_ADDRESSES || frame->type == RW_T_NAMES) print_found(frame);
  else if (!print_datagrams(frame) && !print_mount(frame)) fail("a frame", RW_BAD_TYPE);
  printf("\n");
}

// ── Asking ──────────────────────────────────────────────────────────────────────────────────────────────────────────

void asked(int32_t id) { printf("asked %" PRId32 "\n", id); }

void ask_with(uint32_t type, int32_t fields_bytes, const char *data) {
  int32_t id;
  check("a request's fields", fields_bytes);
  while ((id = check("asking", rw_request_with(stream, type, body, (uint32_t)fields_bytes, data, length_of(data)))) ==
         RW_AGAIN)
    wait_a_while();
  asked(id);
}

void ask(uint32_t type, int32_t fields_bytes) { ask_with(type, fields_bytes, ""); }

static struct rw_inet inet_of(const char *address, const char *port) {
  struct rw_inet inet = {.family = strchr(address, ':') ? 6 : 4, .port = (uint32_t)atoi(port)};
  if (inet_pton(inet.family == 4 ? AF_INET : AF_INET6, address, inet.address) != 1) fail(address, RW_INVALID);
  return inet;
}

static void ask_group(uint32_t type) {
  struct rw_inet group = inet_of(words[1], ""), any = inet_of("0.0.0.0", ""), through = inet_of(words[2], "");
  ask(type, rw_encode_udp_group(body, sizeof body, &group, &any, &through));
}

static void tell(int32_t status, const char *what) {
  if (check(what, status) == RW_AGAIN) fail(what, RW_AGAIN); // these rings are never full here
}

static void carry_out(void) {
  if (is("resolve")) asked(check("resolve", rw_resolve(stream, number(1), words[2], length_of(words[2]))));
  else if (is("reverse")) {
    struct rw_inet address = inet_of(words[1], "");
    asked(check("reverse", rw_reverse(stream, &address)));
  } else if (is("send")) tell(rw_udp_send(stream, NULL, words[1], length_of(words[1])), "send");
  else if (is("send-to")) {
    struct rw_inet peer = inet_of(words[1], words[2]);
    tell(rw_udp_send(stream, &peer, words[3], length_of(words[3])), "send-to");
  } else if (is("lookup"))
    ask(RW_T_UDP_LOOKUP, rw_encode_udp_lookup(body, sizeof body, number(1), words[2], length_of(words[2])));
  else if (is("set")) ask(RW_T_UDP_SET, rw_encode_udp_set(body, sizeof body, number(1), number(2)));
  else if (is("join")) ask_group(RW_T_UDP_JOIN);
  else if (is("leave")) ask_group(RW_T_UDP_LEAVE);
  else if (is("record")) tell(rw_unix_send(stream, words[1], length_of(words[1])), "record");
  else if (!ask_mount()) fail(words[0], RW_INVALID);
}

// ── The stream ──────────────────────────────────────────────────────────────────────────────────────────────────────

static struct rw_stream *new_stream(void) {
  struct rw_stream *made =
      rw_stream_at(&posix.guest, (uint32_t)check("a stream", rw_stream_new(&posix.guest, RING_BYTES, RING_BYTES)));
  while (rw_stream_state(made) == RW_STREAM_ASKED) wait_a_while();
  return made;
}

// What the first words of the command line say.
static int32_t open_it(char **argv) {
  static const char *const names[] = {[RW_UDP_CONNECT] = "udp-connect",   [RW_UDP_BIND] = "udp-bind",
                                      [RW_RESOLVE] = "resolve",           [RW_UNIX_CONNECT] = "unix-connect",
                                      [RW_UNIX_LISTEN] = "unix-listen",   [RW_MOUNT] = "mount"};
  const char *first = argv[2] ? argv[2] : "", *second = argv[2] && argv[3] ? argv[3] : "";
  uint32_t bytes = length_of(first);
  for (protocol = RW_UDP_CONNECT; protocol < RW_MOUNT && strcmp(argv[1], names[protocol]) != 0;) protocol++;
  switch (protocol) {
    case RW_UDP_CONNECT: return rw_udp_connect(stream, first, bytes, (uint32_t)atoi(second), 0);
    case RW_UDP_BIND: {
      struct rw_inet address = inet_of(first, second);
      return rw_udp_bind(stream, &address, 0);
    }
    case RW_RESOLVE: return rw_resolver(stream);
    case RW_UNIX_CONNECT: return rw_unix_connect(stream, RW_UNIX_SEQPACKET, first, bytes, 0);
    case RW_UNIX_LISTEN: return rw_unix_listen(stream, RW_UNIX_SEQPACKET, 0600, 0, first, bytes);
    default: return rw_mount(stream, first, bytes);
  }
}

static void print_unix_peer(const struct rw_frame *answer) {
  struct rw_unix_peer peer;
  check("who is there", rw_decode_unix_peer(answer->payload, answer->bytes, &peer));
  printf(" %" PRIu32 " %" PRIu32 " %" PRIu32, peer.pid, peer.uid, peer.gid);
}

static void print_opened(const struct rw_frame *answer) {
  const uint8_t *from = answer->payload;
  struct rw_endpoints endpoints;
  struct rw_inet bound;
  struct rw_attributes root;
  uint32_t handles, requests;
  printf("opened");
  switch (protocol) {
    case RW_UDP_CONNECT:
      check("Opened", rw_decode_endpoints(from, answer->bytes, &endpoints));
      print_inet(&endpoints.local);
      print_inet(&endpoints.peer);
      break;
    case RW_UDP_BIND:
      check("Opened", rw_decode_bound(from, answer->bytes, &bound));
      print_inet(&bound);
      break;
    case RW_UNIX_CONNECT: print_unix_peer(answer); break;
    case RW_MOUNT:
      check("Opened", rw_decode_mount(from, answer->bytes, &handles, &requests, &root));
      printf(" %" PRIu32 " %" PRIu32, handles, requests);
      print_attributes(&root);
      break;
    default: check("Opened", rw_decode_empty(from, answer->bytes));
  }
  printf("\n");
}

// What the host answers, or who comes; false where it said no.
static int opened(struct rw_frame *answer) {
  int32_t status;
  struct rw_error error;
  while ((status = rw_opened(stream, answer, buffer, sizeof buffer)) == RW_AGAIN) wait_a_while();
  if (status != RW_REFUSED) return check("opening", status) == RW_OK;
  check("Refused", rw_decode_error(answer->payload, answer->bytes, &error));
  print_error("refused", &error);
  printf("\n");
  return 0;
}

// Of a listener: the stream becomes the first connection.
static void accept_one(void) {
  struct rw_stream *listener = stream;
  struct rw_frame answer;
  stream = new_stream();
  check("accept", rw_accept(listener, stream));
  if (!opened(&answer)) exit(1);
  printf("incoming");
  print_unix_peer(&answer);
  printf("\n");
}

// ── Lines and frames ────────────────────────────────────────────────────────────────────────────────────────────────

static void carry_out_line(char *line) {
  for (int i = 0; i < WORDS_MAX; i++) words[i] = "";
  int count = 0;
  for (char *word = strtok(line, " "); word && count < WORDS_MAX; word = strtok(NULL, " ")) words[count++] = word;
  if (count > 0) carry_out();
}

// 0 at the end of them.
static int take_lines(void) {
  static char text[64 * 1024];
  static size_t have;
  ssize_t got = read(STDIN_FILENO, text + have, sizeof text - have - 1);
  if (got <= 0) return 0;
  have += (size_t)got;
  text[have] = 0;
  char *line = text, *end;
  for (; (end = strchr(line, '\n')); line = end + 1) {
    *end = 0;
    carry_out_line(line);
  }
  have = strlen(line);
  memmove(text, line, have + 1);
  return 1;
}

static int32_t take_frame(void) {
  struct rw_frame frame;
  struct rw_bytes record;
  if (protocol == RW_UNIX_CONNECT || protocol == RW_UNIX_LISTEN) {
    int32_t status = rw_unix_recv(stream, &record, buffer, sizeof buffer);
    if (status != RW_OK) return status;
    printf("record");
    print_word(record);
    printf("\n");
    return RW_OK;
  }
  int32_t status = rw_frame_next(stream, &frame, buffer, sizeof buffer);
  if (status == RW_OK) print_frame(&frame);
  return status;
}

int main(int argc, char **argv) {
  struct rw_frame answer;
  if (argc < 2) return 2;
  setvbuf(stdout, NULL, _IOLBF, 0);
  check("attach", rw_posix_attach_socket(&posix, getenv("RINGWAY_SOCKET"), streams, STREAMS, 5000));
  stream = new_stream();
  check("open", open_it(argv));
  if (!opened(&answer)) return 1;
  print_opened(&answer);
  if (protocol == RW_UNIX_LISTEN) accept_one();
  struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
  for (;;) {
    int32_t status;
    while ((status = take_frame()) == RW_OK) {}
    if (status == RW_END || status == RW_RESET) {
      printf(status == RW_END ? "end\n" : "reset\n");
      break;
    }
    check("receiving", status);
    check("waiting", rw_posix_wait(&posix, &input, input.fd < 0 ? 0 : 1, -1));
    if (input.fd < 0 || input.revents == 0 || take_lines()) continue;
    check("end", rw_end(stream));
    input.fd = -1;
  }
  rw_posix_detach(&posix);
  return 0;
}
