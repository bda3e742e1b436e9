// `ringway-agent exit CODE`: tells the host how the guest's program has ended (CTL-5).

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "programs.h"
#include "say.h"
#include "talk.h"

enum { EXIT_USAGE = 2 };

static struct talk_options where = TALK_OPTIONS;

static const char usage[] =
    "usage: ringway-agent exit [OPTIONS] CODE    tells the host how the guest's program ended: 0 to 255\n"
    "\n"
    TALK_USAGE
    "  -h, --help; -V, --version\n"
    "\n"
    "Exit codes: 0 the host knows, 1 failed, 2 wrong usage.\n";

_Noreturn static void wrong_usage(void) {
  say_begin_text();
  say("usage: ringway-agent exit [OPTIONS] CODE    a number from 0 to 255; --help for more");
  say_end();
  _exit(EXIT_USAGE);
}

int rwexit_main(int argc, char **argv) {
  const char *code = NULL;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0) say_help(usage);
    if (strcmp(argv[i], "-V") == 0 || strcmp(argv[i], "--version") == 0) say_version();
    int taken = talk_option(&where, argv[i], argv[i + 1]);
    if (taken > 0) i++;
    else if (taken < 0 || code) wrong_usage();
    else code = argv[i];
  }
  if (!code || *code < '0' || *code > '9' || talk_check(&where)) wrong_usage();
  char *end;
  unsigned long value = strtoul(code, &end, 10);
  if (*end != 0 || value > 255) wrong_usage();
  signal(SIGPIPE, SIG_IGN);
  int32_t status = talk_attach(&where);
  if (status == RW_OK) status = talk_exit((uint32_t)value);
  if (status != RW_OK) {
    say_begin();
    if (status == RW_STATE) say(TALK_NOWHERE);
    else say_status(talk_posix(), status);
    say_end();
  }
  talk_leave();
  _exit(status == RW_OK ? EXIT_SUCCESS : EXIT_FAILURE);
}
