// One line on stderr, put together piece by piece and written at once: "rwcat: attach: the monitor is gone".
//
// No stdio: the lines of a static program stay whole, and it stays small. What does not fit is cut off.

#ifndef RINGWAY_SAY_H
#define RINGWAY_SAY_H

#include "ringway-posix.h"

// The program's name, which begins each line.
extern const char *say_program;

// For a program that serves others: from now on a stderr that takes nothing stops nobody. Lines are lost then, and the
// next one that is taken comes behind one that says how many. (Of a file, only the disk can make a line wait.)
void say_never_wait(void);

void say_begin(void);
void say_bytes(const void *bytes, size_t count);
void say(const char *text);
void say_number(uint64_t number);
// What the other side wrote: no control characters reach a terminal.
void say_text(struct rw_text text);
void say_inet(const struct rw_inet *inet);
void say_errno(uint32_t error);
// A status of the library's, in words.
void say_status(const struct rw_posix *posix, int32_t status);
// Errno, reason and rule of a refusal; what the reason says itself, and what the line ends with already, once.
void say_error(const struct rw_error *error);
void say_end(void);
#define PROGRAMS_VERSION "0.1.0" // as in package.json

// To stdout, for --help and --version; exits with 0, or 1 where nobody takes it.
_Noreturn void say_help(const char *text);
_Noreturn void say_version(void);
// The program was called wrongly: says so, and where to read on; exits with 2. `argument` may be NULL.
_Noreturn void say_wrong_usage(const char *what, const char *argument);
// The program cannot do its own work: says why, by an errno, and exits with `code`.
_Noreturn void say_cannot(const char *what, int error, int code);

// The same line as a text, without the program's name: for answers. Good until the next line begins.
void say_begin_text(void);
struct rw_text say_so_far(void);

#endif
