// The link to the host, which comes and goes while the guest runs (section 20).
//
//             open, begin                      attached
//   DOWN ──────────────────▶ ATTACHING ─────────────────────────▶ UP
//    ▲  ▲ cannot: later          │ hung up                         │ other epoch, hung up, violation
//    │  └────────────────────────┘                                 │
//    └─────────────────────────────────────────────────────────────┘ every connection of the epoch is reset
//
// In DOWN it tries again after 10 ms, doubled up to a second, and at once when a device becomes ready. In ATTACHING the
// request stands in the region until a monitor answers it, whenever that starts (ATT-6); the bell is rung again from
// time to time, for a device that nobody listened to. A device, and the memory, stay open throughout: the guest's end
// of a port does not break. Sockets are opened anew.
//
// A host that stored FAILED is not asked again before it has begun another epoch (ATT-8).

#define _GNU_SOURCE
#include "link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"
#include "begin.h"
#include "end.h"
#include "front.h"
#include "host.h"
#include "listen.h"
#include "room.h"
#include "silence.h"
#include "watch.h"

static enum { DOWN, ATTACHING, UP } state;
static struct rw_posix posix;
static struct rw_stream *streams;
static uint32_t slots;
static int opened;
static int blamed; // the region says FAILED
static uint32_t backoff_ms;
static int64_t next_ms; // when to try again; in UP: to look again
static int64_t up_since_ms;
static char said[256]; // the last complaint: each is made once
static int64_t begun_ms;
static int was_attached;
static int no_device;      // neither given nor found
static int32_t why_status; // why it did not attach, last

void link_init(void) {
  begun_ms = rw_posix_now_ms();
  slots = options.streams + options.publishes_most + STREAMS_SPARE;
  streams = calloc(slots, sizeof *streams);
  if (streams) return;
  say_begin();
  say("no memory for streams");
  say_end();
  exit(1);
}

static void later(int64_t now) {
  next_ms = now + backoff_ms;
  backoff_ms = backoff_ms == 0 ? BACKOFF_MS_MIN : backoff_ms * 2 > BACKOFF_MS_MAX ? BACKOFF_MS_MAX : backoff_ms * 2;
}

// ── Waiting for a host that was never there ─────────────────────────────────────────────────────────────────────────

// 0: for ever.
static uint32_t wait_ms(void) {
  if (was_attached) return 0;
  if (options.wait_ms != WAIT_AS_IT_IS) return options.wait_ms;
  return no_device ? DEVICE_MS : 0;
}

static void say_ms(uint32_t ms) {
  say_number(ms % 1000 == 0 ? ms / 1000 : ms);
  say(ms % 1000 == 0 ? " s" : " ms");
}

static void say_waiting(void) {
  say(": waiting");
  if (wait_ms() == 0) return;
  say(", ");
  say_ms(wait_ms());
  say(" at most");
}

_Noreturn static void give_up(void) {
  say_begin();
  say("gave up after ");
  say_ms(wait_ms());
  say(" (--wait-ms): ");
  if (state == ATTACHING || why_status == RW_BAD_MAGIC) say("there is no monitor");
  else say_status(&posix, why_status);
  say_end();
  listen_exit();
  exit(1);
}

// The line in the making, unless it is the last one again.
static void say_once(void) {
  struct rw_text text = say_so_far();
  uint32_t length = text.length < sizeof said ? text.length : (uint32_t)sizeof said - 1;
  if (memcmp(said, text.bytes, length) == 0 && said[length] == 0) return;
  memcpy(said, text.bytes, length);
  said[length] = 0;
  say_end();
}

// ── Down ────────────────────────────────────────────────────────────────────────────────────────────────────────────

static void shut(void) {
  if (opened) rw_posix_close(&posix);
  opened = 0;
}

