// --forward: each connection to a port of the guest's loopback is one to an address that the host reaches.

#include <stddef.h>

#include "agent.h"
#include "carry.h"
#include "end.h"
#include "front.h"
#include "listen.h"

static void forward_listen(void) {
  for (uint32_t i = 0; i < options.forwards; i++) {
    const struct route *to = &options.forward[i];
    if (!listen_tcp(&to->here, &forward_front, i, "--forward")) continue;
    say(" to ");
    say(to->host);
    say(":");
    say_number(to->port);
    say_end();
  }
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

const struct front forward_front = {
    .name = "forward",
    .side = OUT,
    .ring_bytes_max = RW_RING_BYTES_MAX,
    .listen = forward_listen,
    .open = forward_open,
    .opened = forward_opened,
    .refused = forward_refused,
};
