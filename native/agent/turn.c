// One turn of a connection, whatever its state; and what happens to one that is out of time.

#include "turn.h"

#include "begin.h"
#include "break.h"
#include "carry.h"
#include "end.h"
#include "front.h"

void turn_step(struct conn *conn) {
  switch ((enum state)conn->state) {
    case FREE:
      return;
    case HANDSHAKE:
    case WANTING:
    case ASKED:
    case OPENING:
      begin_step(conn);
      break;
    case OWN:
      conn->front->step(conn);
      break;
    case CARRYING:
      carry_step(conn);
      break;
    case BREAKING:
      break_step(conn);
      break;
    case LEAVING:
      end_leaving(conn);
      break;
    case PARTING:
      end_parting(conn);
      break;
  }
}

void turn_expired(struct conn *conn) {
  switch ((enum state)conn->state) {
    case FREE:
      return;
    case WANTING:
      begin_in_vain(conn);
      break;
    case ASKED:
    case OPENING:
      begin_look(conn);
      break;
    case CARRYING:
      carry_look(conn);
      break;
    case BREAKING:
      break_look(conn);
      break;
    case LEAVING:
      end_leaving(conn);
      break;
    case HANDSHAKE:
    case OWN:
      conn_drop(conn, RESET);
      break;
    case PARTING:
      conn_drop(conn, CLOSE);
      break;
  }
}
