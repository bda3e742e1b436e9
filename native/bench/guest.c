// The load generator inside a guest: attaches to a monitor or to the reference relay, which it cannot tell apart, and
// moves bytes or messages. One thread, one doorbell for all streams. Being C, and doing little, it leaves the relay to
// be what is measured.
//
//   guest --attach SOCKET [options] bulk-out | bulk-in | rtt | echo | rate | idle | visit | file
//
// PROTOCOL.md: section 17 (attach socket), 16 (attach), 9 (NewStream), 10 and 11 (Open, tcp-connect), 14 (file-stream).

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "load.h"
#include "ring.h"

enum { OPENS_AT_ONCE = 64 };

struct stream {
  uint32_t id;
  struct producer out;  // toHost
  struct consumer in;   // toGuest
  bool opened;
  uint32_t sequence;
  uint64_t opened_bytes;  // file-stream: what the host will send
};

static struct load load;
static int attach_socket, region_fd, epoll;
static uint8_t *region;
static uint32_t region_pages, epoch;
static struct bell to_host, to_guest;
static struct producer requests;
static struct consumer replies;
static uint16_t ids[MAX_STREAM_ID + 1];
static struct stream *by_id[MAX_STREAM_ID + 1];
static struct frame frame;
static uint8_t scratch[WRITE_BYTES];

// ERR-5: a violation by the host ends the guest.
static uint32_t checked(int32_t result) {
  if (result == VIOLATION) FAIL("the host broke the protocol");
  return (uint32_t)result;
}

static uint32_t superblock(size_t offset) { return atomic_load(word_at(region, offset)); }

// ── Waiting ─────────────────────────────────────────────────────────────────────────────────────────────────────────

// One wait for the doorbell, or for the attach socket's hang-up (ATT-9).
static void wait_bell(void) {
  struct epoll_event event;
  const int count = epoll_wait(epoll, &event, 1, -1);
  if (count < 0 && errno != EINTR) die("epoll_wait");
  if (count == 1 && event.data.fd == attach_socket) FAIL("the monitor hung up");
}

// Waits until streams are pending; returns how many of `ids`. May return 0.
static uint32_t wait_pending(void) {
  uint32_t count = bell_take(&to_guest, ids);
  if (count > 0) return count;
  if (load.busy_poll_ns > 0) {
    const uint64_t end = now_ns() + load.busy_poll_ns;
    do {
      if (bell_pending(&to_guest)) return bell_take(&to_guest, ids);
      sched_yield();
    } while (now_ns() < end);
  }
  if (bell_prepare_sleep(&to_guest)) {
    wait_bell();
    bell_awake(&to_guest);
    const uint32_t state = superblock(SB_HOST_STATE);  // BELL-7
    if (superblock(SB_EPOCH) != epoch || (state != HOST_READY && state != HOST_DRAINING)) {
      FAIL("the epoch is over: host state %u, violation %u", state, superblock(SB_VIOLATION));
    }
  }
  return bell_take(&to_guest, ids);
}

// ── Attach ──────────────────────────────────────────────────────────────────────────────────────────────────────────

// HEL-1 to HEL-3.
static void receive_hello(void) {
  const struct sockaddr_un address = unix_address(load.attach);
  attach_socket = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (connect(attach_socket, (const struct sockaddr *)&address, sizeof address) != 0) {
    die("cannot attach to %s", load.attach);
  }
  uint32_t hello[HELLO_WORDS];
  int descriptors[HELLO_DESCRIPTORS];
  _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof descriptors)];
  struct iovec part = {.iov_base = hello, .iov_len = sizeof hello};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  if (recvmsg(attach_socket, &message, MSG_CMSG_CLOEXEC) != sizeof hello) die("no hello");
  if (hello[0] != MAGIC_LOW || hello[1] != MAGIC_HIGH) FAIL("this is no monitor");
  if (hello[2] != VERSION_MAJOR) FAIL("the monitor speaks version %u, this guest %u", hello[2], VERSION_MAJOR);
  if (hello[4] != 0) {
    errno = (int)hello[4];
    die("turned away");
  }
  const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (header == NULL || header->cmsg_len != CMSG_LEN(sizeof descriptors)) FAIL("the hello has no descriptors");
  memcpy(descriptors, CMSG_DATA(header), sizeof descriptors);
  region_pages = hello[5];
  const size_t bytes = (size_t)region_pages * PAGE;
  struct stat status;
  if (fstat(descriptors[0], &status) != 0 || (size_t)status.st_size < bytes) FAIL("the region is not all there");
  if ((fcntl(descriptors[0], F_GET_SEALS) & F_SEAL_SHRINK) == 0) FAIL("the region is not sealed");
  region = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptors[0], 0);
  if (region == MAP_FAILED) die("mmap");
  region_fd = descriptors[0];
  to_host.event = descriptors[1];
  to_guest.event = descriptors[2];
}

