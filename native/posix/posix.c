// Region, bells and waiting for programs on Linux: see ringway-posix.h.
//
// The order of a wait is the protocol's (BELL-5): take what is pending; announce sleep, which looks again; poll; drain
// the bell; take. A ring that comes between is a count in the eventfd or a byte in the channel, so poll() returns at
// once.

#define _GNU_SOURCE
#include "ringway-posix.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { HELLO_WORDS = 8, HELLO_DESCRIPTORS = 3, READS_AT_ONCE = 64, CHANNEL_CONNECT_MS = 1000 };

uint32_t rw_posix_bytes(void) { return (uint32_t)sizeof(struct rw_posix); }

static int32_t failed(struct rw_posix *posix, const char *what, int error) {
  posix->what = what;
  posix->error = error;
  posix->absent = 0;
  return RW_SYSTEM;
}

int64_t rw_posix_now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static uint32_t now_us(void *context) {
  (void)context;
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint32_t)((uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u);
}

// ── Bells ───────────────────────────────────────────────────────────────────────────────────────────────────────────

// A bell that is full counts as rung (BELL-8); one that is broken is found out by poll().
static void ring(void *context) {
  struct rw_posix *posix = context;
  static const uint64_t one = 1;
  int saved = errno;
  ssize_t done;
  do {
    if (posix->is_channel) {
      done = posix->is_device ? write(posix->to_host, &one, 1)
                              : send(posix->to_host, &one, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    } else {
      done = write(posix->to_host, &one, sizeof one);
    }
  } while (done < 0 && errno == EINTR);
  posix->unrung = posix->is_device && done < 0;
  errno = saved;
}

// Empties the bell, to the last byte: there may be no second wake-up for an end behind it. A channel's end is the
// host's (ATT-9). A host that writes without pause does not keep the guest here.
static void drain(struct rw_posix *posix) {
  uint8_t bytes[256];
  posix->more = 0;
  for (int reads = 0; reads < READS_AT_ONCE; reads++) {
    ssize_t got = read(posix->bell, bytes, posix->is_channel ? sizeof bytes : 8);
    if (got < 0 && errno == EINTR) continue;
    if (posix->is_channel && (got == 0 || (got < 0 && errno != EAGAIN))) posix->gone = 1;
    if (got <= 0 || !posix->is_channel) return;
  }
  posix->more = 1;
}

// ── Waiting ─────────────────────────────────────────────────────────────────────────────────────────────────────────

// Waits for the bell, the caller's descriptors, or the time: how many of the caller's are ready, or RW_SYSTEM.
static int32_t sleep_on(struct rw_posix *posix, struct pollfd *fds, uint32_t count, int timeout_ms) {
  struct pollfd all[RW_POSIX_FDS_MAX + 2];
  all[0] = (struct pollfd){.fd = posix->bell, .events = POLLIN};
  all[1] = (struct pollfd){.fd = posix->socket, .events = POLLIN | POLLRDHUP};
  if (count > 0) memcpy(all + 2, fds, count * sizeof *fds);
  int ready = poll(all, count + 2, timeout_ms);
  if (ready < 0) {
    if (errno != EINTR) return failed(posix, "poll", errno);
    for (uint32_t i = 0; i < count; i++) fds[i].revents = 0;
    return 1; // a signal: the caller may want to look
  }
  if (count > 0) memcpy(fds, all + 2, count * sizeof *fds);
  if (all[0].revents != 0) {
    drain(posix);
    ready--;
  }
  if (all[1].revents != 0) {
    posix->gone = 1; // the monitor says nothing on it after the hello
    ready--;
  }
  return ready;
}

int32_t rw_posix_wait(struct rw_posix *posix, struct pollfd *fds, uint32_t count, int timeout_ms) {
  if (count > RW_POSIX_FDS_MAX) return RW_INVALID;
  int64_t deadline = timeout_ms < 0 ? 0 : rw_posix_now_ms() + timeout_ms;
  posix->count = 0;
  for (;;) {
    int32_t taken = rw_take_pending(&posix->guest, posix->ready, RW_POSIX_SLOTS);
    if (taken < 0 && taken != RW_AGAIN) return taken;
    if (posix->gone && taken <= 0) return RW_LOST;
    int left = timeout_ms;
    if (timeout_ms > 0) {
      int64_t until = deadline - rw_posix_now_ms();
      left = until < 0 ? 0 : (int)until;
    }
    // Also when streams are pending already the caller's descriptors get their look.
    int now = taken > 0 || rw_busy_poll(&posix->guest, left == 0 ? 0 : posix->busy_poll_us) ||
              !rw_prepare_sleep(&posix->guest);
    if (taken > 0 && count == 0) {
      posix->count = (uint32_t)taken;
      return taken;
    }
    int32_t others = sleep_on(posix, fds, count, now ? 0 : left);
    if (others < 0) return others;
    if (taken > 0) {
      posix->count = (uint32_t)taken;
      return taken;
    }
    if (others > 0 || (left == 0 && !now)) {
      taken = rw_take_pending(&posix->guest, posix->ready, RW_POSIX_SLOTS);
      if (taken == RW_AGAIN) taken = 0;
      if (taken > 0) posix->count = (uint32_t)taken;
      return taken < 0 ? taken : posix->gone ? RW_LOST : taken;
    }
  }
}

// ── Attaching ───────────────────────────────────────────────────────────────────────────────────────────────────────

void rw_posix_close(struct rw_posix *posix) {
  if (posix->region) munmap(posix->region, posix->region_bytes);
  int fds[] = {posix->socket, posix->bell, posix->to_host == posix->bell ? -1 : posix->to_host};
  for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
    if (fds[i] >= 0) close(fds[i]);
  posix->region = NULL;
  posix->socket = posix->bell = posix->to_host = -1;
}

static void clear(struct rw_posix *posix) {
  memset(posix, 0, offsetof(struct rw_posix, scratch));
  posix->socket = posix->bell = posix->to_host = -1;
}

static int32_t map(struct rw_posix *posix, int fd, uint64_t most_bytes) {
  struct stat stat;
  if (fstat(fd, &stat) < 0) return failed(posix, "fstat", errno);
  uint64_t bytes = (uint64_t)stat.st_size;
  if (most_bytes != 0 && most_bytes < bytes) bytes = most_bytes;
  bytes -= bytes % RW_PAGE_BYTES;
  if (bytes == 0 || bytes > SIZE_MAX || bytes / RW_PAGE_BYTES > UINT32_MAX) return RW_BAD_SIZE;
  void *at = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) return failed(posix, "mmap", errno);
  posix->region = at;
  posix->region_bytes = (size_t)bytes;
  return RW_OK;
}

