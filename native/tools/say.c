// Lines on stderr: see say.h.

#define _GNU_SOURCE
#include "say.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

const char *say_program = "ringway";

static struct {
  char text[1024];
  size_t length;
} line;

void say_bytes(const void *bytes, size_t count) {
  if (count > sizeof line.text - 1 - line.length) count = sizeof line.text - 1 - line.length;
  memcpy(line.text + line.length, bytes, count);
  line.length += count;
}

void say(const char *text) { say_bytes(text, strlen(text)); }

void say_number(uint64_t number) {
  char digits[20];
  size_t at = sizeof digits;
  do digits[--at] = (char)('0' + number % 10);
  while ((number /= 10) != 0);
  say_bytes(digits + at, sizeof digits - at);
}

void say_text(struct rw_text text) {
  for (uint32_t i = 0; i < text.length; i++) {
    char byte = (char)text.bytes[i];
    say_bytes((unsigned char)byte < ' ' || byte == 0x7f ? "?" : &byte, 1);
  }
}

void say_inet(const struct rw_inet *inet) {
  char text[INET6_ADDRSTRLEN] = "?";
  inet_ntop(inet->family == 4 ? AF_INET : AF_INET6, inet->address, text, sizeof text);
  if (inet->family == 6) say("[");
  say(text);
  say(inet->family == 6 ? "]:" : ":");
  say_number(inet->port);
}

// The words of glibc, which are also the monitor's, where another libc has its own: only so can be told what a reason
// says already.
static const char *words_of(uint32_t error) {
  static const struct {
    uint32_t error;
    const char *words;
  } differ[] = {
      {5, "Input/output error"},
      {12, "Cannot allocate memory"},
      {16, "Device or resource busy"},
      {18, "Invalid cross-device link"},
      {24, "Too many open files"},
      {29, "Illegal seek"},
      {36, "File name too long"},
      {40, "Too many levels of symbolic links"},
      {75, "Value too large for defined data type"},
      {90, "Message too long"},
      {95, "Operation not supported"},
      {98, "Address already in use"},
      {99, "Cannot assign requested address"},
      {101, "Network is unreachable"},
      {103, "Software caused connection abort"},
      {107, "Transport endpoint is not connected"},
      {108, "Cannot send after transport endpoint shutdown"},
      {110, "Connection timed out"},
      {113, "No route to host"},
      {122, "Disk quota exceeded"},
  };
  for (size_t i = 0; i < sizeof differ / sizeof differ[0]; i++)
    if (differ[i].error == error) return differ[i].words;
  return strerror((int)(error & 0xfff));
}

void say_errno(uint32_t error) { say(words_of(error)); }

void say_status(const struct rw_posix *posix, int32_t status) {
  switch (status) {
    case RW_SYSTEM:
      say(posix->what);
      say(": ");
      say_errno((uint32_t)posix->error);
      if (posix->absent) say(": no monitor listens there");
      break;
    case RW_LOST:
      say("the monitor is gone");
      break;
    case RW_FAILED:
      say("the monitor says that this guest broke the protocol, violation ");
      say_number(rw_guest_violation(&posix->guest));
      break;
    case RW_RESET:
      say("connection reset");
      break;
    case RW_BAD_MAGIC:
      say("this is not a Ringway region");
      break;
    case RW_BAD_VERSION:
      say("the monitor speaks another major version of the protocol than ");
      say_number(RW_VERSION_MAJOR);
      break;
    default:
      say(status <= RW_BAD_SUPERBLOCK ? "the monitor broke the protocol: " : "unexpected ");
      say(rw_status_name(status));
  }
}

// Does the line end with the last word of `head` already: "127.0.0.1:80: " where that is "connect to 127.0.0.1:80: "?
static int is_said(const uint8_t *head, size_t length) {
  size_t same = 0;
  while (same < length && same < line.length && head[length - 1 - same] == (uint8_t)line.text[line.length - 1 - same])
    same++;
  if (same == 0) return 0;
  return same == length || same == line.length || memchr(head + length - same, ' ', same - 1) != NULL;
}

// Does the reason name the rule by itself: `connecting to ... is denied by rule "no-web" (127.0.0.0/8)`?
static int names_rule(struct rw_text reason, struct rw_text rule) {
  static const char before[] = "rule \"";
  const size_t lead = sizeof before - 1;
  if (reason.length == 0) return 0;
  const uint8_t *at = reason.bytes, *end = at + reason.length;
  while ((at = memmem(at, (size_t)(end - at), before, lead))) {
    at += lead;
    size_t left = (size_t)(end - at);
    if (left > rule.length && memcmp(at, rule.bytes, rule.length) == 0 && at[rule.length] == '"') return 1;
  }
  return 0;
}

