// What the tests talk to inside a guest: process 1 of the VM, at the other end of the virtio port org.ringway.test. It
// runs commands, several at once, and tells what they print and how they end. No part of Ringway; Ringway has a port of
// its own.
//
//     0         4         8         12
//     | job     | kind    | bytes   | payload ...      each u32 little-endian, both ways
//
// From the host: RUN a command of /bin/sh, INPUT for it (empty: the end), SIGNAL its process group. To the host: HELLO
// once after each boot, OUTPUT, ERRORS, and EXITED, which comes last of its job. A job ends with its first process:
// what others still print is lost.

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RUN = 1, INPUT = 2, SIGNAL = 3 };
enum { HELLO = 0, OUTPUT = 1, ERRORS = 2, EXITED = 3 };
enum { JOBS = 64, CHUNK = 16384 };

static const char port_name[] = "org.ringway.test";
static const char magic[] = "ringway-test-hello";

// Of a job: its standard input, output and errors, as this side has them; -1 where closed. A free one has pid 0.
struct job {
  uint32_t id;
  pid_t pid;
  int input, output, errors;
};

static struct job jobs[JOBS];
static int port;

static void die(const char *what) {
  fprintf(stderr, "testd: %s: %s\n", what, strerror(errno));
  // Process 1 that ends is a kernel panic: the test sees that on the console.
  exit(1);
}

static int open_port(void) {
  DIR *ports = opendir("/sys/class/virtio-ports");
  if (ports == NULL) die("/sys/class/virtio-ports");
  for (struct dirent *entry; (entry = readdir(ports)) != NULL;) {
    char path[512], name[64] = "";
    snprintf(path, sizeof path, "/sys/class/virtio-ports/%s/name", entry->d_name);
    FILE *file = fopen(path, "r");
    if (file == NULL) continue;
    char *got = fgets(name, sizeof name, file);
    fclose(file);
    if (got == NULL || strncmp(name, port_name, sizeof port_name - 1) != 0) continue;
    snprintf(path, sizeof path, "/dev/%s", entry->d_name);
    closedir(ports);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) die(path);
    return fd;
  }
  errno = ENODEV;
  die(port_name);
  return -1;
}

static void write_all(int fd, const void *bytes, size_t length) {
  for (const char *at = bytes; length > 0;) {
    ssize_t put = write(fd, at, length);
    if (put < 0 && errno == EINTR) continue;
    // The host's end may not be there yet.
    if (put < 0 && errno == EAGAIN) {
      usleep(1000);
      continue;
    }
    if (put < 0) die("write to the port");
    at += put;
    length -= (size_t)put;
  }
}

static void tell(uint32_t id, uint32_t kind, const void *payload, uint32_t length) {
  char frame[12 + CHUNK];
  uint32_t header[3] = {id, kind, length};
  memcpy(frame, header, 12);
  memcpy(frame + 12, payload, length);
  write_all(port, frame, 12 + length);
}

// ── Jobs ────────────────────────────────────────────────────────────────────────────────────────────────────────────

static struct job *find(uint32_t id) {
  for (int i = 0; i < JOBS; i++)
    if (jobs[i].pid != 0 && jobs[i].id == id) return &jobs[i];
  return NULL;
}

static void drop(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

static void run(uint32_t id, const char *command) {
  struct job *job = NULL;
  for (int i = 0; i < JOBS && job == NULL; i++)
    if (jobs[i].pid == 0) job = &jobs[i];
  int in[2], out[2], err[2];
  if (job == NULL || pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0)
    die("a new job");
  pid_t pid = fork();
  if (pid < 0) die("fork");
  if (pid == 0) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    dup2(in[0], 0);
    dup2(out[1], 1);
    dup2(err[1], 2);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
  }
  close(in[0]);
  close(out[1]);
  close(err[1]);
  *job = (struct job){.id = id, .pid = pid, .input = in[1], .output = out[0], .errors = err[0]};
}

