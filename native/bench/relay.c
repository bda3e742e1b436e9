// The C reference relay: what a small C program can do with Ringway's rings, for the TypeScript monitor to be measured
// against. It serves the attach socket (section 17), the control pipe's NewStream and Ping (section 9), and the
// protocols echo and tcp-connect with numeric IPv4 addresses (sections 10 and 11). No policy: never run it for a guest
// that is not a benchmark.
//
// One thread: take the pending words, step those streams, wait in epoll_wait(), step the streams whose sockets are ready.
// Bytes go from the ring straight to send() and from recv() straight into the ring. Sockets are edge-triggered: a stream
// remembers that its socket is readable or writable until a call says otherwise.
//
//   relay --listen PATH [--busy-poll-us N] [--region-bytes N] [--ring-bytes N]

#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "ring.h"

enum {
  EVENTS = 256,
  // As much as there is: half as much again as with 256 KiB at a time. The socket takes what fits.
  SEND_BYTES = MIB,
  RECEIVE_BYTES = 128 * KIB,
  // What one stream may move before others have their turn.
  STEP_BYTES = MIB,
  CONTROL_RING_BYTES = 64 * KIB,
  DEFAULT_RING_BYTES = 256 * KIB,
  REPLY_BYTES = 128,
};

enum kind { LISTENER, GUEST_SOCKET, GUEST_BELL, STREAM };

// What an epoll event is about.
struct source {
  enum kind kind;
  void *owner;
};

// FRESH: no Open yet. CONNECTING: Open seen, connect() under way. ECHO, TCP: running. OVER: this side has closed both.
enum state { FRESH, CONNECTING, ECHO, TCP, OVER };

struct stream {
  struct source source;
  struct guest *guest;
  struct place place;
  uint32_t id, open_request;
  enum state state;
  struct consumer in;   // toHost
  struct producer out;  // toGuest
  bool in_closed, out_closed;
  bool wants_data, wants_space;
  int socket;
  bool readable, writable, hung_up;
  bool queued, released;
  struct stream *next;  // in the run queue, or among the released
};

struct block {
  uint32_t page, pages;
  struct block *next;
};

struct guest {
  struct source socket_source, bell_source;
  struct guest *next;
  int socket, wake, region_fd;
  uint8_t *region;
  uint32_t pages, epoch, attach_reply, host_state;
  bool gone;
  struct bell to_host, to_guest;
  struct place control_place;
  struct consumer requests;
  struct producer replies;
  bool wants_reply_space;
  struct stream *streams[MAX_STREAM_ID + 1];
  uint32_t generations[MAX_STREAM_ID + 1];
  uint16_t free_ids[MAX_STREAM_ID + 1];
  uint32_t free_id_count, next_id;
  uint32_t next_page;
  struct block *free_blocks;
};

static struct {
  const char *path;
  uint64_t busy_poll_ns, region_bytes;
  uint32_t ring_bytes;
} options = {.region_bytes = 256 * MIB, .ring_bytes = MIB};

static int epoll;
static struct guest *guests;
static struct stream *queue_head, **queue_tail = &queue_head;
static struct stream *released;  // freed once no event of this batch can name them
static struct frame frame;

static void watch(int fd, uint32_t events, struct source *source) {
  struct epoll_event event = {.events = events | EPOLLET, .data.ptr = source};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
}

// ── Streams: closing ────────────────────────────────────────────────────────────────────────────────────────────────

static void close_in(struct stream *s) {
  if (s->in_closed) return;
  s->in_closed = true;
  atomic_store(&s->in.own[CLOSED], CONSUMER_CLOSED);
  bell_signal(&s->guest->to_guest, s->id);  // RING-7: always
}

static void close_out(struct stream *s, uint32_t how) {
  if (s->out_closed) return;
  s->out_closed = true;
  atomic_store(&s->out.own[CLOSED], how);
  bell_signal(&s->guest->to_guest, s->id);  // RING-6: always
}

static void close_socket(struct stream *s) {
  if (s->socket >= 0) close(s->socket);
  s->socket = -1;
}

