// Streams, from the first frame to the last closed word: opened by what Open says, stepped until they wait, given back
// once both sides have closed both ways (STR-7).

#include "relay.h"

#include <sys/epoll.h>

static struct stream *queue_head, **queue_tail = &queue_head;
static struct stream *released;  // freed once no event of this batch can name them

// ── Closing ─────────────────────────────────────────────────────────────────────────────────────────────────────────

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
  close_out(s, CLOSED_RESET);
  close_in(s);
  s->state = OVER;
}

void forget_stream(struct stream *s) {
  close_socket(s);
  s->guest->streams[s->id] = NULL;
  s->released = true;
  if (s->queued) return;  // the run queue releases it
  s->next = released;
  released = s;
}

// STR-7: once all four closed words are set, the block comes back.
static void release_if_through(struct stream *s) {
  if (!s->in.closed || !s->out.closed) return;
  s->state = OVER;
  close_socket(s);
  if (rwi_load(s->in.other, PART_CLOSED) == CLOSED_OPEN || rwi_load(s->out.other, PART_CLOSED) == CLOSED_OPEN) return;
  struct guest *g = s->guest;
  struct block *block = allocate(sizeof *block);
  *block = (struct block){.page = s->place.page,
                          .pages = (uint32_t)pipe_pages(s->place.to_host_bytes, s->place.to_guest_bytes),
                          .next = g->free_blocks};
  g->free_blocks = block;
  g->free_ids[g->free_id_count++] = (uint16_t)s->id;
  forget_stream(s);
}

// ── Opening ─────────────────────────────────────────────────────────────────────────────────────────────────────────

static void reply(struct stream *s, uint32_t type, const struct payload *payload) {
  // The first frame of a fresh ring of at least 4 KiB always fits.
  rwi_produced(&s->out, frame_put(&s->out, type, s->open_request, payload->bytes, payload->length));
  bell_signal(&s->guest->to_guest, s->id);
}

// STR-2: Refused, then both ends close.
static void refuse(struct stream *s, int error) {
  struct payload body = {0};
  put_u32(&body, (uint32_t)error);
  put_text(&body, "");
  put_text(&body, strerror(error));
  reply(s, RW_T_REFUSED, &body);
  close_socket(s);
  close_out(s, CLOSED_END);
  close_in(s);
  s->state = OVER;
}

// connect() has come to an end: tell the guest how.
static void connected(struct stream *s, enum state running) {
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
  reply(s, RW_T_OPENED, &body);
  s->state = running;
}

// TCP-1: {port u32, timeout ms u32, host text}. 0, or what to refuse with, or below 0: FRM-6.
static int parse_target(const uint8_t *body, uint32_t bytes, struct sockaddr_in *address) {
  char host[INET_ADDRSTRLEN] = {0};
  if (bytes < 12 || rwi_u32(body + 8) != bytes - 12) return -1;
  const uint32_t port = rwi_u32(body), host_bytes = bytes - 12;
  *address = loopback((uint16_t)port);
  if (port == 0 || port > 65535) return EINVAL;
  if (host_bytes < sizeof host) memcpy(host, body + 12, host_bytes);
  return inet_pton(AF_INET, host, &address->sin_addr) == 1 ? 0 : ENOENT;
}

static void open_tcp(struct stream *s, struct sockaddr_in address) {
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

static void open_udp(struct stream *s, struct sockaddr_in address) {
  const uint32_t least = min_u32(s->place.to_host_bytes, s->place.to_guest_bytes);
  s->socket = least < UDP_RING_BYTES_MIN ? -1 : open_datagrams(&address);
  if (s->socket < 0) {
    refuse(s, least < UDP_RING_BYTES_MIN ? EINVAL : errno);
    return;
  }
  s->writable = true;
  connected(s, UDP);
  if (s->state == UDP) watch(s->socket, EPOLLIN, &s->source);
}

static void open_connection(struct stream *s, uint32_t protocol, const uint8_t *body, uint32_t bytes) {
  struct sockaddr_in address;
  const int error = parse_target(body, bytes, &address);
  if (error < 0) {
    reset_stream(s);
  } else if (error > 0) {
    refuse(s, error);
  } else if (protocol == RW_UDP_CONNECT) {
    open_udp(s, address);
  } else {
    open_tcp(s, address);
  }
}

static void step_fresh(struct stream *s) {
  const int32_t got = frame_peek(&s->in, &frame);
  if (got < 0) {
    reset_stream(s);
    return;
  }
  if (got == 0) {
    const int32_t closed = rwi_peer_closed(&s->in);
    if (closed != CLOSED_OPEN || rwi_abandoned(&s->out) != 0) reset_stream(s);
    return;
  }
  if (frame.type != RW_T_OPEN || frame.bytes < 4) {
    reset_stream(s);
    return;
  }
  if (rwi_consumed(&s->in, FRAME_HEADER + frame.bytes)) bell_signal(&s->guest->to_guest, s->id);
  s->open_request = frame.request;
  const uint32_t protocol = rwi_u32(frame.payload);
  if (protocol == RW_TCP_CONNECT || protocol == RW_UDP_CONNECT) {
    open_connection(s, protocol, frame.payload + 4, frame.bytes - 4);
  } else if (protocol == RW_ECHO) {
    reply(s, RW_T_OPENED, &(struct payload){0});
    s->state = ECHO;
  } else {
    refuse(s, EPROTONOSUPPORT);
  }
}

// ── A turn ──────────────────────────────────────────────────────────────────────────────────────────────────────────

// TCP-5, UDP-15: the guest reads no more, so what the peer sends is dropped.
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

static enum result pump_to_host(struct stream *s) {
  return s->state == TCP ? pump_out(s) : s->state == UDP ? send_datagrams(s) : pump_echo(s);
}

static enum result pump_to_guest(struct stream *s) {
  return s->state == TCP ? pump_in(s) : s->state == UDP ? receive_datagrams(s) : WAITING;
}

// Progress until the rings are empty or full, the socket would block, or the budget is used.
void step(struct stream *s) {
  if (s->state == FRESH) step_fresh(s);
  if (s->state == CONNECTING && (s->writable || s->hung_up)) connected(s, TCP);
  if (s->state == TCP || s->state == UDP || s->state == ECHO) {
    if (!s->out.closed && rwi_load(s->out.other, PART_CLOSED) != CLOSED_OPEN) close_out(s, CLOSED_END);
    const enum result out = pump_to_host(s);
    const enum result in = out != BROKEN ? pump_to_guest(s) : WAITING;
    if (out == BROKEN || in == BROKEN) {
      reset_stream(s);
    } else if (out == BUDGET_USED || in == BUDGET_USED) {
      enqueue(s);
    }
    if (s->out.closed && !s->in.closed) {
      if (s->state == ECHO) {
        close_in(s);  // nobody reads the echo
      } else {
        drop_input(s);
      }
    }
  }
  release_if_through(s);
}

void run_queue(void) {
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

bool has_queue(void) { return queue_head != NULL; }

void free_released(void) {
  while (released != NULL) {
    struct stream *next = released->next;
    free(released);
    released = next;
  }
}
