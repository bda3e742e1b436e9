// rwcat: netcat over Ringway. One stream of a guest, connected to stdin and stdout; a half-close goes through in both
// directions, as with nc -N.
//
// Bytes go from read(2) into the ring and from the ring to write(2), with no copy of our own. Exit: 0 done, 1 failed, 2
// usage.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "programs.h"
#include "say.h"
#include "talk.h"

static const char usage[] =
    "usage: rwcat [OPTIONS] HOST PORT             connect to a TCP port\n"
    "       rwcat [OPTIONS] -l [ADDRESS] PORT     wait for one connection; ADDRESS is 127.0.0.1 if not given\n"
    "       rwcat [OPTIONS] --get PATH            a file to stdout\n"
    "       rwcat [OPTIONS] --put PATH            stdin to a file, which is made or replaced\n"
    "\n"
    TALK_USAGE
    "  -v, --verbose            say on stderr what is connected\n"
    "  -h, --help; -V, --version\n"
    "\n"
    "Exit codes: 0 done, 1 failed, 2 wrong usage.\n";

enum { RING_BYTES = 1 << 20 };

static struct {
  struct talk_options talk;
  const char *host; // or the address to listen on
  const char *get, *put;
  uint32_t port;
  int listen, verbose;
} options = {.talk = TALK_OPTIONS};

static struct talk talk;

// ── Failing ─────────────────────────────────────────────────────────────────────────────────────────────────────────

_Noreturn static void quit(int code) {
  talk_leave();
  _exit(code);
}

_Noreturn static void fail_line(void) {
  say_end();
  quit(EXIT_FAILURE);
}

_Noreturn static void fail_errno(const char *what, int error) {
  say_begin();
  say(what);
  say(": ");
  say_errno((uint32_t)error);
  fail_line();
}

_Noreturn static void fail(const char *what, int32_t status) {
  say_begin();
  say(what);
  say(": ");
  say_status(talk_posix(), status);
  fail_line();
}

_Noreturn static void fail_error(const char *what, const struct rw_error *error) {
  say_begin();
  say(what);
  say(": ");
  say_error(error);
  fail_line();
}

_Noreturn static void fail_refused(const char *what, const struct rw_frame *frame) {
  struct rw_error error = {.error = talk.error};
  if (frame && frame->payload) rw_decode_error(frame->payload, frame->bytes, &error);
  fail_error(what, &error);
}

// ── Stdin and stdout ────────────────────────────────────────────────────────────────────────────────────────────────
//
// Neither may block: the other direction must go on. A pipe is opened anew, so that its other users keep their flags; a
// socket has MSG_DONTWAIT; anything else is asked with poll(2) each time.

enum kind { PLAIN, PIPE, SOCKET, REGULAR };

struct end {
  int fd;
  enum kind kind;
  int ready;
  const char *name;
};

static struct end end_of(int fd, int flags, const char *path, const char *name) {
  struct end end = {.fd = fd, .kind = PLAIN, .name = name};
  struct stat stat;
  if (fstat(fd, &stat) < 0) fail_errno(name, errno);
  if (S_ISREG(stat.st_mode)) end.kind = REGULAR;
  if (S_ISSOCK(stat.st_mode)) end.kind = SOCKET;
  if (S_ISFIFO(stat.st_mode)) {
    int again = open(path, flags | O_NONBLOCK | O_CLOEXEC);
    if (again >= 0) {
      // The reader of our output, and the writer of our input, see no other end than this one.
      dup2(again, fd);
      close(again);
      end.kind = PIPE;
    }
  }
  end.ready = end.kind != PLAIN;
  return end;
}

// Bytes moved, 0 at the end of the file, -1 not now; other errors end the program.
static ssize_t end_read(struct end *end, void *at, size_t bytes) {
  ssize_t got = end->kind == SOCKET ? recv(end->fd, at, bytes, MSG_DONTWAIT) : read(end->fd, at, bytes);
  if (end->kind == PLAIN) end->ready = 0;
  if (got >= 0) return got;
  if (errno != EAGAIN && errno != EINTR) fail_errno(end->name, errno);
  if (errno == EAGAIN) end->ready = 0;
  return -1;
}

