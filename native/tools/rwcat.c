// rwcat: netcat over Ringway. One stream of a guest, connected to stdin and stdout; a half-close goes through in both
// directions, as with nc -N.
//
// Here: what it is asked to do; its bytes are moved in rwcat-carry.c, its datagrams in rwcat-udp.c. Exit: 0 done,
// 1 failed, 2 usage.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "programs.h"
#include "ringway-udp.h"
#include "ringway-unix.h"
#include "rwcat-carry.h"
#include "rwcat-udp.h"

static const char usage[] =
    "usage: rwcat [OPTIONS] HOST PORT             connect to a TCP port\n"
    "       rwcat [OPTIONS] -l [ADDRESS] PORT     wait for one connection; ADDRESS is 127.0.0.1 if not given\n"
    "       rwcat [OPTIONS] -u HOST PORT          UDP: what one read of stdin gives is a datagram\n"
    "       rwcat [OPTIONS] -u -l [ADDRESS] PORT  UDP with the first that sends\n"
    "       rwcat [OPTIONS] -U PATH               connect to a Unix socket of the host; -l: wait for one connection\n"
    "       rwcat [OPTIONS] --get PATH            a file to stdout\n"
    "       rwcat [OPTIONS] --put PATH            stdin to a file, which is made or replaced\n"
    "\n"
    TALK_USAGE
    "  -w, --wait SECONDS       with -u: done when nothing has come or gone for so long\n"
    "  -v, --verbose            say on stderr what is connected\n"
    "  -h, --help; -V, --version\n"
    "\n"
    "Exit codes: 0 done, 1 failed, 2 wrong usage.\n";

enum { RING_BYTES = 1 << 20 };

static struct {
  struct talk_options talk;
  const char *host; // or the address to listen on
  const char *get, *put;
  const char *unix_path, *wait;
  uint32_t port, wait_seconds;
  int listen, udp, verbose;
} options = {.talk = TALK_OPTIONS};

// ── What rwcat does ─────────────────────────────────────────────────────────────────────────────────────────────────

static void tell(const char *what, const struct rw_inet *inet) {
  if (!options.verbose) return;
  say_begin();
  say(what);
  say_inet(inet);
  say_end();
}

static void tell_path(const char *what, const char *path) {
  if (!options.verbose) return;
  say_begin();
  say(what);
  say(path);
  say_end();
}

static uint8_t unix_body[RW_PATH_MAX_BYTES + 64];

// The literal address to listen on.
static struct rw_inet local_address(void) {
  struct rw_inet address = {.family = 4, .port = options.port};
  if (inet_pton(AF_INET, options.host, address.address) == 1) return address;
  address.family = 6;
  if (inet_pton(AF_INET6, options.host, address.address) != 1) job_fail_errno(options.host, EINVAL);
  return address;
}

static void connect_and_carry(void) {
  static char what[320];
  static uint8_t body[512];
  snprintf(what, sizeof what, "connect to %s:%u", options.host, options.port);
  struct rw_frame answer;
  struct rw_endpoints ends;
  int32_t bytes = rw_encode_connect(body, sizeof body, options.port, options.talk.timeout_ms, options.host,
                                    (uint32_t)strlen(options.host));
  job_open(what, RING_BYTES, options.udp ? RW_UDP_CONNECT : RW_TCP_CONNECT, body, bytes, &answer);
  if (rw_decode_endpoints(answer.payload, answer.bytes, &ends) != RW_OK) job_fail(what, RW_BAD_PAYLOAD);
  tell("connected to ", &ends.peer);
  uint64_t received = 0;
  if (options.udp) rwcat_udp(0, options.wait_seconds, options.verbose);
  else rwcat_carry(0, 0, &received);
}

static void connect_unix_and_carry(void) {
  const char *path = options.unix_path;
  struct rw_frame answer;
  struct rw_unix_peer peer;
  int32_t bytes = rw_encode_unix_connect(unix_body, sizeof unix_body, RW_UNIX_STREAM, options.talk.timeout_ms, path,
                                         (uint32_t)strlen(path));
  job_open(path, RING_BYTES, RW_UNIX_CONNECT, unix_body, bytes, &answer);
  if (rw_decode_unix_peer(answer.payload, answer.bytes, &peer) != RW_OK) job_fail(path, RW_BAD_PAYLOAD);
  tell_path("connected to ", path);
  uint64_t received = 0;
  rwcat_carry(0, 0, &received);
}

static void bind_and_carry(void) {
  const char *what = "listen";
  struct rw_inet address = local_address();
  uint8_t body[64];
  struct rw_frame answer;
  job_open(what, RING_BYTES, RW_UDP_BIND, body, rw_encode_udp_bind(body, sizeof body, 0, &address), &answer);
  if (rw_decode_bound(answer.payload, answer.bytes, &address) != RW_OK) job_fail(what, RW_BAD_PAYLOAD);
  tell("listening on ", &address);
  rwcat_udp(1, options.wait_seconds, options.verbose);
}