// One read of what a job has printed; false when there is nothing now.
static int forward(struct job *job, uint32_t kind, int *fd) {
  char bytes[CHUNK];
  struct pollfd ready = {.fd = *fd, .events = POLLIN};
  if (*fd < 0 || poll(&ready, 1, 0) <= 0) return 0;
  ssize_t got = read(*fd, bytes, sizeof bytes);
  if (got > 0) tell(job->id, kind, bytes, (uint32_t)got);
  else drop(fd);
  return got > 0;
}

static void reap(void) {
  int status;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
    for (int i = 0; i < JOBS; i++) {
      struct job *job = &jobs[i];
      if (job->pid != pid) continue;
      while (forward(job, OUTPUT, &job->output)) continue;
      while (forward(job, ERRORS, &job->errors)) continue;
      drop(&job->input);
      drop(&job->output);
      drop(&job->errors);
      uint32_t code = (uint32_t)(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
      tell(job->id, EXITED, &code, sizeof code);
      job->pid = 0;
    }
}

// ── Frames from the host ────────────────────────────────────────────────────────────────────────────────────────────

static char inbox[1 << 20];
static size_t held;

static void handle(uint32_t id, uint32_t kind, char *payload, uint32_t length) {
  struct job *job = find(id);
  if (kind == RUN) {
    char command[length + 1];
    memcpy(command, payload, length);
    command[length] = 0;
    run(id, command);
  } else if (job == NULL) {
    // It has ended meanwhile.
  } else if (kind == SIGNAL) {
    uint32_t signal_number;
    memcpy(&signal_number, payload, sizeof signal_number);
    kill(-job->pid, (int)signal_number);
  } else if (kind == INPUT && length == 0) {
    drop(&job->input);
  } else if (kind == INPUT && job->input >= 0) {
    for (uint32_t at = 0; at < length;) {
      ssize_t put = write(job->input, payload + at, length - at);
      if (put <= 0) break;
      at += (uint32_t)put;
    }
  }
}

static void receive(void) {
  ssize_t got = read(port, inbox + held, sizeof inbox - held);
  // No bytes: the host's end is not there. It comes back.
  if (got <= 0) {
    usleep(1000);
    return;
  }
  held += (size_t)got;
  size_t at = 0;
  for (uint32_t header[3]; held - at >= sizeof header;) {
    memcpy(header, inbox + at, sizeof header);
    if (header[2] > sizeof inbox - sizeof header) die("a frame without end");
    if (held - at - sizeof header < header[2]) break;
    handle(header[0], header[1], inbox + at + sizeof header, header[2]);
    at += sizeof header + header[2];
  }
  memmove(inbox, inbox + at, held - at);
  held -= at;
}

int main(void) {
  sigset_t children;
  sigemptyset(&children);
  sigaddset(&children, SIGCHLD);
  sigprocmask(SIG_BLOCK, &children, NULL);
  signal(SIGPIPE, SIG_IGN);
  int ended = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
  if (ended < 0) die("signalfd");
  port = open_port();
  tell(0, HELLO, magic, sizeof magic - 1);
  for (;;) {
    struct pollfd ready[2 + 2 * JOBS] = {{.fd = port, .events = POLLIN}, {.fd = ended, .events = POLLIN}};
    for (int i = 0; i < JOBS; i++) {
      ready[2 + 2 * i] = (struct pollfd){.fd = jobs[i].pid ? jobs[i].output : -1, .events = POLLIN};
      ready[3 + 2 * i] = (struct pollfd){.fd = jobs[i].pid ? jobs[i].errors : -1, .events = POLLIN};
    }
    if (poll(ready, sizeof ready / sizeof *ready, -1) < 0 && errno != EINTR) die("poll");
    for (int i = 0; i < JOBS; i++) {
      if (jobs[i].pid == 0) continue;
      forward(&jobs[i], OUTPUT, &jobs[i].output);
      forward(&jobs[i], ERRORS, &jobs[i].errors);
    }
    struct signalfd_siginfo info;
    while (read(ended, &info, sizeof info) > 0) continue;
    reap();
    if (ready[0].revents != 0) receive();
  }
}