int32_t rw_posix_begin(struct rw_posix *posix, struct rw_stream *streams, uint32_t slots) {
  struct rw_guest *guest = &posix->guest;
  posix->gone = 0;
  int32_t status = rw_guest_init(guest, posix->region, (uint32_t)(posix->region_bytes / RW_PAGE_BYTES), streams, slots,
                                 posix->scratch, sizeof posix->scratch);
  if (status != RW_OK) return status;
  rw_guest_bell(guest, ring, posix);
  rw_guest_clock(guest, now_us, NULL);
  return rw_guest_attach(guest);
}

void rw_posix_heard(struct rw_posix *posix) {
  drain(posix);
  uint8_t byte;
  // The monitor says nothing after the hello: whatever there is to read, it is the end.
  if (posix->socket >= 0 && (recv(posix->socket, &byte, 1, MSG_DONTWAIT) >= 0 || errno != EAGAIN)) posix->gone = 1;
}

void rw_posix_ring(struct rw_posix *posix) { ring(posix); }

static int32_t begin_and_wait(struct rw_posix *posix, struct rw_stream *streams, uint32_t slots, int64_t deadline) {
  struct rw_guest *guest = &posix->guest;
  int32_t status = rw_posix_begin(posix, streams, slots);
  while (status == RW_OK && (status = rw_poll(guest)) == RW_AGAIN) {
    int64_t left = deadline < 0 ? -1 : deadline - rw_posix_now_ms();
    if (deadline >= 0 && left <= 0) return failed(posix, "attach", ETIMEDOUT);
    status = sleep_on(posix, NULL, 0, (int)left);
    if (status < 0) return status;
    if (posix->gone) return RW_LOST;
    status = RW_OK;
  }
  return status;
}