static ssize_t end_write(struct end *end, const void *at, size_t bytes) {
  // A blocking one that poll(2) calls writable takes at least this much.
  if (end->kind == PLAIN && bytes > 4096) bytes = 4096;
  ssize_t put = end->kind == SOCKET ? send(end->fd, at, bytes, MSG_DONTWAIT | MSG_NOSIGNAL) : write(end->fd, at, bytes);
  if (end->kind == PLAIN) end->ready = 0;
  if (put >= 0) return put;
  if (errno != EAGAIN && errno != EINTR) fail_errno(end->name, errno);
  if (errno == EAGAIN) end->ready = 0;
  return -1;
}

// Whoever reads hears that there is no more, while our other direction goes on.
static void end_close(struct end *end) {
  int failed = end->kind == SOCKET ? shutdown(end->fd, SHUT_WR) : close(end->fd);
  if (failed < 0 && errno != EINTR && errno != ENOTCONN) fail_errno(end->name, errno);
}

// ── Moving bytes ────────────────────────────────────────────────────────────────────────────────────────────────────

enum { MOVED = 1, WAITS_FOR_END, WAITS_FOR_RING, FINISHED };

static void check_epoch(const char *what) {
  int32_t status = talk_poll(&talk);
  if (status != RW_OK) fail(what, status);
}

// stdin to the ring: one piece.
static int step_in(struct end *in, uint64_t *total) {
  void *at;
  int32_t room = talk_send_span(&talk, &at);
  if (room == RW_AGAIN) return WAITS_FOR_RING;
  // The host takes no more: whether that is an error, the other direction tells.
  if (room == RW_CLOSED || room == RW_RESET) return FINISHED;
  if (room < 0) fail("sending", room);
  if (!in->ready) return WAITS_FOR_END;
  ssize_t got = end_read(in, at, (size_t)room);
  if (got < 0) return in->ready ? MOVED : WAITS_FOR_END;
  if (got == 0) {
    talk_end(&talk);
    return FINISHED;
  }
  int32_t status = talk_send_commit(&talk, (uint32_t)got);
  if (status == RW_CLOSED || status == RW_RESET) return FINISHED;
  if (status < 0) fail("sending", status);
  *total += (uint64_t)got;
  return MOVED;
}

// The ring to stdout: one piece.
static int step_out(struct end *out, uint64_t *total) {
  void *at;
  int32_t bytes = talk_recv_span(&talk, &at);
  if (bytes == RW_AGAIN) return WAITS_FOR_RING;
  if (bytes == RW_END) return FINISHED;
  if (bytes < 0) fail("receiving", bytes);
  if (!out->ready) {
    talk_recv_pause(&talk);
    return WAITS_FOR_END;
  }
  ssize_t put = end_write(out, at, (size_t)bytes);
  if (put < 0) return out->ready ? MOVED : WAITS_FOR_END;
  int32_t status = talk_recv_commit(&talk, (uint32_t)put);
  if (status < 0) fail("receiving", status);
  *total += (uint64_t)put;
  return MOVED;
}

// Waits for the ring, or for those of stdin and stdout that somebody waits for.
static void wait_for(struct end *in, struct end *out, int receives) {
  struct pollfd fds[2];
  struct end *ends[2];
  uint32_t count = 0;
  if (in) {
    fds[count] = (struct pollfd){.fd = in->fd, .events = POLLIN};
    ends[count++] = in;
  }
  if (out) {
    fds[count] = (struct pollfd){.fd = out->fd, .events = POLLOUT};
    ends[count++] = out;
  }
  int32_t status = talk_wait(&talk, fds, count, receives);
  if (status < 0) fail("waiting", status);
  for (uint32_t i = 0; i < count; i++)
    if (fds[i].revents != 0) ends[i]->ready = 1;
}

static struct end from_stdin(void) { return end_of(STDIN_FILENO, O_RDONLY, "/proc/self/fd/0", "stdin"); }