// Each connection whose stream is gone: those that had not begun wait for the next epoch.
static uint32_t end_connections(void) {
  uint32_t ended = 0;
  struct conn *conn;
  for (uint32_t i = 0; (conn = conn_at(i)) != NULL; i++) {
    int ours = conn->front->side != OUT; // its front makes new ones
    int begun = conn->state == CARRYING || conn->state == BREAKING || conn->state == OWN;
    int asked = conn->state == WANTING || conn->state == ASKED || conn->state == OPENING;
    if (conn->state == FREE || conn->state == LEAVING || !(ours || begun || asked)) continue;
    if (conn->state == CARRYING) ended++;
    // Their slots are taken back all at once, by rw_guest_init().
    if (ours || begun) conn_drop(conn, RESET);
    else stream_leave(conn, RESET), begin_wish(conn);
  }
  return ended;
}

static void down(const char *why, int32_t status) {
  int was_up = state == UP;
  int64_t now = rw_posix_now_ms();
  state = DOWN;
  host_down();
  if (was_up) {
    uint32_t ended = end_connections();
    silence_over();
    say_begin();
    if (why) say(why);
    else say_status(&posix, status);
    say(": ");
    say_number(ended);
    say(ended == 1 ? " connection" : " connections");
    say(" reset");
    say_end();
    said[0] = 0;
    if (now - up_since_ms >= STEADY_MS) backoff_ms = 0;
  } else {
    say_begin();
    say_status(&posix, status);
    say_waiting();
    say_once();
  }
  blamed = status == RW_FAILED;
  if (blamed && !posix.is_device) {
    say_begin();
    say("giving up: a new region would not mend what this guest did");
    say_end();
    listen_exit();
    exit(1);
  }
  if (!posix.is_device) shut();
  later(now);
}

static void violated(int32_t status) {
  if (status <= RW_BAD_SUPERBLOCK) rw_guest_detach(&posix.guest); // ERR-5
  down(NULL, status);
}

// ── Attaching ───────────────────────────────────────────────────────────────────────────────────────────────────────

static int32_t open_devices(void) {
  static char memory[160], channel[160]; // posix.what may name them
  posix.error = ENODEV;
  posix.absent = 0;
  no_device = 1;
  if (!options.memory && !rw_posix_find_region(memory, sizeof memory)) {
    posix.what = "no ivshmem device (1af4:1110), and no --socket PATH or RINGWAY_SOCKET, as a process has it";
    return RW_SYSTEM;
  }
  if (!options.channel && !rw_posix_find_port(RW_POSIX_PORT_NAME, channel, sizeof channel)) {
    posix.what = "no virtio port " RW_POSIX_PORT_NAME " (module virtio_console?)";
    return RW_SYSTEM;
  }
  no_device = 0;
  return rw_posix_open_file(&posix, options.memory ? options.memory : memory,
                            options.channel ? options.channel : channel);
}

static int32_t open_all(void) {
  int32_t status = options.socket ? rw_posix_open_socket(&posix, options.socket, HELLO_MS) : open_devices();
  if (status != RW_OK) return status;
  opened = 1;
  int error = watch_add(posix.bell, TAG_LINK, LINK_BELL);
  if (!error && posix.socket >= 0) error = watch_add(posix.socket, TAG_LINK, LINK_SOCKET);
  if (!error) return RW_OK;
  shut();
  posix.what = "epoll";
  posix.absent = 0;
  posix.error = error;
  return RW_SYSTEM;
}

static void up(int64_t now) {
  state = UP;
  host_up(&posix.guest, (uint32_t)(posix.region_bytes / RW_PAGE_BYTES));
  up_since_ms = now;
  was_attached = 1;
  next_ms = now + BELL_MS;
  say_begin();
  say("attached, epoch ");
  say_number(rw_guest_epoch(&posix.guest));
  say_end();
  said[0] = 0;
  room_up();
  fronts_up();
  stream_retry();
}

static void poll_attach(void) {
  int32_t status = rw_poll(&posix.guest);
  if (status == RW_OK) up(rw_posix_now_ms());
  else if (status != RW_AGAIN) down(NULL, status);
}