// From a region and bells, if `status` says that they are there, to an attached guest; or all is closed again.
static int32_t attach(struct rw_posix *posix, int32_t status, struct rw_stream *streams, uint32_t slots,
                      int64_t deadline) {
  if (status != RW_OK) return status;
  status = begin_and_wait(posix, streams, slots, deadline);
  if (status != RW_OK) rw_posix_close(posix);
  return status;
}

static int64_t deadline_of(int timeout_ms) { return timeout_ms < 0 ? -1 : rw_posix_now_ms() + timeout_ms; }

// A backlog that is full makes connect() wait: not for ever.
static int connect_unix(const char *path, int type, int64_t timeout_ms) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  size_t length = strlen(path);
  if (length >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memcpy(address.sun_path, path, length);
  int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  if (timeout_ms >= 0) {
    struct timeval limit = {.tv_sec = (time_t)(timeout_ms / 1000), .tv_usec = (suseconds_t)(timeout_ms % 1000 * 1000)};
    if (timeout_ms == 0) limit.tv_usec = 1; // 0 is for ever
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  }
  if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
  int error = errno == EAGAIN ? ETIMEDOUT : errno;
  close(fd);
  errno = error;
  return -1;
}

static uint32_t word(const uint8_t *bytes, int index) {
  const uint8_t *at = bytes + 4 * index;
  return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

// Its errno reads as if the limit were this process's.
static int32_t turned_away(struct rw_posix *posix, int error) {
  int is_full = error == EMFILE || error == ENOMEM;
  return failed(posix, is_full ? "the monitor has no room for another guest" : "the monitor", error);
}

// HEL-1 to HEL-3: one message, with three descriptors where the monitor takes us.
static int32_t hello(struct rw_posix *posix, int64_t deadline) {
  struct pollfd readable = {.fd = posix->socket, .events = POLLIN};
  int64_t left = deadline < 0 ? -1 : deadline - rw_posix_now_ms();
  int ready = poll(&readable, 1, left < 0 ? (deadline < 0 ? -1 : 0) : (int)left);
  if (ready <= 0) return failed(posix, "the monitor's hello", ready < 0 ? errno : ETIMEDOUT);

  uint8_t bytes[4 * HELLO_WORDS + 1];
  union {
    struct cmsghdr align;
    uint8_t bytes[CMSG_SPACE(sizeof(int) * HELLO_DESCRIPTORS)];
  } control;
  struct iovec part = {.iov_base = bytes, .iov_len = sizeof bytes};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  ssize_t got = recvmsg(posix->socket, &message, MSG_CMSG_CLOEXEC);
  if (got < 0) return failed(posix, "the monitor's hello", errno);
  int fds[HELLO_DESCRIPTORS] = {-1, -1, -1};
  size_t count = 0;
  struct cmsghdr *c = CMSG_FIRSTHDR(&message); // Linux puts all descriptors into one
  if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
    for (size_t at = 0; CMSG_LEN(at + sizeof(int)) <= c->cmsg_len; at += sizeof(int)) {
      int fd;
      memcpy(&fd, CMSG_DATA(c) + at, sizeof fd);
      if (count < HELLO_DESCRIPTORS) fds[count] = fd;
      else close(fd);
      count++;
    }
  }
  int region = fds[0];
  posix->to_host = fds[1];
  posix->bell = fds[2];

  int32_t status = RW_OK;
  if (got == 0) status = RW_LOST;
  else if (got != 4 * HELLO_WORDS) status = RW_BAD_MAGIC;
  else if (word(bytes, 0) != 0x474e4952u || word(bytes, 1) != 0x31594157u) status = RW_BAD_MAGIC;
  else if (word(bytes, 2) != RW_VERSION_MAJOR) status = RW_BAD_VERSION;
  else if (word(bytes, 4) != 0) status = turned_away(posix, (int)word(bytes, 4));
  else if (count != HELLO_DESCRIPTORS || (message.msg_flags & MSG_CTRUNC)) status = RW_BAD_STATE;
  if (status == RW_OK) {
    int seals = fcntl(region, F_GET_SEALS);
    if (seals < 0 || !(seals & F_SEAL_SHRINK)) status = RW_BAD_SUPERBLOCK; // HEL-3
    else status = map(posix, region, (uint64_t)word(bytes, 5) * RW_PAGE_BYTES);
  }
  if (region >= 0) close(region);
  // The bells may be blocking or not (HEL-2): here they never block.
  if (status == RW_OK && (fcntl(posix->bell, F_SETFL, fcntl(posix->bell, F_GETFL) | O_NONBLOCK) < 0 ||
                          fcntl(posix->to_host, F_SETFL, fcntl(posix->to_host, F_GETFL) | O_NONBLOCK) < 0))
    status = failed(posix, "fcntl", errno);
  return status;
}

