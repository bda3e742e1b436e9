// rwcat: netcat over Ringway. One stream of a guest, connected to stdin and stdout; a half-close goes through in both
// directions, as with nc -N.
//
// Bytes go from read(2) into the ring and from the ring to write(2), with no copy of our own. Exit: 0 done, 1 failed, 2 usage.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../include/ringway-posix.h"

static const char usage[] =
    "usage: rwcat [OPTIONS] HOST PORT             connect to a TCP port\n"
    "       rwcat [OPTIONS] -l [ADDRESS] PORT     wait for one connection; ADDRESS is 127.0.0.1 if not given\n"
    "       rwcat [OPTIONS] --get PATH            a file to stdout\n"
    "       rwcat [OPTIONS] --put PATH            stdin to a file, which is made or replaced\n"
    "\n"
    "  -s, --socket PATH        the monitor's attach socket; $RINGWAY_SOCKET if not given\n"
    "  -r, --region FILE        instead: the shared memory, as a file or a device to map,\n"
    "  -c, --channel FILE         and the byte channel that is its bell\n"
    "  -b, --busy-poll-us N     look for work that long before sleeping; 50 if not given\n"
    "  -t, --timeout-ms N       for attaching and connecting; 10000 if not given\n"
    "  -v, --verbose            say on stderr what is connected\n"
    "  -h, --help\n"
    "\n"
    "Exit codes: 0 done, 1 failed, 2 wrong usage.\n";

enum { EXIT_USAGE = 2, STREAMS = 2, RING_BYTES = 1 << 20, SMALL_RING_BYTES = 1 << 16, ENOMEM_LINUX = 12 };

static struct {
  const char *socket, *region, *channel;
  const char *host; // or the address to listen on
  const char *get, *put;
  uint32_t port, busy_poll_us, timeout_ms;
  int listen, verbose;
} options = {.busy_poll_us = 50, .timeout_ms = 10000};

static struct rw_posix posix;
static struct rw_stream streams[STREAMS];

// ── Saying things ───────────────────────────────────────────────────────────────────────────────────────────────────

static struct {
  char text[1024];
  size_t length;
} line;

static void add_bytes(const void *bytes, size_t count) {
  if (count > sizeof line.text - 1 - line.length) count = sizeof line.text - 1 - line.length;
  memcpy(line.text + line.length, bytes, count);
  line.length += count;
}

static void add(const char *text) { add_bytes(text, strlen(text)); }

static void add_number(uint32_t number) {
  char digits[10];
  size_t at = sizeof digits;
  do digits[--at] = (char)('0' + number % 10);
  while ((number /= 10) != 0);
  add_bytes(digits + at, sizeof digits - at);
}

// What the host wrote goes to a terminal: no control characters.
static void add_text(struct rw_text text) {
  for (uint32_t i = 0; i < text.length; i++) {
    char byte = (char)text.bytes[i];
    add_bytes((unsigned char)byte < ' ' || byte == 0x7f ? "?" : &byte, 1);
  }
}

static void add_inet(const struct rw_inet *inet) {
  char text[INET6_ADDRSTRLEN];
  inet_ntop(inet->family == 4 ? AF_INET : AF_INET6, inet->address, text, sizeof text);
  if (inet->family == 6) add("[");
  add(text);
  add(inet->family == 6 ? "]:" : ":");
  add_number(inet->port);
}

static void begin_line(void) {
  line.length = 0;
  add("rwcat: ");
}

static void end_line(void) {
  line.text[line.length++] = '\n';
  for (size_t at = 0; at < line.length;) {
    ssize_t done = write(STDERR_FILENO, line.text + at, line.length - at);
    if (done <= 0) break;
    at += (size_t)done;
  }
}

_Noreturn static void quit(int code);

_Noreturn static void fail_line(void) {
  end_line();
  quit(EXIT_FAILURE);
}

_Noreturn static void fail_errno(const char *what, int error) {
  begin_line();
  add(what);
  add(": ");
  add(strerror(error));
  fail_line();
}

