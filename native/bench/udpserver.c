// The UDP server behind the relays, on 127.0.0.1 at a port that the kernel picks and this prints: it counts datagrams,
// sends them, and sends back (datagrams.h). One thread, and one session at a time: another begins with an ASK.
//
// It takes trains (UDP_GRO) as trains, so that a relay is what is measured. It sends single ones, as a program does
// that knows of nothing else.
//
//   udpserver [--verify]

#include "datagrams.h"

enum { SLOT_BYTES = 64 * KIB };

static int udp;
static bool verify;
static struct datagram_batch *inbox, *outbox;
static struct {
  uint32_t id, served;  // its last SEND
  uint64_t count, last_ns;
} session;

static void answer(const uint8_t *data, uint32_t bytes, const struct sockaddr_in *peer) {
  sendto(udp, data, bytes, MSG_NOSIGNAL, (const struct sockaddr *)peer, sizeof *peer);
}

// As large as what asked: a question and its answer are no different from other datagrams.
static void tell(const struct note *asked, uint32_t bytes, const struct sockaddr_in *peer) {
  uint8_t data[DATAGRAM_BYTES_MAX] = {0};
  struct note told = *asked;
  told.kind = NOTE_TOLD;
  told.number = session.count;
  told.time_ns = session.last_ns;
  memcpy(data, &told, sizeof told);
  answer(data, min_u32(bytes, sizeof data), peer);
}

static void send_data(const struct note *asked, const struct sockaddr_in *peer) {
  const uint32_t bytes = min_u32(asked->bytes, DATAGRAM_BYTES_MAX);
  if (bytes < sizeof *asked) return;
  for (int i = 0; i < DATAGRAMS_AT_ONCE; i++) {
    outbox->peers[i] = *peer;
    outbox->parts[i].iov_len = bytes;
    outbox->messages[i].msg_hdr.msg_name = &outbox->peers[i];
    outbox->messages[i].msg_hdr.msg_namelen = sizeof *peer;
  }
  const uint64_t end = now_ns() + asked->number * 1000000u;
  while (now_ns() < end) {
    struct note note = {.kind = NOTE_DATA, .session = session.id};
    for (int i = 0; i < DATAGRAMS_AT_ONCE; i++) {
      note.number = session.count + (uint64_t)i;
      fill_data(outbox->parts[i].iov_base, bytes, &note, verify);
    }
    const int sent = sendmmsg(udp, outbox->messages, DATAGRAMS_AT_ONCE, MSG_NOSIGNAL);
    if (sent > 0) session.count += (uint64_t)sent;
  }
}

static void take(const uint8_t *data, uint32_t bytes, uint64_t now, const struct sockaddr_in *peer) {
  struct note note;
  if (bytes < sizeof note) return;
  memcpy(&note, data, sizeof note);
  if (note.kind == NOTE_ECHO) {
    answer(data, bytes, peer);
  } else if (note.kind == NOTE_ASK) {
    if (note.session != session.id) {
      session.id = note.session;
      session.served = 0;
      session.count = session.last_ns = 0;
    }
    tell(&note, bytes, peer);
  } else if (note.session == session.id && note.kind == NOTE_DATA) {
    if (verify) check_data(data, bytes, &note);
    session.count++;
    session.last_ns = now;
  } else if (note.session == session.id && note.kind == NOTE_SEND) {
    if (note.serial != session.served) send_data(&note, peer);
    session.served = note.serial;
    tell(&note, (uint32_t)sizeof note, peer);
  }
}

int main(int argc, char **argv) {
  verify = argc == 2 && strcmp(argv[1], "--verify") == 0;
  if (argc != (verify ? 2 : 1)) FAIL("usage: udpserver [--verify]");
  die_with_parent();
  inbox = make_batch(SLOT_BYTES);
  outbox = make_batch(DATAGRAM_BYTES_MAX);
  udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = loopback(0);
  socklen_t length = sizeof address;
  if (bind(udp, (struct sockaddr *)&address, length) != 0) die("cannot bind");
  if (getsockname(udp, (struct sockaddr *)&address, &length) != 0) die("getsockname");
  enlarge_receive_buffer(udp);
  const int trains = 1;
  setsockopt(udp, SOL_UDP, UDP_GRO, &trains, sizeof trains);
  printf("%u\n", ntohs(address.sin_port));
  fflush(stdout);
  for (;;) {
    const int count = receive_batch(udp, inbox);
    if (count < 0) die("recvmmsg");
    const uint64_t now = now_ns();
    for (int i = 0; i < count; i++) {
      const uint8_t *data = inbox->parts[i].iov_base;
      const uint32_t bytes = inbox->messages[i].msg_len;
      const uint32_t segment = segment_of(&inbox->messages[i].msg_hdr, bytes);
      for (uint32_t at = 0; at < bytes; at += segment) {
        take(data + at, min_u32(segment, bytes - at), now, &inbox->peers[i]);
      }
    }
  }
}