void say_error(const struct rw_error *error) {
  struct rw_text reason = error->reason;
  const char *words = words_of(error->error);
  // Many a reason is "SUBJECT: WORDS": neither is said twice.
  const uint8_t *at = reason.length > 0 ? memmem(reason.bytes, reason.length, words, strlen(words)) : NULL;
  if (!at) {
    // Of a name that does not exist the host says so; no file is meant.
    int is_name = error->error == 2 && reason.length > 0;
    if (!is_name) say(words);
    if (!is_name && reason.length > 0) say(": ");
  } else if (is_said(reason.bytes, (size_t)(at - reason.bytes))) {
    reason.length -= (uint32_t)(at - reason.bytes);
    reason.bytes = at;
  }
  say_text(reason);
  if (error->rule.length > 0 && !names_rule(error->reason, error->rule)) {
    say(" (rule ");
    say_text(error->rule);
    say(")");
  }
}

void say_begin_text(void) { line.length = 0; }

struct rw_text say_so_far(void) {
  struct rw_text text = {.bytes = (const uint8_t *)line.text, .length = (uint32_t)line.length};
  return text;
}

void say_begin(void) {
  line.length = 0;
  say(say_program);
  say(": ");
}

static int never_wait, own_fd = -1; // own_fd: what stderr names, with O_NONBLOCK
static uint64_t lost; // lines, since the last one that was taken

void say_never_wait(void) {
  never_wait = 1;
  struct stat to;
  if (fstat(STDERR_FILENO, &to) < 0 || S_ISREG(to.st_mode)) return;
  // A description of our own: the flags of stderr's are everybody's who shares it. A socket cannot be opened, and needs
  // none.
  own_fd = open("/proc/self/fd/2", O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

// Writes all of it, or nothing; part of it to a terminal at the most. 0: it was not taken.
static int say_now(const char *text, size_t length) {
  if (own_fd >= 0) return write(own_fd, text, length) > 0;
  ssize_t done = send(STDERR_FILENO, text, length, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (done > 0 || errno != ENOTSOCK) return done > 0;
  // A pipe that has room takes PIPE_BUF, which is more than a line.
  struct pollfd to = {.fd = STDERR_FILENO, .events = POLLOUT};
  return poll(&to, 1, 0) == 1 && write(STDERR_FILENO, text, length) > 0;
}

static void say_or_count(void) {
  if (lost > 0) {
    char text[sizeof line.text];
    size_t length = line.length;
    memcpy(text, line.text, length);
    say_begin();
    say_number(lost);
    say(lost == 1 ? " line was lost\n" : " lines were lost\n");
    if (say_now(line.text, line.length)) lost = 0;
    memcpy(line.text, text, length);
    line.length = length;
  }
  if (lost > 0 || !say_now(line.text, line.length)) lost++;
}

void say_end(void) {
  line.text[line.length++] = '\n';
  if (never_wait) {
    say_or_count();
    line.length = 0;
    return;
  }
  for (size_t at = 0; at < line.length;) {
    ssize_t done = write(STDERR_FILENO, line.text + at, line.length - at);
    if (done <= 0) break;
    at += (size_t)done;
  }
  line.length = 0;
}

_Noreturn void say_help(const char *text) {
  for (size_t left = strlen(text); left > 0;) {
    ssize_t put = write(STDOUT_FILENO, text, left);
    if (put <= 0) _exit(1);
    text += put;
    left -= (size_t)put;
  }
  _exit(0);
}

_Noreturn void say_version(void) {
  say_begin_text();
  say(say_program);
  say(" " PROGRAMS_VERSION ", protocol ");
  say_number(RW_VERSION_MAJOR);
  say(".");
  say_number(RW_VERSION_MINOR);
  say("\n");
  line.text[line.length] = 0;
  say_help(line.text);
}

_Noreturn void say_cannot(const char *what, int error, int code) {
  say_begin();
  say(what);
  say(": ");
  say_errno((uint32_t)error);
  say_end();
  _exit(code);
}

_Noreturn void say_wrong_usage(const char *what, const char *argument) {
  say_begin();
  say(what);
  if (argument) {
    say(": ");
    say(argument);
  }
  say_end();
  say_begin_text();
  say("Try ");
  say(say_program);
  say(" --help.");
  say_end();
  _exit(2);
}