static void add_status(int32_t status) {
  switch (status) {
    case RW_SYSTEM:
      add(posix.what);
      add(": ");
      add(strerror(posix.error));
      break;
    case RW_LOST:
      add("the monitor is gone");
      break;
    case RW_FAILED:
      add("the monitor says that this guest broke the protocol, violation ");
      add_number(rw_guest_violation(&posix.guest));
      break;
    case RW_RESET:
      add("connection reset");
      break;
    case RW_BAD_MAGIC:
      add("this is not a Ringway region");
      break;
    case RW_BAD_VERSION:
      add("the monitor speaks another major version of the protocol than ");
      add_number(RW_VERSION_MAJOR);
      break;
    default:
      add(status <= RW_BAD_SUPERBLOCK ? "the monitor broke the protocol: " : "unexpected ");
      add(rw_status_name(status));
  }
}

_Noreturn static void fail(const char *what, int32_t status) {
  begin_line();
  add(what);
  add(": ");
  add_status(status);
  fail_line();
}

_Noreturn static void fail_error(const char *what, uint32_t error, struct rw_text rule, struct rw_text reason) {
  begin_line();
  add(what);
  add(": ");
  add(strerror((int)(error & 0xfff)));
  if (reason.length > 0) {
    add(": ");
    add_text(reason);
  }
  if (rule.length > 0) {
    add(" (rule ");
    add_text(rule);
    add(")");
  }
  fail_line();
}

_Noreturn static void fail_refused(const char *what, const struct rw_stream *stream, const struct rw_frame *frame) {
  struct rw_error error = {.error = rw_stream_error(stream)};
  if (frame && frame->payload) rw_decode_error(frame->payload, frame->bytes, &error);
  fail_error(what, error.error, error.rule, error.reason);
}

// ── Stdin and stdout ────────────────────────────────────────────────────────────────────────────────────────────────
//
// Neither may block: the other direction must go on. A pipe is opened anew, so that its other users keep their flags; a socket
// has MSG_DONTWAIT; anything else is asked with poll(2) each time.

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

// ── Moving bytes ────────────────────────────────────────────────────────────────────────────────────────────────────

enum { MOVED = 1, WAITS_FOR_END, WAITS_FOR_RING, FINISHED };

// stdin to the ring: one piece.
static int step_in(struct rw_stream *stream, struct end *in, uint64_t *total) {
  void *at;
  int32_t room = rw_send_span(stream, &at);
  if (room == RW_AGAIN) return WAITS_FOR_RING;
  // The host takes no more: whether that is an error, the other direction tells.
  if (room == RW_CLOSED || room == RW_RESET) return FINISHED;
  if (room < 0) fail("sending", room);
  if (!in->ready) return WAITS_FOR_END;
  ssize_t got = end_read(in, at, (size_t)room);
  if (got < 0) return in->ready ? MOVED : WAITS_FOR_END;
  if (got == 0) {
    rw_end(stream);
    return FINISHED;
  }
  int32_t status = rw_send_commit(stream, (uint32_t)got);
  if (status < 0) fail("sending", status);
  *total += (uint64_t)got;
  return MOVED;
}

// The ring to stdout: one piece.
static int step_out(struct rw_stream *stream, struct end *out, uint64_t *total) {
  void *at;
  int32_t bytes = rw_recv_span(stream, &at);
  if (bytes == RW_AGAIN) return WAITS_FOR_RING;
  if (bytes == RW_END) return FINISHED;
  if (bytes < 0) fail("receiving", bytes);
  if (!out->ready) {
    rw_recv_pause(stream);
    return WAITS_FOR_END;
  }
  ssize_t put = end_write(out, at, (size_t)bytes);
  if (put < 0) return out->ready ? MOVED : WAITS_FOR_END;
  int32_t status = rw_recv_commit(stream, (uint32_t)put);
  if (status < 0) fail("receiving", status);
  *total += (uint64_t)put;
  return MOVED;
}

// Waits for the ring, or for those of stdin and stdout that somebody waits for.
static void wait_for(struct end *in, struct end *out) {
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
  int32_t status = rw_posix_wait(&posix, fds, count, -1);
  if (status < 0) fail("waiting", status);
  for (uint32_t i = 0; i < count; i++)
    if (fds[i].revents != 0) ends[i]->ready = 1;
}