static void try_attach(void) {
  int32_t status = opened ? RW_OK : open_all();
  if (status == RW_OK && blamed) {
    if (rw_guest_host_state(&posix.guest) == RW_HOST_FAILED) status = RW_FAILED;
    else blamed = 0;
  }
  if (status == RW_OK) status = rw_posix_begin(&posix, streams, slots);
  if (status == RW_OK) {
    state = ATTACHING;
    poll_attach();
    return;
  }
  say_begin();
  if (status == RW_BAD_MAGIC && opened) say("no monitor has been here yet");
  else say_status(&posix, status);
  why_status = status;
  say_waiting();
  say_once();
  if (opened && !posix.is_device) shut();
}

static void heard(void) {
  rw_posix_heard(&posix);
  if (posix.gone) {
    // A port without a host: the request waits in the region. Whether the host is there again, the next event says.
    posix.gone = state == UP;
    if (state == UP) {
      int failed = rw_poll(&posix.guest) == RW_FAILED; // the superblock says more than the hang-up (ATT-9)
      down(failed ? NULL : "the monitor hung up", failed ? RW_FAILED : RW_LOST);
    }
    else if (!posix.is_device) down(NULL, RW_LOST);
    return;
  }
  if (state == DOWN) next_ms = 0;
  else if (state == ATTACHING) poll_attach();
}

// While up: a bell that the device did not take rings again; a line that may lose one is not waited for without end.
// The loop takes what is pending in each of its rounds.
static int64_t tick_up(int64_t now) {
  if (!posix.is_tty && !posix.unrung) return -1;
  if (next_ms > now + (posix.unrung ? BACKOFF_MS_MIN : BELL_MS)) next_ms = now + BACKOFF_MS_MIN;
  if (now < next_ms) return next_ms;
  if (posix.unrung) rw_posix_ring(&posix);
  next_ms = now + (posix.unrung ? BACKOFF_MS_MIN : BELL_MS);
  return next_ms;
}

int64_t link_tick(int64_t now) {
  if (opened && posix.more) heard(); // and no event tells of it
  if (opened && posix.more) return now;
  if (state == UP) return tick_up(now);
  int64_t end_ms = wait_ms() == 0 ? 0 : begun_ms + wait_ms();
  if (end_ms != 0 && now >= end_ms) give_up();
  if (now < next_ms) return end_ms != 0 && end_ms < next_ms ? end_ms : next_ms;
  later(now);
  if (state == DOWN) {
    try_attach();
  } else {
    rw_posix_ring(&posix);
    poll_attach();
  }
  return state == UP ? now : next_ms; // there is work for those that came before
}

// While up, an eventfd has nothing to tell but that it was rung, which link_take() looks into: watched edge-triggered
// it tells of each ring, read or not. Whether the host is there the socket says.
void link_heard(enum link_part part) {
  if (!opened || (part == LINK_BELL && posix.socket >= 0 && state == UP)) return;
  heard();
}

// ── Up ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

void link_take(void) {
  uint32_t ready[SLOTS_AT_ONCE];
  int room = 0;
  if (state != UP) return;
  int32_t taken = rw_take_pending(&posix.guest, ready, SLOTS_AT_ONCE);
  if (taken < 0) {
    violated(taken);
    return;
  }
  for (int32_t i = 0; i < taken; i++) {
    if (ready[i] == RW_SLOT_CONTROL) {
      room = 1;
      continue;
    }
    struct conn *conn = rw_stream_at(&posix.guest, ready[i])->user;
    if (conn) conn_wake(conn);
  }
  if (!room) return;
  silence_heard(); // of a stream that nobody waits for any more, too
  stream_retry();
}

void link_settle(void) {
  int32_t status = host_lost_by();
  if (status != RW_OK) violated(status);
}

int link_is_up(void) { return state == UP; }

int link_pending(void) { return rw_pending(&posix.guest); }

int link_sleep(void) {
  if (state != UP) return 1;
  return rw_prepare_sleep(&posix.guest);
}

// Without a RST, what the programs have would look like all there is.
void link_leave(void) {
  struct conn *conn;
  for (uint32_t i = 0; (conn = conn_at(i)) != NULL; i++)
    if (conn->state != PARTING) conn_drop(conn, RESET);
  if (!opened) return;
  if (state != DOWN) rw_guest_detach(&posix.guest);
  shut();
}