// TRU-6, PIPE-3.
static void check_place(const struct place *place) {
  const uint32_t capacities[2] = {place->to_host_bytes, place->to_guest_bytes};
  for (int i = 0; i < 2; i++) {
    const uint32_t capacity = capacities[i];
    if (capacity < MIN_RING_BYTES || capacity > MAX_RING_BYTES || (capacity & (capacity - 1)) != 0) {
      FAIL("a ring of %u bytes", capacity);
    }
  }
  if (place->page == 0 || place->page + pipe_pages(capacities[0], capacities[1]) > region_pages) {
    FAIL("a block outside the region");
  }
}

// ATT-2 and ATT-4.
static void attach(void) {
  receive_hello();
  if (superblock(SB_MAGIC_LOW) != MAGIC_LOW || superblock(SB_MAGIC_HIGH) != MAGIC_HIGH) FAIL("no region");
  const uint32_t bell_page = superblock(SB_BELL_PAGE);
  if (bell_page == 0 || (uint64_t)bell_page + BELL_PAGES > region_pages) FAIL("bells outside the region");
  to_host.area = region + (size_t)bell_page * PAGE + BELL_TO_HOST;
  to_guest.area = region + (size_t)bell_page * PAGE + BELL_TO_GUEST;
  const struct place control = {superblock(SB_CONTROL_PAGE), superblock(SB_CONTROL_TO_HOST_BYTES),
                                superblock(SB_CONTROL_TO_GUEST_BYTES)};
  check_place(&control);

  // Edge-triggered, so that the counter need never be read.
  epoll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event bell = {.events = EPOLLIN | EPOLLET, .data.fd = to_guest.event};
  struct epoll_event hang_up = {.events = EPOLLIN | EPOLLRDHUP, .data.fd = attach_socket};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, to_guest.event, &bell) != 0) die("epoll_ctl");
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, attach_socket, &hang_up) != 0) die("epoll_ctl");

  const uint32_t reply = superblock(SB_ATTACH_REPLY), mine = superblock(SB_ATTACH_REQUEST);
  uint32_t request = (reply > mine ? reply : mine) + 1;
  while (request == 0 || request == reply || request == mine) request++;
  atomic_store(word_at(region, SB_GUEST_STATE), GUEST_ATTACHING);
  atomic_store(word_at(region, SB_GUEST_VERSION_MINOR), VERSION_MINOR);
  atomic_store(word_at(region, SB_ATTACH_REQUEST), request);
  bell_ring(&to_host);
  while (superblock(SB_ATTACH_REPLY) != request || superblock(SB_HOST_STATE) != HOST_READY) wait_bell();
  epoch = superblock(SB_EPOCH);
  to_host_producer(&requests, region, &control);
  to_guest_consumer(&replies, region, &control);
  checked(consumer_want(&replies));  // left set for good: RING-9
  atomic_store(word_at(region, SB_GUEST_STATE), GUEST_ATTACHED);
  bell_ring(&to_host);
}

// ATT-7.
static void detach(void) {
  atomic_store(word_at(region, SB_GUEST_STATE), GUEST_DETACHED);
  bell_ring(&to_host);
}

// All that it has of the attachment.
static void leave(void) {
  munmap(region, (size_t)region_pages * PAGE);
  const int descriptors[] = {epoll, region_fd, to_host.event, to_guest.event, attach_socket};
  for (size_t i = 0; i < sizeof descriptors / sizeof *descriptors; i++) close(descriptors[i]);
}

// ── Streams ─────────────────────────────────────────────────────────────────────────────────────────────────────────

// CTL-2. The request id is the caller's, to know the reply by.
static void request_stream(uint32_t slot) {
  const uint32_t wishes[2] = {load.ring_bytes, load.ring_bytes};
  // At most OPENS_AT_ONCE requests of 20 bytes are on their way.
  if (checked(producer_free(&requests)) < FRAME_HEADER + sizeof wishes) FAIL("the control pipe is full");
  if (producer_advance(&requests, frame_put(&requests, TYPE_NEW_STREAM, slot, wishes, sizeof wishes))) {
    bell_signal(&to_host, 0);
  }
}

