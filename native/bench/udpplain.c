// The UDP load generator without Ringway: a connected socket, to the server or to socat before it.
//
//   udpplain --port PORT --datagram-bytes N [options] udp-out | udp-in | udp-rtt

#include "udpload.h"

#include <poll.h>

static int udp;
static struct datagram_batch *inbox, *outbox;
static int taken, count;

static void send_datagrams(const uint8_t *data, uint32_t bytes, uint32_t number) {
  for (uint32_t i = 0; i < number; i++) {
    outbox->parts[i] = (struct iovec){.iov_base = (void *)(data + i * bytes), .iov_len = bytes};
  }
  for (uint32_t done = 0; done < number;) {
    const int sent = sendmmsg(udp, outbox->messages + done, number - done, MSG_NOSIGNAL);
    // ECONNREFUSED: socat is on its way, and an earlier one came back.
    if (sent < 0 && errno != EINTR && errno != ECONNREFUSED && errno != ENOBUFS) die("sendmmsg");
    if (sent > 0) done += (uint32_t)sent;
  }
}

static uint32_t receive_datagrams(const uint8_t **data, uint32_t *segment) {
  if (taken == count) {
    taken = 0;
    count = receive_batch(udp, inbox);
    if (count == -ECONNREFUSED) poll(NULL, 0, PATIENCE_MS);
    else if (count < 0 && count != -EAGAIN) die("recvmmsg");
    if (count <= 0) return count = 0;
  }
  *data = inbox->parts[taken].iov_base;
  *segment = inbox->messages[taken].msg_len;
  return inbox->messages[taken++].msg_len;
}

// socat's child takes an empty one for the end (null-eof).
static void end_datagrams(void) { send(udp, "", 0, MSG_NOSIGNAL); }

int main(int argc, char **argv) {
  const struct load load = parse_load(argc, argv);
  const struct sockaddr_in address = loopback(load.port);
  const struct timeval patience = {.tv_usec = PATIENCE_MS * 1000};
  if (load.port == 0) FAIL("--port PORT is missing");
  inbox = make_batch(DATAGRAM_BYTES_MAX);
  outbox = make_batch(1);
  udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  enlarge_receive_buffer(udp);
  setsockopt(udp, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (connect(udp, (const struct sockaddr *)&address, sizeof address) != 0) die("cannot connect");
  udp_load(&load);
  return 0;
}
