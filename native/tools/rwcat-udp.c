// Datagrams of rwcat, as nc -u has them: what one read(2) gives of stdin is one, and each that comes goes to stdout.
//
// On a socket that is bound the first who sends becomes the peer: stdin is read from then on, and what others send is
// dropped. The end of stdin ends nothing: answers may come for as long as somebody waits for them.

#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "ringway-udp.h"
#include "rwcat-carry.h"
#include "rwcat-udp.h"

enum { DATAGRAM_BYTES = 16384 }; // of one read, as in nc

static struct {
  struct rwcat_end in, out;
  int is_bound, has_peer, verbose;
  struct rw_inet peer;
  uint8_t held[DATAGRAM_BYTES]; // read, and not sent yet
  uint32_t held_bytes;          // 0: none
  struct rw_udp udp;            // what came last; its datagrams lie where the frame does until the next is taken
  struct rw_bytes unwritten;    // of a datagram of it
  uint32_t lost;
} cat;

// ── To the host ─────────────────────────────────────────────────────────────────────────────────────────────────────

static int32_t send_held(void) {
  uint8_t fields[28];
  int32_t bytes = cat.is_bound ? rw_encode_udp_send_to(fields, sizeof fields, 0, &cat.peer)
                               : rw_encode_udp_send(fields, sizeof fields, 0);
  if (bytes < 0) return bytes;
  uint32_t type = cat.is_bound ? RW_T_UDP_SEND_TO : RW_T_UDP_SEND;
  return talk_tell(&job_talk, type, fields, (uint32_t)bytes, cat.held, cat.held_bytes);
}

static int step_in(void) {
  if (cat.held_bytes == 0) {
    if (!cat.in.ready) return WAITS_FOR_END;
    ssize_t got = rwcat_read(&cat.in, cat.held, sizeof cat.held);
    if (got < 0) return cat.in.ready ? MOVED : WAITS_FOR_END;
    if (got == 0) return FINISHED;
    cat.held_bytes = (uint32_t)got;
  }
  int32_t status = send_held();
  if (status == RW_AGAIN) return WAITS_FOR_RING;
  // The host takes no more: why, what it sends tells.
  if (status == RW_CLOSED || status == RW_RESET) return FINISHED;
  if (status < 0) job_fail("sending", status);
  cat.held_bytes = 0;
  return MOVED;
}

// ── From the host ───────────────────────────────────────────────────────────────────────────────────────────────────

static void tell_lost(uint32_t datagrams) {
  say_begin();
  say_number(datagrams);
  say(datagrams == 1 ? " datagram was lost" : " datagrams were lost");
  say_end();
}

static int is_peer(const struct rw_inet *from) {
  if (!cat.is_bound) return 1;
  if (!cat.has_peer) {
    cat.peer = *from;
    cat.has_peer = 1;
    if (cat.verbose) {
      say_begin();
      say("datagrams from ");
      say_inet(from);
      say_end();
    }
  }
  return memcmp(from, &cat.peer, sizeof *from) == 0;
}

_Noreturn static void fail_error(void) {
  say_begin();
  say_inet(&cat.udp.peer);
  say(": ");
  say_error(&cat.udp.error);
  job_fail_line();
}

// The next message of the host's.
static int next_message(void) {
  struct rw_frame frame;
  int32_t status = talk_frame(&job_talk, &frame);
  if (status == RW_AGAIN) return WAITS_FOR_RING;
  if (status == RW_END) return FINISHED;
  if (status == RW_OK) status = rw_decode_udp(&frame, &cat.udp);
  if (status != RW_OK) job_fail("receiving", status);
  if (cat.udp.type == RW_T_UDP_ERROR) fail_error();
  if (cat.udp.type == RW_T_UDP_LOST) {
    cat.lost = cat.udp.lost;
    if (cat.verbose) tell_lost(cat.lost);
  } else if (!is_peer(&cat.udp.peer)) {
    cat.udp.train.datagrams = 0;
  }
  return MOVED;
}

static int step_out(void) {
  if (cat.unwritten.length == 0) return rw_next_datagram(&cat.udp.train, &cat.unwritten) ? MOVED : next_message();
  if (!cat.out.ready) return WAITS_FOR_END;
  ssize_t put = rwcat_write(&cat.out, cat.unwritten.bytes, cat.unwritten.length);
  if (put < 0) return cat.out.ready ? MOVED : WAITS_FOR_END;
  cat.unwritten.bytes += put;
  cat.unwritten.length -= (uint32_t)put;
  return MOVED;
}

// ── Both ────────────────────────────────────────────────────────────────────────────────────────────────────────────

static void begin_idle(int timer, uint32_t idle_seconds) {
  struct itimerspec until = {.it_value = {.tv_sec = (time_t)idle_seconds}};
  if (timer >= 0) timerfd_settime(timer, 0, &until, NULL);
}

// 0 when nothing has moved for so long.
static int wait_for(int timer, int reads, int writes) {
  struct pollfd fds[3];
  struct rwcat_end *ends[2];
  uint32_t count = 0;
  if (reads) ends[count++] = &cat.in;
  if (writes) ends[count++] = &cat.out;
  for (uint32_t i = 0; i < count; i++)
    fds[i] = (struct pollfd){.fd = ends[i]->fd, .events = ends[i] == &cat.in ? POLLIN : POLLOUT};
  fds[count] = (struct pollfd){.fd = timer, .events = POLLIN};
  int32_t status = talk_wait(&job_talk, fds, count + 1, 1);
  if (status < 0) job_fail("waiting", status);
  for (uint32_t i = 0; i < count; i++)
    if (fds[i].revents != 0) ends[i]->ready = 1;
  return fds[count].revents == 0;
}

void rwcat_udp(int is_bound, uint32_t idle_seconds, int verbose) {
  int in_state = MOVED, out_state = MOVED, timer = -1;
  if (idle_seconds > 0 && (timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)) < 0)
    job_fail_errno("a timer", errno);
  cat.in = rwcat_from_stdin();
  cat.out = rwcat_to_stdout();
  cat.is_bound = is_bound;
  cat.verbose = verbose;
  if (!is_bound) begin_idle(timer, idle_seconds);
  while (out_state != FINISHED) {
    int may_read = in_state != FINISHED && (!cat.is_bound || cat.has_peer);
    rwcat_check_epoch("carrying datagrams");
    if (may_read) in_state = step_in();
    out_state = step_out();
    if (out_state == FINISHED) break;
    if (out_state == MOVED || (may_read && in_state == MOVED)) {
      begin_idle(timer, idle_seconds);
      continue;
    }
    if (!wait_for(timer, may_read && in_state == WAITS_FOR_END, out_state == WAITS_FOR_END)) break;
  }
  if (cat.lost > 0 && !verbose) tell_lost(cat.lost);
}
