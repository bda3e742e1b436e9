// --forward: each connection to a port of the guest's loopback is one to an address that the host reaches.

#include <stddef.h>

#include "agent.h"

static enum shake forward_shake(struct conn *conn) {
  (void)conn;
  return SHAKE_DONE;
}

static int32_t forward_open(struct conn *conn) {
  const struct route *to = &options.forward[conn->route];
  return rw_connect(conn->stream, to->host, to->host_bytes, to->port, 0);
}

static void forward_opened(struct conn *conn, const struct rw_frame *frame) {
  (void)frame;
  carry_begin(conn);
}

// A program that speaks a protocol of its own can only be told by a RST; people are told here.
static void forward_refused(struct conn *conn, const struct rw_error *error) {
  const struct route *to = &options.forward[conn->route];
  say_begin();
  say("forward to ");
  say(to->host);
  say(":");
  say_number(to->port);
  say(": ");
  say_error(error);
  say_end();
  conn_drop(conn, RESET);
}

const struct front forward_front = {forward_shake, forward_open, forward_opened, forward_refused, RW_RING_BYTES_MAX, NULL};
