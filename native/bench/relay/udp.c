// Datagrams of a running udp-connect (section 16): from the ring straight to sendmmsg(), those of one size as one
// message of the kernel's (UDP_SEGMENT); from recvmmsg(), which gives trains (UDP_GRO), into the ring.
//
// No more are taken from the kernel than fit if each were the largest: what comes waits there, and what is dropped
// there past that is told before what came after it (UDP-10). Of the requests there are none: UdpSet and
// UdpInterface reset the stream.

#include "relay.h"

#include <netinet/udp.h>
#include <sys/epoll.h>

enum {
  BATCH = 64,
  INBOX = 16,
  SLOT_BYTES = 64 * KIB,
  // Between two of them, so that small datagrams do not all fall on the same lines of a cache.
  SLOT_STRIDE = SLOT_BYTES + 320,
  HEAD_BYTES = FRAME_HEADER + 4,
  // With UdpLost before it, and in two parts where the train is too long for one.
  LARGEST_FRAME = SLOT_BYTES + 3 * HEAD_BYTES,
  TRAIN_MAX = 64,
  TRAIN_BYTES_MAX = 65000,
  // What one packet holds on any way: the kernel makes no trains of larger ones.
  JOIN_BYTES_MAX = 1472,
  // What a datagram counts as, however small, of STEP_BYTES.
  DATAGRAM_COST = 2048,
};

static struct {
  struct mmsghdr messages[BATCH];
  struct iovec parts[2 * BATCH];
  _Alignas(struct cmsghdr) char controls[BATCH][CMSG_SPACE(sizeof(uint16_t))];
  uint32_t ends[BATCH];       // bytes of the ring up to the end of the message
  uint32_t datagrams[BATCH];  // of the message
  uint32_t segment, bytes;    // of the last message; 0: no datagram joins it
  uint32_t used, parts_used, added;
} outbox;

static struct {
  struct mmsghdr messages[INBOX];
  struct iovec parts[INBOX];
  _Alignas(struct cmsghdr) char controls[INBOX][CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(uint32_t))];
  uint8_t data[INBOX * SLOT_STRIDE];
} inbox;

int open_datagrams(const struct sockaddr_in *address) {
  const int one = 1, fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &one, sizeof one);
  setsockopt(fd, SOL_UDP, UDP_GRO, &one, sizeof one);
  if (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0) return fd;
  const int error = errno;
  close(fd);
  errno = error;
  return -1;
}

// UDP-9; dropped where there is no room.
static void tell_error(struct stream *s, int error) {
  struct payload body = {0};
  struct sockaddr_in peer = {0};
  socklen_t length = sizeof peer;
  getpeername(s->socket, (struct sockaddr *)&peer, &length);
  put_u32(&body, (uint32_t)error);
  put_inet(&body, &peer);
  put_text(&body, "");
  put_text(&body, strerror(error));
  if (rwi_writable(&s->out) < (int32_t)(FRAME_HEADER + body.length)) return;
  if (rwi_produced(&s->out, frame_put(&s->out, RW_T_UDP_ERROR, 0, body.bytes, body.length))) {
    bell_signal(&s->guest->to_guest, s->id);
  }
}

// ── Guest to peer ───────────────────────────────────────────────────────────────────────────────────────────────────

static void add_part(const uint8_t *at, uint32_t bytes) {
  if (bytes == 0) return;
  outbox.parts[outbox.parts_used++] = (struct iovec){.iov_base = (void *)at, .iov_len = bytes};
  outbox.messages[outbox.used - 1].msg_hdr.msg_iovlen++;
}

static void set_segment(uint32_t index, uint16_t segment) {
  struct msghdr *header = &outbox.messages[index].msg_hdr;
  header->msg_control = outbox.controls[index];
  header->msg_controllen = sizeof outbox.controls[index];
  struct cmsghdr *control = CMSG_FIRSTHDR(header);
  control->cmsg_level = SOL_UDP;
  control->cmsg_type = UDP_SEGMENT;
  control->cmsg_len = CMSG_LEN(sizeof segment);
  memcpy(CMSG_DATA(control), &segment, sizeof segment);
}

