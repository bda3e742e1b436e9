// One turn of a connection, whatever its state; and what happens to one that is out of time.

#include "agent.h"

static void shake(struct conn *conn) {
  if ((conn->flags & BROKEN) && local_error(conn)) {
    conn_drop(conn, RESET);
    return;
  }
  enum shake shook = front_of(conn)->shake(conn);
  // And no more will come. To who speaks to the service socket an end would be an answer.
  if (shook == SHAKE_MORE && (conn->flags & RDHUP)) conn_drop(conn, conn->kind == KIND_SERVICE ? RESET : CLOSE);
  if (shook == SHAKE_DONE) open_wish(conn);
}

void conn_step(struct conn *conn) {
  switch ((enum state)conn->state) {
    case FREE:
      return;
    case HANDSHAKE:
      shake(conn);
      break;
    case WANTING:
    case ASKED:
    case OPENING:
      open_step(conn);
      break;
    case POSTED:
      if (conn->listener) service_step(conn);
      else publish_incoming(conn);
      break;
    case LISTENING:
      publish_listening(conn);
      break;
    case CONNECTING:
      publish_connected(conn);
      break;
    case CARRYING:
      carry_step(conn);
      break;
    case BREAKING:
      carry_breaking(conn);
      break;
    case LEAVING:
      local_leaving(conn);
      break;
    case PARTING:
      local_parting(conn);
      break;
  }
}

void conn_expired(struct conn *conn) {
  if (conn->state == WANTING) open_in_vain(conn);
  else if (conn->state == CARRYING) carry_look(conn);
  else if (conn->state == ASKED || conn->state == OPENING) open_look(conn);
  else if (conn->state == BREAKING) carry_expired(conn);
  else if (conn->state == LEAVING) local_leaving(conn);
  else conn_drop(conn, conn->state == PARTING ? CLOSE : RESET);
}