// Posted first, and then told: who is told that it listens may be connected to at once. Then waits for the connection.
static void post(const char *what) {
  int32_t status = talk_accept(&job_talk, RING_BYTES);
  if (status != RW_OK) job_fail(what, status);
}

static void await_connection(const char *what, struct rw_frame *answer) {
  int32_t status;
  while ((status = talk_accepted(&job_talk, answer)) == RW_AGAIN) job_wait(what);
  if (status == RW_REFUSED) job_fail_frame(what, answer, job_talk.error);
  if (status != RW_OK) job_fail(what, status);
}

static void listen_and_carry(void) {
  const char *what = "listen";
  struct rw_inet address = local_address();
  uint8_t body[64];
  struct rw_frame answer;
  job_open(what, RW_RING_BYTES_MIN, RW_TCP_LISTEN, body, rw_encode_listen(body, sizeof body, 1, &address), &answer);
  if (rw_decode_bound(answer.payload, answer.bytes, &address) != RW_OK) job_fail(what, RW_BAD_PAYLOAD);
  post(what);
  tell("listening on ", &address);
  await_connection(what, &answer);
  struct rw_endpoints ends;
  if (!answer.payload || rw_decode_endpoints(answer.payload, answer.bytes, &ends) != RW_OK)
    job_fail(what, RW_BAD_PAYLOAD);
  tell("connection from ", &ends.peer);
  uint64_t received = 0;
  rwcat_carry(0, 0, &received);
}

// As nc -lU, but for others of the same user alone.
static void listen_unix_and_carry(void) {
  const char *path = options.unix_path;
  struct rw_frame answer;
  struct rw_unix_peer peer;
  int32_t bytes = rw_encode_unix_listen(unix_body, sizeof unix_body, RW_UNIX_STREAM, 0600, 1, path,
                                        (uint32_t)strlen(path));
  job_open(path, RW_RING_BYTES_MIN, RW_UNIX_LISTEN, unix_body, bytes, &answer);
  post(path);
  tell_path("listening on ", path);
  await_connection(path, &answer);
  if (!answer.payload || rw_decode_unix_peer(answer.payload, answer.bytes, &peer) != RW_OK)
    job_fail(path, RW_BAD_PAYLOAD);
  tell_path("connection on ", path);
  uint64_t received = 0;
  rwcat_carry(0, 0, &received);
}

static void get_file(void) {
  const char *path = options.get;
  static uint8_t body[RW_PATH_MAX_BYTES + 64];
  struct rw_frame answer;
  struct rw_stat stat;
  uint64_t length, received = 0;
  int32_t bytes = rw_encode_file_stream(body, sizeof body, 1, RW_FILE_READ, 0, 0, RW_ALL_BYTES, path,
                                        (uint32_t)strlen(path));
  job_open(path, RING_BYTES, RW_FILE_STREAM, body, bytes, &answer);
  if (rw_decode_file_stream(answer.payload, answer.bytes, &length, &stat) != RW_OK) job_fail(path, RW_BAD_PAYLOAD);
  talk_end(&job_talk);
  rwcat_carry(FINISHED, 0, &received);
  if (received == length) return;
  job_begin(path);
  say("the file shrank while it was read");
  job_fail_line();
}

// The last frame of a write (FST-4), if it is there: 1 all of it is in the file, 0 not yet.
static int write_ended(const char *path, uint64_t sent) {
  struct rw_frame frame;
  struct rw_write_failed failed;
  uint64_t bytes;
  int32_t status = talk_frame(&job_talk, &frame);
  if (status == RW_AGAIN) return 0;
  if (status != RW_OK) job_fail(path, status == RW_END ? RW_BAD_STATE : status);
  if (frame.type == RW_T_WRITE_DONE && rw_decode_u64(frame.payload, frame.bytes, &bytes) == RW_OK) {
    if (bytes != sent) job_fail(path, RW_BAD_PAYLOAD);
    return 1;
  }
  if (frame.type != RW_T_WRITE_FAILED || rw_decode_write_failed(frame.payload, frame.bytes, &failed) != RW_OK)
    job_fail(path, RW_BAD_PAYLOAD);
  job_fail_error(path, &failed.error);
}