// CTL-3: the next StreamInfo, as streams[its request id]. NULL: there is none yet.
static struct stream *next_stream(struct stream *streams, uint32_t count) {
  if (checked(frame_peek(&replies, &frame)) == 0) return NULL;
  if (consumer_advance(&replies, FRAME_HEADER + frame.bytes)) bell_signal(&to_host, 0);
  if (frame.type == TYPE_ERROR) {
    errno = frame.bytes >= 4 ? (int)get_u32(frame.payload) : EPROTO;
    die("NewStream");
  }
  if (frame.type != TYPE_STREAM_INFO || frame.bytes != 20 || frame.request >= count) FAIL("a bad StreamInfo");
  const uint32_t id = get_u32(frame.payload);
  const struct place place = {get_u32(frame.payload + 8), get_u32(frame.payload + 12),
                              get_u32(frame.payload + 16)};
  check_place(&place);
  if (id == 0 || id > MAX_STREAM_ID || by_id[id] != NULL) FAIL("stream id %u", id);
  struct stream *s = &streams[frame.request];
  *s = (struct stream){.id = id, .sequence = s->sequence};
  to_host_producer(&s->out, region, &place);
  to_guest_consumer(&s->in, region, &place);
  by_id[id] = s;
  return s;
}

static void put_open_body(struct payload *body) {
  if (load.path != NULL) {  // FST-1
    put_u32(body, PROTOCOL_FILE_STREAM);
    put_u32(body, 1);  // read
    put_u32(body, 1);  // READ
    put_u32(body, 0);
    put_u64(body, 0);
    put_u64(body, (1ull << 53) - 1);
    put_text(body, load.path);
  } else if (load.echo_protocol) {  // STR-9
    put_u32(body, PROTOCOL_ECHO);
  } else {  // TCP-1
    put_u32(body, PROTOCOL_TCP_CONNECT);
    put_u32(body, load.port);
    put_u32(body, 0);
    put_text(body, "127.0.0.1");
  }
}

// STR-1, and `ahead` bytes right behind it (STR-3).
static void send_open(struct stream *s, const void *ahead, uint32_t bytes) {
  struct payload body = {0};
  put_open_body(&body);
  const uint32_t length = frame_put(&s->out, TYPE_OPEN, 1, body.bytes, body.length);
  producer_put(&s->out, length, ahead, bytes);
  checked(consumer_want(&s->in));  // left set for good: RING-9
  if (producer_advance(&s->out, length + bytes)) bell_signal(&to_host, s->id);
}

// STR-2. True once Opened has come; Refused ends the program.
static bool take_opened(struct stream *s) {
  if (s->opened) return true;
  if (checked(frame_peek(&s->in, &frame)) == 0) {
    if (checked(consumer_peer_closed(&s->in)) == RESET) FAIL("stream %u was reset", s->id);
    return false;
  }
  if (consumer_advance(&s->in, FRAME_HEADER + frame.bytes)) bell_signal(&to_host, s->id);
  if (frame.type == TYPE_REFUSED && frame.bytes >= 12) {
    errno = (int)get_u32(frame.payload);
    die("refused");
  }
  if (frame.type != TYPE_OPENED) FAIL("expected Opened, got type %x", frame.type);
  if (load.path != NULL && frame.bytes >= 8) memcpy(&s->opened_bytes, frame.payload, 8);  // FST-2
  s->opened = true;
  return true;
}

static void open_streams(struct stream *streams, uint32_t count) {
  for (uint32_t requested = 0, opened = 0; opened < count;) {
    while (requested < count && requested - opened < OPENS_AT_ONCE) request_stream(requested++);
    const uint32_t pending = wait_pending();
    for (uint32_t i = 0; i < pending; i++) {
      struct stream *s = by_id[ids[i]];
      if (ids[i] == 0) {
        while ((s = next_stream(streams, count)) != NULL) send_open(s, NULL, 0);
      } else if (s != NULL && !s->opened && take_opened(s)) {
        opened++;
      }
    }
  }
}

static void end_output(struct stream *s) {
  atomic_store(&s->out.own[CLOSED], END);
  bell_signal(&to_host, s->id);
}

