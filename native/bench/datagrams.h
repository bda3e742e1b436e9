// Datagrams of the UDP rows: what a load generator and the server behind the relays (udpserver.c) say to each other.
//
//   ASK ──▶ TOLD                 a session begins, and is asked about: how many of its datagrams came, or went
//   DATA, DATA, ... ──▶          counted by whom they reach
//   SEND ──▶ DATA, ..., TOLD     for so long, as fast as it can
//   ECHO ──▶ ECHO
//
// Any of them may be lost. Then the question is asked again; a DATA that did not come does not count.

#ifndef RINGWAY_BENCH_DATAGRAMS_H
#define RINGWAY_BENCH_DATAGRAMS_H

#include "common.h"

#include <netinet/udp.h>

enum note_kind { NOTE_DATA, NOTE_ASK, NOTE_TOLD, NOTE_SEND, NOTE_ECHO };

// At the front of each.
struct note {
  uint32_t kind, session;
  uint32_t serial;  // of the question; TOLD has that of what it answers
  uint32_t bytes;   // SEND: of each DATA
  uint64_t number;  // DATA: which one; SEND: milliseconds; TOLD: how many
  uint64_t time_ns; // TOLD: when the last one came, by the clock that both have
};

enum {
  DATAGRAMS_AT_ONCE = 32,
  DATAGRAM_BYTES_MAX = 8 * KIB,
  RECEIVE_BUFFER_BYTES = 4 * MIB,
};

// DATA is the note and then the pattern, under --verify.
static inline void fill_data(uint8_t *data, uint32_t bytes, const struct note *note, bool verify) {
  memcpy(data, note, sizeof *note);
  if (verify) pattern_fill(data + sizeof *note, note->number, bytes - sizeof *note);
}

static inline void check_data(const uint8_t *data, uint32_t bytes, const struct note *note) {
  if (!pattern_holds(data + sizeof *note, note->number, bytes - sizeof *note)) FAIL("a datagram's bytes differ");
}

// At both ends, so that what is lost is lost in between: as much as the kernel allows.
static inline void enlarge_receive_buffer(int socket) {
  const int bytes = RECEIVE_BUFFER_BYTES;
  if (setsockopt(socket, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes) == 0) return;
  setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}

// Many datagrams for one call: each has a place of its own, and room for one word that the kernel says beside it.
struct datagram_batch {
  struct mmsghdr messages[DATAGRAMS_AT_ONCE];
  struct iovec parts[DATAGRAMS_AT_ONCE];
  struct sockaddr_in peers[DATAGRAMS_AT_ONCE];
  _Alignas(struct cmsghdr) char controls[DATAGRAMS_AT_ONCE][CMSG_SPACE(sizeof(int))];
};

static inline struct datagram_batch *make_batch(uint32_t bytes_each) {
  struct datagram_batch *batch = allocate(sizeof *batch);
  uint8_t *data = allocate((size_t)DATAGRAMS_AT_ONCE * bytes_each);
  for (int i = 0; i < DATAGRAMS_AT_ONCE; i++) {
    batch->parts[i] = (struct iovec){.iov_base = data + (size_t)i * bytes_each, .iov_len = bytes_each};
    batch->messages[i].msg_hdr.msg_iov = &batch->parts[i];
    batch->messages[i].msg_hdr.msg_iovlen = 1;
  }
  return batch;
}

// Waits for one, and takes what else is there. Below 0: errno; EAGAIN where the socket's time to wait was up.
static inline int receive_batch(int socket, struct datagram_batch *batch) {
  for (int i = 0; i < DATAGRAMS_AT_ONCE; i++) {
    struct msghdr *header = &batch->messages[i].msg_hdr;
    header->msg_name = &batch->peers[i];
    header->msg_namelen = sizeof batch->peers[i];
    header->msg_control = batch->controls[i];
    header->msg_controllen = sizeof batch->controls[i];
  }
  for (;;) {
    const int count = recvmmsg(socket, batch->messages, DATAGRAMS_AT_ONCE, MSG_WAITFORONE, NULL);
    if (count >= 0) return count;
    if (errno != EINTR) return -errno;
  }
}

// Size of the datagrams of a message that is a train (UDP_GRO); of one that is not, its own.
static inline uint32_t segment_of(struct msghdr *header, uint32_t bytes) {
  for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
    if (c->cmsg_level != SOL_UDP || c->cmsg_type != UDP_GRO) continue;
    int segment;
    memcpy(&segment, CMSG_DATA(c), sizeof segment);
    return (uint32_t)segment;
  }
  return bytes;
}

#endif