// Both ways, until both have ended.
static void carry(int in_state, int out_state, uint64_t *received) {
  struct end in = from_stdin();
  struct end out = end_of(STDOUT_FILENO, O_WRONLY, "/proc/self/fd/1", "stdout");
  uint64_t sent = 0;
  while (in_state != FINISHED || out_state != FINISHED) {
    check_epoch("carrying bytes");
    if (in_state != FINISHED) in_state = step_in(&in, &sent);
    if (out_state != FINISHED) {
      out_state = step_out(&out, received);
      if (out_state == FINISHED) end_close(&out);
    }
    if (in_state == MOVED || out_state == MOVED) continue;
    if (in_state == FINISHED && out_state == FINISHED) break;
    wait_for(in_state == WAITS_FOR_END ? &in : NULL, out_state == WAITS_FOR_END ? &out : NULL,
             out_state == WAITS_FOR_RING);
  }
  int32_t status = talk_drain(&talk);
  if (status != RW_OK) fail("sending", status);
}

// ── What rwcat does ─────────────────────────────────────────────────────────────────────────────────────────────────

static void pause_for(const char *what) {
  int32_t status = talk_wait(&talk, NULL, 0, 1);
  if (status < 0) fail(what, status);
}

// Until the host has said yes to what is asked.
static void open_stream(const char *what, uint32_t protocol, const uint8_t *body, int32_t body_bytes,
                        struct rw_frame *answer) {
  int32_t status = body_bytes;
  uint32_t ring_bytes = protocol == RW_TCP_LISTEN ? RW_RING_BYTES_MIN : RING_BYTES;
  if (status >= 0) status = talk_open(&talk, ring_bytes, protocol, body, (uint32_t)body_bytes);
  if (status == RW_REFUSED) fail_refused(what, NULL);
  if (status == RW_OK)
    while ((status = talk_opened(&talk, answer)) == RW_AGAIN) pause_for(what);
  if (status == RW_REFUSED) fail_refused(what, answer);
  if (status == RW_INVALID || status == RW_TOO_LONG) fail_errno(what, EINVAL);
  if (status != RW_OK) fail(what, status);
}

static void tell(const char *what, const struct rw_inet *inet) {
  if (!options.verbose) return;
  say_begin();
  say(what);
  say_inet(inet);
  say_end();
}

static void connect_and_carry(void) {
  static char what[320];
  static uint8_t body[512];
  snprintf(what, sizeof what, "connect to %s:%u", options.host, options.port);
  struct rw_frame answer;
  struct rw_endpoints ends;
  int32_t bytes = rw_encode_connect(body, sizeof body, options.port, options.talk.timeout_ms, options.host,
                                    (uint32_t)strlen(options.host));
  open_stream(what, RW_TCP_CONNECT, body, bytes, &answer);
  if (rw_decode_endpoints(answer.payload, answer.bytes, &ends) != RW_OK) fail(what, RW_BAD_PAYLOAD);
  tell("connected to ", &ends.peer);
  uint64_t received = 0;
  carry(0, 0, &received);
}

static void listen_and_carry(void) {
  const char *what = "listen";
  struct rw_inet address = {.family = 4, .port = options.port};
  if (inet_pton(AF_INET, options.host, address.address) != 1) {
    address.family = 6;
    if (inet_pton(AF_INET6, options.host, address.address) != 1) fail_errno(options.host, EINVAL);
  }
  uint8_t body[64];
  struct rw_frame answer;
  open_stream(what, RW_TCP_LISTEN, body, rw_encode_listen(body, sizeof body, 1, &address), &answer);
  if (rw_decode_bound(answer.payload, answer.bytes, &address) != RW_OK) fail(what, RW_BAD_PAYLOAD);
  int32_t status = talk_accept(&talk, RING_BYTES);
  if (status != RW_OK) fail(what, status);
  tell("listening on ", &address);
  while ((status = talk_accepted(&talk, &answer)) == RW_AGAIN) pause_for(what);
  if (status == RW_REFUSED) fail_refused(what, &answer);
  if (status != RW_OK) fail(what, status);
  struct rw_endpoints ends;
  if (!answer.payload || rw_decode_endpoints(answer.payload, answer.bytes, &ends) != RW_OK) fail(what, RW_BAD_PAYLOAD);
  tell("connection from ", &ends.peer);
  uint64_t received = 0;
  carry(0, 0, &received);
}