// Closes both ends; the block is the host's from here on (STR-7).
static void close_stream(struct stream *s, uint32_t how) {
  atomic_store(&s->out.own[CLOSED], how);
  atomic_store(&s->in.own[CLOSED], CONSUMER_CLOSED);
  bell_signal(&to_host, s->id);
  by_id[s->id] = NULL;
}

// Waits for bytes; returns how many there are, 0 for END (closed seen, THEN empty seen: RING-6).
static uint32_t await_data(struct stream *s) {
  for (;;) {
    const uint32_t closed = checked(consumer_peer_closed(&s->in));
    const uint32_t readable = checked(consumer_readable(&s->in));
    if (closed == RESET) FAIL("stream %u was reset", s->id);
    if (readable > 0 || closed == END) return readable;
    wait_pending();
  }
}

static void take_bytes(struct stream *s, void *target, uint32_t bytes) {
  consumer_copy(&s->in, 0, target, bytes);
  if (consumer_advance(&s->in, bytes)) bell_signal(&to_host, s->id);
}

static void take_exactly(struct stream *s, void *target, uint32_t bytes) {
  for (uint32_t done = 0; done < bytes;) {
    const uint32_t part = min_u32(await_data(s), bytes - done);
    if (part == 0) FAIL("stream %u ended early", s->id);
    take_bytes(s, (uint8_t *)target + done, part);
    done += part;
  }
}

static void put_message(struct stream *s, const void *source, uint32_t bytes) {
  producer_put(&s->out, 0, source, bytes);
  if (producer_advance(&s->out, bytes)) bell_signal(&to_host, s->id);
}

// ── Modes ───────────────────────────────────────────────────────────────────────────────────────────────────────────

static uint32_t next_write(uint64_t left) {
  const uint32_t most = load.verify ? 1 + random_below(WRITE_BYTES) : WRITE_BYTES;
  return (uint32_t)min_u64(left, most);
}

static void bulk_out(struct stream *s) {
  const uint64_t start = now_ns();
  for (uint64_t sent = 0; sent < load.bytes;) {
    const uint32_t bytes = min_u32(next_write(load.bytes - sent), s->out.capacity);
    if (load.verify) pattern_fill(scratch, sent, bytes);
    while (checked(producer_free(&s->out)) < bytes) {
      const uint32_t good_part = s->out.capacity / 2;
      if (checked(producer_want(&s->out, bytes > good_part ? bytes : good_part)) == 0) wait_pending();
      producer_want(&s->out, 0);
      if (atomic_load(&s->out.other[CLOSED]) != OPEN) FAIL("the sink closed early");
    }
    put_message(s, scratch, bytes);
    sent += bytes;
  }
  end_output(s);
  uint64_t confirmed;
  take_exactly(s, &confirmed, sizeof confirmed);
  check_confirmation(confirmed, load.bytes);
  if (await_data(s) != 0) FAIL("bytes after the confirmation");
  report_bytes(load.bytes, seconds_since(start));
}

// Everything up to END: copied out, or used in place, as the peer of file-stream read leaves its bytes in shared memory.
static uint64_t drain(struct stream *s, bool in_place) {
  uint64_t got = 0;
  for (uint32_t readable; (readable = await_data(s)) > 0;) {
    if (in_place && !load.verify) {
      if (consumer_advance(&s->in, readable)) bell_signal(&to_host, s->id);
      got += readable;
      continue;
    }
    const uint32_t bytes = min_u32(readable, next_write(WRITE_BYTES));
    take_bytes(s, scratch, bytes);
    if (load.verify && !pattern_holds(scratch, got, bytes)) FAIL("bytes differ near %ju", (uintmax_t)got);
    got += bytes;
  }
  return got;
}

static void bulk_in(struct stream *s) {
  const uint64_t start = now_ns();
  put_message(s, &load.bytes, sizeof load.bytes);
  const uint64_t got = drain(s, false);
  if (got != load.bytes) FAIL("%ju bytes of %ju came", (uintmax_t)got, (uintmax_t)load.bytes);
  report_bytes(got, seconds_since(start));
}

// The whole of a file, --passes times, each by a stream of its own.
static void file(void) {
  uint64_t total = 0;
  const uint64_t start = now_ns();
  for (uint32_t pass = 0; pass < load.passes; pass++) {
    struct stream s = {0};
    open_streams(&s, 1);
    const uint64_t got = drain(&s, true);
    if (got != s.opened_bytes) FAIL("%ju bytes of %ju came", (uintmax_t)got, (uintmax_t)s.opened_bytes);
    close_stream(&s, END);
    total += got;
  }
  report_bytes(total, seconds_since(start));
}

