// The load generator inside a guest: attaches to a monitor or to the reference relay, which it cannot tell apart, and
// moves bytes or messages. One thread, one doorbell for all streams. Being C, and doing little, it leaves the relay to
// be what is measured.
//
//   guest --attach SOCKET [options] bulk-out | bulk-in | rtt | echo | rate | idle | visit | file
//   guest --attach SOCKET [options] udp-out | udp-in | udp-rtt | mount-read
//
// PROTOCOL.md: section 21 (attach socket), 20 (attach), 9 (NewStream), 10 and 11 (Open, tcp-connect), 14 (file-stream),
// 16 (udp-connect), 18 (unix-connect), 19 (mount).
//
//   main.c     modes that come and stay        bulk.c       modes that move many bytes
//   attach.c   attaching, the doorbell         messages.c   modes that move messages
//   streams.c  streams                         udp.c        modes of datagrams
//                                              mount.c      the mode that reads a file at random

#include "guest.h"

#include <poll.h>

struct load load;

// Holds the streams open, asleep, until stdin closes.
static void idle(double seconds) {
  report_count(load.streams, seconds);
  fflush(stdout);
  struct pollfd waits[2] = {{.fd = 0, .events = POLLIN}, {.fd = attach_socket, .events = POLLRDHUP}};
  alarm(0);
  bell_prepare_sleep(&to_guest);
  while (poll(waits, 2, -1) < 0 && errno == EINTR) continue;
  if (waits[1].revents != 0) FAIL("the monitor hung up");
}

// Attaches and leaves, --per-second times, until the time is up or it has done so --iterations times, and touches
// --bytes of each region. Its process stays; nothing else of it does.
static void visit(void) {
  const uint64_t start = now_ns(), end = start + load.milliseconds * 1000000u;
  uint64_t count = 0;
  for (; count < load.iterations; count++) {
    const uint64_t due = start + count * 1000000000u / load.per_second;
    const struct timespec until = {.tv_sec = (time_t)(due / 1000000000u), .tv_nsec = (long)(due % 1000000000u)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) continue;
    if (now_ns() >= end) break;
    attach();
    // At the end of the heap, which is the end of the region.
    uint8_t *const last = region + ((size_t)region_pages - 1) * PAGE;
    const uint64_t touched = min_u64(load.bytes / PAGE, region_pages / 2);
    for (uint64_t pages = 0; pages < touched; pages++) last[-(ptrdiff_t)(pages * PAGE)] = 1;
    detach();
    leave();
  }
  report_count(count, seconds_since(start));
}

int main(int argc, char **argv) {
  load = parse_load(argc, argv);
  if (load.attach == NULL) FAIL("--attach SOCKET is missing");
  if (mode_is(&load, "visit")) {
    visit();
    return 0;
  }
  attach();
  if (mode_is(&load, "file")) {
    if (load.path == NULL) FAIL("--path FILE is missing");
    file();
    detach();
    return 0;
  }
  if (load.read_bytes > 0 && load.path == NULL) FAIL("--path FILE is missing");
  struct stream *streams = allocate(load.streams * sizeof *streams);
  if (mode_is(&load, "rate")) {
    rate(streams);
    detach();
    return 0;
  }
  const uint64_t start = now_ns();
  open_streams(streams, load.streams);
  if (mode_is(&load, "bulk-out")) {
    bulk_out(streams);
  } else if (mode_is(&load, "bulk-in")) {
    bulk_in(streams);
  } else if (mode_is(&load, "rtt")) {
    rtt(streams);
  } else if (mode_is(&load, "echo")) {
    echo(streams);
  } else if (load.datagram_bytes > 0) {
    udp(streams);
  } else if (mode_is(&load, "mount-read")) {
    mount_read(streams);
  } else if (mode_is(&load, "idle")) {
    idle(seconds_since(start));
  } else {
    FAIL("no such mode: %s", load.mode);
  }
  for (uint32_t i = 0; i < load.streams; i++) close_stream(&streams[i]);
  detach();
  return 0;
}