// What lies `at` bytes past the first unread one: one datagram, or a train of the guest's (`segment`).
static void add_datagrams(const struct stream *s, uint32_t at, uint32_t bytes, uint32_t segment) {
  const uint32_t offset = (s->in.read + at) & (s->in.capacity - 1);
  const uint32_t first = min_u32(bytes, s->in.capacity - offset);
  const bool joins = segment == 0 && bytes > 0 && outbox.segment >= bytes && outbox.used > 0 &&
                     outbox.datagrams[outbox.used - 1] < TRAIN_MAX && outbox.bytes + bytes <= TRAIN_BYTES_MAX;
  if (joins) {
    const uint32_t last = outbox.used - 1;
    if (outbox.datagrams[last]++ == 1) set_segment(last, (uint16_t)outbox.segment);
    outbox.bytes += bytes;
    if (bytes < outbox.segment) outbox.segment = 0;  // a shorter one is the last
  } else {
    const uint32_t index = outbox.used++;
    outbox.messages[index].msg_hdr = (struct msghdr){.msg_iov = &outbox.parts[outbox.parts_used]};
    outbox.datagrams[index] = 1;
    outbox.bytes = bytes;
    outbox.segment = segment == 0 && bytes <= JOIN_BYTES_MAX ? bytes : 0;
    if (segment != 0) set_segment(index, (uint16_t)segment);
  }
  add_part(s->in.data + offset, first);
  add_part(s->in.data, bytes - first);
  outbox.ends[outbox.used - 1] = at + bytes;
  outbox.added++;
}

// Frames at the front of the ring, as many as there are and the outbox takes. False: a bad one.
static bool gather(struct stream *s, uint32_t readable) {
  outbox.used = outbox.parts_used = outbox.added = outbox.segment = 0;
  for (uint32_t at = 0; outbox.added < BATCH && readable - at >= FRAME_HEADER;) {
    uint32_t head[4] = {0};  // bytes, type, request, segment
    rwi_peek(&s->in, at, head, FRAME_HEADER);
    if (head[0] > RW_FRAME_PAYLOAD_MAX || head[0] + FRAME_HEADER > s->in.capacity) return false;
    if (readable - at < FRAME_HEADER + head[0]) break;
    if (head[1] != RW_T_UDP_SEND || head[0] < 4) return false;
    rwi_peek(&s->in, at + FRAME_HEADER, &head[3], 4);
    const uint32_t bytes = head[0] - 4, segment = head[3];
    if (segment != 0 && (bytes <= segment || (bytes - 1) / segment >= TRAIN_MAX)) return false;  // UDP-5
    add_datagrams(s, at + HEAD_BYTES, bytes, segment);
    at += HEAD_BYTES + bytes;
  }
  return true;
}

// Hands over what was gathered: how many bytes of the ring that was. 0: the socket takes no more for now.
static uint32_t flush(struct stream *s) {
  int sent = sendmmsg(s->socket, outbox.messages, outbox.used, MSG_NOSIGNAL);
  if (sent < 0 && errno == EAGAIN) {
    s->writable = false;
    s->blocked = true;
    rewatch(s->socket, EPOLLIN | EPOLLOUT, &s->source);
    return 0;
  }
  if (sent < 0 && errno != EINTR) {
    // ECONNREFUSED: an earlier one came back (ICMP), and this one was not looked at. Else it is passed over.
    sent = errno == ECONNREFUSED ? 0 : 1;
    tell_error(s, errno);
  }
  const uint32_t bytes = sent > 0 ? outbox.ends[sent - 1] : 0;
  if (bytes > 0 && rwi_consumed(&s->in, bytes)) bell_signal(&s->guest->to_guest, s->id);
  return bytes;
}

enum result send_datagrams(struct stream *s) {
  if (s->blocked && s->writable) {
    s->blocked = false;
    rewatch(s->socket, EPOLLIN, &s->source);
  }
  for (int32_t budget = STEP_BYTES; !s->in.closed && s->writable;) {
    if (budget <= 0) return BUDGET_USED;
    const int32_t closed = rwi_peer_closed(&s->in), readable = rwi_readable(&s->in);
    if (closed < 0 || closed == CLOSED_RESET || readable < 0) return BROKEN;
    if (!gather(s, (uint32_t)readable)) return BROKEN;
    if (outbox.used > 0) {
      const uint32_t datagrams = outbox.added, bytes = flush(s);
      budget -= (int32_t)(bytes + DATAGRAM_COST * datagrams);
    } else if (closed == CLOSED_END) {
      if (readable > 0) return BROKEN;  // it ended amid a frame
      close_out(s, CLOSED_END);         // UDP-15
      close_in(s);
    } else {
      rwi_want_data(&s->in);  // RING-9: announced, then looked at again
      if (rwi_readable(&s->in) == readable && rwi_peer_closed(&s->in) == closed) return WAITING;
    }
  }
  if (!s->in.closed) rwi_unwant_data(&s->in);
  return WAITING;
}

