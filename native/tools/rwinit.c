// `ringway-agent rwinit FD FOLDER PROGRAM...`: the first process of a PID namespace, of `ringway run`; not for people.
//
//   filter ─▶ 'S' to FD ─▶ the program ── it cannot be started ──▶ 'E' and the error to FD, exit 127 or 126
//                            │  or there is no FOLDER to start in ──▶ 'D' and the error to FD, exit 125
//                            └─ it ends ──▶ exit with its code, or 128 and the number of the signal
//
// FOLDER is empty where the program starts in this one.
//
// When this process ends, the kernel ends all others in the namespace. Until then it waits for those that nobody else
// waits for, and hands signals on. A signal of the terminal's goes to all of its foreground, so the program has it.
//
// The program has a process group of its own, so that kill(0, ...) reaches nobody outside. Not so on a terminal, which
// stops and continues the whole job by its group.
//
// The program may not look into this process (PR_SET_DUMPABLE), which has the same filter.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "filter.h"
#include "programs.h"
#include "say.h"

enum { REPORT = 3, EXIT_NOT_STARTED = 126, EXIT_NOT_FOUND = 127, BY_SIGNAL = 128, CLOSE_RANGE = 436 };

static const int handed[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};

// Whether anybody is there who reads it.
static int report(char what, int error) {
  unsigned char message[2] = {(unsigned char)what, (unsigned char)error};
  return write(REPORT, message, what == 'S' ? 1 : 2) > 0;
}

static int has_terminal(void) {
  int fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);
  if (fd < 0) return 0;
  close(fd);
  return 1;
}

// Nothing but input, output, errors and the report's. bubblewrap leaves open what it was given.
static void close_others(int fd) {
  if (fd != REPORT && dup2(fd, REPORT) < 0) say_cannot("no descriptor for the report", errno, EXIT_CANNOT);
  fcntl(REPORT, F_SETFD, FD_CLOEXEC);
  if (syscall(CLOSE_RANGE, REPORT + 1, ~0U, 0) != 0) say_cannot("close_range (Linux 5.9)", errno, EXIT_CANNOT);
}

_Noreturn static void become(const char *folder, char **program, int in_own_group) {
  sigset_t none;
  if (in_own_group) setpgid(0, 0);
  sigemptyset(&none);
  for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
  sigprocmask(SIG_SETMASK, &none, NULL);
  if (*folder && chdir(folder) != 0) {
    report('D', errno);
    _exit(EXIT_CANNOT);
  }
  if (*folder) setenv("PWD", folder, 1);
  execvp(program[0], program);
  int error = errno;
  report('E', error);
  _exit(error == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_STARTED);
}

// Ends this process with the program's end.
static void reap(pid_t program) {
  int status;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
    if (pid == program) _exit(WIFSIGNALED(status) ? BY_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status));
}

int rwinit_main(int argc, char **argv) {
  sigset_t waited;
  say_program = "ringway";
  if (argc < 4) say_wrong_usage("rwinit FD FOLDER PROGRAM...", NULL);
  sigemptyset(&waited);
  sigaddset(&waited, SIGCHLD);
  for (size_t i = 0; i < sizeof handed / sizeof handed[0]; i++) sigaddset(&waited, handed[i]);
  // From here on none is lost: the first process of a namespace drops those that it neither blocks nor handles.
  sigprocmask(SIG_BLOCK, &waited, NULL);
  for (size_t i = 0; i < sizeof handed / sizeof handed[0]; i++) signal(handed[i], SIG_DFL);
  close_others(atoi(argv[1]));
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  int error = filter_install();
  if (error) say_cannot("no system call filter", error, EXIT_CANNOT);
  int in_own_group = !has_terminal();
  // Who started this may have been killed before bubblewrap could ask to end with it.
  signal(SIGPIPE, SIG_IGN);
  if (!report('S', 0)) _exit(EXIT_CANNOT);
  pid_t program = fork();
  if (program < 0) say_cannot("fork", errno, EXIT_CANNOT);
  if (program == 0) become(argv[2], argv + 3, in_own_group);
  close(REPORT);
  for (;;) {
    siginfo_t info;
    int number = sigwaitinfo(&waited, &info);
    if (number == SIGCHLD) reap(program);
    else if (number > 0 && info.si_code <= 0) kill(program, number); // of a process: SI_USER, SI_TKILL, SI_QUEUE
  }
}