int32_t rw_posix_open_socket(struct rw_posix *posix, const char *path, int timeout_ms) {
  int64_t deadline = deadline_of(timeout_ms);
  clear(posix);
  posix->socket = connect_unix(path, SOCK_SEQPACKET, timeout_ms);
  if (posix->socket < 0) {
    int32_t status = failed(posix, path, errno);
    posix->absent = posix->error == ENOENT || posix->error == ECONNREFUSED;
    return status;
  }
  int32_t status = hello(posix, deadline);
  if (status != RW_OK) rw_posix_close(posix);
  return status;
}

int32_t rw_posix_attach_socket(struct rw_posix *posix, const char *path, struct rw_stream *streams, uint32_t slots,
                               int timeout_ms) {
  int64_t deadline = deadline_of(timeout_ms);
  return attach(posix, rw_posix_open_socket(posix, path, timeout_ms), streams, slots, deadline);
}

// ── A file and a byte channel ───────────────────────────────────────────────────────────────────────────────────────

// A serial line: bytes as they are, and each of them at once. What it says of its speed means nothing to a virtual one.
static void make_raw(int fd) {
  struct termios line;
  if (tcgetattr(fd, &line) < 0) return;
  cfmakeraw(&line);
  line.c_cflag |= CLOCAL | CREAD;
  cfsetspeed(&line, B115200);
  tcsetattr(fd, TCSANOW, &line);
  char name[64], path[128] = "/sys/class/tty/";
  if (ttyname_r(fd, name, sizeof name) != 0) return;
  const char *last = strrchr(name, '/');
  strncat(path, last ? last + 1 : name, sizeof name);
  strncat(path, "/rx_trig_bytes", 16);
  // The UART interrupts for a single byte; where there is no such file it does so anyway, or is not a UART.
  int trigger = open(path, O_WRONLY | O_CLOEXEC);
  if (trigger < 0) return;
  ssize_t done = write(trigger, "1", 1);
  (void)done;
  close(trigger);
}

static int open_channel(struct rw_posix *posix, const char *path) {
  struct stat stat_of;
  if (stat(path, &stat_of) == 0 && S_ISSOCK(stat_of.st_mode)) {
    int fd = connect_unix(path, SOCK_STREAM, CHANNEL_CONNECT_MS);
    if (fd >= 0) fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    return fd;
  }
  int fd = open(path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  posix->is_device = 1;
  posix->is_tty = fd >= 0 && isatty(fd);
  if (posix->is_tty) make_raw(fd);
  return fd;
}

int32_t rw_posix_open_file(struct rw_posix *posix, const char *region, const char *channel) {
  clear(posix);
  posix->is_channel = 1;
  int fd = open(region, O_RDWR | O_CLOEXEC);
  if (fd < 0) return failed(posix, region, errno);
  int32_t status = map(posix, fd, 0);
  close(fd);
  if (status == RW_OK) {
    posix->bell = posix->to_host = open_channel(posix, channel);
    if (posix->bell < 0) status = failed(posix, channel, errno);
  }
  if (status != RW_OK) rw_posix_close(posix);
  return status;
}

int32_t rw_posix_attach_file(struct rw_posix *posix, const char *region, const char *channel, struct rw_stream *streams,
                             uint32_t slots, int timeout_ms) {
  int64_t deadline = deadline_of(timeout_ms);
  return attach(posix, rw_posix_open_file(posix, region, channel), streams, slots, deadline);
}

void rw_posix_detach(struct rw_posix *posix) {
  if (posix->region) rw_guest_detach(&posix->guest);
  rw_posix_close(posix);
}
