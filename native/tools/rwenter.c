// `ringway-agent rwenter USER NET PROGRAM...`: starts a program in the user and the network namespace of an agent; the
// two are descriptors. Of `ringway run`, which starts bubblewrap by it; not for people.
//
// Ctrl-C reaches every process of a terminal's foreground, and bubblewrap would end by it, with the program inside,
// which may want to go on. So what is started here ignores signals; rwinit.c, inside, gives the program its own.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "programs.h"
#include "say.h"

static void join(const char *descriptor, int kind, const char *what) {
  int fd = atoi(descriptor);
  if (setns(fd, kind) != 0) say_cannot(what, errno, EXIT_CANNOT);
  close(fd);
}

// What programs without a capability may not do in a new network, and can on most machines. Where /proc/sys is
// read-only, as in a container, they cannot here either.
static void allow(const char *setting, const char *value) {
  int fd = open(setting, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  ssize_t written = write(fd, value, strlen(value));
  (void)written;
  close(fd);
}

int rwenter_main(int argc, char **argv) {
  static const int ignored[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
  say_program = "ringway";
  if (argc < 4) say_wrong_usage("rwenter USER NET PROGRAM...", NULL);
  join(argv[1], CLONE_NEWUSER, "cannot enter the agent's user namespace");
  join(argv[2], CLONE_NEWNET, "cannot enter the agent's network");
  allow("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
  allow("/proc/sys/net/ipv4/ping_group_range", "0 0"); // of this namespace: the user's own group
  for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++) signal(ignored[i], SIG_IGN);
  execvp(argv[3], argv + 3);
  say_cannot(argv[3], errno, EXIT_CANNOT);
}