// Both ways, until both have ended.
static void carry(struct rw_stream *stream, int in_state, int out_state, uint64_t *received) {
  struct end in = end_of(STDIN_FILENO, O_RDONLY, "/proc/self/fd/0", "stdin");
  struct end out = end_of(STDOUT_FILENO, O_WRONLY, "/proc/self/fd/1", "stdout");
  uint64_t sent = 0;
  while (in_state != FINISHED || out_state != FINISHED) {
    int32_t status = rw_poll(&posix.guest);
    if (status != RW_OK) fail("carrying bytes", status);
    if (in_state != FINISHED) in_state = step_in(stream, &in, &sent);
    if (out_state != FINISHED) out_state = step_out(stream, &out, received);
    if (in_state == MOVED || out_state == MOVED) continue;
    if (in_state == FINISHED && out_state == FINISHED) break;
    wait_for(in_state == WAITS_FOR_END ? &in : NULL, out_state == WAITS_FOR_END ? &out : NULL);
  }
}

// ── What rwcat does ─────────────────────────────────────────────────────────────────────────────────────────────────

static void pause_for(const char *what) {
  int32_t status = rw_posix_wait(&posix, NULL, 0, -1);
  if (status < 0) fail(what, status);
}

static struct rw_stream *new_stream(const char *what, uint32_t ring_bytes) {
  for (;;) {
    int32_t slot = rw_stream_new(&posix.guest, ring_bytes, ring_bytes);
    if (slot < 0) fail(what, slot);
    struct rw_stream *stream = rw_stream_at(&posix.guest, (uint32_t)slot);
    while (rw_stream_state(stream) == RW_STREAM_ASKED) pause_for(what);
    if (rw_stream_state(stream) == RW_STREAM_FRESH) return stream;
    if (rw_stream_error(stream) != ENOMEM_LINUX || ring_bytes <= SMALL_RING_BYTES) fail_refused(what, stream, NULL);
    rw_close(stream);
    ring_bytes = SMALL_RING_BYTES;
  }
}

// Until the host has said yes to what was asked with `status`.
static void opened(const char *what, struct rw_stream *stream, int32_t status, struct rw_frame *answer) {
  if (status == RW_OK)
    while ((status = rw_opened(stream, answer, NULL, 0)) == RW_AGAIN) pause_for(what);
  if (status == RW_REFUSED) fail_refused(what, stream, answer);
  if (status == RW_INVALID || status == RW_TOO_LONG) fail_errno(what, EINVAL);
  if (status != RW_OK) fail(what, status);
}

static void tell(const char *what, const struct rw_inet *inet) {
  if (!options.verbose) return;
  begin_line();
  add(what);
  add_inet(inet);
  end_line();
}

static void connect_and_carry(void) {
  char what[320];
  begin_line();
  line.length = 0;
  add("connect to ");
  add(options.host);
  add(":");
  add_number(options.port);
  if (line.length >= sizeof what) line.length = sizeof what - 1;
  memcpy(what, line.text, line.length);
  what[line.length] = 0;

  struct rw_stream *stream = new_stream(what, RING_BYTES);
  struct rw_frame answer;
  struct rw_endpoints ends;
  opened(what, stream,
         rw_connect(stream, options.host, (uint32_t)strlen(options.host), options.port, options.timeout_ms), &answer);
  if (rw_decode_endpoints(answer.payload, answer.bytes, &ends) != RW_OK) fail(what, RW_BAD_PAYLOAD);
  tell("connected to ", &ends.peer);
  uint64_t received = 0;
  carry(stream, 0, 0, &received);
  rw_close(stream);
}

// Errors that the listener tells of: of our Accept, or of an accept(2) that the host tries again (LSN-5).
static void look_at_listener(const char *what, struct rw_stream *listener, const struct rw_stream *stream) {
  struct rw_frame frame;
  struct rw_error error;
  int32_t status = rw_frame_next(listener, &frame, NULL, 0);
  if (status == RW_AGAIN) return;
  if (status != RW_OK) fail(what, status == RW_END ? RW_RESET : status);
  if (frame.type != RW_T_ERROR || rw_decode_error(frame.payload, frame.bytes, &error) != RW_OK)
    fail(what, RW_BAD_TYPE);
  if (frame.request == stream->request) fail_error(what, error.error, error.rule, error.reason);
  if (!options.verbose) return;
  begin_line();
  add_text(error.reason);
  end_line();
}