static void rtt(struct stream *s) {
  uint32_t *times = allocate(load.iterations * sizeof *times);
  uint8_t message[MESSAGE_BYTES], echo[MESSAGE_BYTES];
  for (uint32_t i = 0; i < load.iterations; i++) {
    fill_message(message, 0, i);
    const uint64_t start = now_ns();
    put_message(s, message, sizeof message);
    take_exactly(s, echo, sizeof echo);
    times[i] = (uint32_t)(now_ns() - start);
    check_message(&load, echo, 0, i);
  }
  report_latency(times, load.iterations);
  free(times);
}

// One message in flight on each stream, until the time is up and all have come back.
static void echo(struct stream *streams) {
  uint8_t message[MESSAGE_BYTES];
  for (uint32_t i = 0; i < load.streams; i++) {
    fill_message(message, i, streams[i].sequence);
    put_message(&streams[i], message, sizeof message);
  }
  uint64_t count = 0;
  const uint64_t start = now_ns(), end = start + load.milliseconds * 1000000u;
  for (uint32_t flying = load.streams; flying > 0;) {
    const uint32_t pending = wait_pending();
    const bool time_is_up = now_ns() >= end;
    for (uint32_t i = 0; i < pending; i++) {
      struct stream *s = by_id[ids[i]];
      if (s == NULL) continue;
      if (checked(consumer_readable(&s->in)) < MESSAGE_BYTES) {
        if (checked(consumer_peer_closed(&s->in)) != OPEN) FAIL("stream %u closed early", s->id);
        continue;
      }
      take_bytes(s, message, sizeof message);
      check_message(&load, message, (uint32_t)(s - streams), s->sequence++);
      count++;
      if (time_is_up) {
        flying--;
      } else {
        fill_message(message, (uint32_t)(s - streams), s->sequence);
        put_message(s, message, sizeof message);
      }
    }
  }
  report_count(count, seconds_since(start));
}

// True once the stream's one message has come back, and the server has ended where it is one that ends.
static bool is_answered(struct stream *s, uint32_t index) {
  uint8_t message[MESSAGE_BYTES];
  if (!take_opened(s)) return false;
  const uint32_t closed = checked(consumer_peer_closed(&s->in));
  const uint32_t readable = checked(consumer_readable(&s->in));
  if (closed == RESET) FAIL("stream %u was reset", s->id);
  if (readable < MESSAGE_BYTES || (!load.echo_protocol && closed != END)) return false;
  take_bytes(s, message, sizeof message);
  check_message(&load, message, index, s->sequence++);
  return true;
}

// Streams for one message each: open, 64 bytes there and back, close; --streams of them at a time.
static void rate(struct stream *streams) {
  uint8_t message[MESSAGE_BYTES];
  uint64_t count = 0;
  const uint64_t start = now_ns(), end = start + load.milliseconds * 1000000u;
  for (uint32_t slot = 0; slot < load.streams; slot++) request_stream(slot);
  for (uint32_t flying = load.streams; flying > 0;) {
    const uint32_t pending = wait_pending();
    const bool time_is_up = now_ns() >= end;
    for (uint32_t i = 0; i < pending; i++) {
      struct stream *s = by_id[ids[i]];
      if (ids[i] == 0) {
        while ((s = next_stream(streams, load.streams)) != NULL) {
          fill_message(message, (uint32_t)(s - streams), s->sequence);
          send_open(s, message, sizeof message);
        }
      } else if (s != NULL && is_answered(s, (uint32_t)(s - streams))) {
        close_stream(s, END);
        count++;
        if (time_is_up) {
          flying--;
        } else {
          request_stream((uint32_t)(s - streams));
        }
      }
    }
  }
  report_count(count, seconds_since(start));
}

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

// Attaches and leaves, --per-second times, until the time is up or it has done so --iterations times, and touches --bytes of each
// region. Its process stays; nothing else of it does.
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
    for (uint64_t pages = 0; pages < load.bytes / PAGE && pages < region_pages / 2; pages++) last[-(ptrdiff_t)(pages * PAGE)] = 1;
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
  } else if (mode_is(&load, "idle")) {
    idle(seconds_since(start));
  } else {
    FAIL("no such mode: %s", load.mode);
  }
  for (uint32_t i = 0; i < load.streams; i++) close_stream(&streams[i], END);
  detach();
  return 0;
}