// A violation, a RESET, or an error of the connection: RST to the peer, RESET to the guest (STR-8, TCP-4).
static void reset_stream(struct stream *s) {
  if (s->socket >= 0) {
    const struct linger at_once = {.l_onoff = 1};
    setsockopt(s->socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }
  close_socket(s);
  close_out(s, RESET);
  close_in(s);
  s->state = OVER;
}

static void forget_stream(struct stream *s) {
  close_socket(s);
  s->guest->streams[s->id] = NULL;
  s->released = true;
  if (s->queued) return;  // the run queue releases it
  s->next = released;
  released = s;
}

// STR-7: once all four closed words are set, the block comes back.
static void release_if_through(struct stream *s) {
  if (!s->in_closed || !s->out_closed) return;
  s->state = OVER;
  close_socket(s);
  if (atomic_load(&s->in.other[CLOSED]) == OPEN || atomic_load(&s->out.other[CLOSED]) == OPEN) return;
  struct guest *g = s->guest;
  struct block *block = allocate(sizeof *block);
  *block = (struct block){.page = s->place.page,
                          .pages = (uint32_t)pipe_pages(s->place.to_host_bytes, s->place.to_guest_bytes),
                          .next = g->free_blocks};
  g->free_blocks = block;
  g->free_ids[g->free_id_count++] = (uint16_t)s->id;
  forget_stream(s);
}

// ── Streams: opening ────────────────────────────────────────────────────────────────────────────────────────────────

static void reply(struct stream *s, uint32_t type, const struct payload *payload) {
  // The first frame of a fresh ring of at least 4 KiB always fits.
  producer_advance(&s->out, frame_put(&s->out, type, s->open_request, payload->bytes, payload->length));
  bell_signal(&s->guest->to_guest, s->id);
}

// STR-2: Refused, then both ends close.
static void refuse(struct stream *s, int error) {
  struct payload body = {0};
  put_u32(&body, (uint32_t)error);
  put_text(&body, "");
  put_text(&body, strerror(error));
  reply(s, TYPE_REFUSED, &body);
  close_socket(s);
  close_out(s, END);
  close_in(s);
  s->state = OVER;
}

// TCP-2.
static void put_inet(struct payload *body, const struct sockaddr_in *address) {
  const uint8_t rest[12] = {0};
  put_u32(body, 4);
  put_u32(body, ntohs(address->sin_port));
  put_bytes(body, &address->sin_addr, 4);
  put_bytes(body, rest, sizeof rest);
}

// connect() has come to an end: tell the guest how.
static void connected(struct stream *s) {
  int error = 0;
  socklen_t length = sizeof error;
  getsockopt(s->socket, SOL_SOCKET, SO_ERROR, &error, &length);
  struct sockaddr_in local, peer;
  socklen_t local_length = sizeof local, peer_length = sizeof peer;
  if (error == 0 && getsockname(s->socket, (struct sockaddr *)&local, &local_length) != 0) error = errno;
  if (error == 0 && getpeername(s->socket, (struct sockaddr *)&peer, &peer_length) != 0) error = errno;
  if (error != 0) {
    refuse(s, error);
    return;
  }
  struct payload body = {0};
  put_inet(&body, &local);
  put_inet(&body, &peer);
  reply(s, TYPE_OPENED, &body);
  s->state = TCP;
}

// TCP-1: {port u32, timeout ms u32, host text}.
static void open_tcp(struct stream *s, const uint8_t *body, uint32_t bytes) {
  char host[INET_ADDRSTRLEN] = {0};
  if (bytes < 12 || get_u32(body + 8) != bytes - 12) {
    reset_stream(s);  // FRM-6
    return;
  }
  const uint32_t port = get_u32(body), host_bytes = bytes - 12;
  struct sockaddr_in address = loopback((uint16_t)port);
  if (port == 0 || port > 65535) {
    refuse(s, EINVAL);
    return;
  }
  if (host_bytes < sizeof host) memcpy(host, body + 12, host_bytes);
  if (inet_pton(AF_INET, host, &address.sin_addr) != 1) {
    refuse(s, ENOENT);
    return;
  }
  s->socket = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (s->socket < 0) {
    refuse(s, errno);
    return;
  }
  set_no_delay(s->socket);
  s->state = CONNECTING;
  if (connect(s->socket, (struct sockaddr *)&address, sizeof address) != 0 && errno != EINPROGRESS) {
    refuse(s, errno);
    return;
  }
  watch(s->socket, EPOLLIN | EPOLLOUT | EPOLLRDHUP, &s->source);
}

static void step_fresh(struct stream *s) {
  const int32_t got = frame_peek(&s->in, &frame);
  if (got == VIOLATION) {
    reset_stream(s);
    return;
  }
  if (got == 0) {
    const int32_t closed = consumer_peer_closed(&s->in);
    if (closed != OPEN || atomic_load(&s->out.other[CLOSED]) != OPEN) reset_stream(s);
    return;
  }
  if (frame.type != TYPE_OPEN || frame.bytes < 4) {
    reset_stream(s);
    return;
  }
  if (consumer_advance(&s->in, FRAME_HEADER + frame.bytes)) bell_signal(&s->guest->to_guest, s->id);
  s->open_request = frame.request;
  const uint32_t protocol = get_u32(frame.payload);
  if (protocol == PROTOCOL_TCP_CONNECT) {
    open_tcp(s, frame.payload + 4, frame.bytes - 4);
  } else if (protocol == PROTOCOL_ECHO) {
    reply(s, TYPE_OPENED, &(struct payload){0});
    s->state = ECHO;
  } else {
    refuse(s, EPROTONOSUPPORT);
  }
}

// ── Streams: running ────────────────────────────────────────────────────────────────────────────────────────────────

// What a pump tells its stream.
enum result { WAITING, BUDGET_USED, BROKEN };

// Bytes of the guest's, or what it has closed with. END is seen, THEN the ring is seen empty (RING-6).
static int32_t look_in(struct stream *s, int32_t *closed) {
  for (;;) {
    *closed = consumer_peer_closed(&s->in);
    const int32_t readable = consumer_readable(&s->in);
    if (readable == VIOLATION || *closed == VIOLATION || *closed == RESET) return VIOLATION;
    if (readable > 0 || *closed == END || s->wants_data) return readable;
    s->wants_data = true;
    if (consumer_want(&s->in) == 0) return 0;  // RING-9
  }
}

// Nothing can be taken now, so the guest need not signal what it puts.
static void unwant_data(struct stream *s) {
  if (!s->wants_data) return;
  s->wants_data = false;
  consumer_unwant(&s->in);
}

// Free bytes of toGuest; asks for half the ring where there are none.
static int32_t look_out(struct stream *s) {
  for (;;) {
    const int32_t free = producer_free(&s->out);
    if (free == VIOLATION) return VIOLATION;
    if (free > 0) {
      if (s->wants_space) producer_want(&s->out, 0);
      s->wants_space = false;
      return free;
    }
    s->wants_space = true;
    const int32_t wanted = producer_want(&s->out, s->out.capacity / 2);
    if (wanted != 1) return wanted;
    if (producer_free(&s->out) == 0) return 0;  // the guest reads no more
  }
}

static enum result pump_out(struct stream *s) {
  for (uint32_t budget = STEP_BYTES; !s->in_closed && s->writable;) {
    if (budget == 0) return BUDGET_USED;
    int32_t closed;
    const int32_t readable = look_in(s, &closed);
    if (readable == VIOLATION) return BROKEN;
    if (readable == 0) {
      if (closed == END) {
        shutdown(s->socket, SHUT_WR);
        close_in(s);
      }
      return WAITING;
    }
    uint32_t bytes;
    uint8_t *from = consumer_span(&s->in, (uint32_t)readable, &bytes);
    bytes = min_u32(bytes, min_u32(budget, SEND_BYTES));
    const ssize_t sent = send(s->socket, from, bytes, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno != EAGAIN) return BROKEN;
    if (sent < (ssize_t)bytes) s->writable = false;
    if (sent > 0) {
      budget -= (uint32_t)sent;
      if (consumer_advance(&s->in, (uint32_t)sent)) bell_signal(&s->guest->to_guest, s->id);
    }
  }
  if (!s->in_closed) unwant_data(s);
  return WAITING;
}

static enum result pump_in(struct stream *s) {
  for (uint32_t budget = STEP_BYTES; !s->out_closed && s->readable;) {
    if (budget == 0) return BUDGET_USED;
    const int32_t free = look_out(s);
    if (free == VIOLATION) return BROKEN;
    if (free == 0) return WAITING;
    uint32_t bytes;
    uint8_t *to = producer_span(&s->out, (uint32_t)free, &bytes);
    bytes = min_u32(bytes, min_u32(budget, RECEIVE_BYTES));
    const ssize_t got = recv(s->socket, to, bytes, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno != EAGAIN) return BROKEN;
    if (got == 0) {
      close_out(s, END);
      return WAITING;
    }
    // Less than asked for: the socket is empty, unless the peer's FIN is behind it.
    if (got < (ssize_t)bytes && !s->hung_up) s->readable = false;
    if (got > 0) {
      budget -= (uint32_t)got;
      if (producer_advance(&s->out, (uint32_t)got)) bell_signal(&s->guest->to_guest, s->id);
    }
  }
  return WAITING;
}

static enum result pump_echo(struct stream *s) {
  for (uint32_t budget = STEP_BYTES; !s->in_closed && !s->out_closed;) {
    if (budget == 0) return BUDGET_USED;
    int32_t closed;
    const int32_t readable = look_in(s, &closed);
    if (readable == VIOLATION) return BROKEN;
    if (readable == 0) {
      if (closed == END) {
        close_out(s, END);
        close_in(s);
      }
      return WAITING;
    }
    const int32_t free = look_out(s);
    if (free == VIOLATION) return BROKEN;
    if (free == 0) return WAITING;
    uint32_t bytes;
    const uint8_t *from = consumer_span(&s->in, min_u32((uint32_t)readable, (uint32_t)free), &bytes);
    bytes = min_u32(bytes, budget);
    producer_put(&s->out, 0, from, bytes);
    const bool data = producer_advance(&s->out, bytes), space = consumer_advance(&s->in, bytes);
    if (data || space) bell_signal(&s->guest->to_guest, s->id);
    budget -= bytes;
  }
  return WAITING;
}

// TCP-5: the guest reads no more, so what the peer sends is dropped.
static void drop_input(struct stream *s) {
  while (s->readable) {
    const ssize_t got = recv(s->socket, NULL, MIB, MSG_TRUNC);
    if (got <= 0 && errno != EINTR) s->readable = false;
  }
}

static void enqueue(struct stream *s) {
  if (s->queued) return;
  s->queued = true;
  s->next = NULL;
  *queue_tail = s;
  queue_tail = &s->next;
}

// Progress until the rings are empty or full, the socket would block, or the budget is used.
static void step(struct stream *s) {
  if (s->state == FRESH) step_fresh(s);
  if (s->state == CONNECTING && (s->writable || s->hung_up)) connected(s);
  if (s->state == TCP || s->state == ECHO) {
    if (!s->out_closed && atomic_load(&s->out.other[CLOSED]) != OPEN) close_out(s, END);
    const enum result out = s->state == TCP ? pump_out(s) : pump_echo(s);
    const enum result in = s->state == TCP && out != BROKEN ? pump_in(s) : WAITING;
    if (out == BROKEN || in == BROKEN) {
      reset_stream(s);
    } else if (out == BUDGET_USED || in == BUDGET_USED) {
      enqueue(s);
    }
    if (s->out_closed && !s->in_closed) {
      if (s->state == TCP) {
        drop_input(s);
      } else {
        close_in(s);  // nobody reads the echo
      }
    }
  }
  release_if_through(s);
}

static void run_queue(void) {
  struct stream *s = queue_head;
  queue_head = NULL;
  queue_tail = &queue_head;
  while (s != NULL) {
    struct stream *next = s->next;
    s->queued = false;
    if (s->released) {
      s->next = released;
      released = s;
    } else {
      step(s);
    }
    s = next;
  }
}

// ── The control pipe, section 9 ─────────────────────────────────────────────────────────────────────────────────────

static uint32_t choose_capacity(uint32_t wanted) {
  if (wanted == 0) wanted = DEFAULT_RING_BYTES;
  uint32_t capacity = MIN_RING_BYTES;
  while (capacity < wanted && capacity < options.ring_bytes) capacity *= 2;
  return capacity;
}

// Page number, or 0 where there is no room. Blocks are reused by their exact size: benchmarks have few sizes.
static uint32_t take_pages(struct guest *g, uint32_t pages) {
  for (struct block **at = &g->free_blocks; *at != NULL; at = &(*at)->next) {
    if ((*at)->pages != pages) continue;
    struct block *block = *at;
    const uint32_t page = block->page;
    *at = block->next;
    free(block);
    return page;
  }
  if (pages > g->pages - g->next_page) return 0;
  g->next_page += pages;
  return g->next_page - pages;
}

static void write_header(struct guest *g, uint32_t page, uint32_t id, uint32_t generation) {
  uint8_t *header = g->region + (size_t)page * PAGE;
  memset(header, 0, 0x200);  // PIPE-2
  atomic_store(word_at(header, 0x200), id);
  atomic_store(word_at(header, 0x204), generation);
}

static int new_stream(struct guest *g, uint32_t to_host_wanted, uint32_t to_guest_wanted, struct payload *info) {
  struct place place = {.to_host_bytes = choose_capacity(to_host_wanted),
                        .to_guest_bytes = choose_capacity(to_guest_wanted)};
  if (g->free_id_count == 0 && g->next_id > MAX_STREAM_ID) return EMFILE;
  place.page = take_pages(g, (uint32_t)pipe_pages(place.to_host_bytes, place.to_guest_bytes));
  if (place.page == 0) return ENOMEM;
  const uint32_t id = g->free_id_count > 0 ? g->free_ids[--g->free_id_count] : g->next_id++;
  const uint32_t generation = ++g->generations[id];
  write_header(g, place.page, id, generation);
  struct stream *s = allocate(sizeof *s);
  s->source = (struct source){STREAM, s};
  s->guest = g;
  s->id = id;
  s->place = place;
  s->socket = -1;
  to_host_consumer(&s->in, g->region, &place);
  to_guest_producer(&s->out, g->region, &place);
  s->wants_data = true;
  consumer_want(&s->in);
  g->streams[id] = s;
  const uint32_t fields[5] = {id, generation, place.page, place.to_host_bytes, place.to_guest_bytes};
  put_bytes(info, fields, sizeof fields);
  return 0;
}

static void end_guest(struct guest *g, const char *why) {
  if (g->gone) return;
  g->gone = true;
  if (why != NULL) fprintf(stderr, "relay: guest ended: %s\n", why);
}

static void step_control(struct guest *g) {
  for (;;) {
    // A request is taken only while its reply has room.
    while (producer_free(&g->replies) < REPLY_BYTES) {
      g->wants_reply_space = true;
      const int32_t wanted = producer_want(&g->replies, REPLY_BYTES);
      if (wanted == VIOLATION) end_guest(g, "RING-4");
      if (wanted != 1) return;
    }
    if (g->wants_reply_space) producer_want(&g->replies, 0);
    g->wants_reply_space = false;
    const int32_t got = frame_peek(&g->requests, &frame);
    if (got == VIOLATION) end_guest(g, "a bad frame on the control pipe");
    if (got != 1) return;
    bool signal = consumer_advance(&g->requests, FRAME_HEADER + frame.bytes);
    struct payload body = {0};
    uint32_t type = TYPE_ERROR;
    int error = ENOSYS;  // FRM-7
    if (frame.type == TYPE_NEW_STREAM && frame.bytes == 8) {
      error = new_stream(g, get_u32(frame.payload), get_u32(frame.payload + 4), &body);
      if (error == 0) type = TYPE_STREAM_INFO;
    } else if (frame.type == TYPE_PING && frame.bytes <= 64) {
      put_bytes(&body, frame.payload, frame.bytes);
      type = TYPE_PONG;
    }
    if (type == TYPE_ERROR) {
      put_u32(&body, (uint32_t)error);
      put_text(&body, "");
      put_text(&body, "");
    }
    signal |= producer_advance(&g->replies, frame_put(&g->replies, type, frame.request, body.bytes, body.length));
    if (signal) bell_signal(&g->to_guest, 0);
  }
}

// ── Guests: attach, epochs, end (sections 16 and 17) ────────────────────────────────────────────────────────────────

enum { BELL_PAGE = 1, CONTROL_PAGE = BELL_PAGE + BELL_PAGES };

static void store_superblock(struct guest *g, size_t offset, uint32_t value) {
  atomic_store(word_at(g->region, offset), value);
}

static void set_host_state(struct guest *g, uint32_t state) {
  g->host_state = state;
  store_superblock(g, SB_HOST_STATE, state);
  bell_ring(&g->to_guest);
}

static void drop_streams(struct guest *g) {
  for (uint32_t id = 1; id < g->next_id; id++) {
    if (g->streams[id] != NULL) forget_stream(g->streams[id]);
  }
  while (g->free_blocks != NULL) {
    struct block *next = g->free_blocks->next;
    free(g->free_blocks);
    g->free_blocks = next;
  }
  g->free_id_count = 0;
  g->next_id = 1;
  g->next_page = CONTROL_PAGE + (uint32_t)pipe_pages(CONTROL_RING_BYTES, CONTROL_RING_BYTES);
}

// ATT-3.
static void begin_epoch(struct guest *g, uint32_t request) {
  drop_streams(g);
  memset(g->region + (size_t)BELL_PAGE * PAGE, 0, BELL_PAGES * PAGE);
  write_header(g, CONTROL_PAGE, 0, 0);
  to_host_consumer(&g->requests, g->region, &g->control_place);
  to_guest_producer(&g->replies, g->region, &g->control_place);
  consumer_want(&g->requests);
  g->wants_reply_space = false;
  store_superblock(g, SB_EPOCH, ++g->epoch);
  store_superblock(g, SB_VIOLATION, 0);
  g->attach_reply = request;
  store_superblock(g, SB_ATTACH_REPLY, request);
  set_host_state(g, HOST_READY);
}

// After every ring (BELL-7).
static void check_guest(struct guest *g) {
  const uint32_t request = atomic_load(word_at(g->region, SB_ATTACH_REQUEST));
  const uint32_t state = atomic_load(word_at(g->region, SB_GUEST_STATE));
  if (request != g->attach_reply) {
    begin_epoch(g, request);
  } else if (state > GUEST_ATTACHED) {
    end_guest(g, "SB-5");
  } else if (state == GUEST_DETACHED) {
    drop_streams(g);
  }
}

static bool take_pending(struct guest *g) {
  static uint16_t ids[MAX_STREAM_ID + 1];
  if (g->host_state != HOST_READY || g->gone) return false;
  const uint32_t count = bell_take(&g->to_host, ids);
  for (uint32_t i = 0; i < count && !g->gone; i++) {
    struct stream *s = g->streams[ids[i]];
    if (ids[i] == 0) {
      step_control(g);
    } else if (s != NULL) {
      step(s);
    }
  }
  return count > 0;
}

static void send_hello(struct guest *g) {
  const uint32_t hello[HELLO_WORDS] = {MAGIC_LOW, MAGIC_HIGH, VERSION_MAJOR, VERSION_MINOR, 0, g->pages};
  const int descriptors[HELLO_DESCRIPTORS] = {g->region_fd, g->to_host.event, g->to_guest.event};
  _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof descriptors)] = {0};
  struct iovec part = {.iov_base = (void *)hello, .iov_len = sizeof hello};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof descriptors);
  memcpy(CMSG_DATA(header), descriptors, sizeof descriptors);
  if (sendmsg(g->socket, &message, MSG_NOSIGNAL) < 0) end_guest(g, "hello cannot be sent");
}