static void listen_and_carry(void) {
  const char *what = "listen";
  struct rw_inet address = {.family = 4, .port = options.port};
  if (inet_pton(AF_INET, options.host, address.address) != 1) {
    address.family = 6;
    if (inet_pton(AF_INET6, options.host, address.address) != 1) fail_errno(options.host, EINVAL);
  }
  struct rw_stream *listener = new_stream(what, RW_RING_BYTES_MIN);
  struct rw_stream *stream = new_stream(what, RING_BYTES);
  struct rw_frame answer;
  opened(what, listener, rw_listen(listener, &address, 1), &answer);
  if (rw_decode_bound(answer.payload, answer.bytes, &address) != RW_OK) fail(what, RW_BAD_PAYLOAD);
  int32_t status = rw_accept(listener, stream);
  if (status != RW_OK) fail(what, status);
  tell("listening on ", &address);
  while ((status = rw_opened(stream, &answer, NULL, 0)) == RW_AGAIN) {
    look_at_listener(what, listener, stream);
    pause_for(what);
  }
  if (status != RW_OK) fail(what, status);
  struct rw_endpoints ends;
  if (rw_decode_endpoints(answer.payload, answer.bytes, &ends) != RW_OK) fail(what, RW_BAD_PAYLOAD);
  rw_close(listener);
  tell("connection from ", &ends.peer);
  uint64_t received = 0;
  carry(stream, 0, 0, &received);
  rw_close(stream);
}

static void get_file(void) {
  const char *path = options.get;
  struct rw_stream *stream = new_stream(path, RING_BYTES);
  struct rw_frame answer;
  struct rw_stat stat;
  uint64_t length, received = 0;
  opened(path, stream, rw_file_stream(stream, RW_FILE_READ, 0, 0, RW_ALL_BYTES, path, (uint32_t)strlen(path)), &answer);
  if (rw_decode_file_stream(answer.payload, answer.bytes, &length, &stat) != RW_OK) fail(path, RW_BAD_PAYLOAD);
  rw_end(stream);
  carry(stream, FINISHED, 0, &received);
  rw_close(stream);
  if (received == length) return;
  begin_line();
  add(path);
  add(": the file shrank while it was read");
  fail_line();
}

// The last frame of a write (FST-4), if it is there: 1 all of it is in the file, 0 not yet.
static int write_ended(const char *path, struct rw_stream *stream, uint64_t sent) {
  struct rw_frame frame;
  struct rw_write_failed failed;
  uint64_t bytes;
  int32_t status = rw_frame_next(stream, &frame, NULL, 0);
  if (status == RW_AGAIN) return 0;
  if (status != RW_OK) fail(path, status == RW_END ? RW_BAD_STATE : status);
  if (frame.type == RW_T_WRITE_DONE && rw_decode_u64(frame.payload, frame.bytes, &bytes) == RW_OK) {
    if (bytes != sent) fail(path, RW_BAD_PAYLOAD);
    return 1;
  }
  if (frame.type != RW_T_WRITE_FAILED || rw_decode_write_failed(frame.payload, frame.bytes, &failed) != RW_OK)
    fail(path, RW_BAD_PAYLOAD);
  fail_error(path, failed.error.error, failed.error.rule, failed.error.reason);
}

static void put_file(void) {
  const char *path = options.put;
  struct rw_stream *stream = new_stream(path, RING_BYTES);
  struct rw_frame answer;
  uint32_t flags = RW_FILE_WRITE | RW_FILE_CREATE | RW_FILE_TRUNCATE;
  opened(path, stream, rw_file_stream(stream, flags, 0644, 0, RW_ALL_BYTES, path, (uint32_t)strlen(path)), &answer);
  struct end in = end_of(STDIN_FILENO, O_RDONLY, "/proc/self/fd/0", "stdin");
  uint64_t sent = 0;
  int state = 0;
  while (!write_ended(path, stream, sent)) {
    int32_t status = rw_poll(&posix.guest);
    if (status != RW_OK) fail(path, status);
    if (state != FINISHED) state = step_in(stream, &in, &sent);
    if (state != MOVED) wait_for(state == WAITS_FOR_END ? &in : NULL, NULL);
  }
  rw_close(stream);
}