// ── Peer to guest ───────────────────────────────────────────────────────────────────────────────────────────────────

// Free bytes of toGuest, at least for the largest; asks for half the ring where there are fewer.
static int32_t look_for_room(struct stream *s) {
  for (;;) {
    const int32_t free = rwi_writable(&s->out);
    if (free < 0) return free;
    if (free >= LARGEST_FRAME) {
      rwi_unwant_space(&s->out);
      return free;
    }
    const int32_t wanted = rwi_want_space(&s->out, s->out.capacity / 2);
    if (wanted != 1) return wanted;
    if (rwi_writable(&s->out) < LARGEST_FRAME) return 0;  // the guest reads no more
  }
}

static int receive(struct stream *s, uint32_t most) {
  for (uint32_t i = 0; i < most; i++) {
    inbox.parts[i] = (struct iovec){.iov_base = inbox.data + i * SLOT_STRIDE, .iov_len = SLOT_BYTES};
    inbox.messages[i].msg_hdr = (struct msghdr){.msg_iov = &inbox.parts[i],
                                                .msg_iovlen = 1,
                                                .msg_control = inbox.controls[i],
                                                .msg_controllen = sizeof inbox.controls[i]};
  }
  return recvmmsg(s->socket, inbox.messages, most, MSG_DONTWAIT, NULL);
}

// A datagram of the kernel's, or a train, which is more than one where it is too long; from `ahead` bytes past the
// write position on. Returns up to where.
static uint32_t put_received(struct stream *s, uint32_t i, uint32_t ahead) {
  struct msghdr *header = &inbox.messages[i].msg_hdr;
  const uint32_t bytes = inbox.messages[i].msg_len;
  uint32_t segment = 0, drops = s->drops;
  for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
    if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) memcpy(&segment, CMSG_DATA(c), sizeof segment);
    if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) memcpy(&drops, CMSG_DATA(c), sizeof drops);
  }
  if (drops != s->drops) {
    const uint32_t lost[4] = {4, RW_T_UDP_LOST, 0, drops};
    s->drops = drops;
    rwi_put(&s->out, ahead, lost, HEAD_BYTES);
    ahead += HEAD_BYTES;
  }
  const uint32_t most = segment == 0 ? SLOT_BYTES : segment * TRAIN_MAX;
  uint32_t from = 0;
  do {
    const uint32_t part = min_u32(bytes - from, most);
    const uint32_t head[4] = {4 + part, RW_T_UDP_RECEIVED, 0, part > segment ? segment : 0};
    rwi_put(&s->out, ahead, head, HEAD_BYTES);
    rwi_put(&s->out, ahead + HEAD_BYTES, inbox.data + i * SLOT_STRIDE + from, part);
    ahead += HEAD_BYTES + part;
    from += part;
  } while (from < bytes);
  return ahead;
}

enum result receive_datagrams(struct stream *s) {
  for (int32_t budget = STEP_BYTES; !s->out.closed && s->readable;) {
    if (budget <= 0) return BUDGET_USED;
    const int32_t free = look_for_room(s);
    if (free < 0) return BROKEN;
    if (free == 0) return WAITING;
    const uint32_t most = min_u32((uint32_t)free / LARGEST_FRAME, INBOX);
    const int count = receive(s, most);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) s->readable = false;
    else if (count < 0) tell_error(s, errno);
    if (count <= 0) continue;
    // Fewer than asked for: the socket has no more.
    if ((uint32_t)count < most) s->readable = false;
    uint32_t bytes = 0;
    for (uint32_t i = 0; i < (uint32_t)count; i++) bytes = put_received(s, i, bytes);
    budget -= (int32_t)(bytes + DATAGRAM_COST * (uint32_t)count);
    if (rwi_produced(&s->out, bytes)) bell_signal(&s->guest->to_guest, s->id);
  }
  return WAITING;
}