static void put_file(void) {
  const char *path = options.put;
  static uint8_t body[RW_PATH_MAX_BYTES + 64];
  struct rw_frame answer;
  uint32_t flags = RW_FILE_WRITE | RW_FILE_CREATE | RW_FILE_TRUNCATE;
  int32_t bytes =
      rw_encode_file_stream(body, sizeof body, 2, flags, 0644, 0, RW_ALL_BYTES, path, (uint32_t)strlen(path));
  job_open(path, RING_BYTES, RW_FILE_STREAM, body, bytes, &answer);
  struct rwcat_end in = rwcat_from_stdin();
  uint64_t sent = 0;
  int state = 0;
  while (!write_ended(path, sent)) {
    rwcat_check_epoch(path);
    if (state != FINISHED) state = rwcat_step_in(&in, &sent);
    if (state != MOVED) rwcat_wait_for(state == WAITS_FOR_END ? &in : NULL, NULL, 1);
  }
}

// ── Arguments ───────────────────────────────────────────────────────────────────────────────────────────────────────

// A number of `least` to 65535.
static uint32_t number_of(const char *text, uint32_t least, const char *otherwise) {
  uint32_t value = 0;
  for (const char *at = text; *at; at++) {
    if (*at < '0' || *at > '9' || value > 65535) say_wrong_usage(otherwise, text);
    value = value * 10 + (uint32_t)(*at - '0');
  }
  if (*text == 0 || value < least || value > 65535) say_wrong_usage(otherwise, text);
  return value;
}

static uint32_t port_of(const char *text, uint32_t least) { return number_of(text, least, "not a port"); }

static int is(const char *argument, const char *brief, const char *full) {
  return (brief && strcmp(argument, brief) == 0) || strcmp(argument, full) == 0;
}

// Ends where something does not go with the path of --get, --put or -U; `other` is the first word that is no option.
static void check_path(const char *other) {
  if ((options.get != NULL) + (options.put != NULL) + (options.unix_path != NULL) > 1)
    say_wrong_usage("only one of -U, --get and --put at a time", NULL);
  if (options.udp) say_wrong_usage("-u goes with HOST and PORT, not with a path", NULL);
  if (options.listen && !options.unix_path) say_wrong_usage("-l goes with PORT, or with -U", NULL);
  if (other) say_wrong_usage("nothing else goes with -U, --get and --put", other);
}

static void parse(int argc, char **argv) {
  const char *rest[3];
  int count = 0;
  for (int i = 1; i < argc; i++) {
    const char *argument = argv[i];
    const char **value = NULL;
    if (is(argument, "-h", "--help")) {
      say_help(usage);
    } else if (is(argument, "-V", "--version")) {
      say_version();
    } else if (is(argument, "-l", "--listen")) options.listen = 1;
    else if (is(argument, "-u", "--udp")) options.udp = 1;
    else if (is(argument, "-w", "--wait")) value = &options.wait;
    else if (is(argument, "-v", "--verbose")) options.verbose = 1;
    else if (is(argument, "-U", "--unix")) value = &options.unix_path;
    else if (is(argument, NULL, "--get")) value = &options.get;
    else if (is(argument, NULL, "--put")) value = &options.put;
    else {
      const char *next = argv[i + 1];
      int taken = talk_option(&options.talk, argument, next);
      if (taken < 0) say_wrong_usage(next ? "not a number" : "missing value", next ? next : argument);
      if (taken > 0) i++;
      else if (argument[0] == '-' && argument[1] != 0) say_wrong_usage("unknown option", argument);
      else if (count < 3) rest[count++] = argument;
    }
    if (!value) continue;
    if (++i >= argc) say_wrong_usage("missing value", argument);
    *value = argv[i];
  }
  const char *wrong = talk_check(&options.talk);
  if (wrong) say_wrong_usage(wrong, NULL);
  if (options.wait && !options.udp) say_wrong_usage("-w goes with -u", NULL);
  if (options.wait) options.wait_seconds = number_of(options.wait, 1, "not a number of seconds");
  if (options.get || options.put || options.unix_path) {
    check_path(count > 0 ? rest[0] : NULL);
  } else if (options.listen) {
    if (count < 1 || count > 2) say_wrong_usage("-l wants [ADDRESS] PORT", NULL);
    options.host = count == 2 ? rest[0] : "127.0.0.1";
    options.port = port_of(rest[count - 1], 0);
  } else {
    if (count != 2) say_wrong_usage("HOST and PORT are wanted", NULL);
    options.host = rest[0];
    options.port = port_of(rest[1], 1);
  }
}

int rwcat_main(int argc, char **argv) {
  parse(argc, argv);
  signal(SIGPIPE, SIG_IGN);
  job_attach(&options.talk);
  if (options.get) get_file();
  else if (options.put) put_file();
  else if (options.unix_path && options.listen) listen_unix_and_carry();
  else if (options.unix_path) connect_unix_and_carry();
  else if (options.listen && options.udp) bind_and_carry();
  else if (options.listen) listen_and_carry();
  else connect_and_carry();
  talk_close(&job_talk);
  job_quit(EXIT_SUCCESS);
}
