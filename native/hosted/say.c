// Lines on stderr: see say.h.

#define _GNU_SOURCE
#include "say.h"

#include <arpa/inet.h>
#include <string.h>
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

void say_errno(uint32_t error) { say(strerror((int)(error & 0xfff))); }

void say_status(const struct rw_posix *posix, int32_t status) {
  switch (status) {
    case RW_SYSTEM:
      say(posix->what);
      say(": ");
      say_errno((uint32_t)posix->error);
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

void say_error(const struct rw_error *error) {
  say_errno(error->error);
  if (error->reason.length > 0) {
    say(": ");
    say_text(error->reason);
  }
  if (error->rule.length > 0) {
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

void say_end(void) {
  line.text[line.length++] = '\n';
  for (size_t at = 0; at < line.length;) {
    ssize_t done = write(STDERR_FILENO, line.text + at, line.length - at);
    if (done <= 0) break;
    at += (size_t)done;
  }
  line.length = 0;
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