static void get_file(void) {
  const char *path = options.get;
  static uint8_t body[RW_PATH_MAX_BYTES + 64];
  struct rw_frame answer;
  struct rw_stat stat;
  uint64_t length, received = 0;
  int32_t bytes = rw_encode_file_stream(body, sizeof body, 1, RW_FILE_READ, 0, 0, RW_ALL_BYTES, path,
                                        (uint32_t)strlen(path));
  open_stream(path, RW_FILE_STREAM, body, bytes, &answer);
  if (rw_decode_file_stream(answer.payload, answer.bytes, &length, &stat) != RW_OK) fail(path, RW_BAD_PAYLOAD);
  talk_end(&talk);
  carry(FINISHED, 0, &received);
  if (received == length) return;
  say_begin();
  say(path);
  say(": the file shrank while it was read");
  fail_line();
}

// The last frame of a write (FST-4), if it is there: 1 all of it is in the file, 0 not yet.
static int write_ended(const char *path, uint64_t sent) {
  struct rw_frame frame;
  struct rw_write_failed failed;
  uint64_t bytes;
  int32_t status = talk_frame(&talk, &frame);
  if (status == RW_AGAIN) return 0;
  if (status != RW_OK) fail(path, status == RW_END ? RW_BAD_STATE : status);
  if (frame.type == RW_T_WRITE_DONE && rw_decode_u64(frame.payload, frame.bytes, &bytes) == RW_OK) {
    if (bytes != sent) fail(path, RW_BAD_PAYLOAD);
    return 1;
  }
  if (frame.type != RW_T_WRITE_FAILED || rw_decode_write_failed(frame.payload, frame.bytes, &failed) != RW_OK)
    fail(path, RW_BAD_PAYLOAD);
  fail_error(path, &failed.error);
}

static void put_file(void) {
  const char *path = options.put;
  static uint8_t body[RW_PATH_MAX_BYTES + 64];
  struct rw_frame answer;
  uint32_t flags = RW_FILE_WRITE | RW_FILE_CREATE | RW_FILE_TRUNCATE;
  int32_t bytes =
      rw_encode_file_stream(body, sizeof body, 2, flags, 0644, 0, RW_ALL_BYTES, path, (uint32_t)strlen(path));
  open_stream(path, RW_FILE_STREAM, body, bytes, &answer);
  struct end in = from_stdin();
  uint64_t sent = 0;
  int state = 0;
  while (!write_ended(path, sent)) {
    check_epoch(path);
    if (state != FINISHED) state = step_in(&in, &sent);
    if (state != MOVED) wait_for(state == WAITS_FOR_END ? &in : NULL, NULL, 1);
  }
}

// ── Arguments ───────────────────────────────────────────────────────────────────────────────────────────────────────

static uint32_t port_of(const char *text, uint32_t least) {
  uint32_t value = 0;
  for (const char *at = text; *at; at++) {
    if (*at < '0' || *at > '9' || value > 65535) say_wrong_usage("not a port", text);
    value = value * 10 + (uint32_t)(*at - '0');
  }
  if (*text == 0 || value < least || value > 65535) say_wrong_usage("not a port", text);
  return value;
}

static int is(const char *argument, const char *brief, const char *full) {
  return (brief && strcmp(argument, brief) == 0) || strcmp(argument, full) == 0;
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
    else if (is(argument, "-v", "--verbose")) options.verbose = 1;
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
  if (options.get || options.put) {
    if (count != 0 || options.listen || (options.get && options.put)) say_wrong_usage("too many things to do", NULL);
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
  int32_t status = talk_attach(&options.talk);
  if (status == RW_STATE) say_wrong_usage(TALK_NOWHERE, NULL);
  if (status != RW_OK) fail("attach", status);
  if (options.get) get_file();
  else if (options.put) put_file();
  else if (options.listen) listen_and_carry();
  else connect_and_carry();
  talk_close(&talk);
  quit(EXIT_SUCCESS);
}
