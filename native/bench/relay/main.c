// The C reference relay: what a small C program can do with Ringway's rings, for the TypeScript monitor to be measured
// against. It serves the attach socket (section 21), the control pipe's NewStream and Ping (section 9), and the
// protocols echo, tcp-connect and udp-connect with numeric IPv4 addresses (sections 10, 11 and 16). No policy: never
// run it for a guest that is not a benchmark.
//
// One thread: take the pending words, step those streams, wait in epoll_wait(), step the streams whose sockets are
// ready. Sockets are edge-triggered: a stream remembers that its socket is readable or writable until a call says
// otherwise.
//
//   relay --listen PATH [--busy-poll-us N] [--region-bytes N] [--ring-bytes N]
//
//   main.c     the loop                        control.c    the control pipe: streams are given out
//   guests.c   attach, epochs, end             streams.c    one stream: opened, stepped, released
//   watch.c    what epoll watches              pump.c       its bytes
//                                              udp.c        its datagrams
//                                              closing.c    its closed words

#include "relay.h"

#include <getopt.h>
#include <sched.h>
#include <sys/epoll.h>

struct relay_options options = {.region_bytes = 256 * MIB, .ring_bytes = MIB};

// ── The loop ────────────────────────────────────────────────────────────────────────────────────────────────────────

static int listen_at(const char *path) {
  const int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const struct sockaddr_un address = unix_address(path);
  unlink(path);
  if (bind(listener, (const struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 16) != 0) {
    die("cannot listen at %s", path);
  }
  return listener;
}

static void handle(const struct epoll_event *event, int listener) {
  struct source *source = event->data.ptr;
  if (source->kind == LISTENER) {
    for (int socket; (socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) add_guest(socket);
  } else if (source->kind == GUEST_SOCKET) {
    end_guest(source->owner, NULL);  // ATT-9: it says nothing, it only hangs up
  } else if (source->kind == GUEST_BELL) {
    check_guest(source->owner);
  } else {
    struct stream *s = source->owner;
    if (s->released) return;
    s->readable |= (event->events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    s->writable |= (event->events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0;
    s->hung_up |= (event->events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    step(s);
  }
}

static bool any_pending(void) {
  for (struct guest *g = guests; g != NULL; g = g->next) {
    if (g->host_state == RW_HOST_READY && bell_pending(&g->to_host)) return true;
  }
  return false;
}

static bool prepare_sleep(void) {
  bool nothing = true;
  for (struct guest *g = guests; g != NULL; g = g->next) nothing &= bell_prepare_sleep(&g->to_host);
  return nothing;
}

// Busy polling (BELL-9), as long as it pays: returns events, or 0 with something pending, or -1 when time is up. When
// it rarely pays, only one wait in sixteen tries it.
static int busy_poll(struct epoll_event *events) {
  static int score = 8;
  static unsigned skipped;
  if (options.busy_poll_ns == 0 || (score == 0 && ++skipped % 16 != 0)) return -1;
  const uint64_t end = now_ns() + options.busy_poll_ns;
  do {
    const int count = any_pending() ? 0 : epoll_wait(epoll_fd, events, EVENTS, 0);
    if (count > 0 || any_pending()) {
      if (score < 16) score++;
      return count;
    }
    sched_yield();
  } while (now_ns() < end);
  if (score > 0) score--;
  return -1;
}

static void serve(int listener) {
  static struct epoll_event events[EVENTS];
  struct source listener_source = {LISTENER, NULL};
  watch(listener, EPOLLIN, &listener_source);
  for (;;) {
    for (struct guest *g = guests; g != NULL; g = g->next) take_pending(g);
    run_queue();
    int count = -1;
    if (has_queue() || any_pending()) {
      count = epoll_wait(epoll_fd, events, EVENTS, 0);
    } else if ((count = busy_poll(events)) < 0) {
      count = epoll_wait(epoll_fd, events, EVENTS, prepare_sleep() ? -1 : 0);
      for (struct guest *g = guests; g != NULL; g = g->next) bell_awake(&g->to_host);
    }
    for (int i = 0; i < count; i++) handle(&events[i], listener);
    remove_gone_guests();
    free_released();
  }
}

int main(int argc, char **argv) {
  static const struct option names[] = {{"listen", required_argument, NULL, 'l'},
                                        {"busy-poll-us", required_argument, NULL, 'b'},
                                        {"region-bytes", required_argument, NULL, 'r'},
                                        {"ring-bytes", required_argument, NULL, 'c'},
                                        {0}};
  for (int name; (name = getopt_long(argc, argv, "", names, NULL)) != -1;) {
    if (name == 'l') {
      options.path = optarg;
    } else if (name == 'b') {
      options.busy_poll_ns = 1000 * parse_number(optarg);
    } else if (name == 'r') {
      options.region_bytes = parse_number(optarg) / PAGE * PAGE;
    } else if (name == 'c') {
      options.ring_bytes = (uint32_t)min_u64(parse_number(optarg), RW_RING_BYTES_MAX);
    } else {
      return 2;
    }
  }
  if (options.path == NULL) FAIL("--listen PATH is missing");
  die_with_parent();
  signal(SIGPIPE, SIG_IGN);
  raise_descriptor_limit();
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_fd < 0) die("epoll_create1");
  serve(listen_at(options.path));
}