// ── Arguments ───────────────────────────────────────────────────────────────────────────────────────────────────────

_Noreturn static void quit(int code) {
  rw_posix_detach(&posix);
  _exit(code);
}

_Noreturn static void wrong_usage(const char *what, const char *argument) {
  begin_line();
  add(what);
  if (argument) {
    add(": ");
    add(argument);
  }
  end_line();
  line.length = 0;
  add("Try rwcat --help.");
  end_line();
  _exit(EXIT_USAGE);
}

static uint32_t number(const char *text, const char *what, uint32_t most) {
  uint32_t value = 0;
  if (*text == 0) wrong_usage(what, text);
  for (const char *at = text; *at; at++) {
    if (*at < '0' || *at > '9' || value > most / 10) wrong_usage(what, text);
    value = value * 10 + (uint32_t)(*at - '0');
  }
  if (value > most) wrong_usage(what, text);
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
    const char *text;
    uint32_t *n = NULL;
    if (is(argument, "-h", "--help")) {
      for (size_t at = 0; at < sizeof usage - 1;) {
        ssize_t put = write(STDOUT_FILENO, usage + at, sizeof usage - 1 - at);
        if (put <= 0) _exit(EXIT_FAILURE);
        at += (size_t)put;
      }
      _exit(EXIT_SUCCESS);
    } else if (is(argument, "-l", "--listen")) options.listen = 1;
    else if (is(argument, "-v", "--verbose")) options.verbose = 1;
    else if (is(argument, "-s", "--socket")) value = &options.socket;
    else if (is(argument, "-r", "--region")) value = &options.region;
    else if (is(argument, "-c", "--channel")) value = &options.channel;
    else if (is(argument, NULL, "--get")) value = &options.get;
    else if (is(argument, NULL, "--put")) value = &options.put;
    else if (is(argument, "-b", "--busy-poll-us")) value = &text, n = &options.busy_poll_us;
    else if (is(argument, "-t", "--timeout-ms")) value = &text, n = &options.timeout_ms;
    else if (argument[0] == '-' && argument[1] != 0) wrong_usage("unknown option", argument);
    else if (count < 3) rest[count++] = argument;
    if (!value) continue;
    if (++i >= argc) wrong_usage("missing value", argument);
    *value = argv[i];
    if (n) *n = number(argv[i], "not a number", 1000000000);
  }
  if ((options.region == NULL) != (options.channel == NULL)) wrong_usage("--region and --channel go together", NULL);
  if (options.get || options.put) {
    if (count != 0 || options.listen || (options.get && options.put)) wrong_usage("too many things to do", NULL);
  } else if (options.listen) {
    if (count < 1 || count > 2) wrong_usage("-l wants [ADDRESS] PORT", NULL);
    options.host = count == 2 ? rest[0] : "127.0.0.1";
    options.port = number(rest[count - 1], "not a port", 65535);
  } else {
    if (count != 2) wrong_usage("HOST and PORT are wanted", NULL);
    options.host = rest[0];
    options.port = number(rest[1], "not a port", 65535);
    if (options.port == 0) wrong_usage("not a port", rest[1]);
  }
}

static void attach(void) {
  const char *path = options.socket ? options.socket : getenv("RINGWAY_SOCKET");
  int32_t status;
  if (options.region) {
    status = rw_posix_attach_file(&posix, options.region, options.channel, streams, STREAMS, (int)options.timeout_ms);
  } else {
    if (!path) wrong_usage("no monitor: --socket, or RINGWAY_SOCKET in the environment", NULL);
    status = rw_posix_attach_socket(&posix, path, streams, STREAMS, (int)options.timeout_ms);
  }
  if (status != RW_OK) fail("attach", status);
  posix.busy_poll_us = options.busy_poll_us;
}

int main(int argc, char **argv) {
  parse(argc, argv);
  signal(SIGPIPE, SIG_IGN);
  attach();
  if (options.get) get_file();
  else if (options.put) put_file();
  else if (options.listen) listen_and_carry();
  else connect_and_carry();
  quit(EXIT_SUCCESS);
}