static void add_guest(int socket) {
  struct guest *g = allocate(sizeof *g);
  g->socket = socket;
  g->socket_source = (struct source){GUEST_SOCKET, g};
  g->bell_source = (struct source){GUEST_BELL, g};
  g->pages = (uint32_t)(options.region_bytes / PAGE);
  g->region_fd = memfd_create("ringway", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (g->region_fd < 0 || ftruncate(g->region_fd, (off_t)options.region_bytes) != 0) die("memfd");
  if (fcntl(g->region_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0) die("cannot seal");  // REG-3
  g->region = mmap(NULL, options.region_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, g->region_fd, 0);
  if (g->region == MAP_FAILED) die("mmap");
  uint8_t *bells = g->region + (size_t)BELL_PAGE * PAGE;
  g->to_host = (struct bell){bells + BELL_TO_HOST, eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
  g->to_guest = (struct bell){bells + BELL_TO_GUEST, eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
  if (g->to_host.event < 0 || g->to_guest.event < 0) die("eventfd");
  g->control_place = (struct place){CONTROL_PAGE, CONTROL_RING_BYTES, CONTROL_RING_BYTES};

  store_superblock(g, SB_MAGIC_LOW, MAGIC_LOW);
  store_superblock(g, SB_MAGIC_HIGH, MAGIC_HIGH);
  store_superblock(g, SB_VERSION_MAJOR, VERSION_MAJOR);
  store_superblock(g, SB_VERSION_MINOR, VERSION_MINOR);
  store_superblock(g, SB_REGION_PAGES, g->pages);
  store_superblock(g, SB_BELL_PAGE, BELL_PAGE);
  store_superblock(g, SB_CONTROL_PAGE, CONTROL_PAGE);
  store_superblock(g, SB_CONTROL_TO_HOST_BYTES, CONTROL_RING_BYTES);
  store_superblock(g, SB_CONTROL_TO_GUEST_BYTES, CONTROL_RING_BYTES);
  store_superblock(g, SB_MAX_STREAM_ID, MAX_STREAM_ID);
  store_superblock(g, SB_EPOCH, ++g->epoch);
  drop_streams(g);
  set_host_state(g, HOST_RESETTING);  // ATT-6

  g->next = guests;
  guests = g;
  watch(socket, EPOLLIN | EPOLLRDHUP, &g->socket_source);
  watch(g->to_host.event, EPOLLIN, &g->bell_source);
  send_hello(g);
}

static void remove_gone_guests(void) {
  for (struct guest **at = &guests; *at != NULL;) {
    struct guest *g = *at;
    if (!g->gone) {
      at = &g->next;
      continue;
    }
    *at = g->next;
    drop_streams(g);
    run_queue();  // lets go of streams that were queued
    munmap(g->region, options.region_bytes);
    close(g->region_fd);
    close(g->to_host.event);
    close(g->to_guest.event);
    close(g->socket);
    free(g);
  }
}

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
    if (g->host_state == HOST_READY && bell_pending(&g->to_host)) return true;
  }
  return false;
}

static bool prepare_sleep(void) {
  bool nothing = true;
  for (struct guest *g = guests; g != NULL; g = g->next) nothing &= bell_prepare_sleep(&g->to_host);
  return nothing;
}

// Busy polling (BELL-9), as long as it pays: returns events, or 0 with something pending, or -1 when time is up. When it
// rarely pays, only one wait in sixteen tries it.
static int busy_poll(struct epoll_event *events) {
  static int score = 8;
  static unsigned skipped;
  if (options.busy_poll_ns == 0 || (score == 0 && ++skipped % 16 != 0)) return -1;
  const uint64_t end = now_ns() + options.busy_poll_ns;
  do {
    const int count = any_pending() ? 0 : epoll_wait(epoll, events, EVENTS, 0);
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
    if (queue_head != NULL || any_pending()) {
      count = epoll_wait(epoll, events, EVENTS, 0);
    } else if ((count = busy_poll(events)) < 0) {
      count = epoll_wait(epoll, events, EVENTS, prepare_sleep() ? -1 : 0);
      for (struct guest *g = guests; g != NULL; g = g->next) bell_awake(&g->to_host);
    }
    for (int i = 0; i < count; i++) handle(&events[i], listener);
    remove_gone_guests();
    while (released != NULL) {
      struct stream *next = released->next;
      free(released);
      released = next;
    }
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
      options.ring_bytes = (uint32_t)min_u64(parse_number(optarg), MAX_RING_BYTES);
    } else {
      return 2;
    }
  }
  if (options.path == NULL) FAIL("--listen PATH is missing");
  die_with_parent();
  signal(SIGPIPE, SIG_IGN);
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) die("epoll_create1");
  serve(listen_at(options.path));
}
